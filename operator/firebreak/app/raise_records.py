"""How is a SamplingRaise made, written and ended, so that what is raised is never forgotten?

Asked by app/raising.py alone. The catalog sees what was written at once; whoever finds the record changed by someone else
looks again.
"""

from firebreak.adapters.kube.objects import Conflict, FirebreakObjects, Stored
from firebreak.api.v1alpha1 import SamplingRaise
from firebreak.api.v1alpha1.incident import FINALIZER
from firebreak.api.v1alpha1.model import API_VERSION
from firebreak.api.v1alpha1.sampling import SamplingRaiseSpec, SamplingRaiseStatus
from firebreak.app.catalog import Catalog
from firebreak.app.queue import Stale
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import ClusterError, ObjectKey, Refused
from firebreak.core.sampling_record import is_raised


class RecordRefused(ClusterError):
    """The API server says no to a record (403, 422): asking again at once changes nothing."""


class RaiseRecords:
    """The records of all services."""

    def __init__(self, catalog: Catalog, objects: FirebreakObjects) -> None:
        self._catalog = catalog
        self._objects = objects

    def of(self, key: ServiceKey) -> SamplingRaise | None:
        """The service's record, as far as it is known."""
        found = self._catalog.get(SamplingRaise, key.namespace, key.name)
        return found if isinstance(found, SamplingRaise) else None

    def raised(self) -> set[ServiceKey]:
        """The services that have, or may have, a place as Firebreak wrote it."""
        return {
            ServiceKey(r.metadata.namespace, r.metadata.name)
            for r in self._catalog.all(SamplingRaise)
            if is_raised(r.status)
        }

    async def begin(self, key: ServiceKey) -> SamplingRaise:
        """From the first intent on the record must not be lost. Raises RecordRefused, Stale."""
        made = await self._objects.create("SamplingRaise", key.namespace, key.name, SamplingRaiseSpec(service=key.name))
        if isinstance(made, Refused):
            raise RecordRefused(f"the SamplingRaise cannot be created: {made.code} {made.message}")
        held = await self._objects.hold(_key(key), FINALIZER)
        if isinstance(held, Refused):
            raise RecordRefused(f"the SamplingRaise cannot be held: {held.code} {held.message}")
        if not isinstance(held, Stored):
            raise Stale
        self._catalog.see(held.object)
        record = SamplingRaise.model_validate(held.object)
        if is_raised(record.status):
            raise Stale  # what was known of it was old: to begin anew would lose what stood there before
        return record

    async def store(self, key: ServiceKey, record: SamplingRaise, status: SamplingRaiseStatus) -> SamplingRaise:
        """Write its status, if nobody else has meanwhile. Raises RecordRefused, Stale."""
        stored = await self._objects.write_status(_key(key), record.metadata.resource_version, status)
        if isinstance(stored, Stored):
            self._catalog.see(stored.object)
            return SamplingRaise.model_validate(stored.object)
        if isinstance(stored, Conflict):
            fresh = await self._objects.get("SamplingRaise", key.namespace, key.name)
            if fresh is not None:
                self._catalog.see(fresh)
        elif isinstance(stored, Refused):
            # It stands there still, with what is raised: forgotten, nobody would give that back.
            raise RecordRefused(f"the SamplingRaise cannot be written: {stored.code} {stored.message}")
        else:
            self._catalog.forget(_key(key))
        raise Stale

    async def let_go(self, key: ServiceKey, record: SamplingRaise) -> None:
        """Nothing is owed any more: it may be deleted."""
        freed = await self._objects.let_go(_key(key), FINALIZER)
        if record.metadata.deletion_timestamp is not None:
            self._catalog.forget(_key(key))
        elif isinstance(freed, Stored):
            self._catalog.see(freed.object)

    async def drop(self, key: ServiceKey) -> None:
        """Delete a record that nobody needs any more."""
        await self._objects.let_go(_key(key), FINALIZER)
        await self._objects.delete(_key(key))
        self._catalog.forget(_key(key))


def _key(key: ServiceKey) -> ObjectKey:
    return ObjectKey(API_VERSION, SamplingRaise.__name__, key.namespace, key.name)
