"""What is counted of a native histogram is what was observed, whatever its buckets have gone through."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firebreak.core.native_histograms import NativeLimit, Nearest, bounds_around, split
from firebreak.core.ports_metrics import Buckets, Vector

SERIES = (("namespace", "docs"), ("service", "summarizer"))
OBSERVED = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60)


def bound(k: int, schema: int) -> float:
    return 2.0 ** (k * 2.0**-schema)


def histogram_of(observed: list[float], schema: int, zero: float) -> Buckets:
    """As a client fills its buckets: (lower, upper], and a zero bucket that has swallowed what it was widened over."""
    counts: dict[tuple[float, float], int] = {}
    for value in observed:
        k = math.ceil(math.log2(value) * 2.0**schema)
        lower, upper = bound(k - 1, schema), bound(k, schema)
        # Where the logarithm is off in its last bit.
        lower, upper = (bound(k - 2, schema), lower) if value <= lower else (lower, upper)
        lower, upper = (upper, bound(k + 1, schema)) if value > upper else (lower, upper)
        if lower < zero:
            lower, upper = -zero, zero
        counts[lower, upper] = counts.get((lower, upper), 0) + 1
    rows = sorted((*bounds, float(count)) for bounds, count in counts.items())
    return Buckets(rows=np.array(rows, dtype=np.float64).reshape(-1, 3).T)


def said_of(buckets: Buckets, limit: NativeLimit) -> tuple[float, float] | Nearest:
    found = split(Vector(labels=(), values=np.zeros(0), histograms=[(SERIES, buckets)]), limit)
    if found.untold:
        assert not found.bad.labels
        return found.untold[SERIES]
    return float(found.bad.values[0]), float(found.judged.values[0])


@given(OBSERVED, st.integers(-4, 8), st.integers(-19, 19), st.booleans())
def test_what_is_told_is_what_was_observed(observed: list[float], schema: int, power: int, above: bool):
    """At a power of two, to the observation; where that is no bound of these buckets nothing is told but the nearest."""
    limit = 2.0**power
    said = said_of(histogram_of(observed, schema, zero=0.0), NativeLimit(limit=limit, above=above))
    if isinstance(said, Nearest):
        assert schema < 0, "a power of two is a bound of every schema from 0 upwards"
        assert said.lower < limit < said.upper
        assert all(bounds_around(nearest, schema) is None for nearest in said)
        return
    beyond = sum(value > limit for value in observed)
    assert said == (float(beyond if above else len(observed) - beyond), float(len(observed)))


@given(OBSERVED, st.integers(0, 8), st.integers(0, 8), st.integers(-18, 18), st.integers(-18, 18))
def test_a_coarser_resolution_and_a_wider_zero_bucket_change_no_count(
    observed: list[float], fine: int, coarse: int, power: int, zero: int
):
    """The same two counts, or, once the zero bucket reaches over the limit, none."""
    limit = NativeLimit(limit=2.0**power, above=True)
    before = said_of(histogram_of(observed, max(fine, coarse), zero=0.0), limit)
    after = said_of(histogram_of(observed, min(fine, coarse), zero=2.0**zero), limit)
    swallowed = zero > power and min(observed) <= 2.0**zero
    assert isinstance(after, Nearest) if swallowed else after == before


@given(OBSERVED, st.integers(-4, 8), st.floats(1e-3, 1e3), st.booleans())
def test_a_limit_is_counted_at_or_refused_and_nothing_between(
    observed: list[float], schema: int, limit: float, above: bool
):
    """Any limit: exact, or the bounds around it. With buckets that tell their schema it is refused before it matters."""
    buckets = histogram_of(observed, schema, zero=0.0)
    said = said_of(buckets, NativeLimit(limit=limit, above=above))
    if isinstance(said, Nearest):
        assert said.lower < limit < said.upper
    else:
        beyond = sum(value > limit for value in observed)
        assert said == (float(beyond if above else len(observed) - beyond), float(len(observed)))
        assert bounds_around(limit, schema) is None
