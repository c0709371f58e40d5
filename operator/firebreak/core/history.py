"""What was counted in each of the last steps, for each revision and segment of a service?

A bounded ring: it lets a fold be started at any moment it covers, on one revision alone. Asked for recovery after a
containment, for known-good, for onset and for exposure.
"""

import numpy as np
from numpy.typing import NDArray

HISTORY_STEPS = 1500  # a day of minutes, and an hour

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class CountHistory:
    """Rows are groups (service, revision, segment values); a column is a step."""

    def __init__(self, rows: int = 0, steps: int = HISTORY_STEPS) -> None:
        # Whole counts are exact in float32 up to 16 million a step, at half the memory.
        self._bad = np.zeros((rows, steps), dtype=np.float32)
        self._judged = np.zeros((rows, steps), dtype=np.float32)
        self._steps = steps
        self.first: int | None = None
        self.last: int | None = None

    def __len__(self) -> int:
        return len(self._bad)

    @property
    def nbytes(self) -> int:
        return self._bad.nbytes + self._judged.nbytes

    def grow(self, rows: int) -> None:
        """Make room for rows numbered below `rows`; they counted nothing so far."""
        more = rows - len(self._bad)
        if more > 0:
            more += len(self._bad) // 4
            empty = np.zeros((more, self._steps), dtype=np.float32)
            self._bad = np.concatenate((self._bad, empty))
            self._judged = np.concatenate((self._judged, empty))

    def write(self, step: int, bad: Floats, judged: Floats) -> None:
        """Keep one step's counts of the first len(bad) rows; steps must follow each other."""
        column = step % self._steps
        self._bad[:, column] = 0.0
        self._judged[:, column] = 0.0
        self._bad[: len(bad), column] = bad
        self._judged[: len(judged), column] = judged
        self.first = step if self.first is None else max(self.first, step - self._steps + 1)
        self.last = step

    def clamp(self, first: int, last: int) -> tuple[int, int]:
        """The part of a span of steps that is kept; empty (last < first) if there is none."""
        if self.first is None or self.last is None:
            return first, first - 1
        return max(first, self.first), min(last, self.last)

    def window(self, rows: Indices, first: int, last: int) -> tuple[Floats, Floats]:
        """Bad and judged, summed over the rows, at each step of the part of the span that is kept."""
        first, last = self.clamp(first, last)
        if last < first:
            return np.zeros(0), np.zeros(0)
        columns = np.arange(first, last + 1) % self._steps
        at = np.ix_(rows, columns)
        return self._bad[at].sum(axis=0, dtype=np.float64), self._judged[at].sum(axis=0, dtype=np.float64)

    def totals(self, rows: Indices, first: int, last: int) -> tuple[Floats, Floats]:
        """Bad and judged of each of the rows over a span."""
        first, last = self.clamp(first, last)
        if last < first:
            return np.zeros(len(rows)), np.zeros(len(rows))
        at = np.ix_(rows, np.arange(first, last + 1) % self._steps)
        return self._bad[at].sum(axis=1, dtype=np.float64), self._judged[at].sum(axis=1, dtype=np.float64)

    def rows_in_use(self) -> list[int]:
        """The rows that counted anything in what is kept."""
        return [int(row) for row in np.flatnonzero(self._judged.any(axis=1) | self._bad.any(axis=1))]

    def copy_from(self, other: "CountHistory", theirs: Indices, ours: Indices) -> None:
        """Take over another history's rows; both must have read up to the same step."""
        self._bad[ours] = other._bad[theirs]
        self._judged[ours] = other._judged[theirs]
        if other.first is not None:
            self.first = other.first if self.first is None else min(self.first, other.first)
            self.last = other.last
