"""No query leaves the namespace that it was written in."""

import pytest

from firebreak.core.promql import SelectorRefused, confined, parsed_counter


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("foo", 'foo{namespace="docs"}'),
        ('foo{a="b"}', 'foo{a="b",namespace="docs"}'),
        (
            'time() - max(ai_pipeline_last_success_timestamp_seconds{service="x"})',
            'time() - max(ai_pipeline_last_success_timestamp_seconds{namespace="docs",service="x"})',
        ),
        ("foo unless on (a) (bar == 1)", 'foo{namespace="docs"} unless on (a) (bar{namespace="docs"} == 1)'),
        (
            "max_over_time(rate(foo[5m])[1h:5m] offset 3m)",
            'max_over_time(rate(foo{namespace="docs"}[5m])[1h:5m] offset 3m)',
        ),
        ('{"my.metric"}', '{__name__="my.metric",namespace="docs"}'),
        (r'foo{a="x\"} or bar{b=\"y"}', r'foo{a="x\"} or bar{b=\"y",namespace="docs"}'),
        ("foo # or bar", 'foo{namespace="docs"}'),
        ("absent(foo) or vector(0)", 'absent(foo{namespace="docs"}) or vector(0)'),
    ],
)
def test_the_namespace_is_forced_into_every_selector(written, sent):
    """Wherever a selector hides, it is confined; text inside strings is left alone."""
    assert confined(written, "namespace", ["docs"]) == sent


def test_several_namespaces_are_an_alternative_of_exact_names():
    """A query shared by services names their namespaces, dots taken literally."""
    assert confined("foo", "namespace", ["docs", "a.b"]) == 'foo{namespace=~"a[.]b|docs"}'


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('foo{namespace="shop"}', "remove the matcher on namespace"),
        ('foo{namespace=~".*"}', "remove the matcher on namespace"),
        ('foo / bar{namespace!="docs"}', r"bar\{namespace!"),
        ('foo{a="b" or namespace="shop"}', "remove the `or`"),
        ("info(foo)", "info"),
        ("time(", "not PromQL"),
        ("(" * 100 + "foo" + ")" * 100, "nested deeper"),
        ("-" * 5000 + "foo", "longer than"),
        ("foo + " + "-" * 100 + "foo", "nested deeper"),
    ],
)
def test_what_cannot_be_confined_is_refused(written, told):
    """The message says what to change."""
    with pytest.raises(SelectorRefused, match=told):
        confined(written, "namespace", ["docs"])


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("rate(foo[5m])", "raw counter"),
        ("sum(foo)", "falls when a pod goes"),
        ("foo[5m]", "remove the"),
        ("foo offset 5m", "remove offset"),
        ("foo @ end()", "remove offset and @"),
        ('{a="b"}', "name the metric"),
        ('{__name__=~"foo.*"}', "name the metric"),
        ("foo + bar", "plain selector"),
        ("3", "plain selector"),
    ],
)
def test_only_raw_counters_can_be_folded(written, told):
    """Aggregates and rates cannot be differenced per series."""
    with pytest.raises(SelectorRefused, match=told):
        parsed_counter(written)


def test_a_raw_counter_is_taken():
    """With or without matchers and parentheses."""
    for text in ("foo", "(foo)", 'foo{a=~"b|c"}', '{__name__="foo"}'):
        parsed_counter(text)
