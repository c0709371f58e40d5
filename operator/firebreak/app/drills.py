"""A drill's part in its service's turn: look, decide, record, do.

Called by app/loop.py at the beginning of each move of a service's turn, so that one worker has drill and incident in
hand: while an incident is open nothing is decided about it before the drill has given back what it holds.
What mode Execute writes goes through the one actuator, from a record that stands in the drill's status.
"""

from datetime import datetime, timedelta

import structlog

from firebreak.adapters.kube.events import Events
from firebreak.adapters.kube.objects import Conflict, FirebreakObjects, Stored
from firebreak.api.v1alpha1 import AIIncident, AIService, ContainmentDrill
from firebreak.api.v1alpha1.aiservice import Mode
from firebreak.api.v1alpha1.drill import ContainmentDrillStatus, DrillMode, DrillOutcome
from firebreak.api.v1alpha1.incident import (
    FINALIZER,
    Action,
    ActionPhase,
    AIIncidentSpec,
    AIIncidentStatus,
    Phase,
)
from firebreak.api.v1alpha1.model import API_VERSION
from firebreak.app.actuator import Actuator, Context
from firebreak.app.catalog import Catalog
from firebreak.app.clock import Clock
from firebreak.app.observe import Observer, Seen
from firebreak.app.queue import Turns
from firebreak.app.rehearsal import Rehearsal
from firebreak.app.revisions import Revisions
from firebreak.app.telemetry import Telemetry
from firebreak.core.commands import Reason
from firebreak.core.drill import YIELDED_WITHIN, Check, DrillFacts, Record, Wait, checked, next_move
from firebreak.core.drill_record import derived, is_running
from firebreak.core.drill_schedule import ScheduleError, due
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import ClusterError, ObjectKey, Refused

log = structlog.get_logger()

_MOVES = 12
"""More than giving way takes."""
_LOOK_AGAIN = timedelta(seconds=1)
_RETRY = timedelta(seconds=5)


class Drills:
    """Takes the drills' part in the turns of their services."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        observer: Observer,
        actuator: Actuator,
        rehearsal: Rehearsal,
        objects: FirebreakObjects,
        revisions: Revisions,
        events: Events,
        telemetry: Telemetry,
        turns: Turns,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._observer = observer
        self._actuator = actuator
        self._rehearsal = rehearsal
        self._objects = objects
        self._revisions = revisions
        self._events = events
        self._telemetry = telemetry
        self._turns = turns
        self._clock = clock
        self._yielding_since: dict[tuple[ServiceKey, str], float] = {}
        """Drills that an incident waits for: since when (monotonic)."""

    async def turn(self, key: ServiceKey) -> None:
        """Move each drill of the service on; raises ClusterError only while an incident has to wait for one."""
        for drill in self._catalog.drills(key):
            incident = self._incident(key)
            try:
                for _ in range(_MOVES if incident else 1):
                    if not await self._move(key, drill.metadata.name):
                        break
            except ClusterError as error:
                log.warning("drill_postponed", drill=drill.metadata.name, error=str(error))
                self._turns.wake(key, self._clock.now() + _RETRY)
            except Exception:
                # A rehearsal must never be why a service is not watched, or not contained.
                log.exception("drill_failed", drill=drill.metadata.name)
                self._telemetry.turn_failed()
                self._turns.wake(key, self._clock.now() + _RETRY)
            self._insist(key, drill.metadata.name, incident)

    def _insist(self, key: ServiceKey, name: str, incident: str) -> None:
        """An incident decides on nothing while a drill is giving back: what it found would be the drill's doing.

        For so long and no longer: a drill that cannot even be recorded must not keep a service from being contained.
        """
        held = self._drill(key, name)
        if not incident or held is None or not is_running(held.status) or held.status.action is None:
            self._yielding_since.pop((key, name), None)
            return
        now = self._clock.monotonic()
        if now - self._yielding_since.setdefault((key, name), now) < YIELDED_WITHIN.total_seconds():
            raise ClusterError(f"ContainmentDrill {name} is giving back: {held.status.action.message}")

    # --- one move

    async def _move(self, key: ServiceKey, name: str) -> bool:
        """Decide, record, do; whether there is more to do at once."""
        drill, now = self._drill(key, name), self._clock.now()
        if drill is None:
            return False
        if not is_running(drill.status) and FINALIZER in drill.metadata.finalizers:
            await self._let_go(drill)
            return False
        facts = await self._look(key, drill, now)
        move = next_move(facts, now)
        if isinstance(move, Check):
            assert facts.service is not None
            assert facts.situation is not None
            history = await self._revisions.history(key)
            finding = await self._rehearsal.check(drill, facts.service, facts.situation, move.option, history)
            if finding is None:
                self._turns.wake(key, now + _LOOK_AGAIN)
                return False
            move = checked(facts, move.option, finding, self._clock.now())
        if isinstance(move, Wait):
            return await self._wait(key, drill, facts, move, now)
        moved = await self._record(key, drill, move)
        if moved is None:
            return True
        await self._carry_out(key, moved, facts.service)
        self._turns.touch(key)
        return True

    async def _wait(
        self, key: ServiceKey, drill: ContainmentDrill, facts: DrillFacts, move: Wait, now: datetime
    ) -> bool:
        if move.until is not None:
            self._turns.wake(key, move.until)
        wanted = derived(drill, drill.status, move.obstacle, now)
        if not is_running(drill.status):
            if wanted != drill.status:
                await self._write(drill, wanted)
            return False
        before = drill.status.action
        after = await self._carry_out(key, drill, facts.service)
        self._turns.wake(key, now + (_RETRY if before is not None and before.message else _LOOK_AGAIN))
        return after is not None and after != before

    async def _look(self, key: ServiceKey, drill: ContainmentDrill, now: datetime) -> DrillFacts:
        """Only as much as there is to decide: a drill that waits for its time costs nothing."""
        service = self._catalog.service(key)
        declared = service if isinstance(service, AIService) else None
        incident = self._incident(key)
        other = next((d.metadata.name for d in self._catalog.drills(key) if d != drill and is_running(d.status)), "")
        facts = DrillFacts(drill=drill, service=declared, incident=incident, other=other)
        if declared is None or incident or not (is_running(drill.status) or _is_due(drill, now)):
            return facts
        seen = await self._observer.look(key, now)
        if not isinstance(seen, Seen):
            return facts
        situation = seen.situation
        if is_running(drill.status):
            situation = await self._observer.for_drill(seen)
        action = drill.status.action
        effect = None
        if action is not None and action.phase in (ActionPhase.APPLIED, ActionPhase.UNDONE):
            ours = action.model_copy(update={"writes": tuple(w for w in action.writes if not w.left)})
            effect = await self._observer.effects.of_action(declared, ours)
        return DrillFacts(
            drill=drill, service=declared, situation=situation, incident=incident, other=other, effect=effect
        )

    async def _record(self, key: ServiceKey, drill: ContainmentDrill, move: Record) -> ContainmentDrill | None:
        """Write what was decided; None when someone has written meanwhile: decide again."""
        before, after = drill.status.run, move.status.run
        begins = is_running(move.status) and not is_running(drill.status)
        ends = after is not None and after.ended_at is not None and (before is None or before.ended_at is None)
        if begins and drill.spec.mode is not DrillMode.VALIDATE:
            held = await self._objects.hold(_key(drill), FINALIZER)
            if not isinstance(held, Stored):
                return None
            self._catalog.see(held.object)
            drill = ContainmentDrill.model_validate(held.object)
        if ends and is_running(drill.status):
            await self._rehearsal.clean(drill)
        written = await self._write(drill, derived(drill, move.status, None, self._clock.now()))
        if written is None:
            return None
        if move.reason is not None:
            warns = move.reason in (Reason.DRILL_FAILED, Reason.DRILL_MISSED)
            log.info("drill_moved", drill=drill.metadata.name, reason=move.reason, because=move.because)
            # A slow answer to an Event must hold no containment up: beside an incident the status alone tells.
            if not self._incident(key):
                await self._events.tell(
                    _key(drill), uid=drill.metadata.uid, reason=move.reason, message=move.because, warning=warns
                )
        if ends and after is not None and after.outcome is not None:
            self._telemetry.drilled(key.namespace, after.mode, after.outcome)
        elif move.reason is Reason.DRILL_MISSED:
            self._telemetry.drilled(key.namespace, drill.spec.mode, DrillOutcome.MISSED)
        if ends and FINALIZER in written.metadata.finalizers:
            await self._let_go(written)
        return written

    async def _carry_out(self, key: ServiceKey, drill: ContainmentDrill, service: AIService | None) -> Action | None:
        """Do what the record wants, and record what came of it."""
        action = drill.status.action
        if action is None or not is_running(drill.status):
            return action
        context = Context(service=service, history=await self._revisions.history(key))
        status = await self._actuator.carry_out(_as_incident(drill, action), context)
        (done,) = status.actions
        if done != action:
            after = drill.status.model_copy(update={"action": done})
            log.info("drill_acted", drill=drill.metadata.name, action=done.id, phase=done.phase, message=done.message)
            await self._write(drill, derived(drill, after, None, self._clock.now()))
        return done

    async def _write(self, drill: ContainmentDrill, status: ContainmentDrillStatus) -> ContainmentDrill | None:
        stored = await self._objects.write_status(_key(drill), drill.metadata.resource_version, status)
        if isinstance(stored, Stored):
            self._catalog.see(stored.object)
            return ContainmentDrill.model_validate(stored.object)
        if isinstance(stored, Conflict):
            fresh = await self._objects.get("ContainmentDrill", drill.metadata.namespace, drill.metadata.name)
            if fresh is not None:
                self._catalog.see(fresh)
                return None
        if isinstance(stored, Refused):
            # It stands there still, with what is in force: forgotten, nobody would give that back.
            raise ClusterError(f"cannot record in drill {drill.metadata.name}: {stored.code} {stored.message}")
        self._catalog.forget(_key(drill))
        return None

    async def _let_go(self, drill: ContainmentDrill) -> None:
        freed = await self._objects.let_go(_key(drill), FINALIZER)
        if isinstance(freed, Stored) and drill.metadata.deletion_timestamp is None:
            self._catalog.see(freed.object)

    def _drill(self, key: ServiceKey, name: str) -> ContainmentDrill | None:
        return next((d for d in self._catalog.drills(key) if d.metadata.name == name), None)

    def _incident(self, key: ServiceKey) -> str:
        found = (i for i in self._catalog.incidents(key) if i.status.phase is not Phase.RESOLVED)
        return next((i.metadata.name for i in found), "")


def _is_due(drill: ContainmentDrill, now: datetime) -> bool:
    try:
        return due(drill, now).at is not None
    except ScheduleError:
        return False


def _as_incident(drill: ContainmentDrill, action: Action) -> AIIncident:
    """The one action under way, in the form in which the actuator reads a record. No such object exists or is written:
    to the cluster a drill is no incident."""
    return AIIncident(
        metadata=drill.metadata,
        spec=AIIncidentSpec(service=drill.spec.service),
        status=AIIncidentStatus(mode=Mode.ENFORCE, actions=(action,)),
    )


def _key(drill: ContainmentDrill) -> ObjectKey:
    return ObjectKey(API_VERSION, ContainmentDrill.__name__, drill.metadata.namespace, drill.metadata.name)
