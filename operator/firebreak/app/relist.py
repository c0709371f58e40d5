"""Is what we know still true? Our own lists say so, at start and every minute and a half.

Kopf's watches tell early, but a relist of theirs yields only what exists: deletions during a gap are lost for ever, and
a dead stream goes unnoticed. An own list of ten thousand objects costs a fifth of a second.
"""

import asyncio

import structlog

from firebreak.adapters.kube.client import ClusterDenied, KubeClient
from firebreak.adapters.kube.kinds import FIREBREAK, Kind
from firebreak.app.catalog import Catalog
from firebreak.app.clock import Clock
from firebreak.app.telemetry import Telemetry
from firebreak.core.ports import ClusterError

log = structlog.get_logger()


async def relist(client: KubeClient, catalog: Catalog, kinds: tuple[Kind, ...]) -> int:
    """List every kind once; returns how much of it was news. Raises ClusterError.

    A kind of target that is not installed (a cluster without the Gateway API) has no objects.
    """
    news = 0
    for kind in kinds:
        try:
            listed = await client.list(kind)
        except ClusterDenied as error:
            if kind in FIREBREAK.values():
                raise
            log.warning("kind_not_listed", kind=kind.kind, error=str(error))
            continue
        news += catalog.replace_all(kind.kind, kind.api_version, listed.items, listed.resource_version)
    catalog.listed = True
    return news


async def relist_forever(
    client: KubeClient,
    catalog: Catalog,
    kinds: tuple[Kind, ...],
    telemetry: Telemetry,
    clock: Clock,
    every_seconds: float,
) -> None:
    """Keep the catalog true; without the API server keep what is known, and ask again soon."""
    while True:
        try:
            news = await relist(client, catalog, kinds)
            wait = every_seconds
            telemetry.relisted(news, clock.now())
            log.debug("relisted", news=news)
        except ClusterError as error:
            wait = min(5.0, every_seconds)
            log.warning("relist_failed", error=str(error))
        await asyncio.sleep(wait)
