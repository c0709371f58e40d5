"""Who is told what? Events, the service's status, metrics and logs, all from the same commands and the same words.

Called by app/loop.py after something has been recorded; nothing that goes wrong in here stops a containment.
"""

from datetime import datetime

import structlog

from firebreak.adapters.kube.events import Events
from firebreak.adapters.kube.objects import FirebreakObjects, Stored
from firebreak.api.conditions import ConditionReason, ConditionType, set_condition
from firebreak.api.v1alpha1 import AIIncident, AIService, Quarantine, SamplingRaise
from firebreak.api.v1alpha1.aiservice import AIServiceStatus, SamplingState, SamplingTold
from firebreak.api.v1alpha1.incident import AIIncidentStatus
from firebreak.api.v1alpha1.model import API_VERSION, ConditionStatus
from firebreak.api.v1alpha1.sampling import RaisePhase
from firebreak.app.catalog import Catalog
from firebreak.app.clock import Clock
from firebreak.app.no_regression import newly_worse
from firebreak.app.observe import Orphan, Seen
from firebreak.app.status import service_status, worth_writing
from firebreak.app.telemetry import Telemetry
from firebreak.core import drill_proof
from firebreak.core.commands import AskPeople, Command, OpenIncident, Reason, Resolve
from firebreak.core.guardrails import waits_for_clustering
from firebreak.core.memory import Memory
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import ObjectKey
from firebreak.core.soak import NotYet, proof_of_revision

log = structlog.get_logger()

_WARNINGS = frozenset(
    {
        Reason.BREACH_CONFIRMED,
        Reason.BREACH_SUSPECTED,
        Reason.DRIFTED,
        Reason.JUDGE_COVERAGE_LOST,
        Reason.WORSE_THAN_KNOWN_GOOD,
        Reason.NOT_RECOVERED,
        Reason.FIX_FAILED,
        Reason.LEFT_AS_CHANGED,
        Reason.QUARANTINE_MISSING,
        Reason.WRITE_BLOCKED,
    }
)


class Reporter:
    """Tells people and machines."""

    def __init__(
        self, *, events: Events, objects: FirebreakObjects, catalog: Catalog, telemetry: Telemetry, clock: Clock
    ) -> None:
        self._events = events
        self._objects = objects
        self._catalog = catalog
        self._telemetry = telemetry
        self._clock = clock
        self._written_at: dict[ServiceKey, datetime] = {}

    async def decided(self, seen: Seen | Orphan, incident: AIIncident, commands: tuple[Command, ...]) -> None:
        """Each command as an Event on the incident; what opens, ends or asks also on the service."""
        where = ObjectKey(API_VERSION, AIIncident.__name__, incident.metadata.namespace, incident.metadata.name)
        for command in commands:
            self._telemetry.decided(incident, command)
            if not command.because:
                continue
            log.info(
                "decided",
                incident=incident.metadata.name,
                command=type(command).__name__,
                reason=command.reason,
                because=command.because,
            )
            warns = isinstance(command, AskPeople) or command.reason in _WARNINGS
            await self._event(where, incident.metadata.uid, command.reason, command.because, warns)
            if isinstance(seen, Seen) and isinstance(command, OpenIncident | AskPeople | Resolve):
                await self._on_service(
                    seen.service, command.reason, f"{incident.metadata.name}: {command.because}", warns
                )

    async def lifted(self, seen: Seen, quarantine: Quarantine, why: str) -> None:
        """A quarantine has done its work."""
        words = f"quarantine {quarantine.metadata.name} of revision {quarantine.spec.revision} is lifted: {why}"
        log.info("quarantine_lifted", quarantine=quarantine.metadata.name, because=why)
        await self._on_service(seen.service, Reason.QUARANTINE_LIFTED, words, False)

    async def joined(self, incident: AIIncident, opened: AIIncident) -> None:
        """A second incident of a service was closed; what a person asked for in it was not done, and must be heard."""
        asked = [name for name in ("contain", "release", "resolution") if getattr(incident.spec, name)]
        if not asked:
            return
        words = (
            f"{incident.metadata.name} is closed, since {opened.metadata.name} is open; what was asked for there "
            f"(spec.{', spec.'.join(asked)}) is not done: say it in {opened.metadata.name}"
        )
        for each in (incident, opened):
            where = ObjectKey(API_VERSION, AIIncident.__name__, each.metadata.namespace, each.metadata.name)
            await self._event(where, each.metadata.uid, Reason.JOINED_ANOTHER, words, True)

    def acted(self, incident: AIIncident, after: AIIncidentStatus) -> None:
        """What the actuator has done."""
        before = {a.id: a.phase for a in incident.status.actions}
        for action in after.actions:
            if before.get(action.id) != action.phase:
                log.info(
                    "action_moved",
                    incident=incident.metadata.name,
                    action=action.id,
                    phase=action.phase,
                    message=action.message,
                )
                self._telemetry.acted(incident, action)

    def turned(self, seconds: float) -> None:
        """How long a turn took."""
        self._telemetry.turned(seconds)

    def forgotten(self, key: ServiceKey) -> None:
        """A service that is gone."""
        self._telemetry.forgotten(key)
        self._written_at.pop(key, None)

    def failed(self) -> None:
        """A turn has ended with an error of ours."""
        self._telemetry.turn_failed()

    async def sampled(self, key: ServiceKey, raised: SamplingRaise) -> None:
        """The judge's sampling rate was raised, or has been given back."""
        status, meta = raised.status, raised.metadata
        is_raised = status.phase is RaisePhase.RAISED
        if is_raised and status.write is not None:
            words = f"the judge's sampling rate is raised to {status.write.desired.value}: {status.because}"
            self._telemetry.raised(key, status.reason)
        else:
            words = f"the judge's sampling rate is not raised (any more): {status.because}"
        log.info("sampling_raised" if is_raised else "sampling_given_back", service=key.name, because=status.because)
        warns = status.reason in _WARNINGS
        where = ObjectKey(API_VERSION, SamplingRaise.__name__, key.namespace, key.name)
        await self._event(where, meta.uid, Reason(status.reason), words, warns)
        service = self._catalog.service(key)
        if isinstance(service, AIService):
            await self._on_service(service, Reason(status.reason), words, warns)

    async def status(self, seen: Seen, sampling: SamplingTold, now: datetime) -> None:
        """Bring the service's status up to date, if it is worth a write."""
        key = seen.situation.service
        s = seen.situation
        proof = proof_of_revision(s, seen.health, now)
        drills = self._catalog.drills(key)
        last = drill_proof.last_drill(seen.service, drills)
        wanted = service_status(
            seen.service,
            verdicts=s.verdicts,
            comparisons=s.comparisons,
            revision=s.revision,
            incident=s.incident,
            problems=(*seen.problems, *drill_proof.problems_of(seen.service, last, drills, s.policy)),
            holds=(*s.holds, *waits_for_clustering(s)),
            memory=Memory(incident_count=s.incident_count, past=s.past, last_resolved=s.last_resolved),
            now=now,
            not_proven=proof.because if isinstance(proof, NotYet) else "",
            expected_delays=seen.expected_delays,
            clusterings=seen.clusterings,
            sampling=sampling,
            budgets=seen.budgets,
            last_drill=last,
            drilled=drill_proof.in_words(seen.service, last, s.policy),
            guard=seen.guard,
        )
        self._telemetry.observed(key, seen.situation.verdicts, seen.expected_delays)
        self._telemetry.compared(key, seen.situation.comparisons)
        self._telemetry.covered(key, seen.situation.coverage)
        self._telemetry.clustered(key, seen.clusterings)
        self._telemetry.budgeted(key, seen.budgets)
        self._telemetry.sampled(key, sampling.state is SamplingState.RAISED)
        speaks = drill_proof.that_speaks(seen.service, last, s.policy)
        self._telemetry.readiness.told(key, wanted, s.spec.containment.mode, speaks)
        if not worth_writing(seen.service.status, wanted, self._written_at.get(key), now):
            return
        where = ObjectKey(API_VERSION, AIService.__name__, key.namespace, key.name)
        stored = await self._objects.write_status(where, seen.service.metadata.resource_version, wanted)
        if isinstance(stored, Stored):
            self._written_at[key] = now
            self._catalog.see(stored.object)
            words = newly_worse(seen.service.status, wanted)
            if words and s.incident is None:
                # Of what is beyond the objective the incident tells.
                await self._on_service(seen.service, Reason.WORSE_THAN_KNOWN_GOOD, words, True)

    async def unreadable(self, key: ServiceKey, message: str, now: datetime) -> None:
        """A spec that cannot be understood: nothing is watched, and the object says so."""
        live = await self._objects.get("AIService", key.namespace, key.name)
        if live is None:
            return
        told = "Firebreak cannot understand the spec, and leaves the service alone: "
        conditions = set_condition(
            (),
            type=ConditionType.READY,
            status=ConditionStatus.FALSE,
            reason=ConditionReason.INVALID_SPEC,
            message=f"{told}{message}",
            generation=live["metadata"]["generation"],
            now=now,
        )
        held = live.get("status") or {}
        known = {(c["type"], c["message"]) for c in held.get("conditions") or ()}
        if known != {(c.type, c.message) for c in conditions}:
            where = ObjectKey(API_VERSION, AIService.__name__, key.namespace, key.name)
            # What is remembered of earlier incidents stays: the limits hold again when the spec is repaired.
            before = AIServiceStatus.model_validate(held)
            status = AIServiceStatus(
                state="Unknown",
                conditions=conditions,
                revision=before.revision,
                incident_count=before.incident_count,
                containments=before.containments,
                last_resolved=before.last_resolved,
            )
            await self._objects.write_status(where, live["metadata"]["resourceVersion"], status)

    async def _on_service(self, service: AIService, reason: Reason, message: str, warns: bool) -> None:
        meta = service.metadata
        where = ObjectKey(API_VERSION, AIService.__name__, meta.namespace, meta.name)
        await self._event(where, meta.uid, reason, message, warns)

    async def _event(self, where: ObjectKey, uid: str, reason: Reason, message: str, warns: bool) -> None:
        await self._events.tell(where, uid=uid, reason=reason, message=message, warning=warns)
