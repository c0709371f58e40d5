"""Which conditions does an AIService have, with which reason and in which words? Pure; asked by app/status.py."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.api.v1alpha1 import AIService
from firebreak.api.v1alpha1.aiservice import Mode
from firebreak.api.v1alpha1.aiservice import ObjectiveStatus as Told
from firebreak.api.v1alpha1.model import ConditionStatus
from firebreak.core.commands import Reason
from firebreak.core.feasibility import is_for_tickets
from firebreak.core.problems import Problem
from firebreak.core.quarantine import Guard, is_deniable
from firebreak.core.revision import RevisionFacts
from firebreak.core.situation import Hold
from firebreak.core.verdict import Finding, Verdict, VerdictReason

Said: TypeAlias = tuple[ConditionType, ConditionStatus, str, str]
"""Type, status, reason and message."""

_DELIBERATE = (Reason.PAUSED, Reason.SUSPENDED, Reason.CLUSTERING_UNMEASURED)
"""Holds that someone wanted: containments are off, but nothing is broken."""
_OF_READINGS = (ConditionReason.INDICATOR_ODD, ConditionReason.JUDGE_COVERAGE_LOST)
"""What was read tells them: they explain no error of a source."""
_UNSEEN = (VerdictReason.NO_SERIES, VerdictReason.INVALID_VALUES, VerdictReason.STALE, VerdictReason.SEVERAL_WRITERS)
"""The indicator is at fault, not the amount of traffic."""


def conditions_said(
    service: AIService,
    verdicts: Mapping[str, Verdict],
    objectives: tuple[Told, ...],
    revision: RevisionFacts,
    problems: tuple[Problem, ...],
    holds: tuple[Hold, ...],
    not_proven: str,
    drilled: str,
) -> tuple[Said, ...]:
    indicator = _indicator_healthy(service, verdicts, problems)
    containment = _containment_ready(service, revision, problems, holds, not_proven, drilled)
    return (
        _ready(problems, holds, indicator, containment),
        _objectives_met(objectives),
        indicator,
        containment,
        _verification_feasible(_proving(service, objectives), problems),
    )


def _ready(problems: tuple[Problem, ...], holds: tuple[Hold, ...], indicator: Said, containment: Said) -> Said:
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


def _objectives_met(objectives: tuple[Told, ...]) -> Said:
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


def _indicator_healthy(service: AIService, verdicts: Mapping[str, Verdict], problems: tuple[Problem, ...]) -> Said:
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
) -> Said:
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
        skipped = f"RollBack would be skipped: {no_known_good(not_proven)}"
        return (*said, ConditionReason.NO_KNOWN_GOOD, f"{skipped}{proven}")
    return (*said, ConditionReason.READY, f"every step that is declared could be taken{proven}")


def _proving(service: AIService, objectives: tuple[Told, ...]) -> tuple[Told, ...]:
    return tuple(
        o for o, declared in zip(objectives, service.spec.objectives, strict=True) if not is_for_tickets(declared)
    )


def _verification_feasible(objectives: tuple[Told, ...], problems: tuple[Problem, ...]) -> Said:
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


def quarantine_ready(service: AIService, guard: Guard | None) -> tuple[Said, ...]:
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


def _false(type_: ConditionType, wrong: Iterable[tuple[str, str]]) -> Said:
    """One reason is named, several are counted; the same words are said once."""
    distinct = list(dict.fromkeys((str(reason), message) for reason, message in wrong))
    reason = distinct[0][0] if len({r for r, _ in distinct}) == 1 else str(ConditionReason.SEVERAL)
    return (type_, ConditionStatus.FALSE, reason, "; ".join(dict.fromkeys(m for _, m in distinct)))


def no_known_good(not_proven: str) -> str:
    return "no revision has been proven yet" + (f"; {not_proven}" if not_proven else "")
