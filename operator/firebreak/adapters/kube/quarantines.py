"""Is a revision kept from coming back? Quarantine objects, and what the API server makes of them."""

from firebreak.adapters.kube.client import MERGE_PATCH, WRITE_TIMEOUT, Answer, ClusterDenied, KubeClient, written_by
from firebreak.adapters.kube.cluster import Fence
from firebreak.adapters.kube.kinds import FIREBREAK, path_of
from firebreak.adapters.kube.objects import FirebreakObjects, Stored
from firebreak.api.v1alpha1.quarantine import QuarantineSpec
from firebreak.core.ports import ObjectKey, Refused

PROBE = "firebreak.dev/quarantine-probe"


class Quarantines:
    """The Quarantine objects at the API server."""

    def __init__(self, client: KubeClient, *, fence: Fence) -> None:
        self._client = client
        self._fence = fence
        self._objects = FirebreakObjects(client, fence=fence)

    async def create(self, namespace: str, name: str, spec: QuarantineSpec) -> Stored | Refused:
        """Quarantine a revision; one that is quarantined under this name already stays as it is."""
        return await self._objects.create("Quarantine", namespace, name, spec)

    async def delete(self, namespace: str, name: str) -> None:
        """Lift a quarantine."""
        await self._objects.delete(FIREBREAK["Quarantine"].key(namespace, name))

    async def in_force(self, target: ObjectKey, name: str) -> bool:
        """Whether the API server denies what this Quarantine denies; policies take about a second to take effect.

        Asked by a dry-run write to the target that carries the Quarantine's name in an annotation, which the chart's
        policies answer as if it were the bad value. A control without it tells their denial from any other one
        (a missing permission, somebody's policy): raises ClusterDenied then, since nothing can be said.
        """
        probed = await self._probe(target, name)
        if probed.ok:
            return False
        control = await self._probe(target, None)
        if control.ok:
            return probed.status in (403, 422)
        raise ClusterDenied(f"{target.kind} {target.namespace}/{target.name}: {control.status} {control.message}")

    async def _probe(self, target: ObjectKey, name: str | None) -> Answer:
        self._fence()
        return await self._client.request(
            "PATCH",
            path_of(target),
            query=written_by(dry_run=True),
            body={"metadata": {"annotations": {PROBE: name}}},
            content_type=MERGE_PATCH,
            deadline_seconds=WRITE_TIMEOUT,
        )
