"""What is measured right after a change of revision: when it is called a regression, and when that is a breach.

As it is live: each minute anew on the counts that are kept, so the known-good revision's day grows shorter at its far
end as time goes by.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from bench.detect.weather import DAY, NOISE, Services, Weather
from numpy.typing import NDArray

from firebreak.core.detectors.regression import (
    Regression,
    RegressionFinding,
    before_after,
    may_be_beyond,
    side_by_side,
)
from firebreak.core.history import HISTORY_STEPS
from firebreak.core.just_changed import COMPARED_STEPS

ALLOWED, HEALTHY = 0.05, 0.02
FIRST_HOUR = 60
_PART = 180
NEVER = np.inf

Floats = NDArray[np.float64]

# Judged per minute before and after; and in the hour after the change.
PAIRS = {"5→5": (5.0, 5.0), "20→20": (20.0, 20.0), "5→20": (5.0, 20.0), "5→100": (5.0, 100.0)}
FOR_AN_HOUR = "5→20 for an hour→5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Minutes from each change until it is called a regression, and until that is a breach of the objective."""

    called: Floats
    breach: Floats


def just_changed(
    to: float,
    known_volume: float,
    new_volume: float,
    runs: int,
    seed: int,
    *,
    weather: Weather = NOISE,
    known: float = HEALTHY,
    first_hour: float | None = None,
    clustering: float = 0.1,
) -> Changes:
    """Before and after, within 12 h; `first_hour` is judged per minute in the hour after the change."""
    services = Services(weather, runs, np.random.default_rng(seed))
    before = np.array([services.step(known, known_volume) for _ in range(DAY)])
    volumes = [first_hour or new_volume] * FIRST_HOUR + [new_volume] * (COMPARED_STEPS - FIRST_HOUR)
    after = np.array([services.step(to, volume) for volume in volumes])
    found = [as_live(before[:, :, run], after[:, :, run], clustering) for run in range(runs)]
    return Changes(called=np.array([c for c, _ in found]), breach=np.array([b for _, b in found]))


def both_serve(known_rate: float, to: float, volume: float, runs: int, seed: int) -> Changes:
    """The same side by side: each revision is judged `volume` per minute."""
    rng = np.random.default_rng(seed)
    known, new = Services(NOISE, runs, rng), Services(NOISE, runs, rng)
    counts = [(known.step(known_rate, volume), new.step(to, volume)) for _ in range(COMPARED_STEPS)]
    first, second = (np.array([pair[side] for pair in counts]) for side in (0, 1))
    called, breach = np.full(runs, NEVER), np.full(runs, NEVER)
    for run in range(runs):

        def compared(upto: int, run: int = run) -> Regression:
            pairs = (first[:upto, 0, run], first[:upto, 1, run], second[:upto, 0, run], second[:upto, 1, run])
            return side_by_side(*pairs, 0.1)

        at = compared(COMPARED_STEPS).called_at
        if at is not None:
            called[run] = at + 1.0
            new = second[:, :, run]
            breach[run] = next((float(t) for t in _looks(at + 1, new, 0.1) if compared(t).is_beyond(ALLOWED)), NEVER)
    return Changes(called=called, breach=breach)


def as_live(known: Floats, new: Floats, clustering: float) -> tuple[float, float]:
    """Minutes until it is called, and is a breach; counts are (steps, bad and judged)."""

    def compared(upto: int, kept: int) -> Regression:
        reference = known[-(HISTORY_STEPS - kept) :]
        return before_after(reference[:, 0], reference[:, 1], new[:upto, 0], new[:upto, 1], clustering)

    # Some hours at once first, with what is kept at their beginning: most changes are never called.
    parts = range(0, len(new), _PART)
    first = next((at for p in parts if (at := compared(p + _PART, p).called_at) is not None), None)
    if first is None:
        return NEVER, NEVER
    every = range(first + 1, COMPARED_STEPS + 1)
    called = next((t for t in every if compared(t, t).finding is RegressionFinding.REGRESSION), None)
    if called is None:
        return NEVER, NEVER
    looks = _looks(called, new, clustering)
    return float(called), next((float(t) for t in looks if compared(t, t).is_beyond(ALLOWED)), NEVER)


def _looks(first: int, new: Floats, clustering: float) -> Iterator[int]:
    """The minutes in which it may be a breach: each of the first three hours, then every ten, to be done sooner."""
    for upto in [*range(first, _PART), *range(max(first, _PART), COMPARED_STEPS + 1, 10)]:
        if may_be_beyond(ALLOWED, new[:upto, 0], new[:upto, 1], clustering):
            yield upto


class FollowedChanges:
    """Changes of many services that go on being simulated: kept counts, and the breaches that came of them."""

    def __init__(self, rows: int, changed_at: int, clustering: Floats) -> None:
        self._at, self._clustering = changed_at, clustering
        self._counts = np.zeros((DAY + COMPARED_STEPS, 2, rows), dtype=np.float32)

    def is_fresh(self, step: int) -> bool:
        """Within the hour in which more is judged."""
        return self._at <= step < self._at + FIRST_HOUR

    def take(self, step: int, bad: Floats, judged: Floats) -> Floats | None:
        """Keep a step's counts; at the end of the comparison, which services would have been contained by it."""
        column = step - (self._at - DAY)
        if not 0 <= column < len(self._counts):
            return None
        self._counts[column] = bad, judged
        if column + 1 < len(self._counts):
            return None
        counts = self._counts.astype(np.float64)
        found = [
            as_live(counts[:DAY, :, row], counts[DAY:, :, row], float(self._clustering[row]))[1]
            for row in range(counts.shape[2])
        ]
        self._counts = self._counts[:0]
        return np.isfinite(found).astype(np.float64)
