"""How far must counts be discounted because failures come in clusters?

Real failures share a cause (a topic, a batch, a user), so k bad of n judged say less than k independent coin tosses.
Log likelihood ratios are divided by d = max(1, 1 + G nbar - G/10), the design effect of clusters of nbar judged per
step over G = rho * B steps. A power 1/d of an e-value is an e-value (Jensen), so tempering never makes a detector
less safe than the same one without it; it is what makes it survive clustering.

nbar = max(mean of the trailing 60 steps, mean of the last 5, this one included): a raised sampling rate is followed at
once (with a plain trailing mean false alarms just after a raise multiply by 25 to 80), and a burst is discounted by
itself. It is a function of counts alone, so a rebuild from history gives the same value.
"""

import numpy as np
from numpy.typing import NDArray

TRAILING = 60
RECENT = 5

Floats = NDArray[np.float64]


def design_effect(clustering: Floats | float, mean_judged: Floats) -> Floats:
    """d for clusters of G = `clustering` at `mean_judged` per step."""
    effect: Floats = np.maximum(1.0, 1.0 + clustering * mean_judged - clustering / 10.0)
    return effect


def mean_judged(judged: Floats) -> Floats:
    """nbar at each of consecutive steps of one series of counts.

    Means are over the steps since judging began (after a silence of 60 steps it begins anew): a service that starts is
    discounted by its real rate at once, instead of being averaged with the time before it existed.
    """
    steps = np.arange(len(judged))
    total = np.concatenate(([0.0], np.cumsum(judged)))
    began = np.zeros(len(judged), dtype=np.intp)
    some = np.flatnonzero(judged > 0.0)
    anew = np.diff(some, prepend=-TRAILING - 1) > TRAILING
    began[some] = np.maximum.accumulate(np.where(anew, some, 0))
    # Silent steps are skipped by every fold, so what nbar is there does not matter: it only has to be defined.
    age = np.where(judged > 0.0, steps - began + 1, TRAILING)
    return np.maximum(_trailing_mean(total, age, TRAILING), _trailing_mean(total, age, RECENT))


def _trailing_mean(total: Floats, age: NDArray[np.intp], width: int) -> Floats:
    span = np.minimum(width, age)
    ends = np.arange(1, len(total))
    # The sum reaches back the whole width, the divisor only to where judging began: before that there is nothing.
    return (total[ends] - total[np.maximum(0, ends - width)]) / span


class MeanJudged:
    """The same for many rows, one step at a time, in constant memory per row.

    Counts are multiples of 2^-20 (counters.py), so running sums are exact and do not depend on where they began.
    """

    def __init__(self, rows: int) -> None:
        self._recent = np.zeros((TRAILING, rows))  # a ring, by step modulo 60; a step's row of it is contiguous
        self._trailing_sum = np.zeros(rows)
        self._recent_sum = np.zeros(rows)
        self._began = np.zeros(rows, dtype=np.int64)
        self._last = np.full(rows, -TRAILING - 1, dtype=np.int64)

    def after(self, step: int, judged: Floats) -> Floats:
        """nbar once `judged` is known for `step`; steps must follow each other."""
        slot = step % TRAILING
        self._trailing_sum += judged - self._recent[slot]
        self._recent_sum += judged - self._recent[(slot - RECENT) % TRAILING]
        self._recent[slot] = judged
        some = judged > 0.0
        anew = some & (step - self._last > TRAILING)
        np.copyto(self._began, step, where=anew)
        np.copyto(self._last, step, where=some)
        age = np.where(some, step - self._began + 1, TRAILING)
        return np.maximum(self._trailing_sum / np.minimum(TRAILING, age), self._recent_sum / np.minimum(RECENT, age))

    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        return self._recent, self._trailing_sum, self._recent_sum, self._began, self._last

    def take(self, rows: NDArray[np.intp]) -> "MeanJudged":
        """The state of these rows alone."""
        taken = MeanJudged(0)
        taken._recent = np.ascontiguousarray(self._recent[:, rows])
        taken._trailing_sum, taken._recent_sum = self._trailing_sum[rows], self._recent_sum[rows]
        taken._began, taken._last = self._began[rows], self._last[rows]
        return taken

    def join(self, other: "MeanJudged") -> "MeanJudged":
        """Both, the other's rows last."""
        joined = MeanJudged(0)
        joined._recent = np.concatenate((self._recent, other._recent), axis=1)
        joined._trailing_sum = np.concatenate((self._trailing_sum, other._trailing_sum))
        joined._recent_sum = np.concatenate((self._recent_sum, other._recent_sum))
        joined._began = np.concatenate((self._began, other._began))
        joined._last = np.concatenate((self._last, other._last))
        return joined

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self._arrays())
