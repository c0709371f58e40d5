"""Whom does an incident touch, and did a judge change around its beginning?

Asked by app/observe.py in each turn of a service with an open incident, or one that may begin; the answers are what the
sampler has counted since the onset.
"""

from collections.abc import Collection, Iterable

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.incident import Exposure
from firebreak.app.sampler import Sampler
from firebreak.core.judgement import SegmentCounts
from firebreak.core.objectives import ObjectiveKey
from firebreak.core.suspects import JudgeSeen

_SEGMENTS = 16


def exposure_of(sampler: Sampler, incident: AIIncident | None) -> Exposure:
    """Over the incident's objectives: of those with an estimate the one that touches most."""
    if incident is None or incident.status.onset is None:
        return Exposure()
    onset = incident.status.onset
    namespace, service = incident.metadata.namespace, incident.spec.service
    keys = [ObjectiveKey(namespace, service, o.name) for o in incident.status.objectives]
    measured = [key for key in keys if sampler.watches(key)]
    served = [bad for key in measured if (bad := sampler.bad_served(key, onset)) is not None]
    most = max(served, key=lambda bad: bad.bad, default=None)
    by_objective = [sampler.segments(key, onset) for key in measured]
    worse = _names(s for segments in by_objective for s in segments if s.worse)
    fine = tuple(name for name in _names(s for segments in by_objective for s in segments if s.fine))
    shares = [_share(segments) for segments in by_objective if any(s.worse for s in segments)]
    return Exposure(
        bad_answers=round(most.bad) if most else None,
        bad_answers_low=round(most.low) if most else None,
        bad_answers_high=round(most.high) if most else None,
        answers=round(most.answers) if most else None,
        segments=worse[:_SEGMENTS],
        unaffected_segments=tuple(name for name in fine if name not in worse)[:_SEGMENTS],
        affected_share=f"{max(shares):.0%}" if shares else "",
    )


def judges(sampler: Sampler, measured: Collection[ObjectiveKey]) -> tuple[JudgeSeen, ...]:
    """Which judges gave the verdicts of each objective, and since when."""
    return tuple(
        JudgeSeen(objective=key.objective, judge=judge, since=since)
        for key in measured
        for judge, since in sampler.judges_seen(key).items()
    )


def _names(segments: Iterable[SegmentCounts]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(s.name[:256] for s in segments))


def _share(segments: Collection[SegmentCounts]) -> float:
    judged = sum(s.judged for s in segments)
    return sum(s.judged for s in segments if s.worse) / judged if judged else 0.0
