"""What does an AIService's status say, and is it worth a write?

Pure; asked by app/report.py at the end of each turn. Written for whoever is woken at night and reads one line.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from firebreak.api.conditions import ConditionReason, ConditionType, set_condition
from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import (
    AIServiceStatus,
    ClusteringStatus,
    DetectorKind,
    LastDrill,
    Mode,
    Objective,
    RevisionStatus,
    SamplingTold,
)
from firebreak.api.v1alpha1.aiservice import ObjectiveStatus as Told
from firebreak.api.v1alpha1.incident import Phase
from firebreak.api.v1alpha1.model import ConditionStatus
from firebreak.api.v1alpha1.quantities import format_duration, format_percent
from firebreak.app.no_regression import no_regression
from firebreak.core.commands import Reason
from firebreak.core.comparison import Comparison
from firebreak.core.detectors.burn_rate import Budget, budget_in_words, least_left
from firebreak.core.feasibility import delay_in_words, is_for_tickets
from firebreak.core.memory import Memory, kept
from firebreak.core.problems import Problem
from firebreak.core.quarantine import Guard, is_deniable
from firebreak.core.revision import RevisionFacts
from firebreak.core.situation import Hold
from firebreak.core.steps import is_contained
from firebreak.core.verdict import Finding, Tier, Verdict, VerdictReason

VALUES_EVERY = timedelta(minutes=1)
"""Numbers that have moved are written at most this often; a change of state at once."""

_DELIBERATE = (Reason.PAUSED, Reason.SUSPENDED, Reason.CLUSTERING_UNMEASURED)
"""Holds that someone wanted: containments are off, but nothing is broken."""
_OF_READINGS = (ConditionReason.INDICATOR_ODD, ConditionReason.JUDGE_COVERAGE_LOST)
"""What was read tells them: they explain no error of a source."""
_UNSEEN = (VerdictReason.NO_SERIES, VerdictReason.INVALID_VALUES, VerdictReason.STALE, VerdictReason.SEVERAL_WRITERS)
"""The indicator is at fault, not the amount of traffic."""


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
        _objective(o, verdicts.get(o.name)).model_copy(
            update={
                "expected_delay": delays.get(o.name, ""),
                "clustering": recorded.get(o.name),
                "budget": budget_in_words((budgets or {}).get(o.name)),
            }
        )
        for o in service.spec.objectives
    )
    conditions = service.status.conditions
    said = _conditions(service, verdicts, objectives, revision, problems, holds, not_proven, drilled)
    regression = no_regression(service, revision, comparisons or {})
    for condition in (*said, *_quarantine_ready(service, guard), *regression):
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
        worst_objective=_worst(service, verdicts, objectives),
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


# --- objectives


def _objective(objective: Objective, verdict: Verdict | None) -> Told:
    if verdict is None:
        because = "has not been read yet"
        return Told(
            name=objective.name, finding=Finding.INCONCLUSIVE, target=target_in_words(objective), because=because
        )
    return Told(
        name=objective.name,
        finding=verdict.finding,
        tier=verdict.tier.label if verdict.finding is Finding.BREACHED else "",
        value=value_in_words(objective, verdict),
        target=target_in_words(objective),
        because=verdict.because[:1024],
    )


def target_in_words(objective: Objective) -> str:
    """What the value is held against: "99%", "at most 86400", "fewer than 3 in 10m"."""
    detector = objective.detector
    match detector.kind:
        case DetectorKind.SEQUENTIAL | DetectorKind.BURN_RATE:
            return "" if objective.target is None else format_percent(objective.target)
        case DetectorKind.THRESHOLD:
            return f"at least {detector.below:g}" if detector.below is not None else f"at most {detector.above or 0:g}"
        case DetectorKind.COUNT:
            window = format_duration(detector.window) if detector.window else "10m"
            return f"fewer than {detector.at_least or 1} in {window}"


def value_in_words(objective: Objective, verdict: Verdict) -> str:
    """The share of good answers, the gauge's value or the number of events; empty when there is none."""
    match objective.detector.kind:
        case DetectorKind.SEQUENTIAL | DetectorKind.BURN_RATE:
            if verdict.estimate is None or objective.target is None:
                return ""
            # One digit more than the target has: enough to see on which side of it the value lies.
            digits = len(format_percent(objective.target).rstrip("%").partition(".")[2]) + 1
            return f"{(1 - verdict.estimate) * 100:.{digits}f}%"
        case DetectorKind.THRESHOLD:
            return "" if verdict.estimate is None else f"{verdict.estimate:.4g}"
        case DetectorKind.COUNT:
            return "" if verdict.bad is None else f"{verdict.bad:g}"


def _worst(service: AIService, verdicts: Mapping[str, Verdict], told: tuple[Told, ...]) -> str:
    def badness(objective: Objective) -> tuple[int, int, float]:
        verdict = verdicts.get(objective.name)
        if verdict is None:
            return (1, 0, 0.0)
        order = {Finding.BREACHED: 3, Finding.ERROR: 2, Finding.INCONCLUSIVE: 1, Finding.MET: 0}
        return (order[verdict.finding], int(verdict.tier), _used(objective, verdict))

    name = max(service.spec.objectives, key=badness).name
    worst = next(o for o in told if o.name == name)
    if worst.value:
        return f"{name} {worst.value} ({worst.target})"[:128]
    verdict = verdicts.get(name)
    return f"{name}: {verdict.reason if verdict else VerdictReason.NOT_SAMPLED_YET}"[:128]


def _used(objective: Objective, verdict: Verdict) -> float:
    """How much of what is allowed is used up, so that unlike objectives can be compared."""
    if objective.target is not None and verdict.estimate is not None:
        return verdict.estimate / (1 - objective.target)
    if objective.detector.above and verdict.estimate is not None:
        return verdict.estimate / objective.detector.above
    if objective.detector.kind is DetectorKind.COUNT and verdict.bad is not None:
        return verdict.bad / (objective.detector.at_least or 1)
    return 0.0


# --- conditions

_Said = tuple[ConditionType, ConditionStatus, str, str]


def _conditions(
    service: AIService,
    verdicts: Mapping[str, Verdict],
    objectives: tuple[Told, ...],
    revision: RevisionFacts,
    problems: tuple[Problem, ...],
    holds: tuple[Hold, ...],
    not_proven: str,
    drilled: str,
) -> tuple[_Said, ...]:
    indicator = _indicator_healthy(service, verdicts, problems)
    containment = _containment_ready(service, revision, problems, holds, not_proven, drilled)
    return (
        _ready(problems, holds, indicator, containment),
        _objectives_met(objectives),
        indicator,
        containment,
        _verification_feasible(_proving(service, objectives), problems),
    )


def _ready(problems: tuple[Problem, ...], holds: tuple[Hold, ...], indicator: _Said, containment: _Said) -> _Said:
    own = [(p.reason, p.message) for p in problems if p.condition is ConditionType.READY]
    if own:
        return _false(ConditionType.READY, own)
    for type_, status, reason, message in (indicator, containment):
        deliberate = type_ is ConditionType.CONTAINMENT_READY and reason in _DELIBERATE
        if status is ConditionStatus.FALSE and not deliberate:
            return (ConditionType.READY, status, reason, f"{type_} is False: {message}")
    if indicator[1] is ConditionStatus.UNKNOWN:
        return (ConditionType.READY, ConditionStatus.UNKNOWN, indicator[2], indicator[3])
    off = "; ".join(h.because for h in holds if h.reason in _DELIBERATE)
    message = f"watching, and containments are held: {off}" if off else "watching, and nothing is in the way"
    return (ConditionType.READY, ConditionStatus.TRUE, ConditionReason.WORKING, message)


def _objectives_met(objectives: tuple[Told, ...]) -> _Said:
    breached = [o for o in objectives if o.finding == Finding.BREACHED]
    unclear = [o for o in objectives if o.finding in (Finding.INCONCLUSIVE, Finding.ERROR)]
    if breached:
        words = "; ".join(f"{o.name} ({o.tier}, target {o.target}): {o.because}" for o in breached)
        return (ConditionType.OBJECTIVES_MET, ConditionStatus.FALSE, ConditionReason.BREACHED, words)
    if unclear:
        words = "cannot say of " + "; ".join(f"{o.name}: {o.because}" for o in unclear)
        return (ConditionType.OBJECTIVES_MET, ConditionStatus.UNKNOWN, ConditionReason.EVIDENCE_MISSING, words)
    words = "; ".join(f"{o.name} {o.value} (target {o.target})" for o in objectives)
    return (ConditionType.OBJECTIVES_MET, ConditionStatus.TRUE, ConditionReason.WITHIN_OBJECTIVE, words)


def _indicator_healthy(service: AIService, verdicts: Mapping[str, Verdict], problems: tuple[Problem, ...]) -> _Said:
    wrong = [(str(p.reason), p.message) for p in problems if p.condition is ConditionType.INDICATOR_HEALTHY]
    explained = any(p.condition is ConditionType.INDICATOR_HEALTHY and p.reason not in _OF_READINGS for p in problems)
    thin: list[tuple[str, str]] = []
    for objective in service.spec.objectives:
        verdict = verdicts.get(objective.name)
        if verdict is None or verdict.reason is VerdictReason.NOT_SAMPLED_YET:
            thin.append((ConditionReason.NOT_SAMPLED_YET, f"{objective.name} has not been read yet"))
        elif verdict.finding is Finding.ERROR or verdict.reason in _UNSEEN:
            # What is said of a missing indicator or source says it better than the verdict that follows from it.
            if not explained or verdict.finding is not Finding.ERROR:
                wrong.append((str(verdict.reason), f"{objective.name}: {verdict.because}; query {verdict.query}"))
        elif verdict.reason is VerdictReason.TOO_FEW_JUDGED:
            thin.append((str(verdict.reason), f"{objective.name}: {verdict.because}"))
    if wrong:
        return _false(ConditionType.INDICATOR_HEALTHY, wrong)
    if thin:
        words = "; ".join(message for _, message in thin)
        return (ConditionType.INDICATOR_HEALTHY, ConditionStatus.UNKNOWN, thin[0][0], words)
    message = "the series of every objective are there"
    return (ConditionType.INDICATOR_HEALTHY, ConditionStatus.TRUE, ConditionReason.READABLE, message)


def _containment_ready(
    service: AIService,
    revision: RevisionFacts,
    problems: tuple[Problem, ...],
    holds: tuple[Hold, ...],
    not_proven: str,
    drilled: str,
) -> _Said:
    wrong = [(str(h.reason), h.because) for h in holds if h.reason not in _DELIBERATE]
    wrong += [(str(p.reason), p.message) for p in problems if p.condition is ConditionType.CONTAINMENT_READY]
    if service.spec.revision is not None and revision.current is None and revision.problem:
        wrong.append((ConditionReason.REVISION_UNREADABLE, revision.problem))
    # Last: whoever paused it knows, but not what else is broken.
    wrong += [(str(h.reason), h.because) for h in holds if h.reason in _DELIBERATE]
    if wrong:
        return _false(ConditionType.CONTAINMENT_READY, wrong)
    said = (ConditionType.CONTAINMENT_READY, ConditionStatus.TRUE)
    proven = f"; {drilled}" if drilled else ""
    if service.spec.containment.mode is Mode.OBSERVE:
        message = "mode is Observe: what would be done is said, nothing is changed; set spec.containment.mode: Enforce"
        return (*said, ConditionReason.OBSERVING, f"{message}{proven}")
    if service.spec.revision is not None and revision.known_good is None:
        skipped = f"RollBack would be skipped: {_no_known_good(not_proven)}"
        return (*said, ConditionReason.NO_KNOWN_GOOD, f"{skipped}{proven}")
    return (*said, ConditionReason.READY, f"every step that is declared could be taken{proven}")


def _proving(service: AIService, objectives: tuple[Told, ...]) -> tuple[Told, ...]:
    return tuple(
        o for o, declared in zip(objectives, service.spec.objectives, strict=True) if not is_for_tickets(declared)
    )


def _verification_feasible(objectives: tuple[Told, ...], problems: tuple[Problem, ...]) -> _Said:
    """A warning by itself: Firebreak works, and may have to ask people whether a step has helped."""
    type_ = ConditionType.VERIFICATION_FEASIBLE
    wrong = [(str(p.reason), p.message) for p in problems if p.condition is type_]
    if wrong:
        return _false(type_, wrong)
    unknown = [o.name for o in objectives if not o.expected_delay]
    if unknown:
        words = f"how much is judged is not known of {', '.join(unknown)}"
        return (type_, ConditionStatus.UNKNOWN, ConditionReason.EVIDENCE_MISSING, words)
    words = "; ".join(f"a breach of {o.name} is confirmed in about {o.expected_delay}" for o in objectives)
    return (type_, ConditionStatus.TRUE, ConditionReason.ENOUGH_EVIDENCE, words)


def _quarantine_ready(service: AIService, guard: Guard | None) -> tuple[_Said, ...]:
    """Like the one above a warning by itself: a quarantine fails open, so a rollback goes ahead without it."""
    if service.spec.revision is None or guard is None:
        return ()
    type_ = ConditionType.QUARANTINE_READY
    open_ = [f.name for f in service.spec.revision.fields if not is_deniable(f)]
    if guard.is_in_force is None:
        return ((type_, ConditionStatus.UNKNOWN, ConditionReason.EVIDENCE_MISSING, guard.because),)
    if not guard.is_in_force:
        words = f"{guard.because}; until helm upgrade has put it right a revision that was rolled back may come back"
        return ((type_, ConditionStatus.FALSE, ConditionReason.NOT_DENIED, words),)
    if open_:
        words = f"{', '.join(open_)} of spec.revision.fields is at a place that no policy can deny: it may come back"
        return ((type_, ConditionStatus.FALSE, ConditionReason.NOT_DENIED, words),)
    return ((type_, ConditionStatus.TRUE, ConditionReason.READY, guard.because),)


def _false(type_: ConditionType, wrong: Iterable[tuple[str, str]]) -> _Said:
    """One reason is named, several are counted; the same words are said once."""
    distinct = list(dict.fromkeys((str(reason), message) for reason, message in wrong))
    reason = distinct[0][0] if len({r for r, _ in distinct}) == 1 else str(ConditionReason.SEVERAL)
    return (type_, ConditionStatus.FALSE, reason, "; ".join(dict.fromkeys(m for _, m in distinct)))


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
        reason = _no_known_good(not_proven)
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


def _no_known_good(not_proven: str) -> str:
    return "no revision has been proven yet" + (f"; {not_proven}" if not_proven else "")


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
