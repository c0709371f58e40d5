"""How does what became of a write change the record of a raise?

Asked by app/raising.py after each write, and by core/sampling_raise.py where a raise ends without one.
"""

from datetime import datetime
from typing import assert_never

from firebreak.api.v1alpha1.sampling import RaisePhase, SamplingRaiseStatus
from firebreak.core.commands import Reason
from firebreak.core.ports import Changed, Landed, Missing, Refused, Unmatched, WriteResult, why_not
from firebreak.core.record import landed
from firebreak.core.sampling_time import day_of, runs_after, spent_today


def after_write(record: SamplingRaiseStatus, result: WriteResult, now: datetime) -> SamplingRaiseStatus:
    """The record once it is known what became of the write that it wanted."""
    assert record.write is not None, "only what is to be written is written"
    giving_back = record.phase is RaisePhase.GIVING_BACK
    match result:
        case Landed():
            if giving_back:
                return ended(record, record.reason, record.because, now)
            return record.model_copy(update={"phase": RaisePhase.RAISED, "write": landed(record.write), "since": now})
        case Changed() | Unmatched() | Missing():
            words = why_not(result)
            if giving_back:
                return ended(record, Reason.LEFT_AS_CHANGED, f"it was left as it is: {words}", now)
            return blocked(record, Reason.LEFT_AS_CHANGED, words, now)
        case Refused():
            words = why_not(result)
            if giving_back:
                return record.model_copy(update={"message": f"cannot be given back: {words}"[:1024]})
            return blocked(record, Reason.WRITE_BLOCKED, words, now)
    assert_never(result)


def is_raised(record: SamplingRaiseStatus) -> bool:
    """Whether a place is, or may be, as Firebreak wrote it: it counts against the installation's limit."""
    return record.phase is not RaisePhase.NORMAL


def ended(record: SamplingRaiseStatus, reason: str, because: str, now: datetime) -> SamplingRaiseStatus:
    """Nothing of ours stands any more; how long it did is remembered."""
    return SamplingRaiseStatus(
        phase=RaisePhase.NORMAL,
        reason=reason,
        because=because[:1024],
        spent=spent_today(record, now),
        spent_on=day_of(now),
        runs=runs_after(record, now),
    )


def blocked(record: SamplingRaiseStatus, reason: Reason, because: str, now: datetime) -> SamplingRaiseStatus:
    """The same, and it is not tried again for a while."""
    return ended(record, reason, because, now).model_copy(update={"blocked_at": now})
