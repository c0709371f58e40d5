"""For how long was the judge's sampling rate raised, and is that too long?

Asked by core/sampling_raise.py. Two bounds: the budget of the day, which money sets and a proof goes past, and the
ceiling, which nothing goes past: a rate that is raised for most of the time becomes the usual one, and giving it back
would then look like a judge that has stopped (core/coverage.py), so that nothing could be concluded for hours.
"""

from datetime import UTC, datetime, timedelta

from firebreak.api.v1alpha1.quantities import MOST_OF_A_DAY
from firebreak.api.v1alpha1.sampling import RaisedSpan, SamplingRaiseStatus
from firebreak.core.clustering import DAY_STEPS

CEILING_STEPS = int(MOST_OF_A_DAY / timedelta(minutes=1))
"""So many of the last `DAY_STEPS` it may be raised in one go: what is usual is told from hours of steps."""
_TOUCHED_STEPS = 60
"""Each further run leaves one more hour that is neither raised nor as usual."""
_ROOM_STEPS = 120
"""A raise that had room for less would be given back before it has told much, and be raised again at once."""
_MOST_RUNS = 32
"""A run lasts 60 steps or is not tried again for as long, unless people end it: a day of steps has room for 24."""


def spent_today(record: SamplingRaiseStatus, now: datetime) -> timedelta:
    """For how long it was raised since midnight (UTC), what is raised now included."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    before = record.spent if record.spent_on == day_of(now) else timedelta(0)
    if record.since is None:
        return before
    return before + max(timedelta(0), now - max(record.since, midnight))


def raised_lately(record: SamplingRaiseStatus, step: timedelta, now: datetime) -> timedelta:
    """For how long of the last day of steps it was raised, what is raised now included."""
    begins = now - step * DAY_STEPS
    spans = [(run.since, run.until) for run in record.runs]
    if record.since is not None:
        spans.append((record.since, now))
    return sum((max(timedelta(0), until - max(since, begins)) for since, until in spans), timedelta(0))


def is_too_long(record: SamplingRaiseStatus, step: timedelta, now: datetime) -> bool:
    """Whether it may not be raised any longer, whatever for."""
    return raised_lately(record, step, now) >= _most(step, _runs_lately(record, step, now))


def has_room(record: SamplingRaiseStatus, step: timedelta, now: datetime) -> bool:
    """Whether a raise that began now would not be over at once."""
    most = _most(step, _runs_lately(record, step, now) + 1)
    return raised_lately(record, step, now) <= most - step * _ROOM_STEPS


def _most(step: timedelta, runs: int) -> timedelta:
    return step * (CEILING_STEPS - _TOUCHED_STEPS * max(0, runs - 1))


def _runs_lately(record: SamplingRaiseStatus, step: timedelta, now: datetime) -> int:
    begins = now - step * DAY_STEPS
    return sum(run.until > begins for run in record.runs) + (record.since is not None)


def runs_after(record: SamplingRaiseStatus, now: datetime) -> tuple[RaisedSpan, ...]:
    """What is to be remembered when a raise ends now."""
    if record.since is None:
        return record.runs
    return (*record.runs, RaisedSpan(since=record.since, until=now))[-_MOST_RUNS:]


def day_of(now: datetime) -> str:
    """The day (UTC), as the record has it."""
    return f"{now.astimezone(UTC):%Y-%m-%d}"
