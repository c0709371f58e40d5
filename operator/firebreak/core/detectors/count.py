"""Were there at least k events within a window? The fastest detector, for violations of which one is too many.

A pure question to the counts of the trailing steps; it holds no state.
"""

from dataclasses import dataclass

import numpy as np

from firebreak.core.detectors.tempering import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class CountState:
    events: float  # within the window that ends with the last step
    reached: bool
    since: int | None  # index of the first step with an event in the window


def judge_count(at_least: float, window_steps: int, events: Floats) -> CountState:
    """`events` per step, the last step last; fewer steps than the window are the time that is known."""
    window = events[max(0, len(events) - window_steps) :]
    total = float(window.sum())
    some = np.flatnonzero(window > 0.0)
    offset = len(events) - len(window)
    return CountState(
        events=total,
        reached=total >= at_least,
        since=int(some[0]) + offset if len(some) else None,
    )
