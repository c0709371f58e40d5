"""Which queries a histogram becomes."""

import pytest

from firebreak.api.v1alpha1.references import HistogramRef
from firebreak.core.histograms import ratio_of
from firebreak.core.objectives import Ratio
from firebreak.core.promql import SelectorRefused, confined


def made_of(selector: str = 'answer_seconds{indicator="x"}', **said: object) -> Ratio:
    return ratio_of(HistogramRef.model_validate({"selector": selector, **said}))


def test_what_is_above_a_bound_is_the_difference_of_two_counters():
    """Of the same scrape, so it falls only when both begin anew."""
    found = made_of(above=2.5)
    bucket = 'answer_seconds_bucket{indicator="x",le=~"2[.]5|2[.]5e[+]00"}'
    assert found.total == 'answer_seconds_count{indicator="x"}'
    assert found.bad == f"{found.total} - ignoring (le) {bucket}"
    assert found.bound == 'answer_seconds_bucket with le="2.5"'


def test_what_is_at_most_a_bound_is_one_bucket():
    """A low score is a bad one."""
    assert made_of("score", atMost=0.7).bad == 'score_bucket{le=~"0[.]7|7e-01"}'
    assert made_of("score", atMost=0.7).total == "score_count"


@pytest.mark.parametrize(
    ("bound", "spelled"),
    [
        (1.0, "1|1[.]0|1e[+]00"),
        (1e6, "1000000|1000000[.]0|1e[+]06"),
        (0.00001, "0[.]00001|1e-05"),
        (-2.0, "-2|-2[.]0|-2e[+]00"),
        (0.0, "0|0[.]0|0e[+]00"),
    ],
)
def test_a_bound_is_found_however_it_is_spelled(bound: float, spelled: str):
    """Clients write 1, Prometheus 3 writes 1.0, large and small ones have an exponent."""
    assert f'le=~"{spelled}"' in made_of("score", atMost=bound).bad


@pytest.mark.parametrize("limit", ["above", "atMost"])
def test_every_selector_of_it_is_confined(limit: str):
    """The namespace is forced into each of them, with the rest as it was."""
    found = made_of(**{limit: 2.0})
    for query in (found.bad, found.total):
        sent = confined(query, "namespace", ["docs"])
        assert sent.count('namespace="docs"') == query.count("answer_seconds")


@pytest.mark.parametrize(
    ("selector", "told"),
    [
        ("answer_seconds_bucket", "name the histogram itself, answer_seconds"),
        ('answer_seconds{le="1"}', "remove the matcher on le"),
        ('{__name__="answer_seconds"}', "before the braces"),
        ("rate(answer_seconds[1m])", "raw counter"),
    ],
)
def test_what_is_no_plain_histogram_is_refused(selector: str, told: str):
    """In words that say what to write."""
    with pytest.raises(SelectorRefused, match=told):
        made_of(selector, above=1)
