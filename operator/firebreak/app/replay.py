"""Reads a stretch of history step by step, as if it came in now: `query_range` in place of instant queries.

Asked by a feed that rebuilds or catches up, by the measurement of clustering and by the backtest: they share this, so
history means the same to all of them. Memory is bounded by the size of one answer, however long the stretch.
"""

import asyncio
from collections.abc import Callable, Sequence

from firebreak.app.grid import Grid
from firebreak.core.ports_metrics import AnswerTooLarge, Matrix, MetricsError, MetricsPort, Vector

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
    await Replay(grid, first, advance, afresh=afresh).read(port, queries, last)


class Replay:
    """A stretch that is being read. It goes on from where it was when a store has failed, and beyond where it ended."""

    def __init__(self, grid: Grid, first: int, advance: Advance, *, afresh: bool, in_service: bool = False) -> None:
        """`afresh` as above; `in_service`: others look at what is advanced while this reads."""
        self._grid = grid
        self._advance = advance
        self._in_service = in_service
        self._most = MOST_STEPS
        self.next = first
        """The first step that was not handed over."""
        self.begun = not afresh
        """Whether anything was there so far; from then on every step counts."""

    async def read(self, port: MetricsPort, queries: Sequence[str], last: int) -> None:
        """Hand over every step up to `last`. Raises MetricsError; called again, it goes on."""
        if self.next > last:
            return
        # How many series there are decides how many steps fit into one answer.
        now = await asyncio.gather(*(port.instant(query, self._grid.end(last)) for query in queries))
        series = max(1, *(vector.size for vector in now))
        fitting = max(LEAST_STEPS, CHUNK_POINTS // series)
        while self.next <= last:
            steps = min(self._most, fitting)
            start, end = self._grid.end(self.next), self._grid.end(min(last, self.next + steps - 1))
            try:
                answers = await asyncio.gather(*(port.range(query, start, end, self._grid.step) for query in queries))
            except AnswerTooLarge:
                # The store is well, and has what was asked for: it is had in smaller bites, at once.
                if steps == 1:
                    raise
                self._most = min(steps, last - self.next + 1) // 2 or 1
                continue
            except MetricsError:
                # Too long in coming: it may be had in smaller bites.
                self._most = max(1, min(steps, LEAST_STEPS * 2) // 2)
                raise
            self._most = min(MOST_STEPS, self._most + max(1, self._most // 8))
            if self._in_service:
                for offset in range(answers[0].moments):
                    self._hand_over(answers, offset)
                    # Between two steps what is looked at is whole, and nobody waits for long.
                    await asyncio.sleep(0)
            else:
                await asyncio.to_thread(self._hand_over_all, answers)

    def _hand_over_all(self, answers: Sequence[Matrix]) -> None:
        for offset in range(answers[0].moments):
            self._hand_over(answers, offset)

    def _hand_over(self, answers: Sequence[Matrix], offset: int) -> None:
        self.begun = self.begun or any(answer.holds_some_at(offset) for answer in answers)
        if self.begun:
            self._advance(self.next, answers[0].at(offset), answers[1].at(offset) if len(answers) > 1 else None)
        self.next += 1
