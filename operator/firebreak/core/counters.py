"""How much did each counter grow since it was last read?

Raw counters are differenced here, per series, at aligned steps; never with rate() or increase(), which extrapolate.
What each oddity means:
- first sight of a series: a baseline, nothing is counted (whoever wants the first event counted exports a 0 first);
- a fall: the process restarted, its counter began at 0, so what it shows now is what it counted since;
  what it had counted after the last reading is lost, which biases towards silence, never towards alarm;
- a step without the series: nothing is counted; when it comes back within 90 steps, the whole difference is counted in
  that step (the detectors cap what one step can say); after a longer absence it is seen as for the first time;
- a late sample: counted in the step in which it is first seen;
- NaN, infinite or negative: as if the series were absent in that step, and reported;
- the same series twice in one answer (replicas that were not deduplicated, a proxy's mistake): the larger value,
  and reported;
- several processes that write it (writers.py): nothing is counted, and reported;
- fractions: values are rounded to multiples of 2^-20, so that sums are exact and do not depend on their order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firebreak.core.writers import WriterWatch

FORGET_STEPS = 90
_PER_UNIT = float(2**20)

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Increments:
    series: Indices  # each at most once
    values: Floats  # what it grew by; >= 0
    invalid: int  # readings that were NaN, infinite or negative
    duplicates: int  # readings beside another of the same series
    resets: int
    contested: Indices  # those of `series` that several processes write: they grew by nothing that can be told


class CounterMemory:
    """The last valid reading of each series. Series are numbered by the caller, from 0 upwards."""

    def __init__(self) -> None:
        self._value = np.zeros(0)
        self._step = np.zeros(0, dtype=np.int64)
        self._known = np.zeros(0, dtype=np.bool_)
        self._writers = WriterWatch()

    def __len__(self) -> int:
        return len(self._value)

    def grow(self, size: int) -> None:
        """Make room for series numbered below `size`."""
        more = size - len(self._value)
        if more > 0:
            more += len(self._value) // 2
            self._value = np.concatenate((self._value, np.zeros(more)))
            self._step = np.concatenate((self._step, np.zeros(more, dtype=np.int64)))
            self._known = np.concatenate((self._known, np.zeros(more, dtype=np.bool_)))
            self._writers.grow(len(self._value))

    def read(self, step: int, series: Indices, values: Floats) -> Increments:
        """Take in the readings of one step, later than any before."""
        valid = np.isfinite(values) & (values >= 0.0)
        invalid = len(values) - int(valid.sum())
        series, values = series[valid], np.round(values[valid] * _PER_UNIT) / _PER_UNIT
        before = len(series)
        if before:
            # Sorted by series and value, the last of each series is the one to keep.
            order = np.lexsort((values, series))
            series, values = series[order], values[order]
            last = np.append(series[1:] != series[:-1], True)
            series, values = series[last], values[last]
        previous = self._value[series]
        remembered = self._known[series] & (step - self._step[series] <= FORGET_STEPS)
        fell = values < previous
        contested = self._writers.read(step, series, previous, values, remembered)
        grown = np.where(remembered & ~contested, np.where(fell, values, values - previous), 0.0)
        self._value[series] = values
        self._step[series] = step
        self._known[series] = True
        return Increments(
            series=series,
            values=grown,
            invalid=invalid,
            duplicates=before - len(series),
            resets=int((remembered & fell).sum()),
            contested=series[contested],
        )

    def copy_from(self, other: "CounterMemory", theirs: Indices, ours: Indices) -> None:
        """Take over another memory's readings of some series."""
        self._value[ours] = other._value[theirs]
        self._step[ours] = other._step[theirs]
        self._known[ours] = other._known[theirs]
        self._writers.copy_from(other._writers, theirs, ours)

    def is_remembered(self, step: int) -> NDArray[np.bool_]:
        """Which series would still be differenced at `step`."""
        remembered: NDArray[np.bool_] = self._known & (step - self._step <= FORGET_STEPS)
        return remembered
