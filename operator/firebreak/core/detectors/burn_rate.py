"""Is the error budget being spent too fast? For budgets and tickets, and for ratios with high volume.

The multi-window rule of the SRE Workbook on judged counts: a long window says that it matters, a short one that it is
still so. Quality objectives are loose (95%, not 99.9%), so the Workbook's factors cannot be reached: 14.4 times 5% is
72% bad. Such factors are refused with a proposal. A window with too little judged is Inconclusive.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from firebreak.core.detectors.rules import BurnRate, BurnWindow
from firebreak.core.detectors.tempering import Floats
from firebreak.core.estimates import lower_bound, upper_bound
from firebreak.core.verdict import Interval

REACHABLE = 0.5  # the share of bad that a factor may ask for at most
PROPOSED = (
    BurnWindow(factor=2.0, long=timedelta(hours=1), short=timedelta(minutes=5)),
    BurnWindow(factor=1.5, long=timedelta(hours=6), short=timedelta(minutes=30)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnState:
    burns: bool
    factor: float | None  # measured over the long window of the pair that decides; None without enough judged
    window: BurnWindow | None
    enough_judged: bool  # in every window that is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Share of the error budget that is left: negative if it is overspent; None without anything judged."""

    left: float | None
    interval: Interval | None  # of what is left, 95%


def unreachable(rule: BurnRate) -> str | None:
    """Why a factor can never be reached, and what to use instead."""
    for window in rule.windows:
        share = window.factor * rule.allowed
        if share > REACHABLE:
            proposal = " and ".join(
                f"{w.factor:g}x over {w.long}/{w.short}" for w in PROPOSED if w.factor * rule.allowed <= REACHABLE
            )
            return (
                f"{window.factor:g} times the allowed {rule.allowed:.2%} is {share:.0%} bad, which no incident reaches; "
                + (f"use {proposal}" if proposal else "use detector Sequential")
            )
    return None


def judge_burn_rate(rule: BurnRate, bad: Floats, judged: Floats, step: timedelta) -> BurnState:
    """Of counts at consecutive steps, the last one last."""
    enough = True
    measured: tuple[float, BurnWindow] | None = None
    for window in rule.windows:
        long, short = _rate(bad, judged, window.long, step), _rate(bad, judged, window.short, step)
        if short.judged < 10.0 / rule.allowed:
            enough = False
            continue
        burn = long.share / rule.allowed
        if burn >= window.factor and short.share / rule.allowed >= window.factor:
            return BurnState(burns=True, factor=burn, window=window, enough_judged=True)
        if measured is None or burn / window.factor > measured[0] / measured[1].factor:
            measured = (burn, window)
    return BurnState(
        burns=False,
        factor=measured[0] if measured else None,
        window=measured[1] if measured else None,
        enough_judged=enough,
    )


def budget_left(allowed: float, bad: float, judged: float) -> Budget:
    """Of the counts of the whole budget period."""
    if judged <= 0.0:
        return Budget(left=None, interval=None)
    low, high = lower_bound(bad, judged, 0.025), upper_bound(bad, judged, 0.025)
    return Budget(
        left=1.0 - bad / (allowed * judged),
        interval=Interval(low=1.0 - high / allowed, high=1.0 - low / allowed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    judged: float
    share: float


def _rate(bad: Floats, judged: Floats, span: timedelta, step: timedelta) -> _Window:
    steps = max(1, round(span / step))
    counted, failed = float(np.sum(judged[-steps:])), float(np.sum(bad[-steps:]))
    return _Window(judged=counted, share=failed / counted if counted else 0.0)
