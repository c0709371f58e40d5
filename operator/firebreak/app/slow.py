"""When is history read that takes long to read?

By one task for all of it: one objective at a time, at most a tenth of the time, and only on the leader, so that no
reading of what is so now ever waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog

from firebreak.app.clock import Clock

Job = Callable[[datetime], Awaitable[bool]]
"""Reads what is due longest; False if nothing is."""

_REST = 9.0  # times what one has taken
_LEAST_REST_SECONDS = 0.2
_LOOK_SECONDS = 5.0

log = structlog.get_logger()


async def read_slowly(jobs: Sequence[Job], allowed: Callable[[], bool], clock: Clock) -> None:
    """Take the jobs in turn for ever. A failure is told and stops nothing else."""
    while True:
        rest = _LOOK_SECONDS
        for job in jobs:
            if not allowed():
                break
            began = clock.monotonic()
            try:
                if await job(clock.now()):
                    rest = max(_LEAST_REST_SECONDS, _REST * (clock.monotonic() - began))
                    await asyncio.sleep(rest)
                    rest = 0.0
            except Exception:
                log.exception("history_not_read")
        await asyncio.sleep(rest)
