"""What an incident's conditions say: for `kubectl wait` and for whoever reads nothing else.

Derived from the rest of the record whenever it is written (app/loop.py), so they can never say anything else.
"""

from datetime import datetime

from firebreak.api.conditions import ConditionReason, ConditionType, set_condition
from firebreak.api.v1alpha1.incident import ActionPhase, AIIncidentStatus, Closing, Outcome, Phase, TimelineEntry
from firebreak.api.v1alpha1.model import ConditionStatus
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.core.commands import Reason


def with_conditions(status: AIIncidentStatus, generation: int, now: datetime) -> AIIncidentStatus:
    """The record with its conditions brought up to date."""
    conditions = status.conditions
    for type_, (is_so, reason, message) in (
        (ConditionType.CONTAINED, _contained(status)),
        (ConditionType.HELD, _held(status)),
        (ConditionType.NEEDS_HUMAN, _needs_human(status)),
        (ConditionType.RESOLVED, _resolved(status)),
    ):
        conditions = set_condition(
            conditions,
            type=type_,
            status=ConditionStatus.TRUE if is_so else ConditionStatus.FALSE,
            reason=reason,
            message=message,
            generation=generation,
            now=now,
        )
    return status.model_copy(update={"conditions": conditions})


def joined(status: AIIncidentStatus, other: str, now: datetime) -> AIIncidentStatus:
    """The record of an incident that was declared while another one of its service was open."""
    message = f"joined {other}: at most one incident is open for a service; say there what is to be done"
    entry = TimelineEntry(at=now, reason=Reason.JOINED_ANOTHER, message=message)
    return status.model_copy(
        update={
            "phase": Phase.RESOLVED,
            "detected_at": now,
            "resolved_at": now,
            "closing": Closing(at=now, reason=Reason.JOINED_ANOTHER, message=message),
            "timeline": (*status.timeline, entry),
        }
    )


def _contained(status: AIIncidentStatus) -> tuple[bool, str, str]:
    drifted = next((a for a in reversed(status.actions) if a.drifted_at and a.phase is ActionPhase.BLOCKED), None)
    for action in reversed(status.actions):
        if action.outcome is Outcome.RECOVERED and action.phase in (ActionPhase.IN_FORCE, ActionPhase.KEPT):
            words = f"{action.kind} {action.subject} is in force and was shown to help".replace("  ", " ")
            open_ = next((e.message for e in status.timeline if e.reason == Reason.NOT_DENIABLE), "")
            if open_ and action.kind is ActionKind.ROLL_BACK:
                words = f"{words}; {open_}"
            return True, ConditionReason.IN_FORCE, words
    if drifted is not None:
        return False, Reason.DRIFTED, drifted.message
    return False, ConditionReason.NOTHING_IN_FORCE, "nothing is in force that was shown to help"


def _held(status: AIIncidentStatus) -> tuple[bool, str, str]:
    if status.held is not None:
        return True, status.held.reason, status.held.message
    return False, ConditionReason.WORKING, "nothing that is called for is held"


def _needs_human(status: AIIncidentStatus) -> tuple[bool, str, str]:
    if status.page is not None:
        return True, status.page.reason, status.page.message
    return False, ConditionReason.WORKING, "nothing is asked of people"


def _resolved(status: AIIncidentStatus) -> tuple[bool, str, str]:
    if status.resolved_at is None:
        return False, ConditionReason.OPEN, "the incident is open"
    ended = status.closing
    return (True, ended.reason, ended.message) if ended else (True, ConditionReason.WORKING, "the incident is over")
