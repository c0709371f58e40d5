"""How is a long history read with few questions? Ranges are read ahead; the sampler asks step by step, as it does live.

Asked by app/backtest/replayed.py, in place of the store itself. What must stay true: the answer at a step is what
`query_range` gives at that moment, which is what an instant query would have given; memory holds one stretch per query.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from firebreak.app.replay import CHUNK_POINTS, LEAST_STEPS, MOST_STEPS
from firebreak.core.ports_metrics import Matrix, MetricsError, MetricsPort, SourceUnreachable, Vector

_ATTEMPTS = 3
_BETWEEN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    start: datetime
    matrix: Matrix

    def column(self, at: datetime, step: timedelta) -> int | None:
        """Which column is this moment; None if it is not in the stretch."""
        column, off = divmod(at - self.start, step)
        return column if not off and 0 <= column < self.matrix.moments else None


class ReadAhead:
    """A MetricsPort that answers instant queries on a grid of moments from ranges of another one.

    `step` must divide the distance of any two moments at which one query is asked. A source that does not answer is
    asked a few times more; then `failed` says so, and the caller ends the backtest.
    """

    def __init__(self, port: MetricsPort, *, step: timedelta, until: datetime) -> None:
        self._port, self._step, self._until = port, step, until
        self._held: dict[str, _Stretch] = {}
        self.failed: SourceUnreachable | None = None

    async def instant(self, query: str, at: datetime) -> Vector:
        held = self._held.get(query)
        column = held.column(at, self._step) if held is not None else None
        if held is None or column is None:
            held, column = await self._read(query, at, held.matrix.width if held else None), 0
        return held.matrix.at(column)

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        return await self._ask(query, start, end, step)

    async def _read(self, query: str, at: datetime, series: int | None) -> _Stretch:
        # How many series there are is known from the stretch before; the first one is short.
        steps = LEAST_STEPS if series is None else min(MOST_STEPS, max(LEAST_STEPS, CHUNK_POINTS // max(1, series)))
        end = max(at, min(at + self._step * (steps - 1), self._until))
        end = at + self._step * ((end - at) // self._step)
        stretch = _Stretch(start=at, matrix=await self._ask(query, at, end, self._step))
        self._held[query] = stretch
        return stretch

    async def _ask(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        for attempt in range(_ATTEMPTS):
            try:
                return await self._port.range(query, start, end, step)
            except SourceUnreachable as error:
                if attempt + 1 == _ATTEMPTS:
                    self.failed = error
                    raise
                await asyncio.sleep(_BETWEEN_SECONDS)
            except MetricsError:
                raise
        raise AssertionError("the last attempt returns or raises")
