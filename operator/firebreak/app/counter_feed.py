"""One pair of counters on one grid of steps, read for every service that uses it and folded as it comes.

Asked by app/sampler.py. In steady state two instant queries per step; after a gap, a restart or for new objectives
`query_range` over the same steps. Both read raw counters at the same moments and go through the same code, so what is
rebuilt equals what was folded step by step, to the bit, for samples that had arrived within the settle delay.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from firebreak.app.folded import Folded, Rebuild
from firebreak.app.grid import Grid
from firebreak.app.replay import Replay
from firebreak.app.shards import Shards
from firebreak.core.counters import FORGET_STEPS
from firebreak.core.counting import Counting, Subject
from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.sequential import EPOCH_STEPS, SequentialFolds
from firebreak.core.detectors.tempering import TRAILING
from firebreak.core.native_histograms import NativeLimit
from firebreak.core.objectives import (
    CountOf,
    ExposureSpec,
    JudgeErrorsSpec,
    Labels,
    NativeRatio,
    ObjectiveSpec,
    Ratio,
    ServiceKey,
    SourceKey,
    Watched,
)
from firebreak.core.ports_metrics import MetricsError, MetricsPort, Vector
from firebreak.core.promql import SelectorRefused
from firebreak.core.writers import REACH_STEPS

# A fold that begins at an epoch depends on counts from before it: nbar looks back 60 steps, to counts that are whole
# only once every series that is still remembered has been seen (90 steps) and is known to have one writer (60), and needs
# 60 steps to know that judging did not begin just now. Two more for the excess of bad that is held over.
LEAD_STEPS = FORGET_STEPS + REACH_STEPS + 1 + 2 * TRAILING + 2
AT_ONCE_STEPS = 30  # so many steps may what is in service wait for what is taken in


class FeedKey(NamedTuple):
    source: SourceKey
    bad: str
    total: str | None
    grid: Grid
    labels: Labels
    paired: bool = False  # what is judged counts only where bad is there as well
    kept: float = 1.0
    native: NativeLimit | None = None  # `bad` selects native histograms, and there is no total


def feed_key(spec: Watched) -> FeedKey | None:
    """Which feed serves this; None for a gauge."""
    grid = Grid(spec.step, spec.settle)
    match spec:
        case ExposureSpec(selector=selector) | JudgeErrorsSpec(selector=selector):
            return FeedKey(spec.source, selector, None, grid, spec.labels)
        case ObjectiveSpec(indicator=NativeRatio(total=selector, limit=limit)):
            return FeedKey(spec.source, selector, None, grid, spec.labels, True, spec.kept, limit)
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
        case JudgeErrorsSpec():
            return Subject(spec.key.namespace, spec.matchers)
        case ExposureSpec():
            return Subject(spec.service.namespace, spec.matchers)


def _service_of(spec: Watched) -> ServiceKey:
    match spec:
        case ObjectiveSpec() | JudgeErrorsSpec():
            return spec.key.service_key
        case ExposureSpec():
            return spec.service


def _counting(key: FeedKey, subjects: Iterable[Subject] = ()) -> Counting:
    return Counting(key.labels, subjects, paired=key.paired, native=key.native, kept=key.kept)


class CounterFeed:
    """The state of one feed. A failed query changes nothing: the steps stay due, and are read by range later.

    What is new is rebuilt apart (`rebuild`) while what is known is served on (`advance`); each of the two runs once at
    a time, and they may run together.
    """

    def __init__(self, key: FeedKey) -> None:
        self.key = key
        self._wanted: dict[Watched, Subject] = {}
        self._state = Folded(_counting(key))
        self._rows: dict[ObjectiveSpec, int] = {}
        self._known: set[Watched] = set()
        self._shards = Shards(key.labels.namespace)
        self._selectors = [key.bad] if key.total is None else [key.bad, key.total]
        self._rebuilt: Rebuild | None = None
        self._apart: Mapping[Subject, frozenset[str]] = {}
        self._holds_gone = False
        self.lacks_some = False
        """Is there something wanted that has to be rebuilt?"""

    @property
    def source(self) -> SourceKey:
        return self.key.source

    @property
    def grid(self) -> Grid:
        return self.key.grid

    @property
    def counting(self) -> Counting:
        return self._state.counting

    def want(self, specs: Iterable[Watched], apart: Mapping[ServiceKey, frozenset[str]] | None = None) -> None:
        """From now on serve exactly these, and count the services' revisions in `apart` under their own names."""
        self._wanted = {spec: subject_of(spec) for spec in specs}
        named: dict[Subject, frozenset[str]] = {}
        apart = apart or {}
        for spec, subject in self._wanted.items() if apart else ():
            named[subject] = named.get(subject, frozenset()) | apart.get(_service_of(spec), frozenset())
        if named != self._apart:
            self._apart = named
            # What is rebuilt apart is advanced elsewhere meanwhile: it learns of them when it is taken in.
            self.counting.keep_apart(named)
        self._compare()

    def _compare(self) -> None:
        # Kept, since to compare thousands of specs takes longer than to read a step of them.
        self.lacks_some = not self._wanted.keys() <= self._known
        self._holds_gone = not self._known <= self._wanted.keys()

    def knows(self, spec: Watched) -> bool:
        """Has it been read up to the feed's last step?"""
        return spec in self._known

    def evidence(self, spec: ObjectiveSpec) -> float:
        return float(self._state.evidence()[self._rows[spec]])

    def refused(self, spec: Watched) -> MetricsError | None:
        """Why nothing is read of it, while others are."""
        return self._shards.refused(self._wanted[spec].namespace) if spec in self._wanted else None

    async def bring_up_to(self, due: int, port: MetricsPort) -> bool:
        """Read every step up to `due`, of all that is wanted; True if there was anything to do. Raises MetricsError."""
        news = await self.advance(due, port)
        if not self.lacks_some:
            return news
        await self.rebuild(due, port)
        return await self.advance(due, port) or news

    async def advance(self, due: int, port: MetricsPort) -> bool:
        """The same of what is known already, and take in what was rebuilt; one call at a time."""
        if self._holds_gone:
            self._known &= self._wanted.keys()
            self._compare()
            still = {self._wanted[spec] for spec in self._known}
            self._keep(lambda subject: subject in still)
        last = self.counting.last_step
        if last is not None and due - last > EPOCH_STEPS:
            # So long a gap is cheaper to rebuild, with the same result.
            self._forget()
        elif last is not None and due > last:
            try:
                await self._read_on(last, due, port)
            except (MetricsError, SelectorRefused):
                raise
            except Exception:
                # A step may be counted by half: nothing may come of that.
                self._forget()
                raise
            return await self._take_in(port) or True
        return await self._take_in(port)

    async def rebuild(self, due: int, port: MetricsPort) -> bool:
        """Bring what is wanted and not known up to `due`, apart from what is in service, until `advance` takes it in.

        It may take long, and others are served meanwhile. Raises MetricsError, and goes on at the next call.
        """
        first = (due // EPOCH_STEPS - 1) * EPOCH_STEPS - LEAD_STEPS
        rebuilt = self._rebuilt
        if rebuilt is not None and rebuilt.is_busy:
            return False
        if rebuilt is None or rebuilt.next < first or not rebuilt.specs & self._wanted.keys():
            rebuilt = self._rebuilt = self._begin(first)
        await self._read_apart(rebuilt, due, port)
        return False

    async def _read_apart(self, rebuilt: Rebuild, upto: int, port: MetricsPort) -> None:
        try:
            among = self._sharded(port, rebuilt.folded.counting.subjects)
            await rebuilt.bring_up_to(upto, among, self._selectors)
        except (MetricsError, SelectorRefused):
            raise
        except Exception:
            self._rebuilt = None  # for the same reason as above
            raise

    def _begin(self, first: int) -> Rebuild:
        new = [spec for spec in self._wanted if spec not in self._known]
        subjects = list(dict.fromkeys(self._wanted[spec] for spec in new))
        folded = Folded(_counting(self.key, subjects))
        folded.counting.keep_apart(self._apart)
        folded.specs = [s for s in new if isinstance(s, ObjectiveSpec) and isinstance(s.rule, Sequential)]
        folded.folds = SequentialFolds([s.rule for s in folded.specs if isinstance(s.rule, Sequential)])
        folded.index_rows(subject_of)
        return Rebuild(folded, frozenset(new), self.key.grid, first)

    async def _take_in(self, port: MetricsPort) -> bool:
        """True if what was rebuilt is in service from here on; the two must have read up to the same step."""
        rebuilt, last = self._rebuilt, self.counting.last_step
        if rebuilt is None or rebuilt.is_busy or not rebuilt.is_ready:
            return False
        if last is not None:
            if last - rebuilt.next >= AT_ONCE_STEPS:
                return False  # it is read on apart, until it is near enough
            await self._read_apart(rebuilt, last, port)
            if rebuilt.next != last + 1:
                return False
        self._rebuilt = None
        self._state.counting.keep_apart(self._apart)
        self._state.counting.absorb(rebuilt.folded.counting)
        self._state.counting.keep_apart(self._apart)
        self._state.join(rebuilt.folded.folds)
        self._state.specs += rebuilt.folded.specs
        self._known |= rebuilt.specs
        self._compare()
        self._index()
        return True

    async def _read_on(self, last: int, due: int, port: MetricsPort) -> None:
        among, selectors = self._sharded(port, self.counting.subjects), self._selectors
        if due - last == 1:
            self._state.advance(due, *await self._instant(due, among, selectors))
        else:
            state = self._state
            await Replay(self.key.grid, last + 1, state.advance, afresh=False, in_service=True).read(
                among, selectors, due
            )
        if due // EPOCH_STEPS != last // EPOCH_STEPS:
            self._keep(lambda subject: True)  # once an epoch, drop what is forgotten

    def _forget(self) -> None:
        self._state, self._rows, self._known = Folded(_counting(self.key)), {}, set()
        self._compare()

    def _sharded(self, port: MetricsPort, subjects: Iterable[Subject]) -> MetricsPort:
        return self._shards.of(port, (subject.namespace for subject in subjects))

    async def _instant(self, step: int, port: MetricsPort, queries: Sequence[str]) -> tuple[Vector, Vector | None]:
        at = self.key.grid.end(step)
        vectors = await asyncio.gather(*(port.instant(query, at) for query in queries))
        return vectors[0], vectors[1] if len(vectors) > 1 else None

    def _keep(self, is_kept: Callable[[Subject], bool]) -> None:
        counting = self.counting
        kept = counting.without([subject for subject in counting.subjects if not is_kept(subject)])
        rows = [row for row, spec in enumerate(self._state.specs) if spec in self._known]
        state = Folded(kept, self._state.folds.take(np.array(rows, dtype=np.intp)))
        state.specs = [self._state.specs[row] for row in rows]
        self._state = state
        self._index()

    def _index(self) -> None:
        self._state.index_rows(subject_of)
        self._rows = {spec: row for row, spec in enumerate(self._state.specs)}
