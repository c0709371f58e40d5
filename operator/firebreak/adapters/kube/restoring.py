"""How is a ConfigMap that was pruned made again from a snapshot?

It carries no labels, so that no GitOps tool takes it for its own and prunes it once more.
"""

from firebreak.adapters.kube.client import KubeClient
from firebreak.adapters.kube.cluster import Fence
from firebreak.adapters.kube.kinds import CONFIG_MAP
from firebreak.adapters.kube.objects import create
from firebreak.core.ports import Refused
from firebreak.core.revision import Followed

RESTORED_FOR = "firebreak.dev/restored-for"


class Restoring:
    """Makes ConfigMaps again."""

    def __init__(self, client: KubeClient, *, fence: Fence) -> None:
        self._client = client
        self._fence = fence

    async def restore(self, namespace: str, kept: Followed, incident: str, acting_as: str = "") -> Refused | None:
        """Create it as it was kept; one that is there again stays as it is."""
        object_ = {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": {"name": kept.name, "namespace": namespace, "annotations": {RESTORED_FOR: incident}},
            "data": dict(kept.data),
            "binaryData": dict(kept.binary_data),
        }
        made = await create(self._client, self._fence, CONFIG_MAP, object_, acting_as=acting_as)
        return made if isinstance(made, Refused) else None
