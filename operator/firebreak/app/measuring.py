"""What does the measuring say about itself, beside its verdicts?

Asked by app/observe.py in each turn, of the objectives that are measured; what is found becomes a condition.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import Mode
from firebreak.app.sampler import Sampler
from firebreak.core.comparison import Comparison
from firebreak.core.coverage import Coverage
from firebreak.core.field_paths import held_at
from firebreak.core.just_changed import change_of
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.ports import KubeObject
from firebreak.core.problems import Problem
from firebreak.core.revision import RevisionFacts
from firebreak.core.sampling_evidence import times_judged
from firebreak.core.verdict import Finding, Verdict, VerdictReason

_NOT_KNOWN = (VerdictReason.NOT_SAMPLED_YET, VerdictReason.STALE, VerdictReason.SEVERAL_WRITERS)


def oddities(sampler: Sampler, measured: Collection[ObjectiveKey]) -> tuple[Problem, ...]:
    """What cannot be right about the trailing steps, whatever the verdict is: odd readings, a judge that has stopped."""
    lost = tuple(
        Problem(
            condition=ConditionType.INDICATOR_HEALTHY,
            reason=ConditionReason.JUDGE_COVERAGE_LOST,
            message=f"{key.objective}: {coverage}: is the judge running?",
        )
        for key in measured
        if (coverage := sampler.coverage(key)) is not None and coverage.is_lost
    )
    return lost + tuple(
        Problem(
            condition=ConditionType.INDICATOR_HEALTHY,
            reason=ConditionReason.INDICATOR_ODD,
            message=f"{key.objective}: {words}",
        )
        for key in measured
        for words in sampler.oddities(key)
    )


def covered(sampler: Sampler, measured: Collection[ObjectiveKey]) -> Mapping[str, Coverage]:
    """How much of the answers is judged, by objective; without those of which it cannot be said."""
    found = {key.objective: sampler.coverage(key) for key in measured}
    return {name: coverage for name, coverage in found.items() if coverage is not None}


def expected_delays(sampler: Sampler, verdicts: Iterable[Verdict]) -> Mapping[str, timedelta | None]:
    """Until a breach of each objective would be found, None for never; without those of which nothing can be told now."""
    return {
        v.objective.objective: sampler.expected_delay(v.objective)
        for v in verdicts
        if v.finding is not Finding.ERROR and v.reason not in _NOT_KNOWN
    }


def raised_delays(
    sampler: Sampler, service: AIService, delays: Mapping[str, timedelta | None], live: KubeObject | None
) -> Mapping[str, timedelta | None]:
    """The same at the raised sampling rate; empty where none is declared, it would not be raised, or it is raised now."""
    rate = service.spec.judge.sampling_rate if service.spec.judge else None
    if rate is None or service.spec.containment.mode is Mode.OBSERVE:
        return {}
    times = times_judged(rate.raised, held_at(live, rate.path))
    if times is None or times <= 1.0:
        return {}
    key = ServiceKey(service.metadata.namespace, service.metadata.name)
    judged = [k for k in (ObjectiveKey(*key, name) for name in delays) if sampler.is_sequential(k)]
    return {k.objective: sampler.expected_delay(k, times) for k in judged}


def watch_change(
    sampler: Sampler,
    service: AIService,
    incident: AIIncident | None,
    facts: RevisionFacts,
    measured: Collection[ObjectiveKey],
    now: datetime,
) -> None:
    """Have the last change of revision judged by the numbers while it is fresh, or an incident is open."""
    for objective in service.spec.objectives:
        key = ObjectiveKey(service.metadata.namespace, service.metadata.name, objective.name)
        if key in measured:
            sampler.compare(key, change_of(service.spec, facts, incident, objective.detector.step, now))


def compared(sampler: Sampler, measured: Collection[ObjectiveKey], now: datetime) -> Mapping[str, Comparison]:
    """What serves since the last change against the known-good revision, by objective; after `watch_change`."""
    found = {key.objective: sampler.comparison(key, now) for key in measured}
    return {name: comparison for name, comparison in found.items() if comparison is not None}
