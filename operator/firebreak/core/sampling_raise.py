"""Is the judge's sampling rate to be raised, kept or given back? And what came of a write of it.

Asked by app/raising.py at the end of each turn of a service that declares `judge.samplingRate`, or has a record of it.
Speed is limited by the number of judged answers (docs/detection.md): a raise costs money and changes nothing for users,
so it goes by tier Watch, for the first hour after a change of revision, and while a proof is collected. It ends when the
evidence has been weak for an hour in a row, and has a budget each day. What must stay true:
- what is to be written stands in the record first, with the value that it replaces;
- a value that someone else has put there is left, and not fought over;
- unreadable evidence neither raises nor gives back.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

from firebreak.api.v1alpha1.aiservice import Mode, SamplingRate, SamplingState, SamplingTold
from firebreak.api.v1alpha1.incident import AIIncident, FieldValue, FieldWrite, Phase
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.api.v1alpha1.sampling import RaisePhase, SamplingRaiseStatus
from firebreak.core.commands import Reason
from firebreak.core.field_paths import FieldPath, PathError, find
from firebreak.core.field_writes import inline, undone
from firebreak.core.ports import (
    Absent,
    Changed,
    Held,
    KubeObject,
    Landed,
    Missing,
    Refused,
    Unmatched,
    WriteResult,
    why_not,
)
from firebreak.core.record import landed
from firebreak.core.situation import Hold
from firebreak.core.steps import in_words, under_way
from firebreak.core.verdict import Finding, Tier, Verdict

QUIET_EVIDENCE = 20.0
"""Below this the evidence is weak: a raise is given back when it was so for `QUIET_STEPS` in a row."""
QUIET_STEPS = 60
JUST_CHANGED_STEPS = 60
_BLOCKED_FOR = timedelta(hours=1)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The record as it is to be, and what the service says of it."""

    record: SamplingRaiseStatus
    told: SamplingTold


def decide_sampling(s: Sampling, now: datetime) -> Decided:
    """The next record; equal to the one that is there when nothing is to be done."""
    record = s.record
    match record.phase:
        case RaisePhase.NORMAL:
            return _from_normal(s, now)
        case RaisePhase.INTENDED:
            return _raised(record, f"is being raised: {record.because}")
        case RaisePhase.GIVING_BACK:
            told = f"; {record.message}" if record.message else ""
            return _said(record, SamplingState.GIVING_BACK, f"is being given back: {record.because}{told}")
        case RaisePhase.RAISED:
            return _from_raised(s, now)
    assert_never(record.phase)


def after_write(record: SamplingRaiseStatus, result: WriteResult, now: datetime) -> SamplingRaiseStatus:
    """The record once it is known what became of the write that it wanted."""
    assert record.write is not None, "only what is to be written is written"
    giving_back = record.phase is RaisePhase.GIVING_BACK
    match result:
        case Landed():
            if giving_back:
                return _ended(record, record.reason, record.because, now)
            return record.model_copy(update={"phase": RaisePhase.RAISED, "write": landed(record.write), "since": now})
        case Changed() | Unmatched() | Missing():
            words = why_not(result)
            if giving_back:
                return _ended(record, Reason.LEFT_AS_CHANGED, f"it was left as it is: {words}", now)
            return _blocked(record, Reason.LEFT_AS_CHANGED, words, now)
        case Refused():
            words = why_not(result)
            if giving_back:
                return record.model_copy(update={"message": f"cannot be given back: {words}"[:1024]})
            return _blocked(record, Reason.WRITE_BLOCKED, words, now)
    assert_never(result)


def spent_today(record: SamplingRaiseStatus, now: datetime) -> timedelta:
    """For how long it was raised since midnight (UTC), what is raised now included."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    before = record.spent if record.spent_on == _day(now) else timedelta(0)
    if record.since is None:
        return before
    return before + max(timedelta(0), now - max(record.since, midnight))


def is_raised(record: SamplingRaiseStatus) -> bool:
    """Whether a place is, or may be, as Firebreak wrote it: it counts against the installation's limit."""
    return record.phase is not RaisePhase.NORMAL


# --- what is looked at


def strongest_evidence(verdicts: Iterable[Verdict]) -> tuple[Tier, str]:
    """The highest tier among these, and what the verdict at it says."""
    breached = [v for v in verdicts if v.finding is Finding.BREACHED]
    worst = max(breached, key=lambda v: v.tier, default=None)
    if worst is None:
        return Tier.NONE, ""
    return worst.tier, f"{worst.objective.objective} is at {worst.tier.label}: {worst.because}"


def proof_awaited(incident: AIIncident | None, judged: Collection[str]) -> str:
    """What is being proven by judged answers in the open incident, in words; empty where nothing is."""
    if incident is None or incident.status.phase is Phase.RESOLVED:
        return ""
    status = incident.status
    if status.objectives and not any(o.name in judged for o in status.objectives):
        return ""
    step = under_way(status)
    if step is not None:
        return f"whether {in_words(step)} helps is being proven"
    return "whether the repair holds is being proven" if status.remediating_since is not None else ""


def held_at(live: KubeObject | None, path: str) -> Held | Unmatched | Missing:
    """What stands in the place."""
    if live is None:
        return Missing()
    try:
        found = find(live, FieldPath.parse(path))
    except PathError as error:
        return Unmatched(message=str(error))
    return found if isinstance(found, Unmatched) else found.value


def times_judged(raised: str, held: Held | Unmatched | Missing) -> float | None:
    """How many times as many answers the raised rate judges; None where one of the two is no rate."""
    if isinstance(held, Absent | Unmatched | Missing) or held is None:
        return None
    now, then = _rate(str(held)), _rate(raised)
    return then / now if now and then else None


def _rate(written: str) -> float | None:
    """Of "20%" or "0.2"."""
    text = written.strip()
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        return None
    return value / 100 if text.endswith("%") else value


# --- what is wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    reason: Reason
    because: str


def _wanted(s: Sampling) -> _Wanted | None:
    if s.proof:
        return _Wanted(reason=Reason.PROOF_AWAITED, because=s.proof)
    if s.tier >= Tier.WATCH:
        return _Wanted(reason=Reason.EVIDENCE_AT_WATCH, because=s.because)
    if s.changed_ago is not None and s.changed_ago < s.step * JUST_CHANGED_STEPS:
        return _Wanted(
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
    if record.blocked_at is not None and now - record.blocked_at < _BLOCKED_FOR:
        until = record.blocked_at + _BLOCKED_FOR
        return _said(record, SamplingState.WANTED, f"{would} not before {until:%H:%M:%SZ}: {record.because}")
    if wanted.reason is not Reason.PROOF_AWAITED and spent_today(record, now) >= budget:
        return _said(record, SamplingState.WANTED, f"{would} today's budget of {format_duration(budget)} is spent")
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
            "blocked_at": None,
        }
    )
    return _raised(intended, f"is being raised: {wanted.because}")


def _from_raised(s: Sampling, now: datetime) -> Decided:
    record = s.record
    assert record.write is not None, "what is raised was written"
    write, wanted = record.write, _wanted(s)
    told = f"is {write.desired.value} instead of {_shown(write.original)}"
    if s.declared is None or not _is_declared(s.declared, write):
        return _give_back(record, Reason.NOT_DECLARED, "spec.judge.samplingRate does not declare it any more")
    if s.holds:
        # Paused or in dispute nothing is changed in either direction; the budget goes on being spent, and says so.
        return _raised(record, f"{told}, and stays so: {s.holds[0].because}")
    if s.mode is Mode.OBSERVE:
        return _give_back(record, Reason.OBSERVING, "mode is Observe")
    if not isinstance(s.held, Unmatched | Missing | Absent) and inline(s.held) != write.desired:
        words = f"someone else has set it to {str(s.held)[:120]!r}"
        left = _blocked(record, Reason.LEFT_AS_CHANGED, words, now)
        return _said(left, SamplingState.NORMAL, f"is left as it is: {words}")
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
    return _said(back, SamplingState.GIVING_BACK, f"is being given back: {because}")


def _is_declared(declared: SamplingRate, write: FieldWrite) -> bool:
    return (declared.target, declared.path, declared.raised) == (write.target, write.path, write.desired.value)


def _ended(record: SamplingRaiseStatus, reason: str, because: str, now: datetime) -> SamplingRaiseStatus:
    return SamplingRaiseStatus(
        phase=RaisePhase.NORMAL,
        reason=reason,
        because=because[:1024],
        spent=spent_today(record, now),
        spent_on=_day(now),
    )


def _blocked(record: SamplingRaiseStatus, reason: Reason, because: str, now: datetime) -> SamplingRaiseStatus:
    return _ended(record, reason, because, now).model_copy(update={"blocked_at": now})


def _day(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m-%d}"


def _shown(value: FieldValue) -> str:
    return "nothing" if value.value is None else str(value.value)
