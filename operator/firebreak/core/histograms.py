"""Which two queries count the observations of a histogram, and those of them that are bad?

Asked by compile_objectives. Both give raw counts per series at one instant, which are differenced like any other counter:
`<name>_count`, and the bucket with `le` at the limit. What is above it is the difference of the two at one instant, from
one scrape, so it falls when the process restarts and at no other time.
The limit must be a bound of the buckets: what lies between two bounds cannot be told, and is never guessed. Native
histograms are not read, since PromQL tells of them only an interpolated fraction: where the limit is no bound it is a
guess that looks like a count, and moves when the resolution does.
"""

from decimal import Decimal

from firebreak.api.v1alpha1.references import HistogramRef
from firebreak.core.objectives import Ratio
from firebreak.core.promql import SelectorRefused, parsed_counter

_SUFFIXES = ("_bucket", "_count", "_sum")


def ratio_of(histogram: HistogramRef) -> Ratio:
    """Bad over all observations; SelectorRefused for a selector that cannot be used."""
    text = histogram.selector
    selector = parsed_counter(text)
    if not selector.name:
        raise SelectorRefused(f"{text}: write the histogram's name before the braces")
    for suffix in _SUFFIXES:
        if selector.name.endswith(suffix):
            raise SelectorRefused(f"{text}: name the histogram itself, {selector.name.removesuffix(suffix)}")
    if any(m.name == "le" for m in selector.matchers.matchers):
        raise SelectorRefused(f"{text}: remove the matcher on le; Firebreak adds the limit")
    limit = histogram.above if histogram.above is not None else histogram.at_most
    assert limit is not None, "the CRD refuses a histogram without a limit"
    rest = selector.prettify().removeprefix(selector.name)
    inner = rest.removeprefix("{").removesuffix("}")
    spelled = "|".join(_spellings(limit))
    bucket = f'{selector.name}_bucket{{{inner + "," if inner else ""}le=~"{spelled}"}}'
    total = f"{selector.name}_count{rest}"
    bad = bucket if histogram.above is None else f"{total} - ignoring (le) {bucket}"
    return Ratio(bad=bad, total=total, bound=f'{selector.name}_bucket with le="{limit:g}"')


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
