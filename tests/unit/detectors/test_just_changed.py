"""Whether a new revision is worse than the known-good one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebreak.core.detectors.regression import RegressionFinding, before_after, may_be_beyond, side_by_side

Counts = tuple[np.ndarray, np.ndarray]


def drawn(rate: float, steps: int, per_step: int = 20, seed: int = 1) -> Counts:
    rng = np.random.default_rng(seed)
    return rng.binomial(per_step, rate, steps).astype(float), np.full(steps, float(per_step))


# What the known-good revision did in a day: 2% of 20 judged a minute.
KNOWN = (np.full(1440, 0.4), np.full(1440, 20.0))


def test_a_clear_regression_is_found_by_time_and_side_by_side():
    """Four times as bad is found within two hours of 20 judged a minute."""
    known, new = drawn(0.02, 120, seed=2), drawn(0.08, 120, seed=3)
    before = before_after(*KNOWN, *new, 0.1)
    beside = side_by_side(*known, *new, 0.1)
    assert before.finding is beside.finding is RegressionFinding.REGRESSION
    assert before.called_at is not None
    assert before.called_at < 60


@pytest.mark.parametrize("seed", range(10))
def test_the_same_quality_is_no_regression(seed):
    """Told after long enough, and never the other way round."""
    found = before_after(*KNOWN, *drawn(0.02, 600, seed=seed), 0.1)
    assert found.finding is RegressionFinding.NO_REGRESSION


@pytest.mark.parametrize("seed", range(10))
def test_both_worse_together_is_not_the_change(seed):
    """What hits both revisions at once comes from upstream."""
    found = side_by_side(*drawn(0.2, 300, seed=seed), *drawn(0.2, 300, seed=seed + 100), 0.1)
    assert found.finding is not RegressionFinding.REGRESSION


def test_an_improvement_is_never_a_regression():
    """Nothing speaks against fewer bad answers."""
    found = side_by_side(*drawn(0.2, 500), *drawn(0.02, 500, seed=5), 0.1)
    assert found.evidence <= found.threshold
    assert found.finding is not RegressionFinding.REGRESSION


def test_too_little_says_how_much_is_missing():
    """Inconclusive comes with the number of answers that it still takes."""
    found = before_after(*KNOWN, *drawn(0.04, 5), 0.1)
    assert found.finding is RegressionFinding.INCONCLUSIVE
    assert found.judged_needed is not None
    assert 100 < found.judged_needed < 20_000


def test_an_unknown_past_proves_nothing():
    """Without anything judged of the known-good revision there is nothing to be worse than."""
    nobody = np.zeros(100)
    assert before_after(nobody, nobody, *drawn(0.5, 100), 0.1).finding is RegressionFinding.INCONCLUSIVE
    assert side_by_side(nobody, nobody, *drawn(0.5, 100), 0.1).finding is RegressionFinding.INCONCLUSIVE


def test_what_was_judged_more_for_a_while_says_less_than_it_counts():
    """A raised rate in the known-good revision's day adds clustered answers, not as many independent ones."""
    judged = np.full(1440, 5.0)
    raised = judged.copy()
    raised[100:160] = 500.0
    steady = before_after(0.02 * judged, judged, *drawn(0.02, 5), 0.1).against
    at_times = before_after(0.02 * raised, raised, *drawn(0.02, 5), 0.1).against
    as_if_even = np.full(1440, raised.sum() / 1440)
    evenly = before_after(0.02 * as_if_even, as_if_even, *drawn(0.02, 5), 0.1).against
    assert evenly < at_times < steady


@pytest.mark.parametrize("together", [False, True])
def test_a_regression_that_is_over_lasts_no_longer_and_was_one(together):
    """The finding is for the change; what speaks for it wears off within hours once the cause is gone."""
    bad, judged = drawn(0.2, 120, seed=7)
    good, more = drawn(0.02, 240, seed=8)
    known = drawn(0.02, 360, seed=9)

    def found(bad: np.ndarray, judged: np.ndarray):
        if together:
            return side_by_side(known[0][: len(bad)], known[1][: len(bad)], bad, judged, 0.1)
        return before_after(*KNOWN, bad, judged, 0.1)

    assert found(bad, judged).lasts
    later = found(np.concatenate((bad, good)), np.concatenate((judged, more)))
    assert later.finding is RegressionFinding.REGRESSION
    assert not later.lasts


def test_nothing_counted_since_the_change_is_inconclusive():
    """The first look comes before the first step."""
    nothing = np.zeros(0)
    for found in (before_after(*KNOWN, nothing, nothing, 0.1), side_by_side(nothing, nothing, nothing, nothing, 0.1)):
        assert found.finding is RegressionFinding.INCONCLUSIVE
        assert not found.is_beyond(0.0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=80), st.floats(0.005, 0.5))
def test_what_is_beyond_may_be_beyond(steps, allowed):
    """The short way round never hides what the comparison would find; evidence never exceeds what was asked for."""
    judged = np.array([max(pair) for pair in steps], dtype=float)
    bad = np.array([min(pair) for pair in steps], dtype=float)
    found = before_after(*KNOWN, bad, judged, 0.1)
    assert not found.is_beyond(allowed) or may_be_beyond(allowed, bad, judged, 0.1)
    assert found.evidence_now <= found.evidence or found.evidence == 1.0
    assert found.evidence <= found.threshold**2 * (1.0 + 1e-9)


def test_a_rate_that_is_too_high_by_chance_is_not_beyond_the_objective():
    """It was called early, on a few bad ones: worse it is, and nobody knows yet that it is worse than 5%."""
    judged = np.full(6, 20.0)
    found = before_after(np.zeros(1440), np.full(1440, 20.0), np.array([2.0, 1.0] * 3), judged, 0.1)
    assert found.lasts
    assert found.bad / found.judged > 0.05
    assert not found.is_beyond(0.05)


def test_a_cause_that_has_passed_is_over_within_an_hour():
    """Half an hour at 20%, as with a cold cache: nobody is to be rolled back for it later, when a hold ends."""
    bad, judged = drawn(0.2, 30, per_step=5, seed=7)
    good, more = drawn(0.02, 65, per_step=5, seed=8)
    assert before_after(*KNOWN, bad, judged, 0.1).is_beyond(0.05)
    later = before_after(*KNOWN, np.concatenate((bad, good)), np.concatenate((judged, more)), 0.1)
    assert later.at_least > 0.05
    assert not later.is_beyond(0.05)
