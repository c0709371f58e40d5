"""Which target could this service keep? Proposed from the healthy part of a history, with the interval that it rests on.

Asked by app/backtest/report.py. The detector's rate of false alarms holds while the rate of bad stays within what is
allowed at every hour, not on average: so the worst hour of the day counts too, and the proposal is tried on the history.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from firebreak.app.backtest.hindsight import Span
from firebreak.app.backtest.replayed import Track
from firebreak.core.clustering import HEALTHY_DAYS_NEEDED, measure_clustering
from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.sequential import expected_delay_steps, fold
from firebreak.core.judgement import Counts, tempered_interval
from firebreak.core.verdict import Interval

LEAST_JUDGED = 1000.0
_LEAST_OF_AN_HOUR = 100.0
_STEPS_OF_A_DAY = 1440
_NICE = (
    np.array([0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40]) / 100
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A target for one objective; `allowed` is None where there is none, and `because` says why."""

    objective: str
    because: str
    judged: float
    healthy_steps: int
    rate: float | None = None
    interval: Interval | None = None
    worst_hour: int | None = None
    worst_hour_rate: float | None = None
    clustering: float | None = None
    """G as measured on the healthy steps; never below what is assumed without a measurement."""
    allowed: float | None = None
    highest_evidence: float | None = None
    """Of the detector with the proposed target, over the healthy steps."""
    delay: timedelta | None = None
    """Until a breach at four times the allowed rate is Confirmed; None if never at this volume."""


def proposal(track: Track, sick: Sequence[Span], healthy: Sequence[Span]) -> Proposal | None:
    """From the steps in `healthy` if there are any, else from those that touch nothing `sick`; None for what is no ratio."""
    rule, counts = track.spec.rule, track.counts
    if not isinstance(rule, Sequential):
        return None
    is_healthy = _healthy(counts, sick, healthy)
    bad, judged = (np.where(is_healthy, side, 0.0) for side in (counts.bad, counts.judged))
    total, steps = float(judged.sum()), int(is_healthy.sum())
    name = track.spec.key.objective
    if total < LEAST_JUDGED:
        words = f"{total:.0f} answers were judged while it was healthy; {LEAST_JUDGED:.0f} are needed"
        return Proposal(objective=name, because=words, judged=total, healthy_steps=steps)
    measured = measure_clustering(bad, judged, is_healthy)
    own = replace(rule, clustering=measured.clustering)
    found = tempered_interval(own, Counts(bad=bad, judged=judged, end=counts.end, step=counts.step))
    hour, worst = _worst_hour(counts, bad, judged)
    least = max(found.high, worst)
    chosen, highest = None, 0.0
    for allowed in _NICE[least <= _NICE]:
        highest = float(fold(replace(own, allowed=float(allowed)), bad, judged).max())
        if highest < own.suspected:
            chosen = float(allowed)
            break
    days = steps / _STEPS_OF_A_DAY
    words = (
        f"the healthy rate is at most {found.high:.2%}, {worst:.2%} in the hour from {hour:02d}:00Z; "
        f"G {measured.clustering:.2g} measured on {days:.3g} days of steps"
        + ("" if days >= HEALTHY_DAYS_NEEDED else f" ({HEALTHY_DAYS_NEEDED} are needed to trust it)")
    )
    if chosen is None:
        words += "; no target keeps the evidence below Suspected"
    delay = expected_delay_steps(replace(own, allowed=chosen), total / steps) if chosen is not None else np.inf
    return Proposal(
        objective=name,
        because=words,
        judged=total,
        healthy_steps=steps,
        rate=float(bad.sum()) / total,
        interval=found,
        worst_hour=hour,
        worst_hour_rate=worst,
        clustering=measured.clustering,
        allowed=chosen,
        highest_evidence=highest if chosen is not None else None,
        delay=track.spec.step * float(delay) if np.isfinite(delay) else None,
    )


def _healthy(counts: Counts, sick: Sequence[Span], healthy: Sequence[Span]) -> NDArray[np.bool_]:
    starts = np.array([counts.starts(0).timestamp()]) + np.arange(len(counts)) * counts.step.total_seconds()
    ends = starts + counts.step.total_seconds()

    def touched(spans: Sequence[Span]) -> NDArray[np.bool_]:
        found = np.zeros(len(counts), dtype=np.bool_)
        for start, end in spans:
            found |= (starts < end.timestamp()) & (ends > start.timestamp())
        return found

    return touched(healthy) & ~touched(sick) if healthy else ~touched(sick)


def _worst_hour(counts: Counts, bad: NDArray[np.float64], judged: NDArray[np.float64]) -> tuple[int, float]:
    """The hour of the day (UTC) with the highest rate, over all days, of those in which enough was judged."""
    seconds = counts.starts(0).timestamp() + np.arange(len(counts)) * counts.step.total_seconds()
    hours = (seconds // 3600 % 24).astype(np.intp)
    bad_of, judged_of = (np.bincount(hours, weights=side, minlength=24) for side in (bad, judged))
    enough = judged_of >= _LEAST_OF_AN_HOUR
    rates = np.divide(bad_of, judged_of, out=np.zeros(24), where=enough)
    return int(np.argmax(rates)), float(rates.max())
