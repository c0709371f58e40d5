"""Which points are tried? Every boundary of every kind of action, times everything that may happen at one.

A point has a name, which is all that is needed to live through it again: `RollBack/2/17/killed-after/0` is the story
RollBack with two replicas, and at its 17th boundary the process is killed after the request was carried out; the last
number is the seed of everything else.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from bench.faults.check import Ending, differences
from bench.faults.connection import Mishap
from bench.faults.expected import expected
from bench.faults.manifests import STORIES
from bench.faults.story import Plan, play

_KILLS = (Mishap.KILLED_BEFORE, Mishap.KILLED_AFTER)
_WITH_ANOTHER = (*_KILLS, Mishap.CUT_OFF, Mishap.LATE_AND_CUT_OFF, Mishap.FROZEN, Mishap.LEASE_AWAY)
"""What another replica takes over from."""
_ALONE = tuple(m for m in Mishap if m not in (Mishap.LATE_AND_CUT_OFF, Mishap.FROZEN, Mishap.LEASE_AWAY))


class Point(NamedTuple):
    """A boundary of a story, and what happens there."""

    story: str
    replicas: int
    boundary: int
    mishap: Mishap
    seed: int

    def __str__(self) -> str:
        return "/".join(str(part) for part in self)


def read(name: str) -> Point:
    """A point by its name. Raises ValueError."""
    story, replicas, boundary, mishap, seed = name.split("/")
    if story not in STORIES:
        raise ValueError(f"{name}: there is no story {story}; there are {', '.join(STORIES)}")
    return Point(story, int(replicas), int(boundary), Mishap(mishap), int(seed))


@cache
def undisturbed(story: str, replicas: int, seed: int) -> Ending:
    """The same story with nothing going wrong."""
    return play(Plan(story=story, replicas=replicas, seed=seed))


def points(stories: tuple[str, ...] = STORIES, seed: int = 0) -> Iterator[Point]:
    """All of them."""
    for story in stories:
        for replicas, mishaps in ((1, _ALONE), (2, _WITH_ANOTHER)):
            for boundary in range(len(undisturbed(story, replicas, seed).boundaries)):
                for mishap in mishaps:
                    yield Point(story, replicas, boundary, mishap, seed)


def lived(point: Point) -> Ending:
    """The story with what happens at this point."""
    plan = Plan(story=point.story, replicas=point.replicas, seed=point.seed, mishaps={point.boundary: point.mishap})
    return play(plan)


def wrong_at(point: Point) -> list[str]:
    """What this point came to that it should not have; empty when all is as it would have been."""
    ending, by_itself = lived(point), undisturbed(point.story, point.replicas, point.seed)
    return differences(ending, expected(point.story, point.mishap, ending, by_itself))
