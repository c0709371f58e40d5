"""Is this process alive, ready, and what are its numbers? One small server for all three.

Kopf's own endpoint says 200 while its watches are dead, so liveness here is the evaluation loop's: alive as long as it
goes round. Standby replicas are ready too: they keep their view of the cluster warm and must be counted for a rollout.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from firebreak.app.settings import Settings
from firebreak.app.telemetry import Telemetry

log = structlog.get_logger()


class Http:
    """The endpoints of the operator: /livez, /readyz and /metrics."""

    def __init__(
        self,
        settings: Settings,
        telemetry: Telemetry,
        *,
        is_alive: Callable[[], bool],
        is_ready: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._registry = telemetry.registry
        self._is_alive = is_alive
        self._is_ready = is_ready

    async def serve(self) -> None:
        """Serve until cancelled. Raises OSError when the port is taken."""
        async with self.serving():
            await asyncio.Event().wait()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve while the context is open; yields the port. Raises OSError when it is taken."""
        app = web.Application()
        app.router.add_get("/livez", _probe(self._is_alive, "the evaluation loop does not go round"))
        app.router.add_get("/readyz", _probe(self._is_ready, "the cluster has not been listed yet"))
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._settings.bind, self._settings.port).start()
            port = int(runner.addresses[0][1])
            log.info("http_serving", bind=self._settings.bind, port=port)
            yield port
        finally:
            await runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        # In the loop, not in a thread: a collector reads what turns write.
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def _probe(is_so: Callable[[], bool], otherwise: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if is_so() else web.Response(status=503, text=f"{otherwise}\n")

    return answer
