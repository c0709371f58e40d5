"""What do the metrics say, step after step?

One task for all services: it keeps the compiled objectives in step with the catalog, reads every step that is due in one
batch, and gives a turn to each service that was evaluated. What must stay true: a round waits for nobody for long. What
is slow, a source or the API server with a source's Secret, goes on beside the rounds and is seen by a later one.
"""

import asyncio

import structlog

from firebreak.app.breaker import CircuitBreaker
from firebreak.app.catalog import Catalog
from firebreak.app.clock import Clock
from firebreak.app.endpoints import Endpoints
from firebreak.app.feeds import ReadId
from firebreak.app.objectives import Objectives
from firebreak.app.queue import Turns
from firebreak.app.reads import Reads
from firebreak.app.sampler import Sampler
from firebreak.app.telemetry import Telemetry
from firebreak.core.objectives import ServiceKey

log = structlog.get_logger()

_TICK_SECONDS = 0.5
_ALIVE_SECONDS = 120.0
# What is quick is judged together, so that many services in breach at once are seen as that; nobody detects later by more.
_PATIENCE_SECONDS = 2.0


class Evaluation:
    """The evaluation loop; `ticked_at` is the monotonic time at which it last went round."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        endpoints: Endpoints,
        objectives: Objectives,
        sampler: Sampler,
        breaker: CircuitBreaker,
        turns: Turns,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._endpoints = endpoints
        self._objectives = objectives
        self._sampler = sampler
        self._breaker = breaker
        self._turns = turns
        self._telemetry = telemetry
        self._clock = clock
        self.ticked_at = clock.monotonic()
        self._following: asyncio.Task[None] | None = None
        self._followed = False
        self._unfollowed: set[ServiceKey] = set()
        """What has changed and the breaker has not taken in."""

    def is_alive(self) -> bool:
        """Whether the loop went round lately."""
        return self._clock.monotonic() - self.ticked_at < _ALIVE_SECONDS

    async def run(self) -> None:
        """Go round for ever. A failure is told and the next round is tried: what is known stays."""
        async with asyncio.TaskGroup() as group:
            reads: Reads[ReadId] = Reads(group, self._clock.monotonic, _PATIENCE_SECONDS)
            while True:
                began = self._clock.monotonic()
                if self._catalog.listed:
                    try:
                        await self._round(group, reads)
                    except Exception:
                        log.exception("evaluation_failed")
                        self._telemetry.turn_failed()
                self.ticked_at = self._clock.monotonic()
                self._telemetry.evaluated(self.ticked_at - began)
                await asyncio.sleep(max(0.05, _TICK_SECONDS - (self.ticked_at - began)))

    async def _round(self, group: asyncio.TaskGroup, reads: Reads[ReadId]) -> None:
        await self._follow_sources(group)
        if not self._followed:
            return  # every source would be told as missing
        watched = self._objectives.watched()
        changed = await self._sampler.sample(watched, self._clock.now(), reads, self._objectives.apart())
        try:
            # Before anybody acts on what was read: is it one of many?
            self._follow_breaker(changed)
        finally:
            # It is told as changed once, so whatever became of that: these services are to have their turns.
            for key in changed:
                self._turns.touch(key)

    def _follow_breaker(self, changed: set[ServiceKey]) -> None:
        self._unfollowed |= changed
        self._breaker.follow(frozenset(self._unfollowed), self._clock.now())
        self._unfollowed = set()

    async def _follow_sources(self, group: asyncio.TaskGroup) -> None:
        """Have the sources asked as they are declared; their Secrets are read from an API server that may be slow."""
        if self._following is None:
            self._following = group.create_task(self._follow(), name="follow sources")
            await asyncio.wait([self._following], timeout=_PATIENCE_SECONDS)
        if self._following.done():
            self._following = None

    async def _follow(self) -> None:
        try:
            await self._endpoints.follow(self._clock.monotonic())
            self._followed = True
        except Exception:
            log.exception("sources_not_followed")
            self._telemetry.turn_failed()
