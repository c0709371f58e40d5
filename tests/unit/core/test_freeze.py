"""When a freeze begins and ends, also where the clocks change, and what goes ahead in one."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import (
    REVIEW_STEP,
    ROLL_BACK,
    T0,
    TO_SMALL,
    TO_STATIC,
    a_count,
    a_policy,
    a_service,
    a_verdict,
    action_of,
    at,
    in_force,
    now_saying,
    opened,
    rolled_back,
    said,
    settled,
    status_of,
)

from firebreak.api.v1alpha1.incident import ActionPhase
from firebreak.api.v1alpha1.policy import Freeze, Guardrails
from firebreak.core.commands import Reason
from firebreak.core.decide import decide
from firebreak.core.freeze import ends, hold_of_freeze, last_beginning, problems_of_freeze
from firebreak.core.incident_conditions import with_conditions

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = {"cron": "0 3 * * *", "timeZone": "UTC", "duration": "30m"}
FROZEN = {"guardrails": {"freeze": [NIGHT]}}


def a_freeze(cron: str, duration: str, zone: str = "Europe/Berlin") -> Freeze:
    return Freeze.model_validate({"cron": cron, "timeZone": zone, "duration": duration})


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]


WEEKEND = a_freeze("0 18 * * FRI", "62h")


@pytest.mark.parametrize(
    ("moment", "is_frozen"),
    [
        (datetime(2026, 5, 8, 17, 59, 59, tzinfo=BERLIN), False),
        (datetime(2026, 5, 8, 18, 0, tzinfo=BERLIN), True),
        (datetime(2026, 5, 11, 7, 59, 59, 999999, tzinfo=BERLIN), True),
        (datetime(2026, 5, 11, 8, 0, tzinfo=BERLIN), False),
    ],
)
def test_a_weekend_begins_on_friday_in_its_own_zone(moment: datetime, is_frozen: bool) -> None:
    """And ends when its time is over: the first moment is in it, the last is not."""
    assert (ends(WEEKEND, moment.astimezone(UTC)) is not None) is is_frozen


def test_a_beginning_that_the_clocks_skip_is_at_the_end_of_the_gap() -> None:
    """On 29 March 2026 there is no 02:30 in Berlin: 03:00 follows 01:59, and no freeze is lost."""
    window = a_freeze("30 2 * * *", "1h")
    assert last_beginning(window, utc(2026, 3, 29, 1, 10)) == utc(2026, 3, 29, 1, 0)
    assert ends(window, utc(2026, 3, 29, 1, 59)) == utc(2026, 3, 29, 2, 0)
    assert ends(window, utc(2026, 3, 29, 0, 59)) is None


def test_a_beginning_that_comes_twice_counts_the_first_time() -> None:
    """On 25 October 2026 02:30 is at 00:30 and at 01:30 UTC in Berlin; the hour between them is frozen once."""
    window = a_freeze("30 2 * * *", "2h")
    assert last_beginning(window, utc(2026, 10, 25, 0, 45)) == utc(2026, 10, 25, 0, 30)
    assert last_beginning(window, utc(2026, 10, 25, 1, 10)) == utc(2026, 10, 25, 0, 30)
    assert last_beginning(window, utc(2026, 10, 25, 2, 0)) == utc(2026, 10, 25, 0, 30)
    assert ends(window, utc(2026, 10, 25, 2, 29)) == utc(2026, 10, 25, 2, 30)
    assert ends(window, utc(2026, 10, 25, 2, 30)) is None


def test_a_night_in_which_the_clocks_change_is_as_long_as_it_says() -> None:
    """Twelve hours are twelve hours: by the clock it ends an hour later in spring, and an hour earlier in autumn."""
    window = a_freeze("0 20 * * *", "12h")
    for began in (datetime(2026, 3, 28, 20, tzinfo=BERLIN), datetime(2026, 10, 24, 20, tzinfo=BERLIN)):
        assert ends(window, began.astimezone(UTC) + timedelta(hours=11, minutes=59)) == (
            began.astimezone(UTC) + timedelta(hours=12)
        )


CHANGES = [utc(2026, *moment) for moment in ((3, 8, 7), (3, 29, 1), (4, 4, 15), (10, 3, 15), (10, 25, 1), (11, 1, 6))]
"""Moments around which the clocks of these zones change."""


@settings(max_examples=300)
@given(
    st.builds(lambda c, s: c + timedelta(seconds=s), st.sampled_from(CHANGES), st.integers(-20_000, 20_000)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "UTC"]),
    st.sampled_from(["30 2 * * *", "0 0 * * SAT", "*/20 1-3 * * *", "5 * * * *", "0 9 1,15 * *", "0 0 * * 7"]),
)
def test_the_last_beginning_is_past_and_the_time_in_between_has_none(now: datetime, zone: str, cron: str) -> None:
    """Asked again at any moment since, it is the same: a window neither moves nor opens twice."""
    window = a_freeze(cron, "1h", zone)
    began = last_beginning(window, now)
    assert began is not None
    assert began <= now
    assert last_beginning(window, began) == began
    assert last_beginning(window, began + (now - began) / 2) == began
    earlier = last_beginning(window, began - timedelta(seconds=1))
    assert earlier is not None
    assert earlier < began


def test_of_several_windows_the_one_that_ends_last_counts() -> None:
    """Whoever is told when it ends need not come back twice."""
    held = hold_of_freeze((a_freeze("0 3 * * *", "30m", "UTC"), a_freeze("55 2 * * *", "2h", "UTC")), at(minutes=1))
    assert held is not None
    assert held.ends_at == at(minutes=115)
    assert "guardrails.freeze[1]" in held.because


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ({"cron": "0 3 * * *", "timeZone": "Europe/Berlyn", "duration": "1h"}, "Europe/Berlyn"),
        ({"cron": "0 3 * * 5-1", "timeZone": "UTC", "duration": "1h"}, "5-1"),
    ],
)
def test_a_window_that_cannot_be_read_holds_and_says_so(window: dict[str, str], words: str) -> None:
    """Someone wanted a freeze, and nobody can tell when: the service's status names the place and the value."""
    rails = Guardrails.model_validate({"freeze": [window]})
    held = hold_of_freeze(rails.freeze, T0)
    assert held is not None
    assert words in held.because
    (problem,) = problems_of_freeze("ContainmentPolicy p", rails.freeze, T0)
    assert problem.reason == "FreezeUnreadable"
    assert words in problem.message
    assert "spec.guardrails.freeze[0]" in problem.message


def test_a_window_that_can_never_open_is_a_mistake() -> None:
    """On the 31st of a month that has thirty days."""
    held = hold_of_freeze((a_freeze("0 0 31 11 *", "1h"),), T0)
    assert held is not None
    assert "0 0 31 11 *" in held.because


@pytest.mark.parametrize("step", [ROLL_BACK, TO_SMALL])
def test_a_freeze_holds_what_changes_answers_and_asks(step: dict[str, str]) -> None:
    """The incident says so in its condition, in its page, and says when it ends and how a person has it at once."""
    s = settled(opened(policy=a_policy(REVIEW_STEP, step, **FROZEN)), T0)
    assert [a.kind for a in status_of(s).actions] == ["RaiseHumanReview"]
    told = with_conditions(status_of(s), 1, T0)
    held = next(c for c in told.conditions if c.type == "Held")
    assert (held.status, held.reason) == ("True", Reason.FREEZE_WINDOW)
    assert "2026-05-04 03:30:00Z" in held.message
    assert "spec.contain" in held.message
    assert told.page is not None
    assert told.page.message == held.message


def test_what_a_freeze_held_is_done_when_it_is_over() -> None:
    """If it is still called for; the condition says that nothing is held any more."""
    s = said(settled(opened(policy=a_policy(ROLL_BACK, **FROZEN)), T0), acknowledged=True)
    assert decide(s, T0).wake_at == at(minutes=30)
    s = settled(s, at(minutes=30))
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED
    assert status_of(s).held is None


def test_a_person_may_have_it_in_a_freeze() -> None:
    """The limits are there for the machine."""
    s = settled(said(opened(policy=a_policy(ROLL_BACK, **FROZEN)), contain=True), T0)
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED


def test_a_freeze_holds_the_steps_of_an_incident_that_has_begun() -> None:
    """Unlike the cooldown: at this time nothing more is to be changed."""
    s = rolled_back(policy=a_policy(ROLL_BACK, TO_SMALL, guardrails={"freeze": [{**NIGHT, "cron": "20 3 * * *"}]}))
    s = settled(now_saying(s, a_verdict(at=at(minutes=40))), at(minutes=40))
    assert not [a for a in status_of(s).actions if a.kind == "SwitchTraffic"]


def test_violations_that_were_counted_are_contained_in_a_freeze() -> None:
    """At severity P1 no estimate is waited for; at another one it is held like the rest."""
    service = a_service(a_count())
    for severity, steps in (("P1", ["SwitchTraffic"]), ("P2", [])):
        policy = a_policy(TO_STATIC, severity=[{"severity": severity}], **FROZEN)
        s = settled(opened(a_verdict("violations"), service=service, policy=policy), T0)
        assert [a.kind for a in status_of(s).actions] == steps


def test_giving_back_goes_on_in_a_freeze() -> None:
    """It restores what stood there, on proof."""
    s = settled(opened(policy=a_policy(TO_SMALL, guardrails={"freeze": [{**NIGHT, "cron": "30 3 * * *"}]})), T0)
    s = settled(in_force(s, "SwitchTraffic", at(minutes=1)), at(minutes=2))
    s = settled(said(s, release=True), at(minutes=35))
    assert action_of(s, "SwitchTraffic").given_back == 10
