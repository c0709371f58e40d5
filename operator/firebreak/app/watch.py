"""How is Kopf kept running? It fails fast, and a crash loop would help nobody, so it is started again in-process.

Kopf 1.45 raises on an HTTP 410, on an ERROR event and on 5xx that last; everything else goes on meanwhile, since the
catalog keeps what it knows and app/relist.py keeps it true.
"""

import asyncio
from collections.abc import Callable

import kopf
import structlog

from firebreak.adapters.kube.kinds import Kind
from firebreak.adapters.kube.login import Login
from firebreak.app.catalog import Catalog
from firebreak.app.clock import Clock
from firebreak.app.handlers import register

log = structlog.get_logger()

_STEADY_SECONDS = 300.0
_LONGEST_WAIT = 30.0


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # or another operator's peering object would pause us
    settings.scanning.disabled = True
    settings.posting.enabled = False
    # Kopf strips its finalizer from whatever it watches, and the default name is every Kopf operator's.
    settings.persistence.finalizer = "firebreak.dev/never-set"
    # Kopf sends SIGKILL to the process so long after a run that failed, whether it ended or not: meanwhile ours is the
    # next run. A stop of ours sets the stop-flag, at which Kopf does not do so anyway.
    settings.process.ultimate_exiting_timeout = None
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.queueing.idle_timeout = 0.5
    settings.networking.request_timeout = 30
    return settings


async def watch_forever(
    catalog: Catalog,
    kinds: tuple[Kind, ...],
    clock: Clock,
    stop: asyncio.Event,
    on_signal: Callable[[], None],
    restarted: Callable[[], None],
) -> None:
    """Run Kopf until `stop`; `on_signal` is installed again each time, since Kopf takes the signals for itself."""
    wait = 1.0
    while not stop.is_set():
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(Login(clock.now).credentials)
        register(registry, catalog, kinds)
        began = clock.monotonic()
        before = asyncio.all_tasks()
        try:
            tasks = await kopf.spawn_tasks(registry=registry, settings=_settings(), clusterwide=True, stop_flag=stop)
            on_signal()
            await kopf.run_tasks(tasks, ignored=before)
        except Exception:
            log.exception("watches_died")
        if stop.is_set():
            return
        restarted()
        wait = 1.0 if clock.monotonic() - began > _STEADY_SECONDS else min(wait * 2, _LONGEST_WAIT)
        log.warning("watches_restart", in_seconds=wait)
        try:
            async with asyncio.timeout(wait):
                await stop.wait()
        except TimeoutError:
            continue
