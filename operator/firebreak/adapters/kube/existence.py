"""Does an object exist? Asked without reading what it holds, so that a Secret's content never comes here."""

from firebreak.adapters.kube.client import ClusterDenied, KubeClient
from firebreak.adapters.kube.kinds import path_of
from firebreak.core.ports import ObjectKey

_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


async def exists(client: KubeClient, key: ObjectKey) -> bool | None:
    """Whether it is there; None when Firebreak may not look. Raises ClusterUnavailable."""
    answer = await client.request("GET", path_of(key), accept=_METADATA_ONLY)
    if answer.status == 403:
        return None
    if answer.status != 404 and not answer.ok:
        raise ClusterDenied(f"GET {key.kind} {key.namespace}/{key.name}: {answer.status} {answer.message}")
    return answer.ok
