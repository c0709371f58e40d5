"""Which segments of a service's users are affected, and which are not?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.tempering import design_effect
from firebreak.core.estimates import interval, lower_bound
from firebreak.core.verdict import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCounts:
    """One combination of segment values, as `feature=dates,locale=de`, over a span."""

    name: str
    judged: float
    bad: float
    interval: Interval
    worse: bool  # than the objective allows, the whole list of segments considered


def worse_segments(rule: Sequential, segments: Sequence[tuple[str, float, float]], steps: int) -> list[SegmentCounts]:
    """Of (segment, bad, judged) over some steps, which are above what is allowed? Holm's method at 5% over all."""
    found = []
    for name, bad, judged in segments:
        discount = float(design_effect(rule.clustering, np.array([judged / max(1, steps)]))[0])
        low = lower_bound(bad / discount, judged / discount, 0.05)
        found.append((name, bad, judged, discount, low))
    found.sort(key=lambda item: item[4], reverse=True)
    result, still = [], True
    for rank, (name, bad, judged, discount, _) in enumerate(found):
        alpha = 0.05 / (len(found) - rank)
        still = still and lower_bound(bad / discount, judged / discount, alpha) > rule.allowed
        result.append(
            SegmentCounts(name=name, judged=judged, bad=bad, interval=interval(bad, judged, discount), worse=still)
        )
    return result
