"""Who raises the judge's sampling rate, records it, and gives it back?

Called by app/loop.py at the end of each turn. What core/sampling_raise.py decides becomes the status of a SamplingRaise
before anything is written; the write itself is the actuator's, as every other. Killed between any two lines, the next
turn begins with what the record says and the cluster shows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from firebreak.adapters.kube.objects import FirebreakObjects
from firebreak.api.v1alpha1 import SamplingRaise
from firebreak.api.v1alpha1.aiservice import Mode, SamplingRate, SamplingState, SamplingTold
from firebreak.api.v1alpha1.incident import FINALIZER, ActionPhase
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.api.v1alpha1.sampling import RaisePhase, SamplingRaiseStatus
from firebreak.app.actuator import Actuator
from firebreak.app.catalog import Catalog, target_key
from firebreak.app.clock import Clock
from firebreak.app.observe import Seen
from firebreak.app.queue import Turns
from firebreak.app.raise_records import RaiseRecords, RecordRefused
from firebreak.app.report import Reporter
from firebreak.app.sampler import Sampler
from firebreak.app.sampling_facts import sampling_facts, step_of
from firebreak.core.field_paths import held_at
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import Cluster, ClusterError, Held, Missing, Unmatched
from firebreak.core.sampling_raise import Decided, Sampling, Unrecorded, decide_sampling
from firebreak.core.sampling_record import after_write, is_raised

log = structlog.get_logger()

_MOVES = 4
"""Intent, write, and back again at most."""
_TRY_AGAIN = timedelta(minutes=1)
_LATE = timedelta(minutes=1)
"""An API server gives up a request after so long (its --request-timeout)."""
_NOTHING = Decided(record=SamplingRaiseStatus(), told=SamplingTold())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    target: TargetRef
    path: str


class Raiser:
    """Looks after the sampling rates of all services; at most `most` are raised at once."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        cluster: Cluster,
        actuator: Actuator,
        objects: FirebreakObjects,
        sampler: Sampler,
        reporter: Reporter,
        turns: Turns,
        clock: Clock,
        most: int,
    ) -> None:
        self._catalog = catalog
        self._cluster = cluster
        self._actuator = actuator
        self._records = RaiseRecords(catalog, objects)
        self._sampler = sampler
        self._reporter = reporter
        self._turns = turns
        self._clock = clock
        self._most = most
        self._reserved: set[ServiceKey] = set()
        """Raises that are being recorded just now: two workers must not take the last one that is free."""
        self._unrecorded: dict[ServiceKey, Unrecorded] = {}
        self._unanswered: dict[ServiceKey, datetime] = {}
        """When a write was sent of which it is not known whether it was carried out, or will be."""

    async def look_after(self, seen: Seen) -> SamplingTold:
        """Raise, keep or give back what this service declares; what its status says of it. Raises ClusterError, Stale."""
        key = seen.situation.service
        judge = seen.service.spec.judge
        declared = judge.sampling_rate if judge else None
        try:
            told = await self._carry_out(key, declared, lambda place: self._facts(seen, declared, place))
        except RecordRefused as error:
            # What is raised already and is to be given back: tried again with the next step.
            log.warning("sampling_not_recorded", error=str(error))
            told = SamplingTold(
                state=SamplingState.RAISED, message=f"the judge's sampling rate is raised: {error}"[:1024]
            )
        if told.state is not SamplingState.NORMAL:
            # New evidence comes with each step, and only its weakness ends a raise.
            self._turns.wake(key, self._clock.now() + step_of(seen.service.spec))
        return told

    async def abandon(self, key: ServiceKey) -> None:
        """The service is gone: give back what was raised for it, and drop the record. Raises ClusterError, Stale."""
        self._unrecorded.pop(key, None)
        await self._carry_out(key, None, lambda place: self._orphaned(key, place))
        record = self._records.of(key)
        if record is not None and is_raised(record.status):
            # Nothing else calls for a turn of a service that is gone.
            self._turns.wake(key, self._clock.now() + _TRY_AGAIN)

    async def _carry_out(
        self, key: ServiceKey, declared: SamplingRate | None, facts: Callable[[Held | Unmatched | Missing], Sampling]
    ) -> SamplingTold:
        decided = _NOTHING
        for _ in range(_MOVES):
            record = self._records.of(key)
            if record is None and declared is None:
                return _NOTHING.told
            status = record.status if record else SamplingRaiseStatus()
            place = _place(status, declared)
            now = self._clock.now()
            decided = decide_sampling(facts(self._known(key, place)), now)
            if decided.record != status:
                # A cache may lag behind: what is intended rests on what stands there now.
                decided = decide_sampling(facts(await self._read(key, place)), now)
            if decided.record != status and not is_raised(decided.record) and self._may_land(key, now):
                return decided.told
            if decided.record != status:
                await self._intend(key, record, decided.record)
            elif decided.writes and record is not None:
                if not await self._write(key, record):
                    return decided.told
            else:
                if record is not None and not is_raised(status):
                    await self._tidy(key, record, declared)
                return decided.told
        self._turns.touch(key)
        return decided.told

    def _may_land(self, key: ServiceKey, now: datetime) -> bool:
        """Whether a write may still arrive that nobody has heard of: what it would leave must not be without a record.

        Not asked after a restart: until another process acts, more time has passed than a request takes.
        """
        sent = self._unanswered.get(key)
        if sent is None or now - sent >= _LATE:
            self._unanswered.pop(key, None)
            return False
        self._turns.wake(key, sent + _LATE)
        return True

    async def _tidy(self, key: ServiceKey, record: SamplingRaise, declared: SamplingRate | None) -> None:
        """Nothing is owed: what a crash between the last write and this has left must not hold up a deletion."""
        if declared is None:
            await self._records.drop(key)
        elif FINALIZER in record.metadata.finalizers:
            await self._records.let_go(key, record)

    async def _intend(self, key: ServiceKey, record: SamplingRaise | None, wanted: SamplingRaiseStatus) -> None:
        if not is_raised(wanted):
            # It never was written, or was taken back by someone else: there is nothing to write.
            assert record is not None, "what was raised has a record"
            await self._end(key, record, wanted)
            return
        if record is not None and is_raised(record.status):
            await self._records.store(key, record, wanted)
        elif not await self._begin(key, wanted):
            return
        log.info(
            "sampling_intended", namespace=key.namespace, service=key.name, phase=wanted.phase, reason=wanted.reason
        )

    async def _begin(self, key: ServiceKey, wanted: SamplingRaiseStatus) -> bool:
        """Record the intent of a raise; False where the API server does not let us: then nothing is raised for a while."""
        self._reserved.add(key)
        try:
            await self._records.store(key, await self._records.begin(key), wanted)
        except RecordRefused as error:
            self._unrecorded[key] = Unrecorded(at=self._clock.now(), because=str(error))
            log.warning("sampling_not_recorded", namespace=key.namespace, service=key.name, error=str(error))
            return False
        finally:
            self._reserved.discard(key)
        self._unrecorded.pop(key, None)
        return True

    async def _write(self, key: ServiceKey, record: SamplingRaise) -> bool:
        """Do what the record wants; False if nothing came of it."""
        status = record.status
        assert status.write is not None, "what is to be written stands in the record"
        try:
            result = await self._actuator.set(key.namespace, status.account, status.write)
        except ClusterError:
            self._unanswered[key] = self._clock.now()
            raise
        self._unanswered.pop(key, None)
        after = after_write(status, result, self._clock.now())
        if after == status:
            return False
        log.info(
            "sampling_written", namespace=key.namespace, service=key.name, phase=after.phase, message=after.message
        )
        if is_raised(after):
            record = await self._records.store(key, record, after)
            if after.phase is RaisePhase.RAISED:
                await self._reporter.sampled(key, record)
            return after.phase is RaisePhase.RAISED
        await self._end(key, record, after)
        return True

    async def _end(self, key: ServiceKey, record: SamplingRaise, after: SamplingRaiseStatus) -> None:
        """Nothing stays in Firebreak's name, then nothing holds the record."""
        write = record.status.write
        if write is not None and not self._used_by_incident(key, write.target):
            await self._actuator.let_go(key.namespace, record.status.account, write.target)
        record = await self._records.store(key, record, after)
        await self._reporter.sampled(key, record)
        await self._records.let_go(key, record)

    # --- what is known

    def _facts(self, seen: Seen, declared: SamplingRate | None, held: Held | Unmatched | Missing) -> Sampling:
        key = seen.situation.service
        record = self._records.of(key)
        deleted = record is not None and record.metadata.deletion_timestamp is not None
        return sampling_facts(
            seen.situation,
            self._sampler,
            declared=None if deleted else declared,
            record=record.status if record else SamplingRaiseStatus(),
            held=held,
            now=self._clock.now(),
            free=self._is_free(key),
            unrecorded=self._unrecorded.get(key),
        )

    def _orphaned(self, key: ServiceKey, held: Held | Unmatched | Missing) -> Sampling:
        record = self._records.of(key)
        return Sampling(
            declared=None, record=record.status if record else SamplingRaiseStatus(), held=held, mode=Mode.ENFORCE
        )

    def _is_free(self, key: ServiceKey) -> bool:
        return len((self._records.raised() | self._reserved) - {key}) < self._most

    def _known(self, key: ServiceKey, place: _Place | None) -> Held | Unmatched | Missing:
        if place is None:
            return Missing()
        return held_at(self._catalog.target(target_key(key.namespace, place.target)), place.path)

    async def _read(self, key: ServiceKey, place: _Place | None) -> Held | Unmatched | Missing:
        if place is None:
            return Missing()
        where = target_key(key.namespace, place.target)
        live = await self._cluster.read(where)
        self._catalog.keep_target(where, live)
        return held_at(live, place.path)

    def _used_by_incident(self, key: ServiceKey, target: TargetRef) -> bool:
        """Whether an open incident holds a place in this object: then Firebreak's name on it is the incident's to remove."""
        over = (ActionPhase.UNDONE, ActionPhase.TAKEN_BACK, ActionPhase.SKIPPED, ActionPhase.WOULD_DO)
        return any(
            w.target == target
            for incident in self._catalog.incidents(key)
            if FINALIZER in incident.metadata.finalizers
            for a in incident.status.actions
            if a.phase not in over
            for w in a.writes
        )


def _place(status: SamplingRaiseStatus, declared: SamplingRate | None) -> _Place | None:
    """Where to look: at what was written, else at what is declared."""
    if status.write is not None:
        return _Place(target=status.write.target, path=status.write.path)
    return _Place(target=declared.target, path=declared.path) if declared else None
