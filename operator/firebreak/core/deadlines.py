"""By when must a step have been written, be in force, and be shown to help?

Asked by core/judging.py, which gives up what is late, and by app/actuator.py, which does not write what is long out of
date. The time for the proofs runs from the write: minutes in which the API server was away are not the step's fault.
"""

from datetime import datetime, timedelta

from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncidentStatus

LAST_TRY = timedelta(minutes=2)
"""What could not be written in its time is tried once more for so long, if the evidence still asks for it."""


def due_at(status: AIIncidentStatus, action: Action) -> datetime | None:
    """When the step's time is over; None where the policy gives it none."""
    within = _within(status, action)
    if within is None:
        return None
    if action.phase is ActionPhase.INTENDED and action.renewed_at is not None:
        return action.renewed_at + LAST_TRY
    # A clock that was set back between the two must not make a step late that has just been written.
    return max(action.intended_at, action.applied_at or action.intended_at) + within


def is_out_of_date(status: AIIncidentStatus, action: Action, now: datetime) -> bool:
    """Whether an intent is so old that it must not be begun: the evidence that it rests on has to be looked at again.

    What has been written in part is seen through, and so is everything when the incident ends.
    """
    if action.phase is not ActionPhase.INTENDED or status.closing is not None or any(w.landed for w in action.writes):
        return False
    due = due_at(status, action)
    return due is not None and now >= due


def _within(status: AIIncidentStatus, action: Action) -> timedelta | None:
    if status.policy is None or action.ladder >= len(status.policy.ladders):
        return None
    steps = status.policy.ladders[action.ladder].steps
    return steps[action.step].verify_within if action.step < len(steps) else None
