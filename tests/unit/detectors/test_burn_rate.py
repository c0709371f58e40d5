"""Whether the error budget burns too fast."""

from datetime import timedelta

import numpy as np
import pytest

from firebreak.core.detectors.burn_rate import PROPOSED, budget_left, judge_burn_rate, unreachable
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
    assert "2x over 1:00:00/0:05:00" in told
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
