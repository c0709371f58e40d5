"""Medians, percentiles and rates with their 95% intervals, as the tables print them."""

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from firebreak.core.estimates import interval

Floats = NDArray[np.float64]


def poisson_interval(events: float, exposure: float) -> tuple[float, float, float]:
    """Rate, and its two-sided 95% bounds; with no events the upper one is the one-sided 95% bound, as is usual."""
    tail = 0.05 if events == 0 else 0.025
    upper = _solve(lambda mean: _poisson_cdf(events, mean) - tail)
    lower = 0.0 if events == 0 else _solve(lambda mean: _poisson_cdf(events - 1, mean) - 0.975)
    return events / exposure, lower / exposure, upper / exposure


def rate(events: float, exposure: float) -> str:
    found, low, high = poisson_interval(events, exposure)
    return f"{_short(found)} [{_short(low)}, {_short(high)}]"


def share(events: int, of: int) -> str:
    """A proportion with its Clopper-Pearson interval."""
    between = interval(float(events), float(of))
    return f"{events / of:.2%} [{between.low:.2%}, {between.high:.2%}]"


def minutes(delays: Iterable[float]) -> str:
    """Median with its 95% interval (order statistics), and the 95th percentile."""
    found = np.sort(np.array(list(delays)))
    n = len(found)
    spread = 1.96 * math.sqrt(n) / 2.0
    low, high = found[max(0, int(n / 2 - spread))], found[min(n - 1, int(n / 2 + spread) + 1)]
    return f"{_time(median(found))} ({_time(low)}–{_time(high)}) / {_time(found[min(n - 1, int(0.95 * n))])}"


def median(delays: Iterable[float]) -> float:
    found = np.sort(np.array(list(delays)))
    return float(found[len(found) // 2])


def _time(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.0f}"


def _short(value: float) -> str:
    if value == 0.0:
        return "0"
    return f"{value:.3f}".lstrip("0") if value < 1.0 else f"{value:.3g}"


def _poisson_cdf(events: float, mean: float) -> float:
    term = total = math.exp(-mean)
    for k in range(1, int(events) + 1):
        term *= mean / k
        total += term
    return total


def _solve(decreasing: Callable[[float], float]) -> float:
    low, high = 0.0, 600.0
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if decreasing(middle) > 0.0 else (low, middle)
    return (low + high) / 2.0
