"""How does a part run as a container: where it listens, how it says that it is well, how it ends?

It listens on the pod's own IP (POD_IP). At SIGTERM it says that it is not ready, goes on answering until the gateway
has noticed, and only then stops: a rollout loses no request.
"""

import asyncio
import os
import signal
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

PUBLIC_PORT = 8080
METRICS_PORT = 9090
JUDGE_METRICS_PORT = 9091
DRAIN_SECONDS = 3.0

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ],
    logger_factory=structlog.PrintLoggerFactory(),
)
log = structlog.get_logger()


@dataclass(slots=True)
class Health:
    """Whether this process should get requests."""

    ready: bool = False
    draining: bool = False


def pod_ip() -> str:
    """The address to listen on; loopback outside a cluster."""
    return os.environ.get("POD_IP", "127.0.0.1")


def internal_app(registry: CollectorRegistry, health: Health) -> web.Application:
    """The side of a part that only the cluster sees: metrics and probes."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), content_type="text/plain", charset="utf-8")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    add_probes(app, health)
    return app


def add_probes(app: web.Application, health: Health) -> None:
    """`/healthz` for readiness, `/livez` for liveness."""

    async def healthz(_: web.Request) -> web.Response:
        is_ready = health.ready and not health.draining
        return web.Response(status=200 if is_ready else 503, text="ok" if is_ready else "not ready")

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/livez", livez)


def run(sites: Mapping[int, web.Application], work: list[Coroutine[Any, Any, None]], health: Health) -> None:
    """Serve these applications by port, with this work beside them, until SIGTERM."""
    asyncio.run(_serve(sites, work, health))


async def _serve(sites: Mapping[int, web.Application], work: list[Coroutine[Any, Any, None]], health: Health) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runners = [web.AppRunner(app, access_log=None) for app in sites.values()]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in work]
        for port, runner in zip(sites, runners, strict=True):
            await runner.setup()
            await web.TCPSite(runner, pod_ip(), port, reuse_address=True).start()
        log.info("serving", host=pod_ip(), ports=list(sites))
        await stop.wait()
        health.draining = True
        log.info("draining", seconds=DRAIN_SECONDS)
        await asyncio.sleep(DRAIN_SECONDS)
        for runner in runners:
            await runner.cleanup()
        for task in tasks:
            task.cancel()
