"""One pair of counters on one grid of steps, read for every service that uses it and folded as it comes.

Asked by app/sampler.py. In steady state two instant queries per step; after a gap, a restart or for new objectives
`query_range` over the same steps. Both read raw counters at the same moments and go through the same code, so what is
rebuilt equals what was folded step by step, to the bit, for samples that had arrived within the settle delay.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firebreak.app.grid import Grid
from firebreak.app.replay import replay
from firebreak.core.counters import FORGET_STEPS
from firebreak.core.counting import Counting, Subject
from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.sequential import EPOCH_STEPS, SequentialFolds
from firebreak.core.detectors.tempering import TRAILING
from firebreak.core.objectives import CountOf, ExposureSpec, Labels, ObjectiveSpec, Ratio, SourceKey, Watched
from firebreak.core.ports_metrics import MetricsPort, Vector
from firebreak.core.promql import confined

# A fold that begins at an epoch depends on counts from before it: nbar looks back 60 steps, to counts that are whole
# only once every series that is still remembered has been seen (90 steps), and needs 60 steps to know that judging
# did not begin just now. Two more for the excess of bad that is held over.
LEAD_STEPS = FORGET_STEPS + 1 + 2 * TRAILING + 2
CONFINED_NAMESPACES = 50  # up to so many, a query names the namespaces; rows are filtered in any case
_NOTHING = Vector(labels=(), values=np.zeros(0))


class FeedKey(NamedTuple):
    source: SourceKey
    bad: str
    total: str | None
    grid: Grid
    labels: Labels
    paired: bool = False  # what is judged counts only where bad is there as well
    kept: float = 1.0


def feed_key(spec: Watched) -> FeedKey | None:
    """Which feed serves this; None for a gauge."""
    grid = Grid(spec.step, spec.settle)
    match spec:
        case ExposureSpec(selector=selector):
            return FeedKey(spec.source, selector, None, grid, spec.labels)
        case ObjectiveSpec(indicator=Ratio(bad=bad, total=total, bound=bound)):
            return FeedKey(spec.source, bad, total, grid, spec.labels, bool(bound), spec.kept)
        case ObjectiveSpec(indicator=CountOf(selector=selector)):
            return FeedKey(spec.source, selector, None, grid, spec.labels, kept=spec.kept)
        case _:
            return None


def subject_of(spec: Watched) -> Subject:
    match spec:
        case ObjectiveSpec():
            return Subject(spec.key.namespace, spec.matchers, spec.segments)
        case ExposureSpec():
            return Subject(spec.service.namespace, spec.matchers)


@dataclass(slots=True)
class _Folded:
    """The state of some objectives: counts, and a row of the folds for each ratio."""

    counting: Counting
    folds: SequentialFolds = field(default_factory=lambda: SequentialFolds(()))
    specs: list[ObjectiveSpec] = field(default_factory=list)  # of each row
    subject_of_row: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    _evidence: NDArray[np.float64] | None = None

    def evidence(self) -> NDArray[np.float64]:
        """E of each row; worked out once per step, since it is asked of each row alone."""
        if self._evidence is None:
            self._evidence = self.folds.evidence()
        return self._evidence

    def advance(self, step: int, bad: Vector, total: Vector | None) -> None:
        self._evidence = None
        counts = self.counting.advance(step, bad, total)
        if self.specs:
            self.folds.advance(step, counts.bad[self.subject_of_row], counts.judged[self.subject_of_row])

    def join(self, folds: SequentialFolds) -> None:
        self.folds, self._evidence = self.folds.join(folds), None

    def index_rows(self) -> None:
        self.subject_of_row = np.array([self.counting.index(subject_of(s)) for s in self.specs], dtype=np.intp)


class CounterFeed:
    """The state of one feed. A failed query changes nothing: the steps stay due, and are read by range later."""

    def __init__(self, key: FeedKey) -> None:
        self.key = key
        self._wanted: dict[Watched, Subject] = {}
        self._state = _Folded(Counting(key.labels, paired=key.paired, kept=key.kept))
        self._rows: dict[ObjectiveSpec, int] = {}
        self._known: set[Watched] = set()

    @property
    def counting(self) -> Counting:
        return self._state.counting

    @property
    def is_empty(self) -> bool:
        return not self._wanted

    def want(self, specs: Iterable[Watched]) -> None:
        """From now on serve exactly these."""
        self._wanted = {spec: subject_of(spec) for spec in specs}
        gone = self._known - self._wanted.keys()
        if gone:
            self._known -= gone
            still = {self._wanted[spec] for spec in self._known}
            self._keep(lambda subject: subject in still)

    def knows(self, spec: Watched) -> bool:
        """Has it been read up to the feed's last step?"""
        return spec in self._known

    def evidence(self, spec: ObjectiveSpec) -> float:
        return float(self._state.evidence()[self._rows[spec]])

    async def bring_up_to(self, due: int, port: MetricsPort) -> bool:
        """Read every step up to `due`; True if there was anything to do. Raises MetricsError."""
        last = self.counting.last_step
        if last is not None and due - last > EPOCH_STEPS:
            # So long a gap is cheaper to rebuild, with the same result.
            self._state, self._rows, self._known, last = (
                _Folded(Counting(self.key.labels, paired=self.key.paired, kept=self.key.kept)),
                {},
                set(),
                None,
            )
        new = [spec for spec in self._wanted if spec not in self._known]
        if new:
            await self._rebuild(new, due if last is None else last, port)
        behind = self.counting.last_step
        if behind is None or behind >= due:
            return bool(new)
        if due - behind == 1:
            bad, total = await self._instant(due, port, self._wanted.values())
            self._state.advance(due, bad, total)
        else:
            await self._by_range(self._state, behind + 1, due, port, self._wanted.values())
        if due // EPOCH_STEPS != behind // EPOCH_STEPS:
            self._keep(lambda subject: True)  # once an epoch, drop what is forgotten
        return True

    async def _rebuild(self, new: Sequence[Watched], upto: int, port: MetricsPort) -> None:
        subjects = list(dict.fromkeys(self._wanted[spec] for spec in new))
        rebuilt = _Folded(Counting(self.key.labels, subjects, paired=self.key.paired, kept=self.key.kept))
        rebuilt.specs = [s for s in new if isinstance(s, ObjectiveSpec) and isinstance(s.rule, Sequential)]
        rebuilt.folds = SequentialFolds([s.rule for s in rebuilt.specs if isinstance(s.rule, Sequential)])
        rebuilt.index_rows()
        epoch = (upto // EPOCH_STEPS - 1) * EPOCH_STEPS
        await self._by_range(rebuilt, epoch - LEAD_STEPS, upto, port, subjects)
        if rebuilt.counting.last_step is None:
            rebuilt.advance(upto, _NOTHING, _NOTHING)
        self._state.counting.absorb(rebuilt.counting)
        self._state.join(rebuilt.folds)
        self._state.specs += rebuilt.specs
        self._known.update(new)
        self._index()

    async def _by_range(
        self, state: _Folded, first: int, last: int, port: MetricsPort, subjects: Iterable[Subject]
    ) -> None:
        afresh = state.counting.last_step is None
        queries = self._queries(subjects)
        await replay(port, queries, self.key.grid, first, last, state.advance, afresh=afresh)

    async def _instant(self, step: int, port: MetricsPort, subjects: Iterable[Subject]) -> tuple[Vector, Vector | None]:
        at = self.key.grid.end(step)
        vectors = await asyncio.gather(*(port.instant(query, at) for query in self._queries(subjects)))
        return vectors[0], vectors[1] if len(vectors) > 1 else None

    def _queries(self, subjects: Iterable[Subject]) -> list[str]:
        namespaces = sorted({subject.namespace for subject in subjects})
        selectors = [self.key.bad] if self.key.total is None else [self.key.bad, self.key.total]
        if len(namespaces) > CONFINED_NAMESPACES:
            return selectors
        return [confined(selector, self.key.labels.namespace, namespaces) for selector in selectors]

    def _keep(self, is_kept: Callable[[Subject], bool]) -> None:
        counting = self.counting
        kept = counting.without([subject for subject in counting.subjects if not is_kept(subject)])
        rows = [row for row, spec in enumerate(self._state.specs) if spec in self._known]
        state = _Folded(kept, self._state.folds.take(np.array(rows, dtype=np.intp)))
        state.specs = [self._state.specs[row] for row in rows]
        self._state = state
        self._index()

    def _index(self) -> None:
        self._state.index_rows()
        self._rows = {spec: row for row, spec in enumerate(self._state.specs)}
