"""The circuit breaker: when it trips, what it takes it for, what ends it, and what it holds."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
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
    error,
    inconclusive,
    met,
    opened,
    said,
    settled,
    status_of,
    suspected,
)

from firebreak.api.v1alpha1.control import Breaker, BreakerCause, BreakerState
from firebreak.api.v1alpha1.incident import ActionPhase, Phase
from firebreak.core.breaker import (
    BreakerRules,
    Wave,
    hold_of_breaker,
    in_words,
    is_breached,
    is_to_be_asked,
    judge,
    seen,
)
from firebreak.core.commands import AskPeople, NoteHold, Reason
from firebreak.core.decide import decide
from firebreak.core.incident_conditions import with_conditions
from firebreak.core.objectives import ServiceKey
from firebreak.core.situation import Hold

RULES = BreakerRules()
NO_SIGNS: Mapping[ServiceKey, str] = {}


def keys(n: int) -> list[ServiceKey]:
    return [ServiceKey("docs", f"s{i:02}") for i in range(n)]


def wave(n: int, since: datetime = T0, total: int = 20) -> Wave:
    return Wave(since=dict.fromkeys(keys(n), since), total=total)


def tripped(n: int = 10, signs: Mapping[ServiceKey, str] = NO_SIGNS, total: int = 20) -> Breaker:
    return judge(Breaker(), wave(n, total=total), signs, 0, RULES, T0)


@pytest.mark.parametrize(
    ("breached", "total", "trips"),
    [(5, 10, False), (6, 10, True), (6, 40, False), (8, 40, False), (9, 40, True), (6, 6, True), (5, 5, False)],
)
def test_it_trips_on_more_than_five_and_more_than_a_fifth(breached: int, total: int, trips: bool) -> None:
    """A small installation needs six, a large one more than twenty percent."""
    assert (tripped(breached, total=total).state is BreakerState.TRIPPED) is trips


def test_what_became_bad_one_after_the_other_is_no_wave() -> None:
    """Only what became so within the time counts."""
    spread = Wave(since={key: T0 - timedelta(minutes=i) for i, key in enumerate(keys(20))}, total=20)
    assert judge(Breaker(), spread, NO_SIGNS, 0, RULES, T0).state is BreakerState.READY


def test_it_stays_tripped_although_nothing_new_becomes_bad() -> None:
    """An hour later they are bad still: time alone releases nothing."""
    assert judge(tripped(), wave(10), NO_SIGNS, 0, RULES, at(hours=1)).state is BreakerState.TRIPPED


def test_it_is_ready_again_when_most_have_recovered() -> None:
    """Well below the limit, so that it does not come and go with one service; what was bad before is no part of it."""
    assert judge(tripped(), wave(3), NO_SIGNS, 0, RULES, at(hours=1)).state is BreakerState.TRIPPED
    assert judge(tripped(), wave(2), NO_SIGNS, 0, RULES, at(hours=1)).state is BreakerState.READY
    old = Wave(since=dict.fromkeys(keys(8), at(days=-1)), total=20)
    assert judge(tripped(), old, NO_SIGNS, 0, RULES, at(hours=1)).state is BreakerState.READY


def test_one_confirmation_releases_all_for_this_trip_alone() -> None:
    """The next trip has another number."""
    confirmed = judge(tripped(), wave(10), NO_SIGNS, 1, RULES, at(minutes=1))
    assert confirmed.state is BreakerState.CONFIRMED
    over = judge(confirmed, wave(0), NO_SIGNS, 1, RULES, at(hours=1))
    again = judge(over, wave(10, since=at(hours=2)), NO_SIGNS, 1, RULES, at(hours=2))
    assert (again.trip, again.state) == (2, BreakerState.TRIPPED)
    assert judge(again, wave(10, since=at(hours=2)), NO_SIGNS, 1, RULES, at(hours=3)).state is BreakerState.TRIPPED


def both(first: int, then: int, since: datetime, total: int = 40) -> Wave:
    """So many since T0, and others since later."""
    names = keys(first + then)
    return Wave(since=dict.fromkeys(names[:first], T0) | dict.fromkeys(names[first:], since), total=total)


def confirmed_at(minutes: float, n: int = 10) -> Breaker:
    breaker = judge(tripped(n, total=40), both(n, 0, T0), NO_SIGNS, 1, RULES, at(minutes=minutes))
    assert breaker.state is BreakerState.CONFIRMED
    return breaker


def held(breaker: Breaker, since: datetime) -> bool:
    return hold_of_breaker(breaker, RULES, "docs", "s-1", since) is not None


def test_a_confirmation_is_for_the_wave_that_was_seen() -> None:
    """Ten more become bad after it: they are held under the next number, and what was confirmed is not."""
    later = at(minutes=20)
    confirmed = confirmed_at(10)
    assert judge(confirmed, both(10, 8, later), NO_SIGNS, 1, RULES, later) == confirmed, "8 of 40 are no wave"
    again = judge(confirmed, both(10, 9, later), NO_SIGNS, 1, RULES, later)
    assert (again.state, again.trip, again.breached) == (BreakerState.TRIPPED, 2, 9)
    assert held(again, later)
    assert not held(again, T0)
    assert "breached by 2026-05-04 03:10:00Z is confirmed" in in_words(again, RULES)
    assert judge(again, both(10, 9, later), NO_SIGNS, 1, RULES, at(minutes=21)).state is BreakerState.TRIPPED
    assert judge(again, both(10, 9, later), NO_SIGNS, 2, RULES, at(minutes=21)).state is BreakerState.CONFIRMED


def test_what_was_confirmed_keeps_no_later_trip_up() -> None:
    """The second wave is over when its own services are well, however many of the first are bad still."""
    later = at(minutes=12)
    again = judge(confirmed_at(10), both(10, 9, later), NO_SIGNS, 1, RULES, later)
    assert again.trip == 2
    assert judge(again, both(10, 4, later), NO_SIGNS, 1, RULES, at(minutes=13)).state is BreakerState.READY


def test_what_trickles_in_after_a_confirmation_is_no_wave() -> None:
    """One every two minutes is one after the other, as ever."""
    since = dict.fromkeys(keys(10), T0)
    breaker = confirmed_at(5)
    for i, key in enumerate(keys(30)[10:]):
        since[key] = at(minutes=6 + 2 * i)
        breaker = judge(breaker, Wave(since=since, total=40), NO_SIGNS, 1, RULES, since[key])
        assert breaker.state is BreakerState.CONFIRMED


def test_a_confirmation_that_waits_for_the_metrics_is_of_when_it_was_said() -> None:
    """What becomes bad between the word and the repair was seen by nobody."""
    ill = dict.fromkeys(keys(30), "odd")
    waits = judge(tripped(signs=ill, total=40), both(10, 0, T0), ill, 1, RULES, at(minutes=1))
    assert (waits.state, waits.heard_at) == (BreakerState.TRIPPED, at(minutes=1))
    few = judge(waits, both(10, 3, at(minutes=8)), NO_SIGNS, 1, RULES, at(minutes=9))
    assert (few.state, few.confirmed_at) == (BreakerState.CONFIRMED, at(minutes=1))
    many = judge(waits, both(10, 9, at(minutes=8)), ill, 1, RULES, at(minutes=9))
    assert (many.state, many.trip, many.confirmed_at) == (BreakerState.TRIPPED, 2, None)
    assert judge(many, both(10, 9, at(minutes=8)), NO_SIGNS, 1, RULES, at(minutes=9)).state is BreakerState.TRIPPED
    taken_back = judge(waits, both(10, 0, T0), ill, None, RULES, at(minutes=2))
    assert taken_back.heard_at is None


def test_a_number_that_was_confirmed_beforehand_names_no_trip() -> None:
    """A manifest that says confirmedTrip: 3 for ever, or a control object that was made anew, confirms nothing."""
    trip = judge(Breaker(), wave(10), NO_SIGNS, 3, RULES, T0)
    assert (trip.trip, trip.state) == (4, BreakerState.TRIPPED)
    assert judge(trip, wave(10), NO_SIGNS, 3, RULES, at(minutes=1)).state is BreakerState.TRIPPED


def test_a_confirmation_of_an_older_version_covers_what_is_bad_at_the_upgrade() -> None:
    """It did not keep the moment."""
    old = confirmed_at(10).model_copy(update={"heard_at": None, "confirmed_at": None})
    after = judge(old, both(10, 0, T0), NO_SIGNS, 1, RULES, at(minutes=30))
    assert (after.state, after.confirmed_at) == (BreakerState.CONFIRMED, at(minutes=30))


def test_a_confirmation_is_forgotten_with_the_last_that_it_was_said_of() -> None:
    """No later trip speaks of it."""
    over = judge(confirmed_at(10), both(2, 0, T0), NO_SIGNS, 1, RULES, at(hours=1))
    assert (over.state, over.confirmed_at) == (BreakerState.READY, at(minutes=10))
    assert judge(over, wave(0), NO_SIGNS, 1, RULES, at(hours=2)).confirmed_at is None


def test_a_broken_pipeline_cannot_be_confirmed_until_it_is_well() -> None:
    """What it says may be wrong; the confirmation that was given counts once the metrics are well."""
    ill = dict.fromkeys(keys(5), "3 of the last 4000 answers were judged")
    broken = tripped(signs=ill)
    assert broken.cause is BreakerCause.METRICS_PIPELINE
    assert "4000 answers" in broken.because
    held = judge(broken, wave(10), ill, 1, RULES, at(minutes=1))
    assert held.state is BreakerState.TRIPPED
    assert judge(held, wave(10), NO_SIGNS, 1, RULES, at(minutes=2)).state is BreakerState.CONFIRMED


def test_a_provider_s_new_model_is_told_from_a_broken_pipeline() -> None:
    """Sources and judges are well in most of them."""
    assert tripped(signs=dict.fromkeys(keys(4), "odd")).cause is BreakerCause.COMMON_CAUSE


def test_people_are_asked_once_and_again_while_it_lasts() -> None:
    """And not any more after somebody has confirmed it."""
    assert is_to_be_asked(tripped(), T0)
    asked = tripped().model_copy(update={"asked_at": T0})
    assert not is_to_be_asked(asked, at(minutes=14))
    assert is_to_be_asked(asked, at(minutes=15))
    assert not is_to_be_asked(judge(asked, wave(10), NO_SIGNS, 1, RULES, at(minutes=15)), at(minutes=15))


def test_a_restart_changes_nothing() -> None:
    """What stands in the object is all that there is to know, beside what is bad."""
    before = tripped()
    held = Breaker.model_validate(before.dump())
    for breached, confirmed in ((10, 0), (10, 1), (2, 0)):
        assert judge(held, wave(breached), NO_SIGNS, confirmed, RULES, at(hours=1)) == (
            judge(before, wave(breached), NO_SIGNS, confirmed, RULES, at(hours=1))
        )


def test_what_cannot_be_read_stays_what_it_was() -> None:
    """A source that is gone neither makes a wave nor ends one."""
    spec = a_service().spec
    assert is_breached(spec, [suspected()]) is True
    assert is_breached(spec, [met()]) is False
    assert is_breached(spec, [inconclusive()]) is False
    assert is_breached(spec, [error()]) is None
    (key,) = keys(1)
    bad = seen(Wave(since={}), key, True, T0)
    assert seen(bad, key, None, at(minutes=1)) == bad
    assert seen(bad, key, True, at(minutes=1)).since[key] == T0
    assert seen(bad, key, False, at(minutes=1)).since == {}


def test_counted_events_are_no_part_of_a_wave() -> None:
    """They tell of themselves."""
    assert is_breached(a_service(a_count()).spec, [a_verdict("violations")]) is False


@given(st.lists(st.tuples(st.integers(0, 11), st.sampled_from([True, False, None]), st.integers(0, 400)), max_size=80))
def test_it_is_tripped_only_beyond_the_limit_and_ready_only_below_it(
    looks: list[tuple[int, bool | None, int]],
) -> None:
    """Whatever order they come and go in; the number of trips never falls."""
    now, seen_so_far, breaker = T0, Wave(since={}, total=12), Breaker()
    for service, breached, seconds in looks:
        now += timedelta(seconds=seconds)
        seen_so_far = seen(seen_so_far, keys(12)[service], breached, now)
        after = judge(breaker, seen_so_far, NO_SIGNS, 0, RULES, now)
        if after.state is BreakerState.TRIPPED and breaker.state is BreakerState.READY:
            assert len(seen_so_far.newly(RULES.within, now)) > 5
            assert after.trip == breaker.trip + 1
        if after.state is BreakerState.READY and breaker.state is BreakerState.TRIPPED:
            assert len(seen_so_far.newly(RULES.within, now)) <= 5
        assert after.trip >= breaker.trip
        breaker = after


# --- what it holds


def held_by_breaker() -> Hold:
    found = hold_of_breaker(tripped(), RULES, "docs", "summarizer-1")
    assert found is not None
    return found


@pytest.mark.parametrize("step", [ROLL_BACK, TO_SMALL])
def test_an_incident_in_a_wave_is_held_and_pages_nobody(step: dict[str, str]) -> None:
    """Its condition and timeline say why, and both commands: for all, and for this one alone."""
    s = opened(policy=a_policy(REVIEW_STEP, step), breaker=held_by_breaker())
    s = settled(s, T0)
    assert [a.kind for a in status_of(s).actions] == ["RaiseHumanReview"]
    assert status_of(s).page is None
    assert status_of(s).phase is not Phase.AWAITING_HUMAN
    held = next(c for c in with_conditions(status_of(s), 1, T0).conditions if c.type == "Held")
    assert (held.status, held.reason) == ("True", "CircuitBreaker")
    for words in ("10 of 20 services", "kubectl firebreak confirm 1", "kubectl firebreak contain summarizer-1 -n docs"):
        assert words in held.message
    assert held.message in [e.message for e in status_of(s).timeline]
    assert decide(s, at(minutes=30)).commands == ()


def test_a_wave_that_is_over_or_confirmed_lets_go() -> None:
    """What is still called for is done."""
    s = settled(opened(policy=a_policy(ROLL_BACK), breaker=held_by_breaker()), T0)
    confirmed = judge(tripped(), wave(10), NO_SIGNS, 1, RULES, at(minutes=1))
    assert hold_of_breaker(confirmed, RULES, "docs", "summarizer-1") is None
    s = settled(replace(s, breaker=None), at(minutes=2))
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED


def test_a_person_may_have_one_contained_in_a_wave() -> None:
    """The breaker is there for the machine."""
    s = settled(said(opened(policy=a_policy(ROLL_BACK), breaker=held_by_breaker()), contain=True), T0)
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED


def test_counted_violations_at_p1_are_contained_in_a_wave() -> None:
    """Harm that was counted is no estimate of a broken pipeline."""
    policy = a_policy(TO_STATIC, severity=[{"severity": "P1"}])
    s = opened(a_verdict("violations"), service=a_service(a_count()), policy=policy, breaker=held_by_breaker())
    assert [a.kind for a in status_of(settled(s, T0)).actions] == ["SwitchTraffic"]


def test_the_hold_is_noted_once() -> None:
    """Fifty incidents write it once each, and only again when the words are others."""
    s = opened(policy=a_policy(ROLL_BACK), breaker=held_by_breaker())
    commands = decide(s, T0).commands
    assert [type(c) for c in commands] == [NoteHold]
    assert not any(isinstance(c, AskPeople) for c in commands)
    assert commands[0].reason is Reason.CIRCUIT_BREAKER
