"""Looking back, was it right to act, and what would it have spared? Judged on counts that the decision could not know.

Asked by app/backtest/report.py and by the table of what-ifs. What is called false is stated here and in docs/backtest.md:
a containment is FALSE if it lies in a range that the user marked as healthy, or if the hour (60 steps) after it, up to
the next recorded deployment, met the objective by its whole tempered 95% interval although nobody had changed anything;
it is TRUE if that interval lies wholly above what is allowed; else UNCLEAR. Deployments cut the hour short, since good
numbers after a fix say nothing against the containment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.incident import Action
from firebreak.app.backtest.replayed import Replayed, Track, Variant, between
from firebreak.app.backtest.served import Deployed
from firebreak.core.detectors.rules import Count, Sequential
from firebreak.core.detectors.sequential import gains
from firebreak.core.judgement import TRAILING_STEPS, tempered_interval
from firebreak.core.objectives import ObjectiveSpec
from firebreak.core.steps import changes_answers
from firebreak.core.verdict import Finding

Span = tuple[datetime, datetime]
_BASELINE_STEPS = 1440


class Truth(StrEnum):
    """What hindsight says of a containment."""

    TRUE = "True"
    FALSE = "False"
    UNCLEAR = "Unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """One incident, looked at from the end of the range."""

    containment: Action | None
    """The first step that changes what users get; None if none was taken."""
    contained_at: datetime | None
    ended_at: datetime | None
    """When the recorded counts stopped being bad; None if they were to the end of the range, or for a gauge."""
    truth: Truth | None
    because: str
    served_bad: Estimate | None
    """Bad answers from the onset until the containment: nobody could spare these."""
    spared_bad: Estimate | None
    """Bad answers from the containment until the recorded end, beyond the rate of the day before the onset."""
    answers_contained: float | None
    """Answers given while contained, until the incident was over in the simulation: what a false one costs users."""
    is_answers: bool
    """Whether the three numbers are answers; else judged answers, since no answers are declared or recorded."""


def contained_by(incident: AIIncident) -> Action | None:
    """The first step that took effect and changes what users get."""
    return next((a for a in incident.status.actions if changes_answers(a.kind) and a.in_force_at is not None), None)


def hindsight(incident: AIIncident, variant: Variant, replayed: Replayed, healthy: Sequence[Span]) -> Hindsight:
    """Judge one incident of a variant on what was recorded."""
    status = incident.status
    specs = {w.key.objective: w for w in variant.watched if isinstance(w, ObjectiveSpec)}
    tracks = {t.spec.key.objective: t for t in replayed.tracks}
    mine = [(specs[o.name], tracks[o.name]) for o in status.objectives if o.name in specs and o.name in tracks]
    action = contained_by(incident)
    at = action.in_force_at if action is not None else None
    until = status.resolved_at or replayed.range.end
    onset = status.onset or status.detected_at or replayed.range.start
    worst = max(mine, key=lambda one: _excess(one[0], one[1], onset, at or until), default=None)
    ended = _ended(*worst, onset, until) if worst is not None else None
    truth, because = (None, "nothing was contained")
    if at is not None:
        truth, because = _truth(mine, at, replayed.deployed, healthy)
    served = spared = None
    if worst is not None and at is not None:
        served = _bad(*worst, replayed, onset, at)
        spared = _bad(*worst, replayed, at, ended or until, beyond=_rate_before(worst[1], onset))
    exposed = replayed.answers if replayed.answers is not None else (worst[1].counts if worst is not None else None)
    return Hindsight(
        containment=action,
        contained_at=at,
        ended_at=ended,
        truth=truth,
        because=because,
        served_bad=served,
        spared_bad=spared,
        answers_contained=float(between(exposed, at, until).judged.sum()) if exposed is not None and at else None,
        is_answers=replayed.answers is not None,
    )


def _truth(
    mine: Sequence[tuple[ObjectiveSpec, Track]], at: datetime, deployed: Sequence[Deployed], healthy: Sequence[Span]
) -> tuple[Truth, str]:
    marked = next((span for span in healthy if span[0] <= at < span[1]), None)
    if marked is not None:
        return Truth.FALSE, f"it lies in a range marked as healthy ({marked[0]:%Y-%m-%d %H:%MZ} to {marked[1]:%H:%MZ})"
    found = [_truth_of(spec, track, at, deployed) for spec, track in mine]
    for truth in (Truth.TRUE, Truth.UNCLEAR, Truth.FALSE):
        told = [because for one, because in found if one is truth]
        if told:
            return truth, "; ".join(told)
    return Truth.UNCLEAR, "no objective of it was recorded"


def _truth_of(spec: ObjectiveSpec, track: Track, at: datetime, deployed: Sequence[Deployed]) -> tuple[Truth, str]:
    name = spec.key.objective
    change = next((d for d in deployed if d.at > at), None)
    until = at + spec.step * TRAILING_STEPS
    cut = change is not None and change.at < until
    if cut and change is not None:
        until = change.at
    after = track.between(at, until)
    shortened = f" (until {change.revision} was deployed)" if cut and change else ""
    match spec.rule:
        case Sequential() as rule if after is not None and after.judged.sum() > 0.0:
            found = tempered_interval(rule, after)
            judged, bad = after.judged.sum(), after.bad.sum()
            words = f"{name}: {bad:.0f} of {judged:.0f} judged bad in the next {len(after)} steps{shortened} ({found})"
            if found.low > rule.allowed:
                return Truth.TRUE, f"{words}, {rule.allowed:.2%} allowed"
            if found.high <= rule.allowed and not cut:
                return Truth.FALSE, f"{words}, within the {rule.allowed:.2%} allowed, and nobody had changed anything"
            return Truth.UNCLEAR, f"{words}, {rule.allowed:.2%} allowed"
        case Count() as rule if after is not None:
            events = float(after.bad.sum())
            truth = Truth.TRUE if events >= rule.at_least else Truth.UNCLEAR
            return truth, f"{name}: {events:g} more events in the next {len(after)} steps{shortened}"
        case _:
            later = [v for v in track.verdicts if at < v.at <= until]
            beyond = [v for v in later if v.finding is Finding.BREACHED]
            truth = Truth.TRUE if later and len(beyond) == len(later) else Truth.UNCLEAR
            return truth, f"{name}: beyond its limit at {len(beyond)} of {len(later)} later looks{shortened}"


def _excess(spec: ObjectiveSpec, track: Track, start: datetime, end: datetime) -> float:
    """How far above what is allowed the rate was; of what is not a ratio nothing can be said in answers."""
    counts = track.between(start, end)
    if not isinstance(spec.rule, Sequential) or counts is None or not counts.judged.sum():
        return -1.0
    return float(counts.bad.sum() / counts.judged.sum()) - spec.rule.allowed


def _ended(spec: ObjectiveSpec, track: Track, onset: datetime, until: datetime) -> datetime | None:
    """When the recorded counts stopped being bad: where the evidence since the onset was at its highest."""
    counts = track.between(onset, until)
    if not isinstance(spec.rule, Sequential) or counts is None or not len(counts):
        return None
    path = np.cumsum(gains(spec.rule, counts.bad, counts.judged), axis=1)
    component = path[int(np.argmax(path.max(axis=1)))]
    peak = int(np.argmax(component))
    # Risen to the end: it was bad still.
    return None if peak >= len(counts) - 1 else counts.starts(peak + 1)


def _rate_before(track: Track, onset: datetime) -> float:
    before = track.between(onset - track.spec.step * _BASELINE_STEPS, onset)
    if before is None or not before.judged.sum():
        return 0.0
    return float(before.bad.sum() / before.judged.sum())


def _bad(
    spec: ObjectiveSpec, track: Track, replayed: Replayed, start: datetime, end: datetime, beyond: float = 0.0
) -> Estimate | None:
    counts = track.between(start, end)
    if not isinstance(spec.rule, Sequential) or counts is None or not counts.judged.sum():
        return None
    exposed = replayed.answers if replayed.answers is not None else track.counts
    answers = float(between(exposed, start, end).judged.sum())
    rate = float(counts.bad.sum() / counts.judged.sum())
    found = tempered_interval(spec.rule, counts)
    value, low, high = (answers * max(0.0, share - beyond) for share in (rate, found.low, found.high))
    return Estimate(value=value, low=low, high=high)


def summed(estimates: Sequence[Estimate]) -> Estimate:
    """Of several incidents; the intervals' ends are added, which is wider than need be."""
    return Estimate(
        value=sum(e.value for e in estimates), low=sum(e.low for e in estimates), high=sum(e.high for e in estimates)
    )


def by_truth(found: Sequence[Hindsight]) -> Mapping[Truth, int]:
    """How many containments of each kind."""
    return {truth: sum(h.truth is truth for h in found) for truth in Truth}
