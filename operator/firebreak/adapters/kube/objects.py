"""How are Firebreak's own objects created, recorded in, held and listed?

Every write of a status replaces the whole of it and rests on the resourceVersion that was read: two replicas that both
think they lead can never interleave their records. Creating twice under one name is creating once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from firebreak.adapters.kube.client import (
    WRITE_TIMEOUT,
    Answer,
    ClusterDenied,
    KubeClient,
    Listed,
    written_by,
)
from firebreak.adapters.kube.cluster import Fence
from firebreak.adapters.kube.kinds import FIREBREAK, Kind, kind_of, path_of
from firebreak.api.v1alpha1.model import ApiModel
from firebreak.core.field_paths import PatchOp
from firebreak.core.ports import ClusterError, KubeObject, Missing, ObjectKey, Refused

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """It stands as asked; `created` says whether by this request."""

    object: KubeObject
    created: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Someone has written since it was read: read again, decide again."""


Recorded: TypeAlias = Stored | Conflict | Missing | Refused


class FirebreakObjects:
    """Firebreak's own kinds at the API server."""

    def __init__(self, client: KubeClient, *, fence: Fence) -> None:
        self._client = client
        self._fence = fence

    async def list(self, kind: str, namespace: str = "") -> Listed:
        """All objects of one of Firebreak's kinds, as the API server holds them now. Raises ClusterDenied."""
        return await self._client.list(FIREBREAK[kind], namespace)

    async def get(self, kind: str, namespace: str, name: str) -> KubeObject | None:
        """One object as it is now."""
        return await self._client.get(path_of(FIREBREAK[kind].key(namespace, name)))

    async def create(
        self,
        kind: str,
        namespace: str,
        name: str,
        spec: ApiModel,
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Stored | Refused:
        """Create an object under a fixed name; one that stands there already is returned as it is."""
        key = FIREBREAK[kind].key(namespace, name)
        return await create(
            self._client,
            self._fence,
            FIREBREAK[kind],
            {
                "apiVersion": key.api_version,
                "kind": key.kind,
                "metadata": {
                    "name": name,
                    "labels": dict(labels or {}),
                    "annotations": dict(annotations or {}),
                }
                | ({"namespace": namespace} if namespace else {}),
                "spec": spec.dump(),
            },
        )

    async def write_status(self, key: ObjectKey, resource_version: str, status: ApiModel) -> Recorded:
        """Replace the status, if nobody has written the object since `resource_version` was read."""
        ops = (
            # A patch that carries a resourceVersion is refused with 409 when it is stale: unlike a failed `test`,
            # that cannot be taken for a status which the schema refuses.
            PatchOp(op="replace", path="/metadata/resourceVersion", value=resource_version),
            PatchOp(op="add", path="/status", value=status.dump()),
        )
        self._fence()
        return _recorded(await self._client.patch(path_of(key, "status"), ops))

    async def hold(self, key: ObjectKey, finalizer: str) -> Stored | Missing | Refused:
        """Add a finalizer; refused when the object is being deleted already."""
        return await self._change_finalizers(key, finalizer, present=True)

    async def let_go(self, key: ObjectKey, finalizer: str) -> Stored | Missing | Refused:
        """Remove a finalizer; an object that was being deleted is gone then."""
        return await self._change_finalizers(key, finalizer, present=False)

    async def delete(self, key: ObjectKey) -> None:
        """Delete an object; one that is gone is as asked. Raises ClusterDenied."""
        await delete(self._client, self._fence, key)

    async def _change_finalizers(self, key: ObjectKey, finalizer: str, *, present: bool) -> Stored | Missing | Refused:
        for _ in range(_ATTEMPTS):
            live = await self._client.get(path_of(key))
            if live is None:
                return Missing()
            held: list[str] = live["metadata"].get("finalizers") or []
            if (finalizer in held) == present:
                return Stored(object=live)
            wanted = [*held, finalizer] if present else [name for name in held if name != finalizer]
            self._fence()
            recorded = _recorded(
                await self._client.patch(
                    path_of(key),
                    (
                        PatchOp(
                            op="replace",
                            path="/metadata/resourceVersion",
                            value=live["metadata"]["resourceVersion"],
                        ),
                        PatchOp(op="add", path="/metadata/finalizers", value=wanted),
                    ),
                )
            )
            if not isinstance(recorded, Conflict):
                return recorded
        raise ClusterError(f"{key.kind} {key.namespace}/{key.name} was changed by others {_ATTEMPTS} times meanwhile")


async def create(
    client: KubeClient, fence: Fence, kind: Kind, object_: Mapping[str, Any], *, acting_as: str = ""
) -> Stored | Refused:
    """Create an object under its fixed name; one that stands there already is returned as it is."""
    metadata = object_["metadata"]
    key = kind.key(metadata.get("namespace", ""), metadata["name"])
    for _ in range(_ATTEMPTS):
        fence()
        answer = await client.request(
            "POST",
            kind.collection(key.namespace),
            query=written_by(),
            body=object_,
            acting_as=acting_as,
            deadline_seconds=WRITE_TIMEOUT,
        )
        if answer.ok:
            return Stored(object=answer.body, created=True)
        if answer.status != 409:
            return Refused(code=answer.status, message=answer.message)
        live = await client.get(path_of(key))
        if live is not None:
            return Stored(object=live)
    raise ClusterError(f"{key.kind} {key.namespace}/{key.name} comes and goes: someone else deletes it")


async def delete(client: KubeClient, fence: Fence, key: ObjectKey) -> None:
    """Delete an object; one that is gone is as asked. Raises ClusterDenied."""
    fence()
    answer = await client.request("DELETE", path_of(key), deadline_seconds=WRITE_TIMEOUT)
    if not answer.ok and answer.status != 404:
        raise ClusterDenied(f"DELETE {kind_of(key).plural} {key.namespace}/{key.name}: {answer.message}")


def _recorded(answer: Answer) -> Recorded:
    if answer.ok:
        return Stored(object=answer.body)
    match answer.status:
        case 404:
            return Missing()
        case 409:
            return Conflict()
        case code:
            return Refused(code=code, message=answer.message)
