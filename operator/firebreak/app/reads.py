"""Which reads are under way, and for how long does a round wait for them?

Asked by app/feeds.py, made by app/evaluate.py. A read that takes longer than a round waits goes on, and is known as
ended in a later round; one that was slow the last time is not waited for. So the slowest source holds up its own
services, and the others by one wait.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Reads(Generic[Key]):
    """Tasks by what they read, at most one for each; each says whether there is something new."""

    def __init__(self, group: asyncio.TaskGroup, monotonic: Callable[[], float], patience_seconds: float) -> None:
        self._group = group
        self._monotonic = monotonic
        self._patience = patience_seconds
        self._tasks: dict[Key, asyncio.Task[bool]] = {}
        self._awaited: list[asyncio.Task[bool]] = []
        self._slow: set[Key] = set()

    @property
    def under_way(self) -> set[Key]:
        """What is being read still."""
        return set(self._tasks)

    def begin(self, key: Key, read: Callable[[], Coroutine[Any, Any, bool]], *, waited_for: bool = True) -> None:
        """Read, unless that is under way."""
        if key in self._tasks:
            return
        task = self._tasks[key] = self._group.create_task(self._timed(key, read), name=f"read {key}")
        if waited_for and key not in self._slow:
            self._awaited.append(task)

    async def ended(self) -> dict[Key, bool]:
        """What has ended since the last call, having waited a while for what has begun."""
        awaited, self._awaited = self._awaited, []
        if awaited:
            await asyncio.wait(awaited, timeout=self._patience)
        done = {key: task for key, task in self._tasks.items() if task.done()}
        for key in done:
            del self._tasks[key]
        return {key: task.result() for key, task in done.items() if not task.cancelled()}

    async def _timed(self, key: Key, read: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
        began = self._monotonic()
        try:
            return await read()
        finally:
            if self._monotonic() - began < self._patience:
                self._slow.discard(key)
            else:
                self._slow.add(key)
