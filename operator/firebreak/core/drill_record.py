"""How does what happens in a drill change its record?

Asked by core/drill.py; each function answers with the whole status, which is written before anything else is done.
State, summary and conditions are derived from the rest, never set on their own.
"""

from datetime import datetime

from firebreak.api.conditions import ConditionReason, ConditionType, set_condition
from firebreak.api.v1alpha1 import ContainmentDrill
from firebreak.api.v1alpha1.drill import (
    ContainmentDrillStatus,
    DrillOption,
    DrillOutcome,
    DrillRun,
    DrillStop,
    OptionResult,
    PastRun,
)
from firebreak.api.v1alpha1.incident import Action, ActionPhase
from firebreak.api.v1alpha1.model import ConditionStatus
from firebreak.core.commands import Reason
from firebreak.core.drill_options import Finding
from firebreak.core.field_writes import undone

_SAID = {
    DrillOutcome.PASSED: Reason.DRILL_PASSED,
    DrillOutcome.FAILED: Reason.DRILL_FAILED,
    DrillOutcome.YIELDED: Reason.DRILL_YIELDED,
    DrillOutcome.STOPPED: Reason.DRILL_STOPPED,
    DrillOutcome.MISSED: Reason.DRILL_MISSED,
}


def reason_of(outcome: DrillOutcome) -> Reason:
    """The outcome as Events and conditions say it."""
    return _SAID[outcome]


def is_running(status: ContainmentDrillStatus) -> bool:
    """Whether a run is under way."""
    return status.run is not None and status.run.ended_at is None


def next_number(status: ContainmentDrillStatus) -> int:
    """The number of the run that begins next."""
    known = [r.number for r in (status.run, *status.history) if r is not None]
    return max(known, default=0) + 1


def begun(status: ContainmentDrillStatus, run: DrillRun, options: tuple[DrillOption, ...]) -> ContainmentDrillStatus:
    """A run is under way; the one before it goes to the history."""
    return status.model_copy(
        update={
            "history": (*_past(status.run), *status.history),
            "run": run,
            "options": options,
            "action": None,
            "last_schedule_time": run.due_at,
        }
    )


def missed(status: ContainmentDrillStatus, run: DrillRun, is_repeated: bool) -> ContainmentDrillStatus:
    """A run that was not begun. Of a schedule it is one line of the history: the last report is worth more."""
    if not is_repeated:
        return status.model_copy(update={"run": run, "last_schedule_time": run.due_at})
    return status.model_copy(update={"history": (*_past(run), *status.history), "last_schedule_time": run.due_at})


def _past(run: DrillRun | None) -> tuple[PastRun, ...]:
    if run is None or run.ended_at is None or run.outcome is None:
        return ()
    past = PastRun(
        number=run.number,
        mode=run.mode,
        started_at=run.started_at,
        ended_at=run.ended_at,
        outcome=run.outcome,
        policy_hash=run.policy_hash,
        message=run.message,
    )
    return (past,)


def with_option(status: ContainmentDrillStatus, option: DrillOption) -> ContainmentDrillStatus:
    """The record with this option in place of the one with its name."""
    return status.model_copy(update={"options": tuple(option if o.name == option.name else o for o in status.options)})


def reported(
    status: ContainmentDrillStatus, option: DrillOption, finding: Finding, now: datetime
) -> ContainmentDrillStatus:
    """What a rehearsal has found of one step."""
    said = {"result": finding.result, "reason": finding.reason[:64], "message": finding.message[:1024], "at": now}
    return with_option(status, option.model_copy(update=said)).model_copy(update={"action": None})


def in_force(
    status: ContainmentDrillStatus, option: DrillOption, action: Action, because: str, now: datetime
) -> ContainmentDrillStatus:
    """The effect of the step was seen: how long that took is known now."""
    seen = action.model_copy(update={"phase": ActionPhase.IN_FORCE, "in_force_at": now, "message": ""})
    timed = {
        "accepted_seconds": _seconds(action.intended_at, action.applied_at or now),
        "in_force_seconds": _seconds(action.intended_at, now),
        "reason": Reason.IN_FORCE,
        "message": because[:1024],
    }
    return with_option(status, option.model_copy(update=timed)).model_copy(update={"action": seen})


def giving_back(
    status: ContainmentDrillStatus, option: DrillOption, action: Action, finding: Finding | None, now: datetime
) -> ContainmentDrillStatus:
    """What the step has written is to be put back; `finding` is what is in its way, where something is."""
    wanted = {"phase": ActionPhase.UNDOING, "writes": undone(action.writes), "given_back": 100, "message": ""}
    said: dict[str, object] = {"giving_back_at": now}
    if finding is not None:
        said |= {"reason": finding.reason[:64], "message": finding.message[:1024]}
    if action.applied_at is not None and option.accepted_seconds is None:
        said["accepted_seconds"] = _seconds(action.intended_at, action.applied_at)
    return with_option(status, option.model_copy(update=said)).model_copy(
        update={"action": action.model_copy(update=wanted)}
    )


def given_back(option: DrillOption, now: datetime) -> DrillOption:
    """Everything stands as before, and is in force again."""
    if option.giving_back_at is None:
        return option
    return option.model_copy(update={"given_back_seconds": _seconds(option.giving_back_at, now)})


def stopping(status: ContainmentDrillStatus, stop: DrillStop) -> ContainmentDrillStatus:
    """The run is to end before its time."""
    assert status.run is not None
    return status.model_copy(update={"run": status.run.model_copy(update={"stop": stop})})


def concluded(status: ContainmentDrillStatus, now: datetime) -> ContainmentDrillStatus:
    """The run is over."""
    run = status.run
    assert run is not None
    blocked = [o for o in status.options if o.result is OptionResult.BLOCKED]
    if run.stop is not None:
        outcome = run.stop.outcome
        message = "; ".join([run.stop.message, *(f"{o.name}: {o.message}" for o in blocked)])
    elif blocked:
        outcome = DrillOutcome.FAILED
        message = "; ".join(f"{o.name}: {o.message}" for o in blocked)
    else:
        outcome = DrillOutcome.PASSED
        later = [f"{o.name} not now ({o.message})" for o in status.options if o.result is OptionResult.NOT_NOW]
        message = "; ".join([summary(status.options), *later])
    reason = run.stop.reason if run.stop else reason_of(outcome)
    ended = {"ended_at": now, "outcome": outcome, "reason": reason, "message": message[:1024]}
    return status.model_copy(update={"run": run.model_copy(update=ended), "action": None})


def summary(options: tuple[DrillOption, ...]) -> str:
    """How many steps can be carried out."""
    ready = sum(o.result is OptionResult.READY for o in options)
    return f"{ready} of {len(options)} ready"


def derived(
    drill: ContainmentDrill, status: ContainmentDrillStatus, obstacle: tuple[str, str] | None, now: datetime
) -> ContainmentDrillStatus:
    """The record with what follows from the rest of it; `obstacle` is why no run could begin, as (reason, message)."""
    run, action = status.run, status.action
    if run is None:
        state = "Waiting"
    elif run.ended_at is None:
        gives_back = action is not None and action.phase in (ActionPhase.UNDOING, ActionPhase.UNDONE)
        state = "GivingBack" if gives_back else "Running"
    else:
        state = str(run.outcome)
    conditions = status.conditions
    for type_, is_so, reason, message in _conditions(drill, status, obstacle):
        conditions = set_condition(
            conditions,
            type=type_,
            status=is_so,
            reason=reason,
            message=message,
            generation=drill.metadata.generation,
            now=now,
        )
    return status.model_copy(
        update={
            "state": state,
            "summary": summary(status.options) if status.options else "",
            "conditions": conditions,
            "observed_generation": drill.metadata.generation,
            "history": status.history[: drill.spec.history_limit],
        }
    )


def _conditions(
    drill: ContainmentDrill, status: ContainmentDrillStatus, obstacle: tuple[str, str] | None
) -> tuple[tuple[ConditionType, ConditionStatus, str, str], ...]:
    run = status.run
    if obstacle is not None:
        ready = (ConditionType.READY, ConditionStatus.FALSE, *obstacle)
    elif status.next_run is not None:
        words = f"the next run is at {status.next_run:%Y-%m-%d %H:%M:%SZ}"
        ready = (ConditionType.READY, ConditionStatus.TRUE, str(Reason.AWAITING_SCHEDULE), words)
    else:
        ready = (ConditionType.READY, ConditionStatus.TRUE, str(ConditionReason.WORKING), "nothing is in the way")
    if run is None:
        return (ready,)
    if run.outcome is None:
        words = run.stop.message if run.stop else f"run {run.number} of mode {run.mode} is under way"
        return (
            ready,
            (ConditionType.COMPLETE, ConditionStatus.FALSE, Reason.REHEARSING, words),
            (ConditionType.PASSED, ConditionStatus.UNKNOWN, Reason.REHEARSING, words),
        )
    reason = str(reason_of(run.outcome))
    verdict = {DrillOutcome.PASSED: ConditionStatus.TRUE, DrillOutcome.FAILED: ConditionStatus.FALSE}
    return (
        ready,
        (ConditionType.COMPLETE, ConditionStatus.TRUE, reason, run.message),
        (ConditionType.PASSED, verdict.get(run.outcome, ConditionStatus.UNKNOWN), reason, run.message),
    )


def _seconds(start: datetime, end: datetime) -> float:
    return round(max(0.0, (end - start).total_seconds()), 3)
