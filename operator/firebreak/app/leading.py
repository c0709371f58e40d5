"""What does becoming the leader call for? Everything is looked at afresh, since another may have left it half done.

Run by app/main.py beside the election; the loop itself asks only whether this replica leads now.
"""

import asyncio

import structlog

from firebreak.adapters.kube.client import KubeClient
from firebreak.adapters.kube.kinds import Kind
from firebreak.adapters.kube.lease import Lease
from firebreak.app.catalog import Catalog
from firebreak.app.queue import Turns
from firebreak.app.relist import relist
from firebreak.app.revisions import Revisions
from firebreak.app.telemetry import Telemetry
from firebreak.core.ports import ClusterError

log = structlog.get_logger()


async def lead_forever(
    client: KubeClient,
    catalog: Catalog,
    kinds: tuple[Kind, ...],
    revisions: Revisions,
    turns: Turns,
    lease: Lease,
    telemetry: Telemetry,
) -> None:
    """On becoming the leader: look at everything afresh, and go on with what another may have left half done."""
    led = False
    while True:
        leads = lease.is_leader()
        telemetry.leads(leads)
        if leads and not led:
            log.info("leading", epoch=lease.epoch)
            revisions.forget_all()
            try:
                await relist(client, catalog, kinds)
            except ClusterError as error:
                log.warning("relist_failed", error=str(error))
                await asyncio.sleep(1.0)
                continue
            for key in {*catalog.services(), *catalog.services_with_open_incidents()}:
                turns.touch(key)
        elif led and not leads:
            log.warning("not_leading_any_more", epoch=lease.epoch)
        led = leads
        try:
            async with asyncio.timeout(1.0):
                await lease.changed.wait()
                lease.changed.clear()
        except TimeoutError:
            continue
