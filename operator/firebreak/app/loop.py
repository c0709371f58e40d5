"""A turn: look, decide, record, do; and again until there is nothing left to do.

The only place where the parts meet. What is to be done is recorded before it is done, and the record is written under a
guard: whoever finds it changed looks again instead of going on.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from firebreak.adapters.kube.objects import Conflict, FirebreakObjects, Stored
from firebreak.adapters.kube.validations import NOT_MADE, Validations
from firebreak.api.v1alpha1 import AIIncident, Quarantine
from firebreak.api.v1alpha1.aiservice import SamplingTold
from firebreak.api.v1alpha1.incident import FINALIZER, AIIncidentSpec, AIIncidentStatus, Phase
from firebreak.api.v1alpha1.model import API_VERSION
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.app.actuator import Actuator, Context
from firebreak.app.catalog import Catalog
from firebreak.app.clock import Clock
from firebreak.app.drills import Drills
from firebreak.app.observe import Observer, Orphan, Seen, Unreadable
from firebreak.app.queue import Stale, Turns
from firebreak.app.raising import Raiser
from firebreak.app.remember import remember
from firebreak.app.report import Reporter
from firebreak.app.revisions import Revisions
from firebreak.app.status import VALUES_EVERY
from firebreak.core.commands import Command, Decision, OpenIncident, Resolve, TakeStep
from firebreak.core.decide import decide, without_service
from firebreak.core.incident_conditions import joined, with_conditions
from firebreak.core.objectives import ServiceKey
from firebreak.core.opening import DETECTOR, OPENED_BY
from firebreak.core.ports import ClusterError, ObjectKey, Refused
from firebreak.core.proof import active
from firebreak.core.quarantine import is_to_be_lifted
from firebreak.core.record import begun, recorded
from firebreak.core.soak import Proven, proof_of_revision, revoked_by

log = structlog.get_logger()

_MOVES = 40
"""More moves than a turn needs; one that wants more gives way to other services and goes on after them."""
_NUMBERS = 20
"""So many names in a row are tried for an incident."""
_RETRY = timedelta(seconds=2)
_LOOK_AGAIN = timedelta(seconds=1)
"""How often an effect that is awaited is looked for."""


class Loop:
    """Takes the services' turns."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        observer: Observer,
        actuator: Actuator,
        objects: FirebreakObjects,
        revisions: Revisions,
        raiser: Raiser,
        reporter: Reporter,
        drills: Drills,
        turns: Turns,
        may_act: Callable[[], bool],
        clock: Clock,
        validations: Validations | None = None,
    ) -> None:
        self._validations = validations
        self._catalog = catalog
        self._observer = observer
        self._actuator = actuator
        self._objects = objects
        self._revisions = revisions
        self._raiser = raiser
        self._reporter = reporter
        self._drills = drills
        self._turns = turns
        self._may_act = may_act
        self._clock = clock

    async def work(self) -> None:
        """One worker: take turns for ever. A service whose turn fails cannot stop another."""
        while True:
            key = await self._turns.take()
            try:
                if self._may_act():
                    began = self._clock.monotonic()
                    with structlog.contextvars.bound_contextvars(namespace=key.namespace, service=key.name):
                        await self._turn(key)
                    self._reporter.turned(self._clock.monotonic() - began)
            except Stale:
                self._turns.touch(key)
            except ClusterError as error:
                log.warning("turn_postponed", namespace=key.namespace, service=key.name, error=str(error))
                self._turns.wake(key, self._clock.now() + _RETRY)
            except Exception:
                log.exception("turn_failed", namespace=key.namespace, service=key.name)
                self._reporter.failed()
                self._turns.wake(key, self._clock.now() + _RETRY)
            finally:
                self._turns.done(key)

    async def _turn(self, key: ServiceKey) -> None:
        await self._tidy(key)
        anew = False
        for _ in range(_MOVES):
            await self._drills.turn(key)
            now = self._clock.now()
            seen = await self._observer.look(key, now, anew=anew)
            match seen:
                case None:
                    await self._raiser.abandon(key)
                    self._reporter.forgotten(key)
                    return
                case Unreadable():
                    await self._reporter.unreadable(key, seen.message, now)
                    return
                case Orphan():
                    decision = without_service(seen.incident, now)
                case Seen():
                    decision = decide(seen.situation, self._now(seen))
                    if not anew and any(isinstance(c, OpenIncident) for c in decision.commands):
                        # Its record says which revision failed, and a watch that is behind or silent does not know.
                        anew = True
                        continue
            moved = await self._carry_out(key, seen, decision)
            if not moved:
                if isinstance(seen, Seen):
                    await self._keep_house(key, seen)
                    await self._reporter.status(seen, await self._sampling(key, seen), now)
                else:
                    await self._raiser.abandon(key)
                self._sleep_until(key, seen, decision)
                return
        self._turns.touch(key)

    def _now(self, seen: Seen | Orphan) -> datetime:
        """The time for deciding and recording: a clock that was set back would make old evidence look fresh."""
        now = self._clock.now()
        read_until = seen.situation.not_before if isinstance(seen, Seen) else None
        return max(now, read_until) if read_until else now

    async def _sampling(self, key: ServiceKey, seen: Seen) -> SamplingTold:
        """What became of the judge's rate; that it could not be set must not keep the service's status from being told."""
        try:
            return await self._raiser.look_after(seen)
        except ClusterError as error:
            log.warning("sampling_postponed", error=str(error))
            self._turns.wake(key, self._clock.now() + _RETRY)
            return seen.service.status.sampling

    async def _tidy(self, key: ServiceKey) -> None:
        """What a crash between two writes may have left: a finalizer on a record that is over, a second open record."""
        opened: AIIncident | None = None
        for incident in self._catalog.incidents(key):
            if incident.status.phase is Phase.RESOLVED:
                if FINALIZER in incident.metadata.finalizers:
                    await self._objects.let_go(_key(incident), FINALIZER)
            elif opened is None:
                opened = incident
            elif incident.status.detected_at is None:
                # At most one is open for a service: what a person saw meanwhile is part of it, and asks for nothing later.
                await self._write(incident, joined(incident.status, opened.metadata.name, self._clock.now()))
                await self._reporter.joined(incident, opened)

    def _sleep_until(self, key: ServiceKey, seen: Seen | Orphan, decision: Decision) -> None:
        if decision.wake_at is not None:
            self._turns.wake(key, decision.wake_at)
        now = self._clock.now()
        if seen.awaits_effect:
            self._turns.wake(key, now + _LOOK_AGAIN)
        if isinstance(seen, Seen) and (seen.incident is not None or seen.situation.revision.known_good is None):
            # New evidence comes with each step; a verdict that changes calls for a turn by itself.
            steps = [o.detector.step for o in seen.situation.spec.objectives]
            self._turns.wake(key, now + min(steps))
        else:
            self._turns.wake(key, now + VALUES_EVERY)

    async def _carry_out(self, key: ServiceKey, seen: Seen | Orphan, decision: Decision) -> bool:
        """Record the commands, then do what the record wants. Returns whether anything came of it."""
        incident = seen.incident
        moved = False
        if decision.commands:
            incident = await self._record(key, seen, incident, decision.commands)
            moved = True
        try:
            return await self._act(key, seen, incident) or moved
        finally:
            # People are told after it was done, for a slow answer to an Event must hold no containment up.
            if incident is not None and decision.commands:
                await self._reporter.decided(seen, incident, decision.commands)

    async def _act(self, key: ServiceKey, seen: Seen | Orphan, incident: AIIncident | None) -> bool:
        """Do what the record wants. Returns whether anything came of it."""
        if incident is None or incident.status.phase is Phase.RESOLVED:
            return False
        service = seen.service if isinstance(seen, Seen) else None
        not_before = seen.situation.not_before if isinstance(seen, Seen) else None
        context = Context(service=service, history=await self._revisions.history(key), not_before=not_before)
        status = await self._actuator.carry_out(incident, context)
        not_made = isinstance(seen, Seen) and seen.situation.validation == NOT_MADE
        if not_made and self._validations is not None and status == incident.status:
            status = await self._actuator.validate(incident, self._validations)
        if status == incident.status:
            return False
        self._reporter.acted(incident, status)
        await self._write(incident, status)
        return True

    async def _record(
        self, key: ServiceKey, seen: Seen | Orphan, incident: AIIncident | None, commands: tuple[Command, ...]
    ) -> AIIncident:
        """Write what was decided into the incident; create it first where there is none."""
        now = self._now(seen)
        first = commands[0]
        if isinstance(first, OpenIncident):
            assert isinstance(seen, Seen), "an incident is opened for a service that exists"
            incident = incident or await self._create(key, first)
            s = seen.situation
            revision = s.revision.current.name if s.revision.current else ""
            status = begun(first, s.policy, s.spec.containment.policy, s.spec.containment.mode, revision, now)
            status = status.model_copy(update={"on_delete": s.spec.containment.on_delete})
        else:
            assert incident is not None, "only an incident can be recorded in"
            if any(isinstance(c, TakeStep) for c in commands):
                incident = await self._hold(incident)
            if any(isinstance(c, Resolve) for c in commands):
                await self._end(incident)
            status = incident.status
            if status.detected_at is None:
                status = status.model_copy(update={"detected_at": now})
            for command in commands:
                status = recorded(status, command, now)
            status = status.model_copy(update={"observed_generation": incident.metadata.generation})
            if isinstance(seen, Seen):
                status = status.model_copy(update={"mode": seen.situation.spec.containment.mode})
        await self._revoke(key, seen, incident, commands)
        if isinstance(seen, Seen) and any(isinstance(c, OpenIncident | Resolve) for c in commands):
            as_recorded = incident.model_copy(update={"status": status})
            if not await remember(self._objects, self._catalog, seen.service, as_recorded):
                raise Stale
        incident = await self._write(incident, status)
        if incident.status.phase is Phase.RESOLVED:
            await self._objects.let_go(_key(incident), FINALIZER)
            self._turns.touch(key)
        return incident

    async def _create(self, key: ServiceKey, opened: OpenIncident) -> AIIncident:
        """Under the next number; a name that another service's incident has by chance is passed over.

        Raises Stale when a record stands there that is not known here: to begin it anew would lose it.
        """
        for number in range(opened.number, opened.number + _NUMBERS):
            made = await self._objects.create(
                "AIIncident",
                key.namespace,
                f"{key.name}-{number}",
                AIIncidentSpec(service=key.name),
                labels={OPENED_BY: DETECTOR, "firebreak.dev/service": key.name},
            )
            if not isinstance(made, Stored):
                raise ClusterError(f"cannot create the incident: {made.code} {made.message}")
            self._catalog.see(made.object)
            incident = AIIncident.model_validate(made.object)
            if incident.spec.service != key.name:
                continue
            if incident.status.detected_at is not None:
                raise Stale
            return incident
        raise ClusterError(f"the names {key.name}-{opened.number} and following are those of other services' incidents")

    async def _hold(self, incident: AIIncident) -> AIIncident:
        """From the first intent to the last undo the record must not be lost."""
        held = await self._objects.hold(_key(incident), FINALIZER)
        if isinstance(held, Refused):
            raise ClusterError(f"cannot hold incident {incident.metadata.name}: {held.code} {held.message}")
        if not isinstance(held, Stored):
            raise Stale
        self._catalog.see(held.object)
        return AIIncident.model_validate(held.object)

    async def _end(self, incident: AIIncident) -> None:
        """Before an incident is over: nothing stays in Firebreak's name, and a false alarm may come back."""
        await self._actuator.disown(incident)
        closing = incident.status.closing
        if closing is not None and closing.lift_quarantine:
            await self._objects.delete(
                ObjectKey(API_VERSION, "Quarantine", incident.metadata.namespace, incident.metadata.name)
            )

    async def _write(self, incident: AIIncident, status: AIIncidentStatus) -> AIIncident:
        status = with_conditions(status, incident.metadata.generation, self._clock.now())
        stored = await self._objects.write_status(_key(incident), incident.metadata.resource_version, status)
        if isinstance(stored, Stored):
            self._catalog.see(stored.object)
            return AIIncident.model_validate(stored.object)
        if isinstance(stored, Conflict):
            fresh = await self._objects.get("AIIncident", incident.metadata.namespace, incident.metadata.name)
            if fresh is not None:
                self._catalog.see(fresh)
        elif isinstance(stored, Refused):
            # It stands there still, as it was: to forget it would be to open a second one beside it.
            raise ClusterError(f"cannot record in {incident.metadata.name}: {stored.code} {stored.message}")
        else:
            self._catalog.forget(_key(incident))
        raise Stale

    async def _revoke(
        self, key: ServiceKey, seen: Seen | Orphan, incident: AIIncident, commands: tuple[Command, ...]
    ) -> None:
        if not isinstance(seen, Seen):
            return
        rolled_back = active(incident.status, ActionKind.ROLL_BACK)
        revoked = revoked_by(commands, seen.situation.revision, rolled_back.subject if rolled_back else "")
        if revoked is not None:
            await self._revisions.mark_known_good(key, revoked, None)
            log.info("known_good_revoked", revision=revoked.name)

    async def _keep_house(self, key: ServiceKey, seen: Seen) -> None:
        """What belongs to no incident: a revision that has proven itself, a quarantine that has done its work."""
        now = self._clock.now()
        proof = proof_of_revision(seen.situation, seen.health, now)
        if isinstance(proof, Proven):
            await self._revisions.mark_known_good(key, proof.snapshot, now)
            log.info("known_good_proven", revision=proof.snapshot.name)
            self._turns.touch(key)
        elif proof.again_at is not None:
            self._turns.wake(key, proof.again_at)
        current = seen.situation.revision.current
        if current is None:
            return
        for quarantine in self._catalog.quarantines(key):
            why = is_to_be_lifted(quarantine, current.values, seen.situation.revision.history)
            if why:
                where = ObjectKey(API_VERSION, Quarantine.__name__, key.namespace, quarantine.metadata.name)
                await self._objects.delete(where)
                self._catalog.forget(where)
                await self._reporter.lifted(seen, quarantine, why)


def _key(incident: AIIncident) -> ObjectKey:
    return ObjectKey(API_VERSION, AIIncident.__name__, incident.metadata.namespace, incident.metadata.name)
