"""What do the metrics say, step after step?

One task for all services: it keeps the compiled objectives in step with the catalog, reads every step that is due in one
batch, and gives a turn to each service that was evaluated.
"""

import asyncio

import structlog

from firebreak.app.breaker import CircuitBreaker
from firebreak.app.catalog import Catalog
from firebreak.app.clock import Clock
from firebreak.app.endpoints import Endpoints
from firebreak.app.objectives import Objectives
from firebreak.app.queue import Turns
from firebreak.app.sampler import Sampler
from firebreak.app.telemetry import Telemetry

log = structlog.get_logger()

_TICK_SECONDS = 0.5
_ALIVE_SECONDS = 120.0


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

    def is_alive(self) -> bool:
        """Whether the loop went round lately; a slow source has ten seconds, and several may be slow."""
        return self._clock.monotonic() - self.ticked_at < _ALIVE_SECONDS

    async def run(self) -> None:
        """Go round for ever. A failure is told and the next round is tried: what is known stays."""
        while True:
            began = self._clock.monotonic()
            if self._catalog.listed:
                try:
                    await self._endpoints.follow(self._clock.monotonic())
                    watched = self._objectives.watched()
                    changed = await self._sampler.sample(watched, self._clock.now())
                    # Before anybody acts on what was read: is it one of many?
                    self._breaker.follow(changed, self._clock.now())
                    for key in changed:
                        self._turns.touch(key)
                except Exception:
                    log.exception("evaluation_failed")
                    self._telemetry.turn_failed()
            self.ticked_at = self._clock.monotonic()
            self._telemetry.evaluated(self.ticked_at - began)
            await asyncio.sleep(max(0.05, _TICK_SECONDS - (self.ticked_at - began)))
