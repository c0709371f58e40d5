"""Is one series written by several processes?

Asked by core/counters.py of each reading. A process that restarts falls, and climbs back as fast as it counts; where two
write one series (a missing label `pod`, two exporters of one name) it falls from one's count to the other's and is back
above where it was in one leap. Each of these falls is taken for a restart, so counts are false by whole lifetimes.

A leap is told from climbing by its size, at least half of the fall, and from a second life by where it ends: close above
where the series was, unless it never went far; three of them within 20 steps are no accident.
What must stay true: a process whose lives are 20 steps or longer, or that counts less than ten in each, is never taken for
several, however it counts, since three leaps need three falls. In simulation one that crashes after eight steps on average,
at any rate, is taken for several in .3% of steps at most, and two that take turns at random are found at the third or
fourth fall. What is said of a step depends on the 60 steps before it and on nothing earlier.
"""

import numpy as np
from numpy.typing import NDArray

LEAPS = 3
WITHIN_STEPS = 20
LEAST_COUNT = 10.0  # a counter that goes from 1 to 0 and back to 1 has most likely begun anew
REACH_STEPS = 3 * WITHIN_STEPS  # of the past; what is said of a step follows from so many before it
_NEVER = -(2**62)

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


class WriterWatch:
    """The last fall of each series, and when it last leapt back."""

    def __init__(self) -> None:
        self._from = np.zeros(0)
        self._to = np.zeros(0)
        self._fell = np.zeros(0, dtype=np.int64)
        self._leaps = np.zeros((LEAPS, 0), dtype=np.int64)  # the latest comes last

    def grow(self, size: int) -> None:
        """Make room for series numbered below `size`."""
        more = size - len(self._fell)
        self._from, self._to = (np.concatenate((held, np.zeros(more))) for held in (self._from, self._to))
        self._fell = np.concatenate((self._fell, np.full(more, _NEVER, dtype=np.int64)))
        self._leaps = np.concatenate((self._leaps, np.full((LEAPS, more), _NEVER, dtype=np.int64)), axis=1)

    def read(self, step: int, series: Indices, previous: Floats, values: Floats, differenced: Flags) -> Flags:
        """Of which of these series, each once, there are several writers; `differenced`: `previous` was read lately."""
        fell = differenced & (values < previous)
        fall_is_near = step - self._fell[series] <= WITHIN_STEPS
        back = differenced & ~fell & fall_is_near & (values >= self._from[series])
        top, bottom = self._from[series], self._to[series]
        at_once = values - previous >= (top - bottom) / 2.0
        # Back to where it was, or never far from it: a process that begins anew ends up anywhere.
        on_its_track = (values - top <= (top - bottom) / 4.0) | (bottom >= top / 2.0)
        leapt = back & at_once & on_its_track & (top >= LEAST_COUNT)
        self._fell[series[back]] = _NEVER
        again = series[leapt]
        self._leaps[:-1, again] = self._leaps[1:, again]
        self._leaps[-1, again] = step
        falling = series[fell]
        self._fell[falling], self._from[falling], self._to[falling] = step, previous[fell], values[fell]
        first, last = self._leaps[0, series], self._leaps[-1, series]
        several: Flags = (last - first <= WITHIN_STEPS) & (step - last <= WITHIN_STEPS)
        return several

    def copy_from(self, other: "WriterWatch", theirs: Indices, ours: Indices) -> None:
        """Take over what another knows of some series."""
        self._from[ours], self._to[ours], self._fell[ours] = other._from[theirs], other._to[theirs], other._fell[theirs]
        self._leaps[:, ours] = other._leaps[:, theirs]
