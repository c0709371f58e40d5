"""Is the judge's sampling rate to be raised, kept or given back?

Asked by app/raising.py at the end of each turn of a service that declares `judge.samplingRate`, or has a record of it.
Speed is limited by the number of judged answers (docs/detection.md): a raise costs money and changes nothing for users,
so it goes by tier Watch, for the first hour after a change of revision, and while a proof is collected. It ends when the
evidence has been weak for an hour in a row, and has a budget each day. What must stay true:
- what is to be written stands in the record first, with the value that it replaces;
- a value that someone else has put there is left, and not fought over;
- unreadable evidence neither raises nor gives back;
- paused, suspended or in dispute nothing is written in either direction, while the place is declared; in mode Observe, or
  declared no more, nothing is raised, also where it was intended before.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from firebreak.api.v1alpha1.aiservice import Mode, SamplingRate, SamplingState, SamplingTold
from firebreak.api.v1alpha1.incident import FieldValue, FieldWrite
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.api.v1alpha1.sampling import RaisePhase, SamplingRaiseStatus
from firebreak.core.clustering import DAY_STEPS
from firebreak.core.commands import Reason
from firebreak.core.field_writes import inline, ours, undone
from firebreak.core.ports import Absent, Held, Missing, Unmatched, why_not
from firebreak.core.record import landed
from firebreak.core.sampling_record import blocked, ended
from firebreak.core.sampling_time import has_room, is_too_long, raised_lately, spent_today
from firebreak.core.situation import Hold
from firebreak.core.verdict import Tier

QUIET_EVIDENCE = 20.0
"""Below this the evidence is weak: a raise is given back when it was so for `QUIET_STEPS` in a row."""
QUIET_STEPS = 60
JUST_CHANGED_STEPS = 60
_BLOCKED_FOR = timedelta(hours=1)
_UNDECLARED = "spec.judge.samplingRate does not declare it any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Everything that is looked at, about one service at one moment."""

    declared: SamplingRate | None
    """None also for a service that is gone, or a record that is being deleted."""
    record: SamplingRaiseStatus
    held: Held | Unmatched | Missing
    """What stands in the place now."""
    mode: Mode
    holds: tuple[Hold, ...] = ()
    tier: Tier = Tier.NONE
    """The strongest among the objectives that are judged by Sequential."""
    because: str = ""
    """What speaks at that tier, in words."""
    quiet_steps: int | None = None
    """For how many steps in a row the evidence of all of them was weak; None where one of them cannot be read."""
    changed_ago: timedelta | None = None
    """How long the revision that serves has served; None where it is the first one that is known."""
    step: timedelta = timedelta(seconds=60)
    proof: str = ""
    """What is being proven, if anything is that rests on judged answers."""
    free: bool = True
    """Whether one more raise is allowed in the installation."""
    account: str = ""
    """The ServiceAccount with whose rights the service wants to be written; empty: Firebreak's own."""
    unrecorded: "Unrecorded | None" = None
    """Why an intent could not be recorded; None where none was refused of late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecorded:
    """The API server has refused the record of a raise: without one nothing is written."""

    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The record as it is to be, and what the service says of it."""

    record: SamplingRaiseStatus
    told: SamplingTold
    writes: bool = False
    """Whether what the record wants is to be written now."""


def decide_sampling(s: Sampling, now: datetime) -> Decided:
    """The next record; equal to the one that is there when nothing is to be done."""
    record = s.record
    match record.phase:
        case RaisePhase.NORMAL:
            return _from_normal(s, now)
        case RaisePhase.INTENDED:
            return _from_intended(s, now)
        case RaisePhase.GIVING_BACK:
            return _given_back(s)
        case RaisePhase.RAISED:
            return _from_raised(s, now)
    assert_never(record.phase)


# --- what is wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    reason: Reason
    because: str


def _wanted(s: Sampling) -> _Cause | None:
    if s.proof:
        return _Cause(reason=Reason.PROOF_AWAITED, because=s.proof)
    if s.tier >= Tier.WATCH:
        return _Cause(reason=Reason.EVIDENCE_AT_WATCH, because=s.because)
    if s.changed_ago is not None and s.changed_ago < s.step * JUST_CHANGED_STEPS:
        return _Cause(
            reason=Reason.REVISION_CHANGED,
            because=f"another revision serves since less than {format_duration(s.step * JUST_CHANGED_STEPS)}",
        )
    return None


def _from_normal(s: Sampling, now: datetime) -> Decided:
    record, wanted = s.record, _wanted(s)
    if s.declared is None or wanted is None:
        return Decided(record=record, told=SamplingTold())
    raised, budget = s.declared.raised, s.declared.daily_budget
    would = f"would be raised to {raised} ({wanted.because}), but"
    if s.mode is Mode.OBSERVE:
        return _said(record, SamplingState.WANTED, f"{would} mode is Observe")
    if s.holds:
        return _said(record, SamplingState.WANTED, f"{would} {s.holds[0].because}")
    for at, because in _obstacles(s):
        if now - at < _BLOCKED_FOR:
            until = at + _BLOCKED_FOR
            return _said(record, SamplingState.WANTED, f"{would} not before {until:%H:%M:%SZ}: {because}")
    if wanted.reason is not Reason.PROOF_AWAITED and spent_today(record, now) >= budget:
        return _said(record, SamplingState.WANTED, f"{would} today's budget of {format_duration(budget)} is spent")
    if not has_room(record, s.step, now):
        lately = f"it was raised for {format_duration(raised_lately(record, s.step, now))} of the last {_day(s)}"
        return _said(record, SamplingState.WANTED, f"{would} {lately}: for longer it would become the usual rate")
    if not s.free:
        return _said(
            record, SamplingState.WANTED, f"{would} as many services as the installation allows are raised already"
        )
    if isinstance(s.held, Unmatched | Missing):
        return _said(record, SamplingState.WANTED, f"{would} {why_not(s.held)}")
    if not isinstance(s.held, Absent) and str(s.held) == raised:
        return _said(record, SamplingState.NORMAL, f"is {raised} as it is ({wanted.because})")
    original = inline(s.held)
    write = FieldWrite(
        target=s.declared.target,
        path=s.declared.path,
        original=original,
        last=original,
        desired=FieldValue(value=raised),
    )
    intended = record.model_copy(
        update={
            "phase": RaisePhase.INTENDED,
            "reason": wanted.reason,
            "because": wanted.because[:1024],
            "message": "",
            "write": write,
            "account": s.account,
            "blocked_at": None,
        }
    )
    return _raising(intended)


def _obstacles(s: Sampling) -> list[tuple[datetime, str]]:
    """What has come in the way of a raise, and when: for an hour it is not tried again."""
    found = [] if s.record.blocked_at is None else [(s.record.blocked_at, s.record.because)]
    return found if s.unrecorded is None else [*found, (s.unrecorded.at, s.unrecorded.because)]


def _from_intended(s: Sampling, now: datetime) -> Decided:
    """It goes on, unless what has come meanwhile forbids it: then what stands decides, since it may have landed unseen."""
    record = s.record
    assert record.write is not None, "what is intended is a write"
    write, stopped = record.write, _stopped(s, record.write)
    if stopped is None:
        return _raising(record)
    if _holds(s.held, write.desired):
        seen = record.model_copy(update={"phase": RaisePhase.RAISED, "write": landed(write), "since": now})
        return _from_raised(replace(s, record=seen), now)
    if not _holds(s.held, write.original):
        words = _found_instead(s.held)
        left = blocked(record, Reason.LEFT_AS_CHANGED, words, now)
        return _said(left, SamplingState.NORMAL, f"is left as it is: {words}")
    over = ended(record, stopped.reason, f"it was not raised after all: {stopped.because}", now)
    if s.declared is not None and (s.declared.target, s.declared.path) != (write.target, write.path):
        return Decided(record=over, told=SamplingTold())  # what stands in the other place is not known here
    return _from_normal(replace(s, record=over), now)


def _stopped(s: Sampling, write: FieldWrite) -> _Cause | None:
    """What forbids to go on with a raise that is only intended."""
    if s.declared is None or not _is_declared(s.declared, write):
        return _Cause(reason=Reason.NOT_DECLARED, because=_UNDECLARED)
    if s.account != s.record.account:
        return _Cause(reason=Reason.NOT_DECLARED, because="it is to be written with another account's rights")
    if s.holds:
        return _Cause(reason=s.holds[0].reason, because=s.holds[0].because)
    if s.mode is Mode.OBSERVE:
        return _Cause(reason=Reason.OBSERVING, because="mode is Observe")
    return None


def _from_raised(s: Sampling, now: datetime) -> Decided:
    record = s.record
    assert record.write is not None, "what is raised was written"
    write, wanted = record.write, _wanted(s)
    told = f"is {write.desired.value} instead of {_shown(write.original)}"
    if s.declared is None or not _is_declared(s.declared, write):
        return _give_back(record, Reason.NOT_DECLARED, _UNDECLARED)
    if s.holds:
        # Paused or in dispute nothing is changed in either direction; the budget goes on being spent, and says so.
        return _raised(record, f"{told}, and stays so: {s.holds[0].because}")
    if s.mode is Mode.OBSERVE:
        return _give_back(record, Reason.OBSERVING, "mode is Observe")
    if not isinstance(s.held, Unmatched | Missing) and not _holds(s.held, write.desired):
        words = _found_instead(s.held)
        left = blocked(record, Reason.LEFT_AS_CHANGED, words, now)
        return _said(left, SamplingState.NORMAL, f"is left as it is: {words}")
    if is_too_long(record, s.step, now):
        words = f"it was raised for {format_duration(raised_lately(record, s.step, now))} of the last {_day(s)}"
        return _give_back(record, Reason.SAMPLING_BUDGET_SPENT, words)
    if wanted is not None and wanted.reason is Reason.PROOF_AWAITED:
        return _raised(record, f"{told}: {wanted.because}")
    if spent_today(record, now) >= s.declared.daily_budget:
        words = f"today's budget of {format_duration(s.declared.daily_budget)} is spent"
        return _give_back(record, Reason.SAMPLING_BUDGET_SPENT, words)
    if wanted is not None:
        return _raised(record, f"{told}: {wanted.because}")
    if s.quiet_steps is None or s.quiet_steps < QUIET_STEPS:
        return _raised(record, f"{told} until the evidence is weak for {QUIET_STEPS} steps in a row")
    words = f"evidence below {QUIET_EVIDENCE:g} for {QUIET_STEPS} steps in a row"
    return _give_back(record, Reason.EVIDENCE_GONE, words)


def _given_back(s: Sampling) -> Decided:
    """What has begun to be given back is, unless nothing may be changed at all."""
    record = s.record
    assert record.write is not None, "what is given back was written"
    if s.holds and s.declared is not None and _was_declared(s.declared, record.write):
        words = f"is to be given back ({record.because}), but {s.holds[0].because}"
        return _said(record, SamplingState.GIVING_BACK, words)
    told = f"; {record.message}" if record.message else ""
    said = _said(record, SamplingState.GIVING_BACK, f"is being given back: {record.because}{told}")
    return replace(said, writes=True)


def _raising(record: SamplingRaiseStatus) -> Decided:
    return replace(_raised(record, f"is being raised: {record.because}"), writes=True)


def _said(record: SamplingRaiseStatus, state: SamplingState, words: str) -> Decided:
    message = f"the judge's sampling rate {words}"
    return Decided(record=record, told=SamplingTold(state=state, message=message[:1024]))


def _raised(record: SamplingRaiseStatus, words: str) -> Decided:
    return _said(record, SamplingState.RAISED, words)


def _give_back(record: SamplingRaiseStatus, reason: Reason, because: str) -> Decided:
    assert record.write is not None, "what is raised was written"
    back = record.model_copy(
        update={
            "phase": RaisePhase.GIVING_BACK,
            "reason": reason,
            "because": because,
            "message": "",
            "write": undone((record.write,))[0],
        }
    )
    return replace(_said(back, SamplingState.GIVING_BACK, f"is being given back: {because}"), writes=True)


def _is_declared(declared: SamplingRate, write: FieldWrite) -> bool:
    return (declared.target, declared.path, declared.raised) == (write.target, write.path, write.desired.value)


def _was_declared(declared: SamplingRate, back: FieldWrite) -> bool:
    """Of a write that gives back: whether what it takes away is what is declared."""
    raised = (v.value for v in ours(back))
    return (declared.target, declared.path) == (back.target, back.path) and declared.raised in raised


def _holds(held: Held | Unmatched | Missing, value: FieldValue) -> bool:
    return not isinstance(held, Unmatched | Missing) and inline(held) == value


def _found_instead(held: Held | Unmatched | Missing) -> str:
    if isinstance(held, Unmatched | Missing):
        return why_not(held)
    return (
        "someone else has removed it" if isinstance(held, Absent) else f"someone else has set it to {str(held)[:120]!r}"
    )


def _day(s: Sampling) -> str:
    return format_duration(s.step * DAY_STEPS)


def _shown(value: FieldValue) -> str:
    return "nothing" if value.value is None else str(value.value)
