"""How is a history lived through? A simulated clock ticks over its steps; sampler and simulations see it as if it were now.

Asked by cli/backtest.py. One sampler reads for all variants of the service at once, so that a table of what-ifs costs
hardly more than the backtest itself. What must stay true: verdicts come of `Sampler` and `decide` alone, as live ones do.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import ClusteringStatus
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec
from firebreak.app.backtest.raises import Raise
from firebreak.app.backtest.read_ahead import ReadAhead
from firebreak.app.backtest.served import Deployed, Served
from firebreak.app.backtest.simulation import Assume, Simulation
from firebreak.app.backtest.weighing import Weighed, Weighing
from firebreak.app.grid import EPOCH, Grid
from firebreak.app.sampler import Sampler
from firebreak.core.clustering_in_force import unmeasured
from firebreak.core.detectors.tempering import Floats
from firebreak.core.history import HISTORY_STEPS
from firebreak.core.judgement import Counts
from firebreak.core.objectives import ExposureSpec, ObjectiveKey, ObjectiveSpec, Watched
from firebreak.core.ports_metrics import MetricsPort
from firebreak.core.verdict import Verdict

MOST_POINTS = 3000
"""So many verdicts of each objective are kept at most: what a picture can show."""
_GATHER_STEPS = HISTORY_STEPS // 3

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What is asked about: from one moment to another; before it `warm_up` is read, so that nothing begins from nothing."""

    start: datetime
    end: datetime
    warm_up: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The service as declared (`name` is empty), or with something changed."""

    name: str
    service: AIService
    policy: ContainmentPolicySpec
    watched: tuple[Watched, ...]


@dataclass(slots=True)
class Track:
    """What was recorded of one objective: counts at consecutive steps, and the verdict at some of them."""

    spec: ObjectiveSpec
    first: datetime | None = None
    """When the first step began; None for a gauge, of which nothing is counted."""
    bad: Floats = field(default_factory=lambda: np.zeros(0))
    judged: Floats = field(default_factory=lambda: np.zeros(0))
    verdicts: list[Verdict] = field(default_factory=list)

    def between(self, start: datetime, end: datetime) -> Counts | None:
        """The counts of the steps that lie within; None for a gauge, or where nothing was counted."""
        return between(self.counts, start, end) if self.first is not None else None

    @property
    def counts(self) -> Counts:
        """All of it."""
        first = self.first or EPOCH
        end = first + self.spec.step * len(self.judged)
        return Counts(bad=self.bad, judged=self.judged, end=end, step=self.spec.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What came of one variant."""

    variant: Variant
    incidents: tuple[AIIncident, ...]
    judged: float
    """How many answers were judged for it, over its objectives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of a whole backtest."""

    range: Range
    step: timedelta
    declared: Lived
    others: tuple[Lived, ...]
    tracks: tuple[Track, ...]
    answers: Counts | None
    """Answers in each step (as `judged`); None where they are not declared, or there are none in the history."""
    deployed: tuple[Deployed, ...]
    revision_at_start: str
    clusterings: Mapping[str, ClusteringStatus]
    """By objective: what would have stood in the status at the end."""
    weighed: tuple[Weighed, ...]
    """When an objective came to be judged with another G."""
    raises: tuple[Raise, ...] = ()
    """When the judge's sampling rate would have been raised, for the declared service."""
    problems: tuple[str, ...] = ()


async def replay(
    variants: Sequence[Variant],
    port: MetricsPort,
    asked: Range,
    *,
    assume: Assume = Assume.HELPS,
    deployed: Sequence[Deployed] = (),
    progress: Progress = lambda done, total: None,
) -> Replayed:
    """Live through the range once, all variants side by side; the first one is the service as declared.

    Raises SourceUnreachable when the store stops answering.
    """
    return await _Replay(variants, port, asked, assume, deployed).run(progress)


class _Replay:
    def __init__(
        self,
        variants: Sequence[Variant],
        port: MetricsPort,
        asked: Range,
        assume: Assume,
        deployed: Sequence[Deployed],
    ) -> None:
        self._variants, self._asked = variants, asked
        self._watched = list(dict.fromkeys(w for v in variants for w in v.watched))
        steps = [w.step for w in self._watched]
        # Shorter steps are looked at each time, longer ones when they are due.
        self._grid = Grid(min(steps), max(w.settle for w in self._watched))
        self._port = ReadAhead(port, step=_common(steps), until=asked.end)
        self._sampler = Sampler(lambda _: self._port)
        self._simulations = [
            Simulation(
                service=v.service,
                policy=v.policy,
                sampler=self._sampler,
                verdict=self._verdict,
                assume=assume,
                samples=at == 0,
            )
            for at, v in enumerate(variants)
        ]
        # Not read ahead: it looks back. That it cannot be read is told, and ends nothing.
        self._weighing = Weighing(variants[0].watched, port)
        self._said: dict[ObjectiveKey, Verdict] = {}
        self._served = Served(deployed)
        self._tracks = [Track(spec=w) for w in variants[0].watched if isinstance(w, ObjectiveSpec)]
        self._judged = [0.0 for _ in variants]
        self._answers: dict[int, float] = {}
        self._gathered: dict[ObjectiveKey, datetime] = {}
        self._answered = asked.start

    async def run(self, progress: Progress) -> Replayed:
        grid, asked = self._grid, self._asked
        first, begin, last = (
            math.ceil((moment - EPOCH) / grid.step) for moment in (asked.start - asked.warm_up, asked.start, asked.end)
        )
        last = min(last, (asked.end - EPOCH) // grid.step)
        every = max(1, (last - begin) // MOST_POINTS)
        revision_at_start = ""
        for step in range(first, last + 1):
            now = grid.end(step) + grid.settle
            self._said.clear()
            await self._weigh(now)
            changed = await self._sampler.sample(self._watched, now)
            if self._port.failed is not None:
                raise self._port.failed
            self._follow(step, now)
            if step < begin:
                for simulation in self._simulations:
                    if simulation.is_due(now, ()):
                        simulation.prove(now)
                revision_at_start = self._served.current
            else:
                for simulation in self._simulations:
                    if simulation.is_due(now, changed):
                        await simulation.turn(now)
                if (step - begin) % every == 0 or self._simulations[0].open is not None:
                    self._note(now)
                if (step - begin) % _GATHER_STEPS == _GATHER_STEPS - 1:
                    self._gather(grid.end(step))
            progress(step - first + 1, last - first + 1)
        self._gather(grid.end(last))
        return self._replayed(revision_at_start, begin, last - begin)

    async def _weigh(self, now: datetime) -> None:
        """As live, the evidence on which an incident rests is not weighed anew while it is open."""
        declared = self._simulations[0]
        if declared.open is None and await self._weighing.measure(declared.incidents, now):
            self._watched = [self._weighing.weighed(w) for w in self._watched]
            for track in self._tracks:
                track.spec = self._weighing.weighed_objective(track.spec)
        for simulation in self._simulations:
            simulation.unmeasured = unmeasured(self._weighing.told)

    def _follow(self, step: int, now: datetime) -> None:
        """Which revision answered in this step, by any of the objectives' counts."""
        start, end = self._grid.end(step - 1), self._grid.end(step)
        answered: dict[str, float] = {}
        for track in self._tracks:
            for revision, count in self._sampler.revisions_seen(track.spec.key, start).items():
                answered[revision] = answered.get(revision, 0.0) + count
        changed = self._served.follow(start, end, answered)
        if changed is not None:
            for simulation in self._simulations:
                simulation.deploy(changed)

    def _verdict(self, key: ObjectiveKey, now: datetime) -> Verdict:
        """What the sampler says now; worked out once for each moment."""
        if key not in self._said:
            self._said[key] = self._sampler.verdict(key, now)
        return self._said[key]

    def _note(self, now: datetime) -> None:
        for track in self._tracks:
            verdict = self._verdict(track.spec.key, now)
            if not track.verdicts or track.verdicts[-1].at != verdict.at:
                track.verdicts.append(verdict)

    def _gather(self, upto: datetime) -> None:
        """Take what was counted since the last time: the sampler keeps a day of it."""
        for track in self._tracks:
            counts = self._sampler.counts(track.spec.key, self._gathered.get(track.spec.key, self._asked.start))
            if counts is not None and len(counts):
                track.first = track.first or counts.starts(0)
                track.bad = np.concatenate((track.bad, counts.bad))
                track.judged = np.concatenate((track.judged, counts.judged))
        for at, variant in enumerate(self._variants):
            for spec in variant.watched:
                match spec:
                    case ObjectiveSpec(key=key):
                        counts = self._sampler.counts(key, self._gathered.get(key, self._asked.start))
                        if counts is not None and len(counts):
                            self._judged[at] += float(counts.judged.sum())
                            self._gathered[key] = counts.end
                    case ExposureSpec(service=service) if at == 0:
                        for answered in self._sampler.answers(service, self._answered) or ():
                            self._answers[(answered.at - EPOCH) // self._grid.step] = answered.answers
        self._answered = upto

    def _replayed(self, revision_at_start: str, begin: int, steps: int) -> Replayed:
        lived = [
            Lived(variant=v, incidents=tuple(s.incidents), judged=judged)
            for v, s, judged in zip(self._variants, self._simulations, self._judged, strict=True)
        ]
        answers = np.zeros(max(0, steps))
        for step, count in self._answers.items():
            if 0 < step - begin <= steps:
                answers[step - begin - 1] = count
        return Replayed(
            range=self._asked,
            step=self._grid.step,
            declared=lived[0],
            others=tuple(lived[1:]),
            tracks=tuple(self._tracks),
            answers=Counts(bad=answers, judged=answers, end=self._grid.end(begin + steps), step=self._grid.step)
            if self._answers
            else None,
            deployed=tuple(d for d in self._served.changes if d.at >= self._asked.start),
            clusterings=dict(self._weighing.told),
            weighed=tuple(self._weighing.changes),
            raises=self._simulations[0].raises,
            problems=tuple(
                f"how failures of {name} cluster could not be measured: {words}"
                for name, words in self._weighing.failed.items()
            ),
            revision_at_start=revision_at_start,
        )


def between(counts: Counts, start: datetime, end: datetime) -> Counts:
    """The steps that lie wholly between two moments."""
    origin = counts.starts(0)
    first = min(len(counts), max(0, -((origin - start) // counts.step)))
    last = max(first, min(len(counts), (end - origin) // counts.step))
    return Counts(
        bad=counts.bad[first:last],
        judged=counts.judged[first:last],
        end=origin + counts.step * last,
        step=counts.step,
    )


def _common(steps: Sequence[timedelta]) -> timedelta:
    """The longest step of which all of these are multiples."""
    return timedelta(microseconds=math.gcd(*(round(step / timedelta(microseconds=1)) for step in steps)))
