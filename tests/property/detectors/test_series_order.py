"""In which order a store lists its series says nothing."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firebreak.core.counting import Counting, Subject
from firebreak.core.objectives import Labels
from firebreak.core.ports_metrics import Vector

SUBJECTS = [Subject("docs", (("service", "summarizer"),), ("feature",)), Subject("docs", (("service", "search"),))]
SERIES = [
    tuple(sorted({"namespace": "docs", "service": s, "revision": r, "feature": f, "prometheus_replica": p}.items()))
    for s in ("summarizer", "search", "elsewhere")
    for r in ("v1", "v2")
    for f in ("dates", "names")
    for p in ("a", "b")
]
# Fractions, resets, gaps (None) and readings that no counter has.
READINGS = st.one_of(st.none(), st.integers(0, 4000).map(lambda q: q / 16), st.sampled_from([float("nan"), -1.0]))


def vector(readings: list[float | None], order: list[int]) -> Vector:
    present = [i for i in order if readings[i] is not None]
    return Vector(labels=[SERIES[i] for i in present], values=np.array([readings[i] for i in present], dtype=float))


@given(
    st.lists(
        st.tuples(*(st.lists(READINGS, min_size=len(SERIES), max_size=len(SERIES)) for _ in range(2))),
        min_size=2,
        max_size=8,
    ),
    st.data(),
)
def test_permuted_series_count_the_same_to_the_bit(steps, data):
    """Every service's bad and judged in every step, and what is said to be odd."""
    plain, permuted = Counting(Labels(), SUBJECTS), Counting(Labels(), SUBJECTS)
    for step, (bad, judged) in enumerate(steps, start=1):
        as_listed = list(range(len(SERIES)))
        orders = [data.draw(st.permutations(as_listed)) for _ in range(2)]
        one = plain.advance(step, vector(bad, as_listed), vector(judged, as_listed))
        other = permuted.advance(step, vector(bad, orders[0]), vector(judged, orders[1]))
        assert (one.bad.tolist(), one.judged.tolist()) == (other.bad.tolist(), other.judged.tolist())
    for subject in range(len(SUBJECTS)):
        assert plain.sanity(subject) == permuted.sanity(subject)
