"""What if the answer to one query for all services is too large to be read?

Asked by app/counter_feed.py, between a feed and its store: a selector goes in, and what comes out is its answer for every
namespace that is served, got by as few queries as can be read. One that is too large is asked in halves from then on,
namespace by namespace at last. What must stay true: a namespace whose own series are too many hurts no other, and is
told; its series are left out like those of a scrape that was missed, and it is tried again later.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np

from firebreak.core.ports_metrics import AnswerTooLarge, Matrix, MetricsPort, Vector
from firebreak.core.promql import confined

CONFINED_NAMESPACES = 50  # up to so many, a query names the namespaces; rows are filtered in any case
TRY_AGAIN = timedelta(hours=1)  # of the store's time: each try costs the largest answer there may be

Namespaces = tuple[str, ...]
Answer = TypeVar("Answer", Vector, Matrix)


class Shards:
    """How one feed's queries are split; empty until an answer was too large."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._split: dict[str, list[frozenset[str]]] = {}
        self._refused: dict[str, tuple[datetime, AnswerTooLarge]] = {}

    def refused(self, namespace: str) -> AnswerTooLarge | None:
        """Why nothing of a namespace is read; None if it is."""
        found = self._refused.get(namespace)
        return found[1] if found else None

    def of(self, port: MetricsPort, namespaces: Iterable[str]) -> MetricsPort:
        """The store, to be asked with selectors for these namespaces."""
        return _Sharded(self, port, tuple(sorted(set(namespaces))))

    def groups(self, selector: str, namespaces: Namespaces, at: datetime) -> list[Namespaces]:
        """Which namespaces are asked about together."""
        for namespace in [n for n, (since, _) in self._refused.items() if at - since >= TRY_AGAIN]:
            del self._refused[namespace]
        asked = [n for n in namespaces if n not in self._refused]
        apart = self._split.get(selector, ())
        groups = [tuple(n for n in asked if n in group) for group in apart]
        groups.append(tuple(n for n in asked if not any(n in group for group in apart)))
        return [group for group in groups if group]

    def split(self, selector: str, group: Namespaces, error: AnswerTooLarge, at: datetime) -> list[Namespaces]:
        """What is asked instead of a group whose answer is too large, now and later; nothing for one namespace."""
        if len(group) == 1:
            told = (
                f"{error}; the series of namespace {group[0]} are too many by themselves, and it is left out for others"
            )
            self._refused[group[0]] = (at, AnswerTooLarge(told))
            return []
        half = len(group) // 2
        halves = [group[:half], group[half:]]
        others = [frozenset(other).difference(group) for other in self._split.get(selector, ())]
        self._split[selector] = [*filter(None, others), *map(frozenset, halves)]
        return halves

    def query(self, selector: str, group: Namespaces) -> str:
        """As it is sent."""
        if len(group) > CONFINED_NAMESPACES and selector not in self._split:
            return selector
        return confined(selector, self._label, group)


class _Sharded:
    def __init__(self, shards: Shards, port: MetricsPort, namespaces: Namespaces) -> None:
        self._shards, self._port, self._namespaces = shards, port, namespaces

    async def instant(self, query: str, at: datetime) -> Vector:
        answers = await self._asked(query, at, lambda sent: self._port.instant(sent, at))
        if len(answers) == 1:
            return answers[0]
        return Vector(
            labels=[labels for answer in answers for labels in answer.labels],
            values=np.concatenate([np.zeros(0), *(answer.values for answer in answers)]),
            histograms=[one for answer in answers for one in answer.histograms],
        )

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        # A shorter stretch may be had, and whoever reads on takes one (app/replay.py): what is split is a moment.
        splits = start == end
        answers = await self._asked(query, end, lambda sent: self._port.range(sent, start, end, step), splits=splits)
        if len(answers) == 1:
            return answers[0]
        moments = round((end - start) / step) + 1
        return Matrix(
            labels=[labels for answer in answers for labels in answer.labels],
            values=np.concatenate([np.zeros((0, moments)), *(answer.values for answer in answers)]),
            present=np.concatenate([np.zeros((0, moments), dtype=np.bool_), *(answer.present for answer in answers)]),
            histograms=[one for answer in answers for one in answer.histograms],
        )

    async def _asked(
        self, selector: str, at: datetime, ask: Callable[[str], Awaitable[Answer]], *, splits: bool = True
    ) -> list[Answer]:
        """One after the other, so that one large answer at a time is in memory as it was sent."""
        answers = []
        waiting = self._shards.groups(selector, self._namespaces, at)
        while waiting:
            group = waiting.pop(0)
            try:
                answers.append(await ask(self._shards.query(selector, group)))
            except AnswerTooLarge as error:
                if not splits:
                    raise
                waiting[:0] = self._shards.split(selector, group, error, at)
        return answers
