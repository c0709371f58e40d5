"""Is this process alive, ready, and what are its numbers? One small server for all three.

Kopf's own endpoint says 200 while its watches are dead, so liveness here is the evaluation loop's: alive as long as it
goes round. Standby replicas are ready too: they keep their view of the cluster warm and must be counted for a rollout.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from firebreak.app.clock import Clock

log = structlog.get_logger()

Why = Callable[[], str]
"""Why it is not so, in words; empty while it is."""


def ticking(ticked_at: Callable[[], float], clock: Clock, within_seconds: float) -> Why:
    """Alive while what sets `ticked_at` (monotonic seconds) has gone round within this time."""

    def why_not() -> str:
        silent = clock.monotonic() - ticked_at()
        return "" if silent <= within_seconds else f"the evaluation loop has not gone round for {silent:.0f} s"

    return why_not


@asynccontextmanager
async def serving(
    bind: str, port: int, *, registry: CollectorRegistry, not_alive: Why, not_ready: Why
) -> AsyncIterator[int]:
    """Serve /livez, /readyz and /metrics while the context is open; yields the port. Raises OSError."""

    async def metrics(_: web.Request) -> web.Response:
        # In the loop, not in a thread: a collector reads what turns write.
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    app = web.Application()
    app.router.add_get("/livez", _answer(not_alive))
    app.router.add_get("/readyz", _answer(not_ready))
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, bind, port, shutdown_timeout=1.0)
        await site.start()
        taken = int(runner.addresses[0][1])
        log.info("http_serving", bind=bind, port=taken)
        yield taken
    finally:
        await runner.cleanup()


def _answer(why_not: Why) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        reason = why_not()
        return web.Response(status=503 if reason else 200, text=(reason or "ok") + "\n")

    return answer
