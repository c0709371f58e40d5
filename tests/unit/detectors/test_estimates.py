"""Which rates are compatible with what was counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebreak.core.estimates import beta_cdf, interval, lower_bound, upper_bound

COUNTS = st.floats(0.0, 1e5).flatmap(lambda n: st.tuples(st.floats(0.0, n), st.just(n)))


@pytest.mark.parametrize(
    ("bad", "judged", "low", "high"),
    [(0, 10, 0.0, 0.30850), (3, 100, 0.00623, 0.08518), (10, 10, 0.69150, 1.0), (50, 1000, 0.03733, 0.06539)],
)
def test_whole_counts_have_the_intervals_of_the_tables(bad, judged, low, high):
    """Clopper-Pearson, as published."""
    found = interval(bad, judged)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))


@given(COUNTS, st.sampled_from([0.05, 0.025, 0.0015]))
def test_bounds_are_where_the_tail_is_alpha(counts, alpha):
    """Whatever the counts, whole or not."""
    bad, judged = counts
    high, low = upper_bound(bad, judged, alpha), lower_bound(bad, judged, alpha)
    assert 0.0 <= low <= high <= 1.0
    if 1.0 <= bad <= judged - 1.0:
        assert beta_cdf(high, bad + 1.0, judged - bad) == pytest.approx(1.0 - alpha, abs=1e-6)
        assert beta_cdf(low, bad, judged - bad + 1.0) == pytest.approx(alpha, abs=1e-6)


@given(COUNTS)
def test_clustering_widens_the_interval(counts):
    """Discounted counts say less."""
    plain, wide = interval(*counts), interval(*counts, 3.0)
    assert wide.low <= plain.low + 1e-9
    assert wide.high >= plain.high - 1e-9


def test_nothing_judged_says_nothing():
    """Any rate is possible."""
    assert interval(0.0, 0.0) == interval(0.0, -0.0)
    assert (interval(0.0, 0.0).low, interval(0.0, 0.0).high) == (0.0, 1.0)
