"""Which queries count the observations of a histogram, and those of them that are bad?

Asked by compile_objectives. Each kind of histogram gives two counts per series, which are differenced like any other
counter, and both come of one scrape, so they fall when the process restarts and at no other time.
- Classic: `<name>_count`, and the bucket with `le` at the limit. What is above it is the difference of the two.
- Native, and native with custom buckets: the histogram itself, whose buckets native_histograms.py adds up. PromQL could
  tell an interpolated fraction alone: where the limit is no bound that is a guess that looks like a count, and moves when
  the resolution does.
The limit must be a bound of the buckets: what lies between two bounds cannot be told, and is never guessed.
"""

import math
from decimal import Decimal

import promql_parser as parser

from firebreak.api.v1alpha1.references import HistogramBuckets, HistogramRef
from firebreak.core.native_histograms import FINEST_SCHEMA, NativeLimit, bounds_around
from firebreak.core.objectives import NativeRatio, Ratio
from firebreak.core.promql import SelectorRefused, parsed_counter

_SUFFIXES = ("_bucket", "_count", "_sum")
_USUAL_SCHEMA = 3  # of Prometheus' own clients, for which they choose a growth of at most 1.1


def ratio_of(histogram: HistogramRef) -> Ratio:
    """Bad over all observations; SelectorRefused for a selector or a limit that cannot be used."""
    selector = _selected(histogram.selector)
    limit = histogram.above if histogram.above is not None else histogram.at_most
    assert limit is not None, "the CRD refuses a histogram without a limit"
    if histogram.buckets is HistogramBuckets.CLASSIC:
        return _classic(selector, limit, above=histogram.above is not None)
    custom = histogram.buckets is HistogramBuckets.CUSTOM
    if not custom:
        _refuse_off_every_schema(histogram.selector, limit)
    return NativeRatio(
        bad=histogram.selector,
        total=histogram.selector,
        bound=f"bucket of {selector.name} that ends at {limit!r}".removesuffix(".0"),
        limit=NativeLimit(limit=limit, above=histogram.above is not None, custom=custom),
    )


def _selected(text: str) -> parser.VectorSelector:
    selector = parsed_counter(text)
    if not selector.name:
        raise SelectorRefused(f"{text}: write the histogram's name before the braces")
    for suffix in _SUFFIXES:
        if selector.name.endswith(suffix):
            raise SelectorRefused(f"{text}: name the histogram itself, {selector.name.removesuffix(suffix)}")
    if any(m.name == "le" for m in selector.matchers.matchers):
        raise SelectorRefused(f"{text}: remove the matcher on le; Firebreak adds the limit")
    return selector


def _classic(selector: parser.VectorSelector, limit: float, *, above: bool) -> Ratio:
    rest = selector.prettify().removeprefix(selector.name or "")
    inner = rest.removeprefix("{").removesuffix("}")
    spelled = "|".join(_spellings(limit))
    bucket = f'{selector.name}_bucket{{{inner + "," if inner else ""}le=~"{spelled}"}}'
    total = f"{selector.name}_count{rest}"
    bad = f"{total} - ignoring (le) {bucket}" if above else bucket
    return Ratio(bad=bad, total=total, bound=f'{selector.name}_bucket with le="{limit:g}"')


def _refuse_off_every_schema(text: str, limit: float) -> None:
    """A limit that is no bound at the finest resolution is none at any."""
    if limit <= 0.0:
        raise SelectorRefused(f"{text}: the limit {limit:g} lies within the zero bucket; take one above 0")
    if bounds_around(limit, FINEST_SCHEMA) is None:
        return
    powers = f"{2.0 ** math.floor(math.log2(limit)):g} and {2.0 ** math.ceil(math.log2(limit)):g}"
    raise SelectorRefused(
        f"{text}: {limit:g} is no bound of native buckets, so what lies beyond it cannot be counted; "
        f"the nearest that are bounds at every resolution are {powers}, "
        f"at the usual one (schema {_USUAL_SCHEMA}) {bounds_around(limit, _USUAL_SCHEMA)}"
    )


def _spellings(limit: float) -> tuple[str, ...]:
    """Every way in which a client or Prometheus writes this bound, as a regular expression: 1, 1.0, 1e+06."""
    exact = Decimal(repr(limit))
    plain = f"{exact:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    sign, digits, exponent = exact.normalize().as_tuple()
    assert isinstance(exponent, int), "a limit is finite"
    power = len(digits) - 1 + exponent
    mantissa = f"{'-' if sign else ''}{digits[0]}" + (f".{''.join(map(str, digits[1:]))}" if len(digits) > 1 else "")
    spelled = {plain, plain if "." in plain else f"{plain}.0", f"{mantissa}e{power:+03d}"}
    return tuple(sorted(s.replace(".", "[.]").replace("+", "[+]") for s in spelled))
