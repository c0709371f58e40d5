"""May this replica take turns now? It leads, and has looked at everything afresh since it began to.

A standby's watches may be behind what the last leader wrote: whoever acted on them would open a second incident beside
the one that is open, or write over a record that is not known here yet.
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


class Leading:
    """The Lease, and whether the catalog is as new as it."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._looked_in: int | None = None

    def may_act(self) -> bool:
        """Whether turns may be taken; a lease that was lost and won again asks for another look."""
        return self._lease.is_leader() and self._looked_in == self._lease.epoch

    async def run(
        self,
        *,
        client: KubeClient,
        catalog: Catalog,
        kinds: tuple[Kind, ...],
        revisions: Revisions,
        turns: Turns,
        telemetry: Telemetry,
    ) -> None:
        """On becoming the leader: look at everything afresh, and go on with what another may have left half done."""
        led = False
        while True:
            leads, epoch = self._lease.is_leader(), self._lease.epoch
            telemetry.leads(leads)
            if leads and self._looked_in != epoch:
                log.info("leading", epoch=epoch)
                revisions.forget_all()
                try:
                    await relist(client, catalog, kinds)
                except ClusterError as error:
                    log.warning("relist_failed", error=str(error))
                    await asyncio.sleep(1.0)
                    continue
                self._looked_in = epoch
                for key in {
                    *catalog.services(),
                    *catalog.services_with_open_incidents(),
                    *catalog.services_with_raises(),
                    *catalog.services_with_drills(),
                }:
                    turns.touch(key)
            elif led and not leads:
                log.warning("not_leading_any_more", epoch=epoch)
                self._looked_in = None
            led = leads
            try:
                async with asyncio.timeout(1.0):
                    await self._lease.changed.wait()
                    self._lease.changed.clear()
            except TimeoutError:
                continue
