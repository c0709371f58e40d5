"""The parameters of each detector, with the defaults that were measured (docs/detection.md).

Rates of false alarm are stated in steps, so a shorter step compresses time: a year at `step: 60s` is 525,600 steps,
and the same number of steps at `step: 2s` is twelve days.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

WATCH_STEPS = 120.0  # 2 hours of minutes
SUSPECTED_STEPS = 43_800.0  # a month of minutes
CONFIRMED_STEPS = 525_600.0  # a year of minutes
BUDGET_PERIOD = timedelta(days=30)
ASSUMED_CLUSTERING = 0.1  # rho = .01 within blocks of 10 steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequential:
    """Average run lengths without a true breach, in steps, for each tier; and how much failures cluster.

    `clustering` is G = rho * B: the intra-class correlation of failures times the length in steps of the blocks within
    which they correlate.
    """

    allowed: float  # p0, the share of bad that the objective allows
    watch: float = WATCH_STEPS
    suspected: float = SUSPECTED_STEPS
    confirmed: float = CONFIRMED_STEPS
    clustering: float = ASSUMED_CLUSTERING

    def __post_init__(self) -> None:
        if not 0.0 < self.allowed < 1.0:
            raise ValueError(f"the allowed share of bad must lie between 0 and 1, not {self.allowed}")
        if not 1.0 < self.watch <= self.suspected <= self.confirmed:
            raise ValueError("average run lengths must grow: 1 < watch <= suspected <= confirmed")
        if self.clustering < 0.0:
            raise ValueError(f"clustering must not be negative, not {self.clustering}")


class Absence(StrEnum):
    """What it means that a gauge has no value."""

    INCONCLUSIVE = "Inconclusive"
    BREACH = "Breach"  # a heartbeat: being silent is the failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A gauge above (or below) a limit for a time without a break."""

    above: float | None = None
    below: float | None = None
    lasting: timedelta = timedelta(0)
    absent: Absence = Absence.INCONCLUSIVE

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise ValueError("exactly one of above and below must be given")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """At least `at_least` events within the trailing `within`."""

    at_least: float
    within: timedelta

    def __post_init__(self) -> None:
        if self.at_least <= 0:
            raise ValueError(f"at least one event must be asked for, not {self.at_least}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnWindow:
    factor: float
    long: timedelta
    short: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnRate:
    """The budget burns `factor` times too fast over a long and a short window at once; any pair suffices."""

    allowed: float
    windows: tuple[BurnWindow, ...]
    period: timedelta = BUDGET_PERIOD


Rule: TypeAlias = Sequential | Threshold | Count | BurnRate
