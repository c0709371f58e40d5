"""When a drill is due: by its schedule, in its zone, and never late."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.drills import a_drill

from firebreak.api.v1alpha1.drill import DrillSchedule
from firebreak.core.drill_schedule import BEGINS_WITHIN, Due, ScheduleError, around, due

MONDAYS = {"cron": "0 9 * * MON", "timeZone": "Europe/Berlin"}
CREATED = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
MONDAY = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)


def test_a_time_of_the_schedule_is_due_from_its_second_on() -> None:
    """In the zone that it is written for: nine in Berlin is seven in UTC in summer."""
    drill = a_drill(created=CREATED, schedule=MONDAYS)

    assert due(drill, MONDAY - timedelta(seconds=1)) == Due(at=None, next_at=MONDAY)
    assert due(drill, MONDAY) == Due(at=MONDAY, next_at=MONDAY + timedelta(days=7))


def test_of_several_times_that_have_passed_only_the_last_one_counts() -> None:
    """And it is missed when it is ten minutes old."""
    drill = a_drill(created=CREATED - timedelta(days=60), schedule=MONDAYS)

    found = due(drill, MONDAY + BEGINS_WITHIN)

    assert found.at == MONDAY
    assert not found.is_missed(MONDAY + BEGINS_WITHIN - timedelta(seconds=1))
    assert found.is_missed(MONDAY + BEGINS_WITHIN)


def test_a_time_that_had_its_run_is_not_due_again() -> None:
    """Whether the run took place or was missed."""
    handled = {"lastScheduleTime": MONDAY.isoformat()}

    assert due(a_drill(created=CREATED, schedule=MONDAYS, status=handled), MONDAY + timedelta(minutes=1)).at is None


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"cron": "0 9 * * XYZ"}, "spec.schedule.cron: 0 9 * * XYZ"),
        ({"cron": "0 9 * * *", "timeZone": "Europe/Bern"}, 'spec.schedule.timeZone "Europe/Bern"'),
    ],
)
def test_a_schedule_that_cannot_be_understood_is_told(schedule: dict[str, str], said: str) -> None:
    """The message names the place and says what to write."""
    with pytest.raises(ScheduleError, match="write") as error:
        due(a_drill(schedule=schedule), MONDAY)
    assert str(error.value).startswith(said)


@given(
    now=st.integers(0, 370 * 86400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s)),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]),
    cron=st.sampled_from(["30 2 * * *", "0 3 * * *", "*/20 * * * *", "15 1 * * SUN", "0 9 1 * *"]),
)
def test_the_next_time_is_always_ahead_and_the_last_one_never(now: datetime, zone: str, cron: str) -> None:
    """Also in the hours that a change of clocks repeats or leaves out: a wake-up in the past would never end."""
    before, after = around(DrillSchedule(cron=cron, time_zone=zone), now)

    assert before is not None
    assert after is not None
    assert before <= now < after
