"""What does a drill do next? The one decision function of a ContainmentDrill.

Asked by app/drills.py, which records the answer before anything is done, and asks again. What must stay true:
- Only mode Execute writes, one step at a time, and only while nothing forbids it.
- An incident of the service ends the drill: what it has written is put back before anything else happens.
- A run always ends, and a run that has ended has nothing in force: what cannot be put back is told, and left.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

from firebreak.api.v1alpha1 import AIService, ContainmentDrill
from firebreak.api.v1alpha1.aiservice import Mode
from firebreak.api.v1alpha1.drill import (
    ContainmentDrillStatus,
    DrillMode,
    DrillOption,
    DrillOutcome,
    DrillRun,
    DrillStop,
    OptionResult,
)
from firebreak.api.v1alpha1.incident import Action, ActionPhase
from firebreak.core import drill_record as record
from firebreak.core.commands import Reason
from firebreak.core.drill_options import Finding, finding_of, options_of, policy_hash, rehearsed, spared_because
from firebreak.core.drill_schedule import BEGINS_WITHIN, ScheduleError, due
from firebreak.core.freeze import hold_of_freeze
from firebreak.core.ladder import CannotHelp, Plan
from firebreak.core.observations import Effect, Failed, InForce
from firebreak.core.situation import Situation
from firebreak.core.verdict import Finding as Verdict
from firebreak.core.verdict import Tier

RESTORED_WITHIN = timedelta(minutes=2)
"""How long what was put back is watched until it is in force again."""
YIELDED_WITHIN = timedelta(seconds=15)
"""How long an incident waits for what a drill cannot put back; then it goes ahead with what it finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillFacts:
    """Everything that is looked at."""

    drill: ContainmentDrill
    service: AIService | None
    """None when it does not exist or cannot be read."""
    situation: Situation | None = None
    """The service as it is now; None while there is no need to look: no run is due, or all there is to do is to end."""
    incident: str = ""
    """The service's open incident."""
    other: str = ""
    """Another drill of the service that is under way."""
    effect: Effect | None = None
    """Whether what the action under way wants is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record is to be this, before anything is done; `because` is said to people where there is something to say."""

    status: ContainmentDrillStatus
    reason: Reason | None = None
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Rehearse this step without changing anything, and come back with what was found."""

    option: DrillOption


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do until then, or until something changes."""

    until: datetime | None = None
    obstacle: tuple[str, str] | None = None
    """Why no run could begin, as (reason, message)."""


Move: TypeAlias = Record | Check | Wait
Obstacle: TypeAlias = tuple[Reason, str]


def next_move(f: DrillFacts, now: datetime) -> Move:
    """The next move of this drill."""
    if record.is_running(f.drill.status):
        return _go_on(f, now)
    return _begin(f, now)


# --- to begin


def _begin(f: DrillFacts, now: datetime) -> Move:
    drill, status = f.drill, f.drill.status
    if drill.metadata.deletion_timestamp is not None:
        return Wait()
    try:
        called = due(drill, now)
    except ScheduleError as error:
        return Wait(obstacle=("InvalidSpec", str(error)))
    if status.next_run != called.next_at:
        return Record(status=status.model_copy(update={"next_run": called.next_at}))
    if drill.spec.suspend:
        return Wait(obstacle=(Reason.SUSPENDED, "the drill has spec.suspend: true"))
    if called.at is None:
        standing = _not_allowed(f, now) if drill.spec.schedule is not None else None
        return Wait(until=called.next_at, obstacle=standing)
    obstacle = in_the_way(f, now)
    if called.is_missed(now):
        why = obstacle[1] if obstacle else "Firebreak was not there, or the drill was suspended"
        words = f"it was to begin at {called.at:%Y-%m-%d %H:%M:%SZ} and could not within {BEGINS_WITHIN}: {why}"
        run = _run(f, called.at, now).model_copy(
            update={
                "ended_at": now,
                "outcome": DrillOutcome.MISSED,
                "reason": obstacle[0] if obstacle else Reason.DRILL_MISSED,
                "message": words[:1024],
            }
        )
        return Record(
            status=record.missed(status, run, drill.spec.schedule is not None),
            reason=Reason.DRILL_MISSED,
            because=words,
        )
    if obstacle is not None:
        return Wait(until=called.at + BEGINS_WITHIN, obstacle=obstacle)
    s = f.situation
    assert s is not None, "a service that nobody has looked at is an obstacle"
    assert s.policy is not None, "a policy that is missing is an obstacle"
    options = options_of(s.spec, s.policy, drill.spec.steps, drill.spec.mode)
    run = _run(f, called.at, now)
    words = f"run {run.number} of mode {run.mode} begins: {', '.join(o.name for o in options)}"
    return Record(status=record.begun(status, run, options), reason=Reason.REHEARSING, because=words)


def _run(f: DrillFacts, due_at: datetime, now: datetime) -> DrillRun:
    run = DrillRun(number=record.next_number(f.drill.status), mode=f.drill.spec.mode, due_at=due_at, started_at=now)
    s = f.situation
    if s is None:
        return run
    ref = s.spec.containment.policy
    return run.model_copy(
        update={
            "policy": f"{ref.kind} {ref.name}",
            "policy_hash": policy_hash(s.policy) if s.policy else "",
            "service_generation": f.service.metadata.generation if f.service else 0,
            "revision": s.revision.current.name if s.revision.current else "",
        }
    )


def in_the_way(f: DrillFacts, now: datetime) -> Obstacle | None:
    """Why no run may begin now."""
    if (missing := _service_missing(f)) is not None:
        return missing
    if f.incident:
        return (Reason.INCIDENT_OPEN, f"{f.incident} is open")
    if f.other:
        return (Reason.REHEARSING, f"ContainmentDrill {f.other} of the same service is under way")
    if f.situation is None:
        return (Reason.SERVICE_MISSING, f"AIService {f.drill.spec.service} has not been looked at yet")
    if f.situation.policy is None:
        ref = f.situation.spec.containment.policy
        return (Reason.POLICY_MISSING, f"{ref.kind} {ref.name} does not exist, so there is no ladder to rehearse")
    return _not_allowed(f, now) or _breached(f, Tier.WATCH)


def _service_missing(f: DrillFacts) -> Obstacle | None:
    if f.service is not None:
        return None
    return (Reason.SERVICE_MISSING, f"AIService {f.drill.spec.service} does not exist, or its spec cannot be read")


def _not_allowed(f: DrillFacts, now: datetime) -> Obstacle | None:
    """Why this drill may not change the service; None for the modes that change nothing."""
    if f.drill.spec.mode is not DrillMode.EXECUTE:
        return None
    if (missing := _service_missing(f)) is not None:
        return missing
    assert f.service is not None
    declared, name = f.service.spec.containment, f.service.metadata.name
    if not declared.execute_drills:
        words = f"AIService {name} does not allow it; set spec.containment.executeDrills: true there"
        return (Reason.EXECUTION_NOT_ALLOWED, words)
    if declared.mode is Mode.OBSERVE:
        words = f"AIService {name} is in mode Observe, in which Firebreak changes nothing; rehearse with mode DryRun"
        return (Reason.OBSERVING, words)
    s = f.situation
    if s is None:
        return None
    # What holds an incident's steps holds a rehearsal of them all the more.
    frozen = hold_of_freeze(s.policy.guardrails.freeze, now) if s.policy else None
    return next(((h.reason, h.because) for h in (*s.holds, s.breaker, frozen) if h is not None), None)


def _breached(f: DrillFacts, tier: Tier) -> Obstacle | None:
    """Evidence of harm, before it has opened an incident; a drill that changes nothing is in nobody's way."""
    if f.drill.spec.mode is not DrillMode.EXECUTE or f.situation is None:
        return None
    for verdict in f.situation.verdicts.values():
        if verdict.finding is Verdict.BREACHED and verdict.tier >= tier:
            words = f"{verdict.objective.objective} is breached ({verdict.tier.label}): {verdict.because}"
            return (Reason.OBJECTIVE_BREACHED, words)
    return None


# --- under way


def why_stop(f: DrillFacts, now: datetime) -> DrillStop | None:
    """What ends the run before its time: an incident above all."""
    outcome, found = DrillOutcome.STOPPED, _forbidden(f, now)
    if f.incident:
        outcome, found = DrillOutcome.YIELDED, (Reason.INCIDENT_OPEN, f"{f.incident} came: the drill gives way to it")
    elif (breached := _breached(f, Tier.SUSPECTED)) is not None:
        outcome, found = DrillOutcome.YIELDED, breached
    if found is None:
        return None
    return DrillStop(at=now, outcome=outcome, reason=found[0], message=found[1][:1024])


def _forbidden(f: DrillFacts, now: datetime) -> Obstacle | None:
    if f.drill.metadata.deletion_timestamp is not None:
        return (Reason.SUSPENDED, "the drill is being deleted")
    if f.drill.spec.suspend:
        return (Reason.SUSPENDED, "the drill has spec.suspend: true")
    return _service_missing(f) or _not_allowed(f, now)


def _go_on(f: DrillFacts, now: datetime) -> Move:
    status = f.drill.status
    assert status.run is not None
    if status.run.stop is None and (stop := why_stop(f, now)) is not None:
        return Record(status=record.stopping(status, stop))
    if status.action is not None:
        return _act(f, status.action, now)
    pending = next((o for o in status.options if o.result is OptionResult.PENDING), None)
    if status.run.stop is not None or pending is None:
        ended = record.concluded(status, now)
        assert ended.run is not None
        assert ended.run.outcome is not None
        return Record(status=ended, reason=record.reason_of(ended.run.outcome), because=ended.run.message)
    if pending.checked_at is None:
        return Check(option=pending)
    return _intend(f, pending, now)


def checked(f: DrillFacts, option: DrillOption, finding: Finding, now: datetime) -> Record:
    """What a rehearsal without changes has found; of a step that is to be executed it is only the precondition."""
    status = f.drill.status
    if option.mode is DrillMode.EXECUTE and finding.result is OptionResult.READY:
        return Record(status=record.with_option(status, option.model_copy(update={"checked_at": now})))
    why = spared_because(f.service.spec, option) if f.service and f.drill.spec.mode is not option.mode else ""
    said = f"{finding.message}; {why}" if why else finding.message
    found = Finding(result=finding.result, reason=finding.reason, message=said)
    return _reported(status, option, found, now)


def _reported(status: ContainmentDrillStatus, option: DrillOption, finding: Finding, now: datetime) -> Record:
    told = finding.result is OptionResult.BLOCKED
    return Record(
        status=record.reported(status, option, finding, now),
        reason=Reason.DRILL_FAILED if told else None,
        because=f"{option.name}: {finding.message}" if told else "",
    )


def _intend(f: DrillFacts, option: DrillOption, now: datetime) -> Record:
    """Record what is to be written; on what stands there now, since the dry run may be a moment old."""
    status, s = f.drill.status, f.situation
    assert s is not None
    planned = rehearsed(s, option)
    if isinstance(planned, CannotHelp):
        return _reported(status, option, finding_of(s, planned), now)
    action = _action(f, option, planned, now)
    return Record(
        status=status.model_copy(update={"action": action}),
        reason=Reason.REHEARSING,
        because=f"{option.name} is executed, and given back as soon as it is in force",
    )


def _action(f: DrillFacts, option: DrillOption, planned: Plan, now: datetime) -> Action:
    number = next(i for i, o in enumerate(f.drill.status.options) if o.name == option.name)
    return Action(
        id=f"drill-{number}-{option.step.action}",
        ladder=0,
        step=number,
        kind=option.step.action,
        phase=ActionPhase.INTENDED,
        reason=Reason.REHEARSING,
        because=f"a rehearsal by ContainmentDrill {f.drill.metadata.name}: {planned.because}"[:1024],
        subject=planned.subject,
        writes=planned.writes,
        account=f.situation.spec.containment.service_account_name or "" if f.situation else "",
        intended_at=now,
    )


def _act(f: DrillFacts, action: Action, now: datetime) -> Move:
    status = f.drill.status
    run, option = status.run, _option(status, action)
    assert run is not None
    over = action.intended_at + option.within
    match action.phase:
        case ActionPhase.UNDOING:
            if run.stop is not None and now - run.stop.at >= YIELDED_WITHIN and f.incident:
                return _let_go(status, option, action, now)
            return Wait(until=run.stop.at + YIELDED_WITHIN if run.stop is not None else None)
        case ActionPhase.UNDONE:
            return _restored(f, option, action, now)
        case ActionPhase.BLOCKED:
            found = Finding(result=OptionResult.BLOCKED, reason=Reason.WRITE_BLOCKED, message=action.message)
            return Record(status=record.giving_back(status, option, action, found, now))
        case ActionPhase.IN_FORCE:
            return Record(status=record.giving_back(status, option, action, None, now))
        case ActionPhase.INTENDED | ActionPhase.APPLIED:
            if run.stop is not None:
                found = Finding(result=OptionResult.PENDING, reason=run.stop.reason, message=run.stop.message)
                return Record(status=record.giving_back(status, option, action, found, now))
            if action.phase is ActionPhase.APPLIED and isinstance(f.effect, InForce):
                return Record(status=record.in_force(status, option, action, f.effect.because, now))
            waits = f.effect.because if f.effect is not None else "its writes were not all accepted"
            if now >= over or (action.phase is ActionPhase.APPLIED and isinstance(f.effect, Failed)):
                words = f"not in force after {(now - action.intended_at).total_seconds():.0f} s: {waits}"
                found = Finding(result=OptionResult.BLOCKED, reason=Reason.NOT_IN_FORCE, message=words)
                return Record(status=record.giving_back(status, option, action, found, now))
            return Wait(until=over)
        case ActionPhase.SKIPPED | ActionPhase.WOULD_DO | ActionPhase.KEPT | ActionPhase.TAKEN_BACK:
            raise ValueError(f"a drill has no action that is {action.phase}")
    assert_never(action.phase)


def _option(status: ContainmentDrillStatus, action: Action) -> DrillOption:
    return status.options[action.step]


def _restored(f: DrillFacts, option: DrillOption, action: Action, now: datetime) -> Move:
    """What was put back is seen to be in force before anything else is tried, or a next step would find it half done."""
    status = f.drill.status
    assert status.run is not None
    assert action.ended_at is not None
    until = action.ended_at + RESTORED_WITHIN
    is_settled = isinstance(f.effect, InForce) or status.run.stop is not None
    if not is_settled and now < until and not isinstance(f.effect, Failed):
        return Wait(until=until)
    done = record.given_back(option, now)
    left = f"; left, since someone has changed it meanwhile: {action.message}" if action.message else ""
    if option.reason != Reason.IN_FORCE:
        result = OptionResult.PENDING if status.run.stop is not None else OptionResult.BLOCKED
        finding = Finding(result=result, reason=option.reason, message=f"{option.message}{left}")
    elif is_settled:
        finding = Finding(result=OptionResult.READY, reason=Reason.REHEARSED, message=f"{option.message}{left}")
    else:
        waits = f.effect.because if f.effect is not None else "nobody has looked"
        words = f"given back, and not in force again after {RESTORED_WITHIN}: {waits}{left}"
        finding = Finding(result=OptionResult.BLOCKED, reason=Reason.NOT_IN_FORCE, message=words)
    return _reported(status, done, finding, now)


def _let_go(status: ContainmentDrillStatus, option: DrillOption, action: Action, now: datetime) -> Record:
    """The incident must not wait any longer: what could not be put back is the incident's to deal with."""
    stands = ", ".join(f"{w.target.kind} {w.target.name} {w.path}" for w in action.writes if not (w.landed or w.left))
    words = f"could not be given back in time and was left to the incident: {stands}; {action.message}"
    found = Finding(result=OptionResult.BLOCKED, reason=Reason.WRITE_BLOCKED, message=words)
    return _reported(status, option, found, now)
