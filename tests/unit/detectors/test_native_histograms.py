"""Which limits of a native histogram can be told, and what is said of the others."""

import numpy as np
import pytest

from firebreak.api.v1alpha1.references import HistogramRef
from firebreak.core.counting import Counting, Subject
from firebreak.core.histograms import ratio_of
from firebreak.core.native_histograms import NativeLimit, Nearest, bounds_around
from firebreak.core.objectives import Labels, NativeRatio
from firebreak.core.ports_metrics import Buckets, QueryRefused, Vector
from firebreak.core.promql import SelectorRefused

SUMMARIZER, SEARCH = (Subject("docs", (("service", name),)) for name in ("summarizer", "search"))
ABOVE_TWO = NativeLimit(limit=2.0, above=True)


def buckets(*rows: tuple[float, float, float]) -> Buckets:
    """Lower, upper, count."""
    return Buckets(rows=np.array(rows, dtype=np.float64).reshape(-1, 3).T)


def read(*histograms: Buckets, **labels: str) -> Vector:
    """Each of a pod of its own."""
    series = [
        (tuple(sorted({"namespace": "docs", "service": "summarizer", "pod": str(pod), **labels}.items())), held)
        for pod, held in enumerate(histograms)
    ]
    return Vector(labels=(), values=np.zeros(0), histograms=series)


def counted(limit: NativeLimit, *steps: Vector) -> tuple[Counting, list[tuple[float, float]]]:
    counting = Counting(Labels(), [SUMMARIZER, SEARCH], paired=True, native=limit)
    found = [counting.advance(step, one, None) for step, one in enumerate(steps, start=1)]
    return counting, [(float(f.bad[0]), float(f.judged[0])) for f in found]


def test_what_is_bad_grows_as_the_buckets_beyond_the_limit_do():
    """Per series; a histogram that begins anew counts what it shows, and a coarser one what it counted since."""
    fine = buckets((1.0, 2.0, 10), (2.0, 2.5, 1), (2.5, 4.0, 2))
    coarse = buckets((1.0, 2.0, 15), (2.0, 4.0, 7))
    begun_anew = buckets((1.0, 2.0, 3), (4.0, 8.0, 1))
    custom = NativeLimit(limit=2.0, above=True, custom=True)
    counting, found = counted(custom, read(fine), read(coarse), read(begun_anew))
    assert found == [(0.0, 0.0), (4.0, 9.0), (1.0, 4.0)]
    assert counting.sanity(0).paired == 0
    assert counting.sanity(1).paired is None


def test_at_most_a_limit_is_the_other_side():
    """A low score is a bad one, and one at the limit is still that."""
    scores = [buckets((0.25, 0.5, n), (0.5, 1.0, 3.0 * n)) for n in (1, 3)]
    _, found = counted(NativeLimit(limit=0.5, above=False), *(read(one) for one in scores))
    assert found[1] == (2.0, 8.0)


def test_a_series_without_a_bound_there_is_left_out_and_told():
    """With the bounds that all of them have; the others count."""
    whole, coarse = buckets((1.0, 2.0, 5), (2.0, 4.0, 5)), buckets((1.0, 4.0, 50))
    counting, found = counted(ABOVE_TWO, read(whole, coarse), read(buckets((1.0, 2.0, 9), (2.0, 4.0, 6)), coarse))
    assert found[1] == (1.0, 5.0)
    sanity = counting.sanity(0)
    assert (sanity.paired, sanity.unpaired, sanity.nearest) == (0, 0, Nearest(1.0, 4.0))
    assert counting.sanity(1).unpaired is None
    kept = counting.without([SEARCH])
    assert kept.sanity(0) == sanity
    assert kept.advance(3, read(buckets((1.0, 2.0, 9), (2.0, 4.0, 8))), None).bad.tolist() == [2.0]


def test_a_zero_bucket_that_was_widened_over_the_limit_and_back_doubles_nothing():
    """Nothing is told meanwhile; then both sides are differenced over the same gap."""
    normal = [buckets((-1e-9, 1e-9, 1), (1.0, 2.0, 10 * n), (2.0, 4.0, n)) for n in range(1, 5)]
    swallowed = buckets((-4.0, 4.0, 90))
    counting, found = counted(ABOVE_TWO, *map(read, (normal[0], normal[1], swallowed, swallowed, normal[3])))
    assert found == [(0.0, 0.0), (1.0, 11.0), (0.0, 0.0), (0.0, 0.0), (2.0, 22.0)]
    assert counting.sanity(0).unpaired == 1


def test_observations_that_are_no_number_are_neither_good_nor_bad():
    """They are in the histogram's count and in no bucket; an infinite one is beyond every limit."""
    _, found = counted(ABOVE_TWO, read(buckets()), read(buckets((1.0, 2.0, 4), (2.0**1000, float("inf"), 1))))
    assert found[1] == (1.0, 5.0)


def test_a_limit_is_refused_before_the_first_observation_beside_it():
    """The buckets that hold something tell which others there are; of custom ones nothing follows."""
    fast = [read(buckets((0.5, 1.0, 10.0 * n))) for n in (1, 2)]
    counting, found = counted(NativeLimit(limit=2.0**1.5, above=True), *fast)
    assert found == [(0.0, 0.0), (0.0, 0.0)]
    assert counting.sanity(0).nearest == Nearest(2.0, 4.0)
    counting, found = counted(NativeLimit(limit=2.5, above=True, custom=True), *fast)
    assert found == [(0.0, 0.0), (0.0, 10.0)]
    assert counting.sanity(0).unpaired is None


def test_counters_and_histograms_are_not_mistaken_for_each_other():
    """An answer with histograms, where counters are declared, says how to declare it."""
    counting = Counting(Labels(), [SUMMARIZER])
    with pytest.raises(QueryRefused, match="declare them as `histogram` with `buckets: Native`"):
        counting.advance(1, read(buckets()), None)
    assert counting.last_step is None


@pytest.mark.parametrize("schema", range(-4, 9))
def test_bounds_are_found_as_prometheus_writes_them(schema: int):
    """Which differ from the rounded power in the last bit: 2^.5 is 1.414213562373095 there."""
    assert bounds_around(1.0, schema) is None
    assert (bounds_around(1.414213562373095, schema) is None) == (schema >= 1)
    assert (bounds_around(2.0, schema) is None) == (schema >= 0)


def made_of(**said: object) -> NativeRatio:
    found = ratio_of(HistogramRef.model_validate({"selector": 'answer_seconds{indicator="x"}', **said}))
    assert isinstance(found, NativeRatio)
    return found


def test_a_native_histogram_is_asked_for_once():
    """By its own name; the limit says which side is bad."""
    found = made_of(above=2, buckets="Native")
    assert found.queries == ('answer_seconds{indicator="x"}',)
    assert str(found) == 'answer_seconds{indicator="x"} above 2'
    assert found.bound == "bucket of answer_seconds that ends at 2"
    assert made_of(atMost=2, buckets="Native").limit == NativeLimit(limit=2.0, above=False)
    assert made_of(atMost=0, buckets="Custom").limit == NativeLimit(limit=0.0, above=False, custom=True)


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (2.5, r"2 and 4, at the usual one \(schema 3\) 2\.378414230005442 and 2\.5936791093020193$"),
        (0.7, r"0.5 and 1, at the usual one"),
        (0.0, "within the zero bucket"),
    ],
)
def test_a_limit_that_is_no_bound_at_any_resolution_is_refused_when_it_is_declared(limit: float, told: str):
    """With the nearest that are."""
    with pytest.raises(SelectorRefused, match=told):
        made_of(above=limit, buckets="Native")
