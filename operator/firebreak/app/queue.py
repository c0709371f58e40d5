"""Whose turn is it? A set of dirty keys and a clock of wake-ups, served by a bounded number of workers.

One worker per key at a time, so a turn needs no locks; a key touched during its turn gets another one.
Cost grows with change: there is no task or timer per object.
"""

import asyncio
import heapq
from datetime import datetime

from firebreak.app.clock import Clock
from firebreak.core.objectives import ServiceKey


class Stale(Exception):
    """Someone has written meanwhile: look again, decide again."""


class Turns:
    """Keys that are due, each handed to one worker at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._dirty: dict[ServiceKey, None] = {}
        self._busy: set[ServiceKey] = set()
        self._wakes: list[tuple[datetime, ServiceKey]] = []
        self._due_at: dict[ServiceKey, datetime] = {}
        self._news = asyncio.Event()

    def touch(self, key: ServiceKey) -> None:
        """This service is to be looked at as soon as possible."""
        self._dirty[key] = None
        self._news.set()

    def wake(self, key: ServiceKey, at: datetime) -> None:
        """This service is to be looked at then, if not before; an earlier wake-up stays."""
        known = self._due_at.get(key)
        if known is None or at < known:
            self._due_at[key] = at
            heapq.heappush(self._wakes, (at, key))
            self._news.set()

    async def take(self) -> ServiceKey:
        """The next key that is due; give it back with `done`."""
        while True:
            self._collect()
            for key in self._dirty:
                if key not in self._busy:
                    del self._dirty[key]
                    self._busy.add(key)
                    return key
            self._news.clear()
            timeout = max((self._wakes[0][0] - self._clock.now()).total_seconds(), 0.0) if self._wakes else None
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait()
            except TimeoutError:
                continue

    def done(self, key: ServiceKey) -> None:
        """The turn of this key is over."""
        self._busy.discard(key)
        if key in self._dirty:
            self._news.set()

    def _collect(self) -> None:
        now = self._clock.now()
        while self._wakes and self._wakes[0][0] <= now:
            at, key = heapq.heappop(self._wakes)
            if self._due_at.get(key) == at:
                del self._due_at[key]
                self._dirty[key] = None
