"""Which points does the lab part try? Every write of every kind of action, and what may go wrong around its effect.

A point has a name by which it is lived through again: `RollBack/1/patch-deployments-1/killed-after` is the story RollBack
with one replica, whose process is killed after its first patch of a Deployment was carried out.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bench.faults.lab.mishaps import (
    API_AWAY,
    BEFORE_THE_DEPLOYMENT,
    EXCLUSIVE,
    KILLS,
    PROMETHEUS_AWAY,
    WATCHES,
    Mishap,
    Neighbour,
)
from bench.faults.lab.stories import STORIES, Story

ALL_ALONG = "all-along"
_ALONE = (
    *(Mishap.ANSWER_LOST, Mishap.LATE, Mishap.DOUBLED, Mishap.CONFLICT, Mishap.TOO_MANY, Mishap.FAILED),
    *(*API_AWAY, *PROMETHEUS_AWAY),
    *(Mishap.STALE_LISTS, Mishap.WATCHES_SILENT, Mishap.WATCHES_TOO_OLD, Mishap.LISTS_TOO_OLD),
)
_WITH_ANOTHER = (*KILLS, Mishap.CUT_OFF)


class Point(NamedTuple):
    """A boundary of a story, and what happens there; or a neighbour, all along."""

    story: str
    replicas: int
    boundary: str
    what: Mishap | Neighbour

    def __str__(self) -> str:
        return "/".join(str(part) for part in self)

    @property
    def mishap(self) -> Mishap | None:
        return self.what if isinstance(self.what, Mishap) else None

    @property
    def neighbour(self) -> Neighbour | None:
        return self.what if isinstance(self.what, Neighbour) else None

    @property
    def is_exclusive(self) -> bool:
        """Whether it strikes everybody in the lab."""
        return self.what in EXCLUSIVE


def read(name: str) -> Point:
    """A point by its name. Raises ValueError."""
    story, replicas, boundary, what = name.split("/")
    if story not in STORIES:
        raise ValueError(f"{name}: there is no story {story}; there are {', '.join(STORIES)}")
    known: Mapping[str, Mishap | Neighbour] = {m.value: m for m in (*Mishap, *Neighbour)}
    if what not in known:
        raise ValueError(f"{name}: nothing is called {what}; there are {', '.join(known)}")
    return Point(story, int(replicas), boundary, known[what])


def points(story: Story, boundaries: Sequence[str], seed: int) -> list[Point]:
    """All of a story, in the order in which they are tried: what is tried but once first, then the kills as they come."""
    kills = [Point(story.kind, 1, boundary, kill) for boundary in boundaries for kill in KILLS]
    random.Random(seed).shuffle(kills)
    return [*_around_the_effect(story), *kills]


def _around_the_effect(story: Story) -> Iterator[Point]:
    for boundary in (story.effect, story.giving_back):
        for what in _WITH_ANOTHER:
            yield Point(story.kind, 2, boundary, what)
    for mishap in (*_ALONE, *sorted(EXCLUSIVE)):
        yield Point(story.kind, 1, story.effect, mishap)
    for mishap in WATCHES:
        yield Point(story.kind, 1, BEFORE_THE_DEPLOYMENT, mishap)
    for neighbour in Neighbour:
        yield Point(story.kind, 1, ALL_ALONG, neighbour)
