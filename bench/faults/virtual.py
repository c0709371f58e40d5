"""How does asyncio code live through hours in a second, the same way each time?

An event loop whose clock stands still while there is something to do, and jumps to the next timer when there is not.
Nothing of asyncio is patched: only the selector, which is where a loop waits, is another one.
"""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
T0 = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)
"""When every story begins."""


class Deadlock(Exception):
    """Everything waits for something that nothing will bring."""


class _NoWaiting(selectors.BaseSelector):
    """A selector that watches nothing: instead of waiting it moves the loop's clock."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("nothing is left to happen")
        self.passed += max(timeout, 0.0)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._waits = _NoWaiting()
        super().__init__(self._waits)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._waits.passed


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


def elapsed() -> float:
    """Virtual seconds since the story began."""
    return asyncio.get_running_loop().time()


class WorldClock:
    """The time that everybody agrees on."""

    def now(self) -> datetime:
        return T0 + timedelta(seconds=elapsed())

    def monotonic(self) -> float:
        return elapsed()


class OwnClock(WorldClock):
    """A replica's clock, whose wall time may be set wrong."""

    def __init__(self) -> None:
        self.wrong_by = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.wrong_by
