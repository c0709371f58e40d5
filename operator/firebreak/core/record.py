"""How a command, or what came of a write, changes the record of an incident.

Asked by app/loop.py before anything is done: what is to be written to the cluster stands here first.
Pure, and idempotent where it matters: the phase is derived from the rest, never set on its own.
"""

from datetime import datetime
from typing import assert_never

from firebreak.api.v1alpha1.aiservice import Category, Mode
from firebreak.api.v1alpha1.incident import (
    Action,
    ActionPhase,
    AIIncidentStatus,
    Asked,
    Closing,
    FieldWrite,
    Held,
    Outcome,
    Page,
    Phase,
    TimelineEntry,
    Validation,
)
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec, ReleaseWhen
from firebreak.api.v1alpha1.references import PolicyRef
from firebreak.core.commands import (
    AbandonRemedy,
    AdoptPolicy,
    AskApproval,
    AskPeople,
    BeginClosing,
    BeginRemedy,
    BeginValidation,
    Command,
    HearAgain,
    Judge,
    KeepAsking,
    NoteAcknowledged,
    NoteHold,
    NoteOnDelete,
    NoteService,
    NoteUnready,
    OpenIncident,
    Reason,
    Renew,
    Resolve,
    Retarget,
    SeeDrift,
    SeeGivenBack,
    SeeInForce,
    SeeValidated,
    SkipStep,
    StopAsking,
    SwitchLadder,
    TakeShare,
    TakeStep,
    UpdateCoverage,
    UpdateEvidence,
    WithdrawApproval,
)
from firebreak.core.field_writes import undone
from firebreak.core.paging import PAGE_EVERY, said_before_subjects, said_of
from firebreak.core.proof import ACTIVE
from firebreak.core.steps import changes_answers, in_words, is_contained, is_void
from firebreak.core.validation import JOBS_AN_HOUR
from firebreak.core.wish import plan_of, wish_of

TIMELINE_LIMIT = 200
_KEPT_HEAD = 50


def begun(
    command: OpenIncident,
    policy: ContainmentPolicySpec | None,
    ref: PolicyRef,
    mode: Mode,
    revision: str,
    now: datetime,
) -> AIIncidentStatus:
    """The record of a new incident, with a copy of the policy in force."""
    status = AIIncidentStatus(
        mode=mode,
        category=Category(command.category),
        severity=command.severity,
        summary=_summary(command),
        detected_at=now,
        onset=command.onset,
        revision=revision[:63],
        objectives=command.objectives,
        coverage=command.coverage,
        suspects=command.suspects,
        policy_ref=ref,
        policy=policy,
        ladder=command.ladder,
    )
    return _told(status, command.reason, command.because, now)


def _summary(command: OpenIncident) -> str:
    what = ", ".join(o.name for o in command.objectives) or "declared by a person"
    if command.coverage:
        what = f"{', '.join(c.name for c in command.coverage)} cannot be seen"
    changed = " and ".join(s.field for s in command.suspects)
    return f"{command.severity} {command.category}: {what}"[:800] + (
        f"; suspect: {changed} changed"[:224] if changed else ""
    )


def recorded(status: AIIncidentStatus, command: Command, now: datetime) -> AIIncidentStatus:
    """The record after this command."""
    match command:
        case OpenIncident():
            raise ValueError("an incident is opened by begun()")
        case UpdateEvidence():
            changes = {"objectives": command.objectives, "exposure": command.exposure}
        case UpdateCoverage():
            changes = {"coverage": command.coverage}
        case AdoptPolicy():
            changes = {"policy": command.policy, "severity": command.severity, "ladder": command.ladder}
        case SwitchLadder():
            changes = {
                "category": Category(command.category),
                "severity": command.severity,
                "ladder": command.ladder,
            }
        case TakeStep() | SkipStep():
            # What was only said in mode Observe gives way to what is done.
            others = tuple(
                _overtaken(a, command.action, now) for a in status.actions if not _is_said_only(a, command.action)
            )
            if any(a.id == command.action.id for a in others):
                return status
            changes = {"actions": (*others, command.action)}
            if command.on_request:
                changes["contain_followed"] = True
            if isinstance(command, TakeStep):
                changes["approval"] = None
        case SeeInForce():
            if _action(status, command.action_id).phase is ActionPhase.IN_FORCE:
                return status
            changes = _with(
                status, command.action_id, phase=ActionPhase.IN_FORCE, in_force_at=now, message="", drifted_at=None
            )
        case SeeDrift():
            before = _action(status, command.action_id)
            if before.drifted_at is not None:
                return status
            # What was shown to help is not in force any more, so it says nothing; what was not judged yet is so next.
            outcome = Outcome.UNKNOWN if before.outcome is Outcome.RECOVERED else before.outcome
            changes = _with(
                status,
                command.action_id,
                phase=ActionPhase.BLOCKED,
                drifted_at=now,
                message=command.because,
                outcome=outcome,
            )
        case NoteUnready():
            if _action(status, command.action_id).unready_looks == command.looks:
                return status
            seen_at = now if command.looks else None
            changes = _with(status, command.action_id, unready_looks=command.looks, unready_at=seen_at)
        case TakeShare():
            if _action(status, command.action_id).share == command.share:
                return status
            changes = _with(status, command.action_id, writes=command.writes, share=command.share)
        case Renew():
            if _action(status, command.action_id).renewed_at is not None:
                return status
            changes = _with(status, command.action_id, renewed_at=now)
        case Judge():
            if _action(status, command.action_id).outcome is command.outcome:
                return status
            # What could not be written in time is given up: two steps are never being written at once.
            is_given_up = _action(status, command.action_id).phase is ActionPhase.INTENDED
            given_up = _blocking(_action(status, command.action_id), command.because) if is_given_up else {}
            changes = _with(status, command.action_id, outcome=command.outcome, proven_at=now, **given_up)
            if command.outcome is Outcome.RECOVERED and status.contained_at is None:
                changes["contained_at"] = now
        case Retarget():
            more = {"phase": ActionPhase.UNDOING} if command.undo else {}
            before = _action(status, command.action_id)
            wanted = (command.writes, command.given_back, ActionPhase.UNDOING if command.undo else before.phase)
            if (before.writes, before.given_back, before.phase) == wanted:
                return status
            changes = _with(
                status,
                command.action_id,
                writes=command.writes,
                given_back=command.given_back,
                given_back_at=None,
                message="",
                **more,
            )
        case SeeGivenBack():
            if _action(status, command.action_id).given_back_at is not None:
                return status
            changes = _with(status, command.action_id, given_back_at=now)
        case BeginRemedy():
            if status.remediating_since is not None:
                return status
            changes = {
                "remediated_revision": command.revision[:63],
                "remediating_since": now,
                "remediating_on": command.on,
            }
        case BeginValidation():
            if status.validation is not None and status.validation.job == command.job:
                return status
            changes = {
                "validation": Validation(job=command.job, since=now, revision=command.revision[:63]),
                "validations_asked": status.validations_asked + 1,
                "validations_begun": (*status.validations_begun, now)[-JOBS_AN_HOUR:],
            }
        case SeeValidated():
            if status.validation is None or status.validation.outcome is command.outcome:
                return status
            told = {"outcome": command.outcome, "message": command.because, "ended_at": now}
            changes = {"validation": status.validation.model_copy(update=told)}
        case AbandonRemedy():
            if status.remediating_since is None:
                return status
            failed = status.failed_revisions
            if command.failed and command.revision and command.revision not in failed:
                failed = (*failed, command.revision)[-16:]
            changes = {
                "remediated_revision": "",
                "remediating_since": None,
                "remediating_on": None,
                "failed_revisions": failed,
            }
            sign = status.remediating_on
            if command.failed and sign in (ReleaseWhen.PERSON, ReleaseWhen.GAUGE_RECOVERED):
                changes["refuted"] = tuple(dict.fromkeys((*status.refuted, sign)))
        case HearAgain():
            heard = tuple(sign for sign in status.refuted if sign not in command.refuted)
            changes = {"refuted": heard, "contain_followed": status.contain_followed and not command.contain}
        case AskApproval():
            open_ = status.approval
            if open_ is not None and (open_.step, open_.plan) == (command.action.id, plan_of(command.action)):
                return status
            number = status.approvals_asked + 1
            wish = wish_of(command.action, number, now, on_request=command.on_request)
            changes = {"approval": wish, "approvals_asked": number}
        case WithdrawApproval():
            changes = {"approval": None}
        case NoteOnDelete():
            changes = {"on_delete": command.on_delete}
        case NoteService():
            changes = {"orphaned_at": (status.orphaned_at or now) if command.is_gone else None}
        case NoteHold():
            changes = {"held": _held(status.held, command, now)}
        case AskPeople():
            said = said_of(status, command.reason, command.subject)
            if said is not None and now < said.at + PAGE_EVERY:
                return status
            changes = _asked(status, _said(said, command, now), command.because)
        case KeepAsking():
            said = said_of(status, command.reason, command.subject) or _adopted(status, command)
            if said is None:
                return status  # what was never said is not shown as if it had been
            changes = _asked(status, said, command.message)
        case NoteAcknowledged():
            changes = {"acknowledged_up_to": command.up_to}
        case StopAsking():
            changes = {"page": None}
        case BeginClosing():
            if status.closing is not None:
                return status
            closing = Closing(
                at=now,
                reason=command.reason,
                message=command.because,
                lift_quarantine=command.lift_quarantine,
                leave=command.leave,
            )
            changes = {"closing": closing, "page": None, "held": None, "approval": None}
        case Resolve():
            kept = tuple(
                a.model_copy(update={"phase": _at_the_end(a), "ended_at": now}) if a.phase in ACTIVE else a
                for a in status.actions
            )
            if status.resolved_at is not None:
                return status
            changes = {"resolved_at": now, "actions": kept, "page": None, "held": None}
        case _:
            assert_never(command)
    changed = status.model_copy(update=changes)
    if changed == status:
        return status
    return _told(changed, command.reason, command.because, now) if command.because else _derived(changed)


def _held(held: Held | None, command: NoteHold, now: datetime) -> Held | None:
    if not command.message:
        return None
    since = held.since if held is not None and held.reason == command.reason else now
    return Held(since=since, reason=command.reason, message=command.message)


def _overtaken(action: Action, by: Action, now: datetime) -> Action:
    """A step of which nothing counts any more is over when another of its kind takes its place."""
    if by.phase is not ActionPhase.INTENDED or action.kind is not by.kind or not is_void(action):
        return action
    words = f"{in_words(by)} has taken its place: {action.message}"[:1024]
    return action.model_copy(update={"phase": _at_the_end(action), "ended_at": now, "message": words})


def _at_the_end(action: Action) -> ActionPhase:
    """What was never written whole stands no more; what was in force stays, as it is or as someone has changed it."""
    is_half = action.phase is ActionPhase.BLOCKED and action.applied_at is None
    return ActionPhase.TAKEN_BACK if is_half else ActionPhase.KEPT


def blocked(action: Action, message: str) -> Action:
    """The action after a write of it met somebody else's value, or was refused for good.

    What it has written so far is taken back: half of a step is something that nobody has ever tried.
    """
    return action.model_copy(update=_blocking(action, message))


def _blocking(action: Action, message: str) -> dict[str, object]:
    writes = undone(action.writes) if action.phase is ActionPhase.INTENDED else action.writes
    return {"phase": ActionPhase.BLOCKED, "message": message[:1024], "writes": writes}


def _said(before: Asked | None, command: AskPeople, now: datetime) -> Asked:
    if before is not None:
        return before.model_copy(update={"at": now, "times": before.times + 1})
    return Asked(reason=command.reason, subject=command.subject, number=command.number, since=now, at=now)


def _adopted(status: AIIncidentStatus, command: KeepAsking) -> Asked | None:
    """What a record from before pages had subjects says was asked, with what it is about."""
    before = said_before_subjects(status, command.reason)
    if before is None:
        return None
    about = {"subject": command.subject, "number": command.number}
    return before.model_copy(update={"since": before.since or before.at} | about)


def _asked(status: AIIncidentStatus, said: Asked, message: str) -> dict[str, object]:
    """What was said, and the page that shows it."""
    kept = (a for a in status.asked if (a.reason, a.subject) != (said.reason, said.subject))
    others = tuple(a for a in kept if a.number or a.reason != said.reason)
    page = Page(
        since=said.since or said.at,
        reason=said.reason,
        subject=said.subject,
        number=said.number,
        message=message,
        repeated_at=said.at,
        times=said.times,
    )
    return {"page": page, "asked": (*others, said)[-32:], "pages": max(status.pages, said.number)}


def _is_said_only(action: Action, taken: Action) -> bool:
    return action.id == taken.id and action.phase is ActionPhase.WOULD_DO and taken.phase is not ActionPhase.WOULD_DO


def _action(status: AIIncidentStatus, action_id: str) -> Action:
    return next(a for a in status.actions if a.id == action_id)


def _with(status: AIIncidentStatus, action_id: str, **changes: object) -> dict[str, object]:
    return {"actions": tuple(a.model_copy(update=changes) if a.id == action_id else a for a in status.actions)}


def with_action(status: AIIncidentStatus, action: Action) -> AIIncidentStatus:
    """The record with this action in place of the one with its id."""
    return _derived(
        status.model_copy(update={"actions": tuple(action if a.id == action.id else a for a in status.actions)})
    )


def with_entry(status: AIIncidentStatus, reason: Reason, message: str, now: datetime) -> AIIncidentStatus:
    """The record with one more line in its timeline."""
    return _told(status, reason, message, now)


def landed(write: FieldWrite) -> FieldWrite:
    """The write after what it wants was seen in the cluster."""
    return write.model_copy(update={"landed": True, "last": write.desired, "attempted": ()})


def _told(status: AIIncidentStatus, reason: Reason, message: str, now: datetime) -> AIIncidentStatus:
    entries = (*status.timeline, TimelineEntry(at=now, reason=reason, message=message[:1024]))
    if len(entries) > TIMELINE_LIMIT:
        entries = (*entries[:_KEPT_HEAD], *entries[len(entries) - TIMELINE_LIMIT + _KEPT_HEAD :])
    return _derived(status.model_copy(update={"timeline": entries}))


def _derived(status: AIIncidentStatus) -> AIIncidentStatus:
    return status.model_copy(update={"phase": phase_of(status), "last_action": last_action_of(status)})


def last_action_of(status: AIIncidentStatus) -> str:
    """The last step taken, where it goes and where it stands: "RollBack to 1.0-312c6426: Recovered".

    Of those that change what users get, if there is one: that review is given back is no news while a rollback holds.
    """
    taken = [a for a in status.actions if a.phase is not ActionPhase.SKIPPED]
    if not taken:
        return ""
    last = max([a for a in taken if changes_answers(a.kind)] or taken, key=lambda a: a.ended_at or a.intended_at)
    stands = last.phase if last.outcome is Outcome.PENDING or last.phase is not ActionPhase.IN_FORCE else last.outcome
    return f"{in_words(last)}: {stands}"[:253]


def phase_of(status: AIIncidentStatus) -> Phase:
    """Where the incident stands, from what the record says."""
    if status.resolved_at is not None:
        return Phase.RESOLVED
    if status.page is not None:
        return Phase.AWAITING_HUMAN
    if status.closing is not None or status.remediating_since is not None:
        return Phase.REMEDIATING
    if is_contained(status):
        return Phase.CONTAINED
    if any(a.phase in ACTIVE for a in status.actions):
        return Phase.CONTAINING
    return Phase.DETECTED
