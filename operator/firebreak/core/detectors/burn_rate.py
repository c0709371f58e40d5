"""Is the error budget being spent too fast? For budgets and tickets, and for ratios with high volume.

The multi-window rule of the SRE Workbook on judged counts: a long window says that it matters, a short one that it is
still so. Asked by core/judgement/burning.py for live verdicts. Quality objectives are loose (95%, not 99.9%), so the
Workbook's factors cannot be reached: 14.4 times 5% is 72% bad. Such factors are refused with a proposal. A window with too
little judged is Inconclusive.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from firebreak.api.v1alpha1.quantities import format_duration
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
    short_factor: float | None = None  # the same over the short one
    judged: float = 0.0  # in the long window of that pair
    bad: float = 0.0


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
                f"factor {w.factor:g} over {format_duration(w.long)} and {format_duration(w.short)}"
                for w in PROPOSED
                if w.factor * rule.allowed <= REACHABLE
            )
            return (
                f"{window.factor:g} times the allowed {rule.allowed:.2%} is {share:.0%} bad, which no incident reaches; "
                + (f"use {proposal}" if proposal else "use detector Sequential")
            )
    return None


def judge_burn_rate(rule: BurnRate, bad: Floats, judged: Floats, step: timedelta) -> BurnState:
    """Of counts at consecutive steps, the last one last."""
    enough = True
    closest: BurnState | None = None
    for window in rule.windows:
        long, short = _rate(bad, judged, window.long, step), _rate(bad, judged, window.short, step)
        if short.judged < 10.0 / rule.allowed:
            enough = False
            continue
        burn, now = long.share / rule.allowed, short.share / rule.allowed
        found = BurnState(
            burns=burn >= window.factor and now >= window.factor,
            factor=burn,
            window=window,
            enough_judged=True,
            short_factor=now,
            judged=long.judged,
            bad=long.share * long.judged,
        )
        if found.burns:
            return found
        if closest is None or burn / window.factor > _share_of(closest):
            closest = found
    if closest is None:
        return BurnState(burns=False, factor=None, window=None, enough_judged=enough)
    return replace(closest, enough_judged=enough)


def expected_delay(rule: BurnRate, multiple: float = 4.0) -> timedelta | None:
    """How long a breach at `multiple` times the allowed rate burns unseen, after none at all; None for ever."""
    delays = [w.long * (w.factor / multiple) for w in rule.windows if w.factor <= multiple]
    return min(delays, default=None)


def _share_of(state: BurnState) -> float:
    assert state.factor is not None
    assert state.window is not None
    return state.factor / state.window.factor


def budget_left(allowed: float, bad: float, judged: float) -> Budget:
    """Of the counts of the whole budget period."""
    if judged <= 0.0:
        return Budget(left=None, interval=None)
    low, high = lower_bound(bad, judged, 0.025), upper_bound(bad, judged, 0.025)
    return Budget(
        left=1.0 - bad / (allowed * judged),
        interval=Interval(low=1.0 - high / allowed, high=1.0 - low / allowed),
    )


def budget_in_words(budget: Budget | None) -> str:
    """What is left with its interval; empty where that is not known."""
    if budget is None or budget.left is None:
        return ""
    between = f" ({budget.interval.low:.0%} to {budget.interval.high:.0%})" if budget.interval else ""
    return f"{budget.left:.0%}{between}"


def least_left(budgets: Mapping[str, Budget]) -> str:
    """Of the one that has the least, for a column."""
    known = [b.left for b in budgets.values() if b.left is not None]
    return f"{min(known):.0%}" if known else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    judged: float
    share: float


def _rate(bad: Floats, judged: Floats, span: timedelta, step: timedelta) -> _Window:
    steps = max(1, round(span / step))
    counted, failed = float(np.sum(judged[-steps:])), float(np.sum(bad[-steps:]))
    return _Window(judged=counted, share=failed / counted if counted else 0.0)
