"""Is what we know still true? Our own lists say so, at start and every minute and a half.

Kopf's watches tell early, but a relist of theirs yields only what exists: deletions during a gap are lost for ever, and
a dead stream goes unnoticed. An own list of ten thousand objects costs a fifth of a second.
"""

import asyncio

import structlog

from firebreak.adapters.kube.client import KubeClient
from firebreak.app.catalog import Catalog
from firebreak.app.clock import Clock
from firebreak.app.handlers import watched_kinds
from firebreak.app.telemetry import Telemetry
from firebreak.core.ports import ClusterError

log = structlog.get_logger()


async def relist(client: KubeClient, catalog: Catalog) -> int:
    """List every kind once; returns how much of it was news. Raises ClusterError."""
    news = 0
    for kind in watched_kinds():
        listed = await client.list(kind)
        news += catalog.replace_all(kind.kind, kind.api_version, listed.items, listed.resource_version)
    catalog.listed = True
    return news


async def relist_forever(
    client: KubeClient, catalog: Catalog, telemetry: Telemetry, clock: Clock, every_seconds: float
) -> None:
    """Keep the catalog true; without the API server keep what is known, and ask again soon."""
    while True:
        try:
            news = await relist(client, catalog)
            wait = every_seconds
            telemetry.relisted(news, clock.now())
            log.debug("relisted", news=news)
        except ClusterError as error:
            wait = min(5.0, every_seconds)
            log.warning("relist_failed", error=str(error))
        await asyncio.sleep(wait)
