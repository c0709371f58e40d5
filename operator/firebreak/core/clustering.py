"""How much do failures of this objective cluster? G = rho * B, measured from healthy history.

Neighbouring blocks of L steps are compared: if failures were independent, the squared difference of their rates would
on average be v h, with v = p(1 - p) and h = 1/m_b + 1/m_b+1; what is more is clustering.

    rho_L = sum w [(r_b - r_b+1)^2 / v - h] / sum w [2 - h],  w = h^-2;   G = max(.1, max_L L rho_L)

Differences of neighbours, because the daily cycle triples a plain moment estimate; several L, because a short block
sees rho but not how long it lasts. Known incidents are cut out: a block that touches one is not compared.
Asked by app/clustering.py once a day, and by the bench.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firebreak.core.detectors.rules import ASSUMED_CLUSTERING

BLOCK_STEPS = (10, 30, 60, 120)
HEALTHY_DAYS_NEEDED = 14
DAY_STEPS = 1440  # a day of minutes: with a shorter step, as many steps
NEEDED_STEPS = HEALTHY_DAYS_NEEDED * DAY_STEPS

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustering:
    """G in steps, and how much healthy history it rests on."""

    clustering: float
    steps: int  # not cut out
    judged: float


def healthy_history(judged: Floats, cut: NDArray[np.bool_], resolution: int) -> NDArray[np.bool_]:
    """Which of consecutive blocks of `resolution` steps are healthy history: the last fourteen days' worth of it.

    None that an incident has `cut` out, and none in a silence of more than a day: a service that sleeps at night has
    whole days of history, and a store that was away for a week has none of it.
    """
    day = DAY_STEPS // resolution
    at = np.arange(len(judged))
    heard = at - np.maximum.accumulate(np.where(judged > 0.0, at, -day)) < day
    usable = heard & ~cut
    newest_first = np.cumsum(usable[::-1])[::-1]
    healthy: NDArray[np.bool_] = usable & (newest_first <= HEALTHY_DAYS_NEEDED * day)
    return healthy


def measure_clustering(bad: Floats, judged: Floats, healthy: NDArray[np.bool_], resolution: int = 1) -> Clustering:
    """Of counts per `resolution` steps (a divisor of 10); `healthy` is False where an incident was known."""
    cut_bad, cut_judged = np.where(healthy, bad, 0.0), np.where(healthy, judged, 0.0)
    total = float(cut_judged.sum())
    share = float(cut_bad.sum()) / total if total else 0.0
    found = ASSUMED_CLUSTERING
    if 0.0 < share < 1.0:
        for length in BLOCK_STEPS:
            rho = _correlation(cut_bad, cut_judged, healthy, length // resolution, share * (1.0 - share))
            found = max(found, length * rho)
    return Clustering(clustering=found, steps=int(healthy.sum()) * resolution, judged=total)


def _correlation(bad: Floats, judged: Floats, healthy: NDArray[np.bool_], width: int, variance: float) -> float:
    blocks = len(judged) // width
    shape = (blocks, width)
    bad_of = bad[: blocks * width].reshape(shape).sum(axis=1)
    judged_of = judged[: blocks * width].reshape(shape).sum(axis=1)
    usable = healthy[: blocks * width].reshape(shape).all(axis=1) & (judged_of > 0.0)
    pairs = usable[:-1] & usable[1:]
    if not pairs.any():
        return 0.0
    rate = np.divide(bad_of, judged_of, out=np.zeros(blocks), where=judged_of > 0.0)
    noise = 1.0 / judged_of[:-1][pairs] + 1.0 / judged_of[1:][pairs]
    squared = (rate[:-1][pairs] - rate[1:][pairs]) ** 2
    weight = noise**-2.0
    below = float((weight * (2.0 - noise)).sum())
    return float((weight * (squared / variance - noise)).sum()) / below if below > 0.0 else 0.0
