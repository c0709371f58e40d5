"""Which segments of a service's users are affected, and which are not?

Many segments are looked at at once, and the more there are the likelier one of them looks bad, or well, by chance. So both
questions are answered by Holm's method, at 5% for the whole list; what neither answers cannot be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.tempering import design_effect
from firebreak.core.estimates import interval, lower_bound, upper_bound
from firebreak.core.verdict import Interval

_ERROR_RATE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCounts:
    """One combination of segment values, as `feature=dates,locale=de`, over a span."""

    name: str
    judged: float
    bad: float
    interval: Interval
    worse: bool  # than the objective allows, the whole list of segments considered
    fine: bool  # within what it allows, the whole list of segments considered


def worse_segments(rule: Sequential, segments: Sequence[tuple[str, float, float]], steps: int) -> list[SegmentCounts]:
    """Of (segment, bad, judged) over some steps, which are above what is allowed, and which within? The worst first."""
    counted = []
    for name, bad, judged in segments:
        discount = float(design_effect(rule.clustering, np.array([judged / max(1, steps)]))[0])
        counted.append((name, bad, judged, discount))
    # Ordered by their evidence: by the bound at one level for all, which lies furthest from the limit.
    from_below = sorted(counted, key=lambda c: lower_bound(c[1] / c[3], c[2] / c[3], _ERROR_RATE), reverse=True)
    from_above = sorted(counted, key=lambda c: upper_bound(c[1] / c[3], c[2] / c[3], _ERROR_RATE))
    worse, fine = set(), set()
    for rank, (name, bad, judged, discount) in enumerate(from_below):
        if lower_bound(bad / discount, judged / discount, _ERROR_RATE / (len(counted) - rank)) <= rule.allowed:
            break
        worse.add(name)
    for rank, (name, bad, judged, discount) in enumerate(from_above):
        if upper_bound(bad / discount, judged / discount, _ERROR_RATE / (len(counted) - rank)) > rule.allowed:
            break
        fine.add(name)
    return [
        SegmentCounts(
            name=name,
            judged=judged,
            bad=bad,
            interval=interval(bad, judged, discount),
            worse=name in worse,
            fine=name in fine,
        )
        for name, bad, judged, discount in from_below
    ]
