"""Would a bad revision be kept from coming back, and is one that is quarantined?

A quarantine fails open: without its policies nothing is denied, and nobody is stopped. So the leader looks once a minute
whether they are there, and asks the API server by dry-run whether each quarantine denies; what it finds is a condition
of the services and the metric that an alert stands on. It changes no decision: a rollback looks for itself.
"""

import asyncio

import structlog

from firebreak.adapters.kube.client import ClusterDenied, KubeClient
from firebreak.adapters.kube.lease import Lease
from firebreak.adapters.kube.policies import missing_policies
from firebreak.adapters.kube.quarantines import Quarantines
from firebreak.api.v1alpha1 import Quarantine
from firebreak.app.catalog import Catalog, target_key
from firebreak.app.queue import Turns
from firebreak.app.settings import Settings
from firebreak.app.telemetry import Telemetry
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import ClusterError
from firebreak.core.quarantine import Guard

EVERY_SECONDS = 60.0
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")

log = structlog.get_logger()


class QuarantineGuard:
    """Knows what was seen last."""

    def __init__(
        self, *, client: KubeClient, quarantines: Quarantines, catalog: Catalog, turns: Turns, settings: Settings
    ) -> None:
        self._client = client
        self._quarantines = quarantines
        self._catalog = catalog
        self._turns = turns
        self._names = _policies_of(settings)
        self._installed: Guard | None = None
        self._lapsed: dict[ServiceKey, str] = {}
        """By service: the quarantines that are declared and do not deny."""

    def of(self, service: ServiceKey) -> Guard | None:
        """What is known for a service; None before the first look."""
        lapsed = self._lapsed.get(service)
        return Guard(is_in_force=False, because=lapsed) if lapsed else self._installed

    @property
    def gaps(self) -> int:
        """How many things are missing or do not deny."""
        missing = self._installed is not None and self._installed.is_in_force is False
        return (self._installed.because.count("; ") + 1 if missing and self._installed else 0) + len(self._lapsed)

    async def look(self) -> None:
        """Look once. A change is a turn of the services that it concerns."""
        before = {key: self.of(key) for key in self._catalog.services()}
        try:
            self._installed = await self._policies()
            self._lapsed = await self._not_denying()
        except ClusterError as error:
            # What cannot be asked for a moment is no gap; what was known stays known.
            log.warning("quarantine_guard_failed", error=str(error))
            return
        for key, guard in before.items():
            if guard != self.of(key):
                self._turns.touch(key)

    async def _policies(self) -> Guard:
        try:
            missing = await missing_policies(self._client, self._names)
        except ClusterDenied as error:
            return Guard(is_in_force=None, because=f"the admission policies cannot be read: {error}")
        if missing:
            return Guard(is_in_force=False, because="; ".join(missing))
        return Guard(is_in_force=True, because="the policies that deny a quarantined revision are there and bound")

    async def _not_denying(self) -> dict[ServiceKey, str]:
        found: dict[ServiceKey, str] = {}
        for quarantine in self._catalog.all(Quarantine):
            meta = quarantine.metadata
            for target in dict.fromkeys(d.target for d in quarantine.spec.denied):
                key = target_key(meta.namespace, target)
                try:
                    denies = await self._quarantines.in_force(key, meta.name)
                except ClusterDenied as error:
                    log.debug("quarantine_not_probed", quarantine=meta.name, error=str(error))
                    continue
                if not denies:
                    found[ServiceKey(meta.namespace, quarantine.spec.service)] = (
                        f"Quarantine {meta.name} of revision {quarantine.spec.revision} is not in force: the API server "
                        f"would let {target.kind} {target.name} go back to it"
                    )
        return found


async def guard_forever(guard: QuarantineGuard, telemetry: Telemetry, lease: Lease) -> None:
    """Look as long as this replica leads; the other one says nothing of it."""
    while True:
        if lease.is_leader():
            await guard.look()
        telemetry.quarantine_gaps(guard.gaps if lease.is_leader() else 0)
        await asyncio.sleep(EVERY_SECONDS if lease.is_leader() else 2.0)


def _policies_of(settings: Settings) -> tuple[str, ...]:
    """The chart names its policies after itself, as it does the ServiceAccount."""
    name = settings.service_account.rpartition(":")[2]
    kinds = {(k.api_version, k.kind) for k in settings.reach.kinds}
    workloads = any(("apps/v1", kind) in kinds for kind in _WORKLOADS)
    return (*((f"{name}-quarantine-workloads",) if workloads else ()), f"{name}-quarantine-configmaps")
