"""`firebreak responder`: the process that serves static fallbacks; it reads AIServices and writes nothing."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack

import structlog
from aiohttp import web

from firebreak.adapters.kube.client import KubeClient
from firebreak.app.logs import configure
from firebreak.responder.answers import Answers
from firebreak.responder.follow import follow
from firebreak.responder.server import Responder

log = structlog.get_logger()

USERS_PORT = 8080
MACHINES_PORT = 8081
DRAIN_SECONDS = 3.0
"""How long requests are still taken after the order to stop: gateways learn of it a little later."""


async def serve(
    client: KubeClient, stop: asyncio.Event, *, host: str, users_port: int, machines_port: int, drain_seconds: float
) -> None:
    """Answer until told to stop, then drain."""
    answers = Answers()
    responder = Responder(answers)
    async with AsyncExitStack() as stack:
        for app, port in ((responder.users, users_port), (responder.machines, machines_port)):
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=10.0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, host, port).start()
        log.info("responder_started", host=host, users_port=users_port, machines_port=machines_port)
        async with asyncio.TaskGroup() as group:
            following = group.create_task(follow(client, answers), name="follow AIServices")
            await stop.wait()
            responder.stopping = True
            await asyncio.sleep(drain_seconds)
            following.cancel()
    log.info("responder_stopped")


async def _run() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = await KubeClient.connect()
    try:
        await serve(
            client,
            stop,
            host=os.environ.get("POD_IP") or "0.0.0.0",
            users_port=USERS_PORT,
            machines_port=MACHINES_PORT,
            drain_seconds=DRAIN_SECONDS,
        )
    finally:
        await client.close()


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    configure(os.environ.get("FIREBREAK_LOG_LEVEL") or "info")
    asyncio.run(_run())
