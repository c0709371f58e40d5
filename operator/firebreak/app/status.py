"""What does an AIService's status say, and is it worth a write?

Pure; asked by app/report.py at the end of each turn. Written for whoever is woken at night and reads one line.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from firebreak.api.conditions import set_condition
from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import (
    AIServiceStatus,
    ClusteringStatus,
    LastDrill,
    RevisionStatus,
    SamplingTold,
)
from firebreak.api.v1alpha1.incident import Phase
from firebreak.app.conditions import conditions_said, no_known_good, quarantine_ready
from firebreak.app.no_regression import no_regression
from firebreak.app.objective_words import objective_told, worst_of
from firebreak.core.comparison import Comparison
from firebreak.core.detectors.burn_rate import Budget, budget_in_words, least_left
from firebreak.core.feasibility import delay_in_words
from firebreak.core.memory import Memory, kept
from firebreak.core.problems import Problem
from firebreak.core.quarantine import Guard
from firebreak.core.revision import RevisionFacts
from firebreak.core.situation import Hold
from firebreak.core.steps import is_contained
from firebreak.core.verdict import Finding, Tier, Verdict

VALUES_EVERY = timedelta(minutes=1)
"""Numbers that have moved are written at most this often; a change of state at once."""


def service_status(
    service: AIService,
    *,
    verdicts: Mapping[str, Verdict],
    revision: RevisionFacts,
    incident: AIIncident | None,
    problems: tuple[Problem, ...],
    holds: tuple[Hold, ...],
    memory: Memory,
    now: datetime,
    not_proven: str = "",
    expected_delays: Mapping[str, timedelta | None] | None = None,
    clusterings: Mapping[str, ClusteringStatus] | None = None,
    sampling: SamplingTold | None = None,
    budgets: Mapping[str, Budget] | None = None,
    last_drill: LastDrill | None = None,
    drilled: str = "",
    guard: Guard | None = None,
    comparisons: Mapping[str, Comparison] | None = None,
) -> AIServiceStatus:
    """Everything that is known of the service, on top of its last status.

    `incident` is the open one. `not_proven` says what the revision that serves lacks to be known good (core/soak.py).
    `expected_delays` is None for never, and has no entry for what cannot be read now. What is not in `clusterings` is
    not read just now, and stays as it was recorded.
    `drilled` says when the ladder was last proven by a drill (core/drill_proof.py).
    """
    recorded = {o.name: o.clustering for o in service.status.objectives} | dict(clusterings or {})
    delays = {name: delay_in_words(delay) for name, delay in (expected_delays or {}).items()}
    objectives = tuple(
        objective_told(o, verdicts.get(o.name)).model_copy(
            update={
                "expected_delay": delays.get(o.name, ""),
                "clustering": recorded.get(o.name),
                "budget": budget_in_words((budgets or {}).get(o.name)),
            }
        )
        for o in service.spec.objectives
    )
    conditions = service.status.conditions
    said = conditions_said(service, verdicts, objectives, revision, problems, holds, not_proven, drilled)
    regression = no_regression(service, revision, comparisons or {})
    for condition in (*said, *quarantine_ready(service, guard), *regression):
        type_, status, reason, message = condition
        conditions = set_condition(
            conditions,
            type=type_,
            status=status,
            reason=reason,
            message=message,
            generation=service.metadata.generation,
            now=now,
        )
    told = AIServiceStatus(
        observed_generation=service.metadata.generation,
        state=state_of(service, verdicts, incident),
        conditions=conditions,
        objectives=objectives,
        worst_objective=worst_of(service, verdicts, objectives),
        revision=_revision(service, revision, not_proven),
        budget=least_left(budgets or {}),
        sampling=sampling or SamplingTold(),
        active_incident=incident.metadata.name if incident else "",
        last_drill=last_drill,
    )
    return kept(told, memory)


def worth_writing(old: AIServiceStatus, new: AIServiceStatus, last_written_at: datetime | None, now: datetime) -> bool:
    """Whether the difference is to be written now.

    A change of state, of a condition, of the revision or of the incident at once; numbers at most once a minute; the
    words around a value of an objective that is met never by themselves, since they move with every step.
    """
    if _facts(old) != _facts(new):
        return True
    if _numbers(old) == _numbers(new):
        return False
    return last_written_at is None or now - last_written_at >= VALUES_EVERY


def next_write(last_written_at: datetime) -> datetime:
    """When numbers that were held back may be written."""
    return last_written_at + VALUES_EVERY


def state_of(service: AIService, verdicts: Mapping[str, Verdict], incident: AIIncident | None) -> str:
    """The service in one word."""
    if incident is not None and incident.status.phase is not Phase.RESOLVED:
        if incident.status.phase is Phase.AWAITING_HUMAN:
            return "NeedsHuman"
        return "Contained" if is_contained(incident.status) else "Incident"
    if service.spec.suspend:
        return "Suspended"
    declared = [verdicts.get(o.name) for o in service.spec.objectives]
    tier = max((v.tier for v in declared if v and v.finding is Finding.BREACHED), default=Tier.NONE)
    match tier:
        case Tier.CONFIRMED:
            return "Incident"
        case Tier.SUSPECTED:
            return "Suspected"
        case Tier.WATCH:
            return "Watch"
    if all(v is not None and v.finding is Finding.MET for v in declared):
        return "Healthy"
    return "Unknown"


# --- revision


def _revision(service: AIService, facts: RevisionFacts, not_proven: str) -> RevisionStatus:
    declared, last = service.spec.revision, service.status.revision
    if declared is None:
        return RevisionStatus()
    # A revision that cannot be read for a moment is not forgotten: since when it serves is known from here.
    current = facts.current.name if facts.current else last.current
    since = facts.since if facts.current else last.current_since
    left = facts.left_known_good if facts.current else last.left_known_good_at
    if facts.known_good is None:
        reason = no_known_good(not_proven)
    elif declared.known_good.pin is not None:
        reason = "pinned in spec.revision.knownGood.pin"
    elif facts.known_good.known_good_since is not None:
        reason = f"proven since {facts.known_good.known_good_since:%Y-%m-%d %H:%M:%SZ}"
    else:
        reason = ""
    return RevisionStatus(
        current=current,
        current_since=since,
        known_good=facts.known_good.name if facts.known_good else "",
        known_good_reason=reason[:1024],
        left_known_good_at=left,
        quarantined=tuple(sorted(facts.quarantined))[:64],
    )


# --- what has changed


def _facts(status: AIServiceStatus) -> object:
    return (
        status.observed_generation,
        status.state,
        sorted((c.type, c.status, c.reason, c.observed_generation) for c in status.conditions),
        [(o.name, o.finding, o.tier, o.target) for o in status.objectives],
        status.sampling.state,
        [(c.value, c.basis, c.series) for o in status.objectives if (c := o.clustering)],
        (status.revision.current, status.revision.known_good, status.revision.quarantined),
        _milliseconds(status.revision.left_known_good_at),
        (status.active_incident, status.incident_count, _milliseconds(status.last_resolved)),
        [(c.incident, _milliseconds(c.at), _milliseconds(c.ended_at)) for c in status.containments],
        (status.last_drill.name, _milliseconds(status.last_drill.at)) if status.last_drill else None,
    )


def _numbers(status: AIServiceStatus) -> object:
    return (
        status.budget,
        [
            (o.value, o.expected_delay, o.budget, "" if o.finding == Finding.MET else o.because)
            for o in status.objectives
        ],
        [(c.healthy, _milliseconds(c.measured_at)) for o in status.objectives if (c := o.clustering)],
        status.sampling.message,
        status.worst_objective,
        status.revision.known_good_reason,
        _milliseconds(status.revision.current_since),
        [c.message for c in status.conditions],
    )


def _milliseconds(moment: datetime | None) -> int | None:
    """As precise as the API server holds it, or what was written would never equal what is known."""
    return None if moment is None else int(moment.timestamp() * 1000)
