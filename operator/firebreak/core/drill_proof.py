"""When was a service's ladder last shown to be fit to be carried out, and does that still hold?

Asked by app/report.py for the service's status. A drill speaks for the policy and the service that it rehearsed: when
either has been changed since, it proves nothing any more, and what it found in the way may be gone.
"""

from collections.abc import Iterable

from firebreak.api.conditions import ConditionType
from firebreak.api.v1alpha1 import AIService, ContainmentDrill
from firebreak.api.v1alpha1.aiservice import LastDrill
from firebreak.api.v1alpha1.drill import DrillOutcome
from firebreak.api.v1alpha1.incident import ActionPhase
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec
from firebreak.core.commands import Reason
from firebreak.core.drill_options import policy_hash
from firebreak.core.problems import Problem

_TELLING = (DrillOutcome.PASSED, DrillOutcome.FAILED)
"""A drill that gave way, was stopped or came too late says nothing of the ladder."""


def last_drill(service: AIService, drills: Iterable[ContainmentDrill]) -> LastDrill | None:
    """The last one that came to its end, also when its object has been deleted since."""
    known = service.status.last_drill
    found = [known] if known is not None else []
    for drill in drills:
        run = drill.status.run
        if run is None or run.ended_at is None or run.outcome not in _TELLING:
            continue
        found.append(
            LastDrill(
                name=drill.metadata.name,
                mode=run.mode,
                at=run.ended_at,
                outcome=run.outcome,
                message=run.message,
                policy_hash=run.policy_hash,
                service_generation=run.service_generation,
            )
        )
    return max(found, key=lambda d: d.at, default=None)


def in_words(service: AIService, last: LastDrill | None, policy: ContainmentPolicySpec | None) -> str:
    """What is to be said of it beside a ladder in good order; empty when there never was a drill."""
    if last is None:
        return ""
    said = f"by ContainmentDrill {last.name} (mode {last.mode}) at {last.at:%Y-%m-%d %H:%M:%SZ}"
    if not _is_of(service, last, policy):
        return f"last drilled {said}, and policy or service have been changed since: drill again"
    return f"last proven {said}" if last.outcome == DrillOutcome.PASSED else ""


def that_speaks(service: AIService, last: LastDrill | None, policy: ContainmentPolicySpec | None) -> LastDrill | None:
    """The last drill, if policy and service are as they were then."""
    return last if last is not None and _is_of(service, last, policy) else None


def problems_of(
    service: AIService,
    last: LastDrill | None,
    drills: Iterable[ContainmentDrill],
    policy: ContainmentPolicySpec | None,
) -> tuple[Problem, ...]:
    """What a drill has found in the way, and what one cannot give back."""
    found = []
    if last is not None and last.outcome == DrillOutcome.FAILED and _is_of(service, last, policy):
        message = (
            f"ContainmentDrill {last.name} (mode {last.mode}) failed at {last.at:%Y-%m-%d %H:%M:%SZ}: {last.message}; "
            f"once that is repaired: kubectl firebreak drill {service.metadata.name}"
        )
        found.append(_problem(Reason.DRILL_FAILED, message))
    for drill in drills:
        action = drill.status.action
        if action is not None and action.phase is ActionPhase.UNDOING and action.message:
            found.append(_problem(Reason.WRITE_BLOCKED, f"ContainmentDrill {drill.metadata.name}: {action.message}"))
    return tuple(found)


def _is_of(service: AIService, last: LastDrill, policy: ContainmentPolicySpec | None) -> bool:
    same_policy = policy is not None and policy_hash(policy) == last.policy_hash
    return same_policy and service.metadata.generation == last.service_generation


def _problem(reason: Reason, message: str) -> Problem:
    return Problem(condition=ConditionType.CONTAINMENT_READY, reason=reason, message=message)
