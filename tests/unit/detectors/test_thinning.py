"""What a lower sampling rate would have counted."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firebreak.core.counting import Counting, Subject
from firebreak.core.objectives import Labels
from firebreak.core.ports_metrics import Vector
from firebreak.core.thinning import thinned

COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 200)), min_size=1, max_size=20)


@given(COUNTS, st.integers(0, 10_000_000), st.floats(0.01, 0.99))
def test_no_more_is_bad_than_judged_and_no_more_judged_than_was(
    counts: list[tuple[int, int]], step: int, kept: float
) -> None:
    """And the same step gives the same counts each time."""
    bad, good = (np.array([float(one[side]) for one in counts]) for side in (0, 1))
    bad_kept, judged_kept = thinned(step, bad, bad + good, kept)
    assert (bad_kept <= judged_kept).all()
    assert (bad_kept <= bad).all()
    assert (judged_kept <= bad + good).all()
    again = thinned(step, bad, bad + good, kept)
    assert (again[0] == bad_kept).all()
    assert (again[1] == judged_kept).all()


def test_of_many_answers_the_share_is_kept_whatever_the_verdict() -> None:
    """A quarter of the bad ones and a quarter of the good ones."""
    bad, judged = thinned(7, np.full(2000, 20.0), np.full(2000, 100.0), 0.25)
    assert abs(bad.mean() - 5.0) < 0.2
    assert abs(judged.mean() - 25.0) < 0.4


def test_counters_are_thinned_after_they_are_differenced() -> None:
    """What stands in a counter before the first reading counts as little as ever."""
    counting = Counting(Labels(), [Subject("docs", ())], kept=0.5)
    labels = ((("namespace", "docs"),),)
    for step, total in enumerate((1e6, 1e6 + 1000.0)):
        counts = counting.advance(
            step, Vector(labels=labels, values=np.array([0.0])), Vector(labels=labels, values=np.array([total]))
        )
    assert 400.0 < counts.judged[0] < 600.0
