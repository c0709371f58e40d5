"""Reads a stretch of history step by step, as if it came in now: `query_range` in place of instant queries.

Asked by a feed that rebuilds or catches up, by the measurement of clustering and by the backtest: they share this, so
history means the same to all of them. Memory is bounded by the size of one answer, however long the stretch.
"""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from firebreak.app.grid import Grid
from firebreak.core.ports_metrics import Matrix, MetricsPort, Vector

CHUNK_POINTS = 200_000  # of one answer to a range query: some 5 MB
LEAST_STEPS = 30
MOST_STEPS = 10_000  # Prometheus refuses more than 11,000 points per series

Advance = Callable[[int, Vector, Vector | None], None]


async def replay(
    port: MetricsPort, queries: Sequence[str], grid: Grid, first: int, last: int, advance: Advance, *, afresh: bool
) -> None:
    """Hand over the answers to one query or two at each step, in order.

    `afresh`: nothing was read before `first`; then steps before anything was there are left out, since a state that has
    seen nothing stays what it is. Raises MetricsError; what was handed over until then stays so.
    """
    # How many series there are decides how many steps fit into one answer.
    now = await asyncio.gather(*(port.instant(query, grid.end(last)) for query in queries))
    steps = min(MOST_STEPS, max(LEAST_STEPS, CHUNK_POINTS // max(1, *(len(vector.labels) for vector in now))))
    begun = not afresh
    for start in range(first, last + 1, steps):
        end = min(last, start + steps - 1)
        answers = await asyncio.gather(
            *(port.range(query, grid.end(start), grid.end(end), grid.step) for query in queries)
        )
        begun = await asyncio.to_thread(_hand_over, start, answers, advance, begun)


def _hand_over(start: int, answers: Sequence[Matrix], advance: Advance, begun: bool) -> bool:
    present = np.logical_or.reduce([answer.present.any(axis=0) for answer in answers])
    for offset in range(len(present)):
        begun = begun or bool(present[offset])
        if begun:
            total = answers[1].at(offset) if len(answers) > 1 else None
            advance(start + offset, answers[0].at(offset), total)
    return begun
