"""Whether the error budget burns too fast."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebreak.core.detectors.burn_rate import (
    PROPOSED,
    budget_in_words,
    budget_left,
    expected_delay,
    judge_burn_rate,
    least_left,
    unreachable,
)
from firebreak.core.detectors.rules import BurnRate, BurnWindow

MINUTE = timedelta(minutes=1)
RULE = BurnRate(allowed=0.05, windows=PROPOSED)


def minutes(*stretches: tuple[int, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Stretches of (minutes, share of bad, judged per minute)."""
    judged = np.concatenate([np.full(length, per_step) for length, _, per_step in stretches])
    bad = np.concatenate([np.full(length, share * per_step) for length, share, per_step in stretches])
    return bad, judged


def test_both_windows_must_burn():
    """What is over already does not page; what has just begun does not yet."""
    assert judge_burn_rate(RULE, *minutes((360, 0.02, 100), (60, 0.2, 100)), MINUTE).burns
    assert not judge_burn_rate(RULE, *minutes((360, 0.02, 100), (60, 0.2, 100), (30, 0.0, 100)), MINUTE).burns
    assert not judge_burn_rate(RULE, *minutes((360, 0.02, 100), (5, 0.2, 100)), MINUTE).burns


def test_too_little_judged_in_the_short_window_is_not_decided():
    """Ten bad ones must be possible within the objective before a rate means anything."""
    state = judge_burn_rate(RULE, *minutes((360, 0.5, 1)), MINUTE)
    assert (state.burns, state.enough_judged) == (False, False)


def test_factors_that_no_incident_reaches_are_refused_with_a_proposal():
    """14.4 times 5% is 72% bad."""
    workbook = BurnRate(
        allowed=0.05, windows=(BurnWindow(factor=14.4, long=timedelta(hours=1), short=timedelta(minutes=5)),)
    )
    told = unreachable(workbook)
    assert told is not None
    assert "72%" in told
    assert "factor 2 over 1h and 5m" in told
    assert unreachable(RULE) is None


def test_the_budget_left_has_an_interval():
    """Half of it spent, and how sure that is."""
    budget = budget_left(0.05, 250, 10_000)
    assert budget.left == pytest.approx(0.5)
    assert budget.interval is not None
    assert budget.interval.low < 0.5 < budget.interval.high
    assert budget_left(0.05, 0, 0).left is None
    overspent = budget_left(0.05, 1000, 10_000)
    assert overspent.left == pytest.approx(-1.0)


stretches = st.lists(
    st.tuples(st.integers(1, 200), st.sampled_from([0.0, 0.02, 0.1, 0.3]), st.sampled_from([0.0, 20.0, 100.0])),
    min_size=1,
    max_size=5,
)


@given(stretches, st.floats(1.0, 20.0))
def test_more_good_answers_never_make_a_budget_burn(stretch, good):
    """Where enough was judged to tell."""
    bad, judged = minutes(*stretch)
    before = judge_burn_rate(RULE, bad, judged, MINUTE)
    after = judge_burn_rate(RULE, bad, judged + good, MINUTE)
    if before.enough_judged and not before.burns:
        assert not after.burns


@given(stretches)
def test_it_burns_only_where_both_windows_do(stretch):
    """And it says how fast, over each of them."""
    state = judge_burn_rate(RULE, *minutes(*stretch), MINUTE)
    if state.burns:
        assert state.window in PROPOSED
        assert min(state.factor, state.short_factor) >= state.window.factor
        assert state.bad == pytest.approx(state.judged * state.factor * RULE.allowed)


def test_a_breach_is_seen_once_the_long_window_is_full_enough():
    """Of four times the allowed rate half an hour makes twice of it over an hour; a higher factor never sees it."""
    assert expected_delay(RULE) == timedelta(minutes=30)
    assert expected_delay(BurnRate(allowed=0.01, windows=(BurnWindow(factor=14.4, long=MINUTE, short=MINUTE),))) is None
    bad, judged = minutes((600, 0.0, 100), (30, 0.2, 100))
    assert judge_burn_rate(RULE, bad, judged, MINUTE).burns
    assert not judge_burn_rate(RULE, bad[:-1], judged[:-1], MINUTE).burns


def test_the_least_that_is_left_is_shown():
    """With its interval on the objective, without it in the column."""
    budgets = {"a": budget_left(0.05, 250, 10_000), "b": budget_left(0.05, 100, 10_000), "c": budget_left(0.05, 0, 0)}
    assert least_left(budgets) == "50%"
    assert budget_in_words(budgets["a"]) == "50% (43% to 56%)"
    assert budget_in_words(budgets["c"]) == budget_in_words(None) == least_left({}) == ""
