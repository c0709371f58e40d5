"""How is a field of someone else's object changed without overwriting anybody, and left without a trace?

Implements core.ports.Cluster. Every write is a guarded JSON patch (field_paths.patch_ops): server-side apply has no
`test`, owns whole atomic lists (all rules of an HTTPRoute for one weight), and deletes what its last owner gives up.

Replicas are written as `spec.replicas` like any other field, not through /scale: the guard, the record of what was
replaced and the way back are then the same as everywhere. Where an HPA owns the number it wins over both within its
period; that a workload has one is for whoever declares it to know (facts: patch the HPA's minReplicas instead).
"""

from collections.abc import Callable, Mapping
from typing import Any, assert_never

import structlog

from firebreak.adapters.kube.client import FIELD_MANAGER, Answer, ClusterDenied, KubeClient
from firebreak.adapters.kube.kinds import UnknownKind, path_of
from firebreak.core.field_paths import FieldPath, Found, PatchOp, PathError, find, patch_ops, same
from firebreak.core.ports import (
    Changed,
    ClusterError,
    Held,
    KubeObject,
    Landed,
    Missing,
    ObjectKey,
    Refused,
    Unmatched,
    WriteResult,
)

Fence = Callable[[], None]
"""Called right before each write is sent; raises lease.NotLeader unless this process leads for long enough."""

_ATTEMPTS = 5

log = structlog.get_logger()


class KubeCluster:
    """The cluster, as core.ports.Cluster asks for it."""

    def __init__(self, client: KubeClient, *, fence: Fence, acting_as: str = "") -> None:
        """`acting_as`: the user with whose rights is written; reading is with our own."""
        self._client = client
        self._fence = fence
        self._acting_as = acting_as

    async def read(self, key: ObjectKey) -> KubeObject | None:
        """The object as it is now; None when there is none or Firebreak does not know the kind."""
        try:
            path = path_of(key)
        except UnknownKind:
            return None
        return await self._client.get(path)

    async def set_field(
        self, key: ObjectKey, path: str, *, expected: tuple[Held, ...], desired: Held, dry_run: bool = False
    ) -> WriteResult:
        """Set one field where it holds one of `expected`; see core.ports.Cluster."""
        try:
            place, url = FieldPath.parse(path), path_of(key)
        except (PathError, UnknownKind) as error:
            return Unmatched(message=str(error))
        for _ in range(_ATTEMPTS):
            try:
                live = await self._client.get(url)
            except ClusterDenied as error:
                return Refused(code=403, message=str(error))
            if live is None:
                return Missing()
            found = find(live, place)
            if isinstance(found, Unmatched):
                return found
            if same(found.value, desired):
                return Landed(generation=_generation(live), changed=False)
            if not any(same(found.value, value) for value in expected):
                return Changed(actual=found.value)
            ops = patch_ops(live, place, desired)
            assert not isinstance(ops, Unmatched), "the place was found in the same object just now"
            self._fence()
            answer = await self._client.patch(url, ops, dry_run=dry_run, acting_as=self._acting_as)
            if answer.ok:
                return _landed(answer.body, place, desired)
            if answer.status == 404:
                return Missing()
            if not _changed_meanwhile(answer):
                return Refused(code=answer.status, message=answer.message)
            log.debug("write_guard_failed", kind=key.kind, namespace=key.namespace, name=key.name, path=path)
        raise ClusterError(
            f"{key.kind} {key.namespace}/{key.name} was changed by others {_ATTEMPTS} times between read and write"
        )

    async def disown(self, key: ObjectKey) -> None:
        """Remove Firebreak's entries from metadata.managedFields, so that nobody's later apply conflicts with it.

        In a request of its own: within the patch that restores a value, the reset would come first and the value be
        owned again. Entry by entry, since an empty list sent as a value clears nothing.
        """
        url = path_of(key)
        for _ in range(_ATTEMPTS):
            live = await self._client.get(url)
            ops = _disowning(live) if live is not None else ()
            if not ops:
                return
            self._fence()
            answer = await self._client.patch(url, ops, acting_as=self._acting_as)
            if answer.ok or answer.status == 404:
                return
            if not _changed_meanwhile(answer):
                raise ClusterDenied(f"{key.kind} {key.namespace}/{key.name}: {answer.message}")
        raise ClusterError(
            f"{key.kind} {key.namespace}/{key.name} was changed by others {_ATTEMPTS} times between read and write"
        )


def _landed(body: Mapping[str, Any], place: FieldPath, desired: Held) -> Landed | Changed | Unmatched:
    """What stands now, which is not what was sent when a mutating webhook had its way."""
    now = find(body, place)
    match now:
        case Found(value=value) if same(value, desired):
            return Landed(generation=_generation(body), changed=True)
        case Found(value=value):
            return Changed(actual=value)
        case Unmatched():
            return now
    assert_never(now)


def _changed_meanwhile(answer: Answer) -> bool:
    """A guard has failed: 409, or the 422 without causes by which API servers (seen: 1.36) answer a failed `test`.

    What validation or an admission policy refuses comes with causes.
    """
    return answer.status == 409 or (answer.status == 422 and not answer.causes)


def _disowning(live: KubeObject) -> tuple[PatchOp, ...]:
    metadata = live["metadata"]
    entries = metadata.get("managedFields") or ()
    ours = [i for i, entry in enumerate(entries) if entry.get("manager") == FIELD_MANAGER]
    if not ours:
        return ()
    ops = [PatchOp(op="test", path="/metadata/resourceVersion", value=metadata["resourceVersion"])]
    for i in reversed(ours):  # from the end, so that the indices before it stay true
        ops.append(PatchOp(op="test", path=f"/metadata/managedFields/{i}/manager", value=FIELD_MANAGER))
        ops.append(PatchOp(op="remove", path=f"/metadata/managedFields/{i}"))
    return tuple(ops)


def _generation(object_: KubeObject) -> int:
    # ConfigMaps have none.
    return int(object_["metadata"].get("generation") or 0)
