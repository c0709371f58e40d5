"""What was counted in each block of a long stretch of history?

Asked for clustering and for error budgets, which look back weeks: blocks of several steps, through the same counting as
live. Aligned as everything else, so that it is the same whenever it is asked, and after a restart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firebreak.app.counter_feed import subject_of
from firebreak.app.grid import Grid
from firebreak.app.replay import replay
from firebreak.core.counting import Counting
from firebreak.core.objectives import NativeRatio, ObjectiveSpec, Ratio
from firebreak.core.ports_metrics import MetricsPort, Vector
from firebreak.core.promql import confined


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Counts of consecutive blocks, by the number of each; none before anything was there."""

    numbers: tuple[int, ...]
    bad: NDArray[np.float64]
    judged: NDArray[np.float64]


async def read_blocks(spec: ObjectiveSpec, port: MetricsPort, grid: Grid, first: int, last: int) -> Blocks:
    """Of a ratio, `first` to `last`; the block before is read as a baseline. Raises MetricsError."""
    if not isinstance(spec.indicator, Ratio):
        raise TypeError(f"{spec.key} is no ratio")
    native = spec.indicator.limit if isinstance(spec.indicator, NativeRatio) else None
    counting = Counting(spec.labels, [subject_of(spec)], paired=bool(spec.indicator.bound), native=native)
    counts: dict[int, tuple[float, float]] = {}

    def take(step: int, bad: Vector, total: Vector | None) -> None:
        found = counting.advance(step, bad, total)
        counts[step] = (float(found.bad[0]), float(found.judged[0]))

    queries = [confined(selector, spec.labels.namespace, [spec.key.namespace]) for selector in spec.indicator.queries]
    await replay(port, queries, grid, first - 1, last, take, afresh=True)
    # The first block is a baseline, whatever was counted in it.
    known = sorted(counts)[1:]
    bad, judged = (np.array([counts[step][side] for step in known]) for side in (0, 1))
    return Blocks(numbers=tuple(known), bad=bad, judged=judged)
