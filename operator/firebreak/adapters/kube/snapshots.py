"""Where are a service's revisions kept?

As apps/v1 ControllerRevision objects, found by label: a large prompt never lives in a status, and an AIService that was
deleted and made again finds its history.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from firebreak.adapters.kube.client import MERGE_PATCH, WRITE_TIMEOUT, ClusterDenied, KubeClient, written_by
from firebreak.adapters.kube.cluster import Fence
from firebreak.adapters.kube.kinds import CONTROLLER_REVISION, path_of
from firebreak.adapters.kube.objects import create, delete
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import KubeObject, ObjectKey, Refused
from firebreak.core.revision import Followed, Snapshot

SERVICE_LABEL = "firebreak.dev/service"
NAME = "firebreak.dev/revision"
FIRST_SEEN = "firebreak.dev/first-seen"
KNOWN_GOOD_SINCE = "firebreak.dev/known-good-since"
ROLLBACKABLE = "firebreak.dev/rollbackable"

log = structlog.get_logger()


class Snapshots:
    """The ControllerRevisions that hold revisions."""

    def __init__(self, client: KubeClient, *, fence: Fence) -> None:
        self._client = client
        self._fence = fence

    async def list(self, namespace: str = "") -> Mapping[ServiceKey, tuple[Snapshot, ...]]:
        """Every service's revisions, oldest first; what cannot be read is left out, and said in the log."""
        found: dict[ServiceKey, list[Snapshot]] = defaultdict(list)
        listed = await self._client.list(CONTROLLER_REVISION, namespace, labels=SERVICE_LABEL)
        for item in listed.items:
            metadata = item["metadata"]
            try:
                snapshot = _read(item)
            except (KeyError, TypeError, ValueError) as error:
                log.warning(
                    "snapshot_unreadable", namespace=metadata["namespace"], name=metadata["name"], error=str(error)
                )
                continue
            found[ServiceKey(metadata["namespace"], metadata["labels"][SERVICE_LABEL])].append(snapshot)
        return {key: tuple(sorted(held, key=lambda s: (s.first_seen, s.digest))) for key, held in found.items()}

    async def keep(self, service: ServiceKey, snapshot: Snapshot) -> Refused | None:
        """Record a revision; one that is recorded already stays as it is."""
        annotations = {
            NAME: snapshot.name,
            FIRST_SEEN: _text(snapshot.first_seen),
            ROLLBACKABLE: "true" if snapshot.rollbackable else "false",
        }
        if snapshot.known_good_since:
            annotations[KNOWN_GOOD_SINCE] = _text(snapshot.known_good_since)
        made = await create(
            self._client,
            self._fence,
            CONTROLLER_REVISION,
            {
                "apiVersion": CONTROLLER_REVISION.api_version,
                "kind": CONTROLLER_REVISION.kind,
                "metadata": {
                    "name": _key(service, snapshot.digest).name,
                    "namespace": service.namespace,
                    "labels": {SERVICE_LABEL: service.name},
                    "annotations": annotations,
                },
                # Required, and what `kubectl get controllerrevisions` sorts by.
                "revision": int(snapshot.first_seen.timestamp()),
                "data": {"fields": dict(snapshot.values)}
                | ({"follow": {f.name: _followed(f) for f in snapshot.follow}} if snapshot.follow else {}),
            },
        )
        return made if isinstance(made, Refused) else None

    async def mark_known_good(self, service: ServiceKey, digest: str, since: datetime | None) -> bool:
        """Say since when a revision is proven, or with None that it no longer is; False when it is not recorded."""
        return await self._annotate(service, digest, {KNOWN_GOOD_SINCE: None if since is None else _text(since)})

    async def mark_rollbackable(self, service: ServiceKey, digest: str, rollbackable: bool) -> bool:
        """Say whether one may go back to a revision; False when it is not recorded."""
        return await self._annotate(service, digest, {ROLLBACKABLE: "true" if rollbackable else "false"})

    async def delete(self, service: ServiceKey, digest: str) -> None:
        """Forget a revision."""
        await delete(self._client, self._fence, _key(service, digest))

    async def _annotate(self, service: ServiceKey, digest: str, annotations: Mapping[str, str | None]) -> bool:
        key = _key(service, digest)
        self._fence()
        answer = await self._client.request(
            "PATCH",
            path_of(key),
            query=written_by(),
            body={"metadata": {"annotations": dict(annotations)}},
            content_type=MERGE_PATCH,
            deadline_seconds=WRITE_TIMEOUT,
        )
        if answer.status == 404:
            return False
        if not answer.ok:
            raise ClusterDenied(f"ControllerRevision {key.namespace}/{key.name}: {answer.message}")
        return True


def _key(service: ServiceKey, digest: str) -> ObjectKey:
    return CONTROLLER_REVISION.key(service.namespace, f"{service.name}-{digest}")


def _read(item: KubeObject) -> Snapshot:
    metadata: Mapping[str, Any] = item["metadata"]
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    prefix = f"{metadata['labels'][SERVICE_LABEL]}-"
    if not metadata["name"].startswith(prefix):
        raise ValueError(f"its name does not begin with {prefix}")
    since = annotations.get(KNOWN_GOOD_SINCE)
    first_seen = annotations.get(FIRST_SEEN, metadata["creationTimestamp"])
    return Snapshot(
        digest=metadata["name"].removeprefix(prefix),
        name=annotations[NAME],
        values={name: _single(value) for name, value in item["data"]["fields"].items()},
        first_seen=datetime.fromisoformat(first_seen),
        known_good_since=datetime.fromisoformat(since) if since else None,
        rollbackable=annotations.get(ROLLBACKABLE) != "false",
        follow=tuple(
            Followed(name=name, data=held.get("data") or {}, binary_data=held.get("binaryData") or {})
            for name, held in (item["data"].get("follow") or {}).items()
        ),
    )


def _followed(kept: Followed) -> Mapping[str, Any]:
    return {"data": dict(kept.data), "binaryData": dict(kept.binary_data)}


def _single(value: object) -> str | int:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TypeError(f"a field holds a {type(value).__name__}")
    return value


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
