"""How many observations of a native histogram lie on each side of a limit?

Asked by core/counting.py of each reading, and by core/histograms.py whether a declared limit can be told at all. What is
answered is a count, never an interpolation: where a bucket that holds something lies across the limit, nothing is said of
that reading but which bounds are nearest. So nothing that moves the bounds can falsify a count: a resolution that was
halved, a zero bucket that was widened or a process that began anew gives the same two counts, or none.

Bounds of the exponential schemas 0 to 8 are 2^(k / 2^schema), of a schema below that 2^(k * 2^-schema): a power of two is
a bound of all from 0 upwards, 1 of all there are. A bucket holds its upper bound (`(lower, upper]`), which is why a limit
has to be above 0 there: on the other side it is the lower one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from firebreak.core.ports_metrics import Buckets, Labels, Vector

FINEST_SCHEMA, COARSEST_SCHEMA = 8, -4
# Clients and Prometheus work out a bound each in their own way, and differ in its last bits: 2^.5 is written
# 1.4142135623730951 and 1.414213562373095. Within that the two are one bound.
_SAME = 1e-12


class Nearest(NamedTuple):
    """The bounds around a limit that is none."""

    lower: float
    upper: float

    def around(self, other: "Nearest") -> "Nearest":
        """The bounds nearest to it that are bounds of both."""
        return Nearest(min(self.lower, other.lower), max(self.upper, other.upper))

    def __str__(self) -> str:
        usable = [f"{bound!r}".removesuffix(".0") for bound in self if math.isfinite(bound)]
        return " and ".join(usable)


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeLimit:
    """Which side of which limit is bad."""

    limit: float
    above: bool
    custom: bool = False  # the buckets' bounds are the application's own, and follow from nothing


class Split(NamedTuple):
    """Bad and all observations per series, and which series cannot be told apart at the limit."""

    bad: Vector
    judged: Vector
    untold: Mapping[Labels, Nearest]


def split(read: Vector, limit: NativeLimit) -> Split:
    """What is bad, of a reading of native histograms; values that are no histograms are left out."""
    labels: list[Labels] = []
    bad: list[float] = []
    judged: list[float] = []
    untold: dict[Labels, Nearest] = {}
    for series, buckets in read.histograms:
        found = _counted(buckets, limit)
        if isinstance(found, Nearest):
            known = untold.get(series)
            untold[series] = found.around(known) if known else found
            continue
        labels.append(series)
        bad.append(found[0])
        judged.append(found[1])
    return Split(
        Vector(labels=labels, values=np.array(bad, dtype=np.float64)),
        Vector(labels=labels, values=np.array(judged, dtype=np.float64)),
        untold,
    )


def _counted(buckets: Buckets, limit: NativeLimit) -> tuple[float, float] | Nearest:
    lower, upper, counts = buckets.rows
    near = _SAME * abs(limit.limit)
    # Observations that are NaN are counted in no bucket: they are neither good nor bad, so it is the buckets that count.
    judged = float(counts.sum())
    across = (lower < limit.limit - near) & (upper > limit.limit + near)
    if across.any():
        return Nearest(float(lower[across].min()), float(upper[across].max()))
    if not limit.custom and (nearest := _off_the_schema(buckets, limit.limit)) is not None:
        return nearest
    beyond = float(counts[lower >= limit.limit - near].sum())
    return beyond if limit.above else judged - beyond, judged


def _off_the_schema(buckets: Buckets, limit: float) -> Nearest | None:
    """Where the buckets that hold something tell which others there are: would one of these lie across the limit?

    Else that would be found out with the first observation in it, which may be the first bad one.
    """
    lower, upper, _ = buckets.rows
    whole = np.flatnonzero((lower > 0.0) & (upper < np.finfo(np.float64).max))
    if not len(whole):
        return None
    at = int(whole[0])
    schema = round(-math.log2(math.log2(upper[at] / lower[at])))
    if not COARSEST_SCHEMA <= schema <= FINEST_SCHEMA:
        return None
    return bounds_around(limit, schema)


def bounds_around(limit: float, schema: int) -> Nearest | None:
    """The nearest bounds of an exponential schema; None if the limit is one itself."""
    exponent = math.log2(limit) * 2.0**schema
    whole = round(exponent)
    if abs(exponent - whole) <= 2.0 * _SAME * 2.0**schema:
        return None
    return Nearest(*(2.0 ** (k * 2.0**-schema) for k in (math.floor(exponent), math.ceil(exponent))))
