"""When is a drill's next run due, and is it too late to begin it?

Asked by core/drill.py. A run begins within ten minutes of its time or not at all: one that is scheduled for a quiet hour
must not begin in a busy one because the operator was away, or because an incident has only just ended.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from firebreak.api.v1alpha1 import ContainmentDrill
from firebreak.api.v1alpha1.drill import DrillSchedule
from firebreak.core.freeze import FreezeError, zone_of

BEGINS_WITHIN = timedelta(minutes=10)


class ScheduleError(ValueError):
    """The schedule cannot be understood; the message names the place and says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """`at`: the time that calls for a run and has had none; `next_at`: the one after now."""

    at: datetime | None = None
    next_at: datetime | None = None

    def is_missed(self, now: datetime) -> bool:
        """Whether it is too late to begin."""
        return self.at is not None and now >= self.at + BEGINS_WITHIN


def due(drill: ContainmentDrill, now: datetime) -> Due:
    """What the drill's schedule, or its creation, calls for. Raises ScheduleError."""
    schedule, status = drill.spec.schedule, drill.status
    created = drill.metadata.creation_timestamp or now
    if schedule is None:
        return Due(at=created if status.run is None else None)
    handled = max(created, status.last_schedule_time or created)
    latest, following = around(schedule, now)
    return Due(at=latest if latest is not None and latest > handled else None, next_at=following)


def around(schedule: DrillSchedule, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The last time of the schedule that is not after now, and the next one. Raises ScheduleError."""
    try:
        zone = zone_of(schedule.time_zone)
    except FreezeError as error:
        raise ScheduleError(f"spec.schedule.{error}; write one of these") from error
    # To the second, and one later for the way back: a time is due from its very second on.
    there = now.astimezone(zone).replace(microsecond=0)
    try:
        before = next(CronSim(schedule.cron, there + timedelta(seconds=1), reverse=True), None)
        # In the hour that a clock repeats, the first answer may have passed already.
        after = next((m for m in CronSim(schedule.cron, there) if m.astimezone(UTC) > now), None)
    except CronSimError as error:
        raise ScheduleError(
            f"spec.schedule.cron: {schedule.cron}: {error}; write minute, hour, day of month, month and day of week, "
            f"such as 0 9 * * MON"
        ) from error
    return _utc(before), _utc(after)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
