"""Which G is an objective judged with, and when does a measurement change it?

Asked by app/objectives.py when an objective is compiled, and by app/observe.py for the status. What must stay true: the G
in force stands in the service's status before it is used, so that a restart, another replica and `explain` have the same;
and a change of it means that the folds are rebuilt from history (app/counter_feed.py), as if it had always been in force.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from firebreak.api.v1alpha1.aiservice import AIServiceStatus, ClusteringBasis, ClusteringStatus, EndedContainment
from firebreak.api.v1alpha1.incident import AIIncident, Phase, Resolution
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.clustering import DAY_STEPS, NEEDED_STEPS, Clustering
from firebreak.core.detectors.rules import ASSUMED_CLUSTERING
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Ratio, Sequential, Watched

WORTH_A_CHANGE = 0.1
"""A measured G that differs by less than this share leaves the one in force as it is: folds are not rebuilt for noise."""

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured for an objective, and when."""

    found: Clustering
    at: datetime


def is_clustered(spec: Watched) -> bool:
    """Whether the objective is judged with a G at all: a ratio by Sequential."""
    return isinstance(spec, ObjectiveSpec) and isinstance(spec.indicator, Ratio) and isinstance(spec.rule, Sequential)


def series_of(spec: ObjectiveSpec) -> str:
    """Names the series that G is measured of: another indicator under the same objective's name has its own."""
    said = repr((spec.source, spec.indicator, spec.matchers, spec.labels, spec.step))
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def in_force(status: AIServiceStatus, watched: Iterable[Watched]) -> Mapping[ObjectiveKey, float]:
    """G of each objective for which a measured one is recorded; what is missing is assumed."""
    known = {o.name: o.clustering for o in status.objectives if o.clustering is not None}
    found = {}
    for spec in watched:
        if isinstance(spec, ObjectiveSpec) and is_clustered(spec):
            recorded = known.get(spec.key.objective)
            if recorded and recorded.basis is ClusteringBasis.MEASURED and recorded.series == series_of(spec):
                found[spec.key] = float(recorded.value)
    return found


def adopted(known: ClusteringStatus | None, measured: Measured | None, spec: ObjectiveSpec) -> ClusteringStatus:
    """What is to stand in the status: what is known, brought up to date by a measurement that it does not hold yet.

    A measurement on less than fourteen healthy days changes nothing but how much there is; once measured, G is not
    assumed again because a store has forgotten.
    """
    series = series_of(spec)
    if known is None or known.series != series:
        known = ClusteringStatus(
            value=_written(ASSUMED_CLUSTERING),
            basis=ClusteringBasis.ASSUMED,
            needed=format_duration(spec.step * NEEDED_STEPS),
            series=series,
        )
    if measured is None or (known.measured_at is not None and _same(known.measured_at, measured.at)):
        return known
    healthy = format_duration(spec.step * measured.found.steps)
    told = known.model_copy(update={"measured_at": measured.at})
    if measured.found.steps < NEEDED_STEPS:
        return told if known.basis is ClusteringBasis.MEASURED else told.model_copy(update={"healthy": healthy})
    value = known.value
    if (
        known.basis is ClusteringBasis.ASSUMED
        or abs(measured.found.clustering - float(value)) > float(value) * WORTH_A_CHANGE
    ):
        value = _written(measured.found.clustering)
    return told.model_copy(update={"value": value, "basis": ClusteringBasis.MEASURED, "healthy": healthy})


def unmeasured(clusterings: Mapping[str, ClusteringStatus]) -> Mapping[str, str]:
    """The objectives whose G is assumed, each with how much healthy history there is, in words."""
    return {
        name: f"{told.healthy or '0s'} of {told.needed} of healthy history"
        for name, told in clusterings.items()
        if told.basis is ClusteringBasis.ASSUMED
    }


def incident_spans(
    incidents: Iterable[AIIncident], now: datetime, ended: Iterable[EndedContainment] = ()
) -> tuple[Span, ...]:
    """From onset to recovery; what a person has called a false alarm was healthy, and may well be why G is needed.

    `ended` is what the service remembers of incidents that may be deleted since; one that is there knows best.
    """
    there = tuple(incidents)
    named = {i.metadata.name for i in there}
    spans = [(e.onset or e.at, e.ended_at) for e in ended if e.incident not in named and not e.false_alarm]
    for incident in there:
        status = incident.status
        since = status.onset or status.detected_at
        if since is None or incident.spec.resolution is Resolution.FALSE_ALARM:
            continue
        until = status.resolved_at if status.phase is Phase.RESOLVED and status.resolved_at else now
        spans.append((since, until))
    return tuple(spans)


def due_at(known: ClusteringStatus | None, step: timedelta, now: datetime) -> datetime:
    """When the next measurement is due: a day (of steps) after the last one."""
    if known is None or known.measured_at is None:
        return now
    return known.measured_at + step * DAY_STEPS


def _written(value: float) -> str:
    return f"{value:.3g}"


def _same(one: datetime, other: datetime) -> bool:
    """To the second, as the API server holds it."""
    return abs(one - other) < timedelta(seconds=1)
