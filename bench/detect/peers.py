"""The rules that users of other tools write, to compare with: vectorised, a step at a time."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.sequential import SequentialFolds
from firebreak.core.estimates import beta_cdf

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Rule(Protocol):
    """Whether each row alarms after a step's counts."""

    def step(self, number: int, bad: Floats, judged: Floats) -> Bools: ...


class Firebreak:
    """The detector itself, at an average run length."""

    def __init__(self, rules: Sequence[Sequential], threshold: Floats) -> None:
        self._folds, self._threshold = SequentialFolds(rules), threshold

    def step(self, number: int, bad: Floats, judged: Floats) -> Bools:
        self._folds.advance(number, bad, judged)
        alarms: Bools = self._folds.evidence() >= self._threshold
        return alarms


class _Window:
    """Sums over the trailing steps."""

    def __init__(self, rows: int, width: int) -> None:
        self._ring = np.zeros((width, 2, rows))
        self.sums = np.zeros((2, rows))

    def add(self, number: int, bad: Floats, judged: Floats) -> None:
        slot = number % len(self._ring)
        counts = np.stack((bad, judged))
        self.sums += counts - self._ring[slot]
        self._ring[slot] = counts

    def share(self) -> Floats:
        bad, judged = self.sums
        return np.divide(bad, judged, out=np.zeros_like(bad), where=judged > 0.5)


class RatioInARow:
    """Ratio above target over 5 minutes, five minutes in a row: how canary analyses are usually written."""

    def __init__(self, rows: int, allowed: float) -> None:
        self._window, self._allowed, self._run = _Window(rows, 5), allowed, np.zeros(rows)

    def step(self, number: int, bad: Floats, judged: Floats) -> Bools:
        self._window.add(number, bad, judged)
        self._run = np.where(self._window.share() > self._allowed, self._run + 1, 0)
        alarms: Bools = self._run >= 5
        return alarms


class BurnRates:
    """Multi-window burn rates (SRE Workbook); pairs of factor, long and short window in minutes."""

    def __init__(self, rows: int, allowed: float, pairs: Sequence[tuple[float, int, int]]) -> None:
        self._allowed, self._pairs = allowed, pairs
        self._windows = {width: _Window(rows, width) for pair in pairs for width in pair[1:]}

    def step(self, number: int, bad: Floats, judged: Floats) -> Bools:
        for window in self._windows.values():
            window.add(number, bad, judged)
        burn = {width: window.share() / self._allowed for width, window in self._windows.items()}
        alarms = [(burn[long] >= f) & (burn[short] >= f) for f, long, short in self._pairs]
        found: Bools = np.logical_or.reduce(alarms)
        return found


@lru_cache(maxsize=200_000)
def critical(judged: int, allowed: float) -> int:
    """The fewest bad of `judged` for which a flat prior's posterior puts 99% above the allowed rate."""
    low, high = 0, judged + 1
    while low < high:
        middle = (low + high) // 2
        surely = 1.0 - beta_cdf(allowed, middle + 1.0, judged - middle + 1.0) > 0.99 if middle <= judged else True
        low, high = (low, middle) if surely else (middle + 1, high)
    return low


class Posterior:
    """Beta posterior of the last 30 minutes: 99% sure that the rate is above target, asked each minute."""

    def __init__(self, rows: int, allowed: float) -> None:
        self._window, self._allowed = _Window(rows, 30), allowed

    def step(self, number: int, bad: Floats, judged: Floats) -> Bools:
        self._window.add(number, bad, judged)
        sums = self._window.sums
        needed = np.array([critical(round(n), self._allowed) for n in sums[1]])
        alarms: Bools = (sums[0] >= needed) & (sums[1] > 0.5)
        return alarms
