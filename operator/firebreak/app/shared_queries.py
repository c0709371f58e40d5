"""One metrics store in one round of reading: what several ask at the same moment is asked once.

Used by app/feeds.py for gauges that services share, each of which has a feed of its own. A failure is shared as well, or
a store that is away would be waited for once per service.
"""

import asyncio
from datetime import datetime, timedelta

from firebreak.core.ports_metrics import Matrix, MetricsError, MetricsPort, Vector


class SharedQueries:
    """A MetricsPort; it lives for one round."""

    def __init__(self, port: MetricsPort) -> None:
        self._port = port
        self._turns: dict[tuple[str, datetime], asyncio.Lock] = {}
        self._answers: dict[tuple[str, datetime], Vector | MetricsError] = {}

    async def instant(self, query: str, at: datetime) -> Vector:
        key = (query, at)
        async with self._turns.setdefault(key, asyncio.Lock()):
            if key not in self._answers:
                try:
                    self._answers[key] = await self._port.instant(query, at)
                except MetricsError as error:
                    self._answers[key] = error
        answer = self._answers[key]
        if isinstance(answer, MetricsError):
            raise answer
        return answer

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        """Never shared: each service asks for its own rows alone, so that an answer stays small."""
        return await self._port.range(query, start, end, step)
