"""Which revision does each service serve, since when, and which one is proven? Kept in ControllerRevision snapshots.

Asked in each turn of app/loop.py. A snapshot is written when a revision is first seen, and marked once it is proven;
in steady state nothing is written. A long prompt lives here and never in a status.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from firebreak.adapters.kube.client import ClusterDenied
from firebreak.adapters.kube.kinds import CONFIG_MAP
from firebreak.adapters.kube.snapshots import ROLLBACKABLE, Snapshots
from firebreak.api.v1alpha1 import AIService
from firebreak.api.v1alpha1.aiservice import Revision, workload_target
from firebreak.app.catalog import Catalog, target_key
from firebreak.core.dependencies import followed
from firebreak.core.field_paths import FieldPath, PathError, find
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import ABSENT, KubeObject, ObjectKey, Unmatched
from firebreak.core.revision import (
    Followed,
    RevisionFacts,
    Snapshot,
    Values,
    confused,
    digest_of,
    known_good_of,
    name_of,
    named,
    surplus,
)

Read = Callable[[ObjectKey], Awaitable[KubeObject | None]]
_FOLLOWED_BYTES = 512 * 1024
"""Well below what etcd takes of one object; ConfigMaps beyond it are not kept."""

log = structlog.get_logger()


class Unreadable(Exception):
    """The revision's fields cannot be read as declared; the message says what to change."""


class Revisions:
    """The snapshots of every service, read once and then kept in step."""

    def __init__(self, snapshots: Snapshots, catalog: Catalog, read: Read | None = None) -> None:
        self._read_live = read
        self._snapshots = snapshots
        self._catalog = catalog
        self._held: dict[ServiceKey, tuple[Snapshot, ...]] | None = None
        self._uids: dict[ServiceKey, str] = {}

    async def history(self, service: ServiceKey) -> tuple[Snapshot, ...]:
        """The service's snapshots; all services' are read from the cluster the first time. Raises ClusterError."""
        if self._held is None:
            self._held = dict(await self._snapshots.list())
        return self._held.get(service, ())

    def _remember(self, service: ServiceKey, history: tuple[Snapshot, ...]) -> None:
        if self._held is not None:
            self._held[service] = history

    async def _history_of(self, key: ServiceKey, service: AIService) -> tuple[Snapshot, ...]:
        """The service's snapshots; read again for a service younger than they are, since it was made again meanwhile.

        They outlive an AIService that is deleted alone, and do not outlive its namespace: only the cluster knows.
        """
        history = await self.history(key)
        meta = service.metadata
        if self._uids.get(key) == meta.uid:
            return history
        if history and meta.creation_timestamp and meta.creation_timestamp > history[0].first_seen:
            history = await self._read_again(key)
        self._uids[key] = meta.uid
        return history

    async def _read_again(self, key: ServiceKey) -> tuple[Snapshot, ...]:
        listed = await self._snapshots.list(key.namespace)
        self._remember(key, listed.get(key, ()))
        return listed.get(key, ())

    async def facts(self, service: AIService, quarantined: frozenset[str], now: datetime) -> RevisionFacts:
        """What is known now; a revision seen for the first time is recorded. Raises ClusterError."""
        key = ServiceKey(service.metadata.namespace, service.metadata.name)
        declared = service.spec.revision
        if declared is None:
            return RevisionFacts(problem="spec.revision is not declared", quarantined=quarantined)
        history = named(declared, await self._history_of(key, service))
        known_good = known_good_of(history, declared.known_good, quarantined)
        try:
            values, changed_at, rollbackable = self._read(key, declared)
            name = name_of(declared, values)
            if mistaken := confused(name, values, history):
                raise Unreadable(mistaken)
            found = next((s for s in history if s.digest == digest_of(values)), None)
            if found is None:
                current = Snapshot(
                    digest=digest_of(values),
                    name=name,
                    values=values,
                    first_seen=min(changed_at or now, now) if history else now,
                    rollbackable=rollbackable,
                    follow=await self._follow(key, declared),
                )
                history = await self._keep(key, history, current, declared, known_good)
            else:
                current = await self._as_annotated(key, found, rollbackable)
        except (Unreadable, ValueError) as error:
            return RevisionFacts(history=history, known_good=known_good, quarantined=quarantined, problem=str(error))
        since = self._since(service, current, changed_at, now)
        return RevisionFacts(
            current=current,
            since=since,
            left_known_good=_left(service, current, known_good, since),
            history=history,
            known_good=known_good,
            quarantined=quarantined,
        )

    async def _keep(
        self,
        key: ServiceKey,
        history: tuple[Snapshot, ...],
        current: Snapshot,
        declared: Revision,
        known_good: Snapshot | None,
    ) -> tuple[Snapshot, ...]:
        """Record a revision that is seen for the first time, and forget the oldest ones."""
        refused = await self._snapshots.keep(key, current)
        if refused is not None:
            raise Unreadable(
                f"the snapshot of revision {current.name} was refused ({refused.code} {refused.message}): without it "
                f"nothing can be rolled back to; see what forbids ControllerRevisions in {key.namespace}"
            )
        history = (*history, current)
        keep = frozenset({current.digest, *([known_good.digest] if known_good else [])})
        for old in surplus(history, declared.history_limit, keep):
            await self._snapshots.delete(key, old.digest)
            history = tuple(s for s in history if s.digest != old.digest)
        self._remember(key, history)
        return history

    async def _as_annotated(self, key: ServiceKey, snapshot: Snapshot, rollbackable: bool) -> Snapshot:
        """The snapshot, with what its targets say of going back: a migration is often marked when it is under way."""
        if snapshot.rollbackable == rollbackable:
            return snapshot
        await self._snapshots.mark_rollbackable(key, snapshot.digest, rollbackable)
        marked = replace(snapshot, rollbackable=rollbackable)
        held = await self.history(key)
        self._remember(key, tuple(marked if s.digest == snapshot.digest else s for s in held))
        return marked

    async def _follow(self, key: ServiceKey, declared: Revision) -> tuple[Followed, ...]:
        """The ConfigMaps that the revision's workloads name now, since those with a hash in their name get pruned."""
        targets = {f.target for f in declared.fields if f.target.kind == "Deployment"}
        targets |= {workload_target(f.reload) for f in declared.fields if f.reload}
        live = [self._catalog.target(target_key(key.namespace, t)) for t in sorted(targets, key=str)]
        kept: list[Followed] = []
        size = 0
        for name in followed((w for w in live if w is not None), declared):
            if self._read_live is None:
                break
            try:
                raw = await self._read_live(CONFIG_MAP.key(key.namespace, name))
            except ClusterDenied as error:
                log.warning("configmap_not_followed", name=name, error=str(error))
                continue
            if raw is None:
                continue
            held = Followed(name=name, data=raw.get("data") or {}, binary_data=raw.get("binaryData") or {})
            size += sum(len(k) + len(v.encode()) for part in (held.data, held.binary_data) for k, v in part.items())
            if size > _FOLLOWED_BYTES:
                log.warning("configmap_not_followed", name=name, error="it is too large to be kept")
                break
            kept.append(held)
        return tuple(kept)

    def _since(self, service: AIService, current: Snapshot, changed_at: datetime | None, now: datetime) -> datetime:
        """Since when it serves: what the status remembers, else when its fields were last written, else now."""
        status = service.status.revision
        if status.current == current.name and status.current_since is not None:
            return status.current_since
        if not status.current:
            return current.first_seen
        return min(changed_at or now, now)

    def _read(self, key: ServiceKey, declared: Revision) -> tuple[Values, datetime | None, bool]:
        values: dict[str, str | int] = {}
        written: list[datetime] = []
        rollbackable = True
        for i, field in enumerate(declared.fields):
            place = f"spec.revision.fields[{i}]"
            raw = self._catalog.target(target_key(key.namespace, field.target))
            if raw is None:
                raise Unreadable(f"{place}: {field.target.kind} {field.target.name} does not exist in {key.namespace}")
            try:
                found = find(raw, FieldPath.parse(field.path))
            except PathError as error:
                raise Unreadable(f"{place}.path: {error}") from error
            if isinstance(found, Unmatched):
                raise Unreadable(f"{place}.path: {field.target.kind} {field.target.name}: {found.message}")
            if found.value is ABSENT or not isinstance(found.value, str | int):
                raise Unreadable(f"{place}.path: {field.target.kind} {field.target.name}: nothing stands there")
            values[field.name] = found.value
            written += _written_at(raw)
            rollbackable &= _annotations(raw).get(ROLLBACKABLE) != "false"
        return values, max(written, default=None), rollbackable

    async def mark_known_good(self, service: ServiceKey, snapshot: Snapshot, now: datetime | None) -> None:
        """Record that a revision is proven since now, or (None) that it no longer counts as proven."""
        if not await self._snapshots.mark_known_good(service, snapshot.digest, now):
            # Somebody deleted the snapshot: it is recorded anew, and has to be proven anew.
            await self._read_again(service)
            return
        marked = replace(snapshot, known_good_since=now)
        held = await self.history(service)
        self._remember(service, tuple(marked if s.digest == snapshot.digest else s for s in held))

    def forget_all(self) -> None:
        """Read everything again: this process has just begun to lead, and another may have written meanwhile."""
        self._held = None
        self._uids.clear()


def _left(service: AIService, current: Snapshot, known_good: Snapshot | None, since: datetime) -> datetime | None:
    """When the known-good revision stopped serving: the status remembers it over what has come and gone since."""
    if known_good is None or current.digest == known_good.digest:
        return None
    status = service.status.revision
    if status.known_good == known_good.name and status.left_known_good_at is not None:
        return min(status.left_known_good_at, since)
    return since


def _annotations(raw: KubeObject) -> Mapping[str, str]:
    return raw["metadata"].get("annotations") or {}


def _written_at(raw: KubeObject) -> list[datetime]:
    """When the object (not its status) was written, as far as managedFields tell."""
    entries: list[Mapping[str, Any]] = raw["metadata"].get("managedFields") or []
    return [datetime.fromisoformat(e["time"]) for e in entries if e.get("time") and not e.get("subresource")]
