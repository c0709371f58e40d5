"""What would Firebreak have done with this service? The real `decide`, record and actuator, over recorded counts.

Driven by app/backtest/replayed.py with a simulated clock, one turn at a time, as app/loop.py takes them live. What no
history can tell is assumed, and is the same for every service: writes take effect at once, fallbacks could serve, and
`Assume` says what follows a containment. A person is simulated who ends an incident that would wait for people once the
recorded counts have been good for as long as the policy asks (`release.stableFor`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from firebreak.api.v1alpha1 import AIIncident, AIService, Quarantine
from firebreak.api.v1alpha1.aiservice import AIServiceStatus, DetectorKind, Mode
from firebreak.api.v1alpha1.incident import ActionPhase, AIIncidentSpec, AIIncidentStatus, Phase, Resolution
from firebreak.api.v1alpha1.model import ObjectMeta
from firebreak.api.v1alpha1.policy import ActionKind, Approvals, ContainmentPolicySpec
from firebreak.api.v1alpha1.quarantine import QuarantineSpec
from firebreak.app.actuator import Actuator, Context
from firebreak.app.backtest.cluster import RESPONDER, SimulatedCluster, values_told_by
from firebreak.app.backtest.raises import Raise, Raises
from firebreak.app.backtest.served import Deployed
from firebreak.app.grid import EPOCH
from firebreak.app.measuring import compared, covered, watch_change
from firebreak.app.sampler import Sampler
from firebreak.app.scope import exposure_of, judges
from firebreak.core.commands import Command, OpenIncident
from firebreak.core.decide import decide, is_share_awaited
from firebreak.core.drift import drift_of
from firebreak.core.memory import remembered
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.observations import Effect, InForce
from firebreak.core.opening import DETECTOR, OPENED_BY
from firebreak.core.ports import ObjectKey
from firebreak.core.proof import Question, active, question
from firebreak.core.quarantine import is_to_be_lifted
from firebreak.core.record import begun, recorded
from firebreak.core.revision import RevisionFacts, Snapshot, digest_of, known_good_of
from firebreak.core.situation import Situation
from firebreak.core.soak import NotYet, Proven, proof_of_revision, revoked_by, soak_began
from firebreak.core.steps import changes_answers
from firebreak.core.verdict import Finding, Health, RecoveryFinding, RecoveryVerdict, Verdict, VerdictReason

_MOVES = 40
_RECOVERED_AFTER_STEPS = 10
"""As many steps as recovery has to rest on at least, when it is assumed."""
_LOOK_FOR_PROOF_STEPS = 10
"""Live looks each step whether a revision has proven itself; a backtest looks less often, and may see it so much later."""


class Assume(StrEnum):
    """What is taken to follow a rollback or a disabled feature: nobody has recorded it."""

    HELPS = "helps"  # the recorded counts no longer count until they are good again by themselves
    NOTHING = "nothing"  # the recorded counts go on as they did: it did not help, and the ladder goes on


class SimulatedClock:
    """The time of the turn."""

    def __init__(self) -> None:
        self.at = EPOCH

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


class _Gate:
    """Implements core/ports.py's QuarantineGate: what is quarantined is denied at once."""

    def __init__(self, say: Callable[[str, QuarantineSpec], None]) -> None:
        self._say = say

    async def create(self, namespace: str, name: str, spec: QuarantineSpec) -> None:
        self._say(name, spec)

    async def in_force(self, target: ObjectKey, name: str) -> bool:
        return True


class Simulation:
    """One service under one policy."""

    def __init__(
        self,
        *,
        service: AIService,
        policy: ContainmentPolicySpec,
        sampler: Sampler,
        verdict: Callable[[ObjectiveKey, datetime], Verdict],
        assume: Assume = Assume.HELPS,
        samples: bool = False,
    ) -> None:
        """`samples`: play the raises of the judge's sampling rate too; they change nothing of what history holds.

        `verdict` is the sampler's, or what it said at the same moment: it is asked several times in a turn.
        """
        # Whatever mode is declared: what is asked is what it would do if it were to act.
        enforced = service.spec.containment.model_copy(update={"mode": Mode.ENFORCE})
        spec = service.spec.model_copy(update={"containment": enforced, "suspend": False})
        self.service = service.model_copy(update={"spec": spec})
        self.key = ServiceKey(service.metadata.namespace, service.metadata.name)
        # Whoever is to approve a step does so at once.
        self.policy = policy.model_copy(update={"approval": Approvals()})
        self._sampler, self._assume, self._verdict = sampler, assume, verdict
        self._clock = SimulatedClock()
        self._cluster = SimulatedCluster(self.service)
        self._actuator = Actuator(self._cluster, _Gate(self._quarantined), self._clock)
        self._raises = Raises(self.service, self._actuator, sampler) if samples else None
        self._history: dict[str, Snapshot] = {}
        self._since: datetime | None = None
        self._left: datetime | None = None
        self._quarantines: dict[str, Quarantine] = {}
        self.incidents: list[AIIncident] = []
        self._wake_at: datetime | None = None
        self._good_since: datetime | None = None
        self._step = min(o.detector.step for o in spec.objectives)
        self.unmeasured: Mapping[str, str] = {}
        """The objectives whose clustering is assumed by now, as in the situation."""

    @property
    def open(self) -> AIIncident | None:
        """The open incident."""
        last = self.incidents[-1] if self.incidents else None
        return last if last is not None and last.status.phase is not Phase.RESOLVED else None

    @property
    def raises(self) -> tuple[Raise, ...]:
        """When the judge's sampling rate would have been raised."""
        return tuple(self._raises.found) if self._raises is not None else ()

    # --- what history does

    def deploy(self, deployed: Deployed) -> None:
        """Someone deployed a revision, or took one back, as the metrics show; a quarantined one does not come back."""
        declared = self.service.spec.revision
        if declared is None:
            return
        values = values_told_by(declared, deployed.revision)
        digest = digest_of(values)
        if any(q.spec.revision == deployed.revision for q in self._quarantines.values()):
            return
        if digest not in self._history:
            self._history[digest] = Snapshot(
                digest=digest, name=deployed.revision, values=values, first_seen=deployed.at
            )
        if self._cluster.values(declared) != values:
            self._cluster.deploy(declared, values)
            self._since = deployed.at
        self._wake_at = deployed.at
        for name, quarantine in list(self._quarantines.items()):
            if is_to_be_lifted(quarantine, values, tuple(self._history.values())):
                del self._quarantines[name]

    def prove(self, now: datetime) -> None:
        """Before the range begins: a revision may prove itself, nothing else happens."""
        self._clock.at = now
        self._keep_house(self._look(now), now)

    # --- turns

    def is_due(self, now: datetime, changed: Collection[ServiceKey]) -> bool:
        """Whether there may be something to decide: live, the same calls for a turn."""
        is_awake = self._wake_at is not None and self._wake_at <= now
        return self.key in changed or self.open is not None or is_awake

    async def turn(self, now: datetime) -> None:
        """Look, decide, record, do; and again until there is nothing left to do."""
        self._clock.at, self._wake_at = now, None
        for _ in range(_MOVES):
            self._speak(now)
            s = self._look(now)
            decision = decide(s, now)
            if not await self._carry_out(s, decision.commands, now):
                self._keep_house(s, now)
                self._sleep_until(decision.wake_at)
                if self._raises is not None and await self._raises.look_after(s, now):
                    self._sleep_until(now + self._step)
                return
        self._wake_at = now

    def _sleep_until(self, moment: datetime | None) -> None:
        if moment is not None:
            self._wake_at = moment if self._wake_at is None else min(self._wake_at, moment)

    async def _carry_out(self, s: Situation, commands: tuple[Command, ...], now: datetime) -> bool:
        incident = s.incident
        if commands:
            incident = self._record(s, commands, now)
        if incident is None or incident.status.phase is Phase.RESOLVED:
            return bool(commands)
        context = Context(service=self.service, history=tuple(self._history.values()))
        before = self._cluster_revision()
        status = await self._actuator.carry_out(incident, context)
        if self._cluster_revision() != before:
            self._since = now
        if status == incident.status:
            return bool(commands)
        self._keep(incident, status)
        return True

    def _record(self, s: Situation, commands: tuple[Command, ...], now: datetime) -> AIIncident:
        """As app/loop.py records: what is to be done stands in the record first."""
        first, incident = commands[0], s.incident
        rolled_back = active(incident.status, ActionKind.ROLL_BACK) if incident else None
        revoked = revoked_by(commands, s.revision, rolled_back.subject if rolled_back else "")
        if revoked is not None:
            self._history[revoked.digest] = replace(self._history[revoked.digest], known_good_since=None)
        if isinstance(first, OpenIncident):
            containment = self.service.spec.containment
            revision = s.revision.current.name if s.revision.current else ""
            status = begun(first, self.policy, containment.policy, containment.mode, revision, now)
            self.incidents.append(self._named(first.number, now))
            self._good_since = None
            return self._keep(self.incidents[-1], status)
        assert incident is not None, "only an incident can be recorded in"
        status = incident.status
        for command in commands:
            status = recorded(status, command, now)
        return self._keep(incident, status)

    def _named(self, number: int, now: datetime) -> AIIncident:
        metadata = ObjectMeta(
            name=f"{self.key.name}-{number}",
            namespace=self.key.namespace,
            creation_timestamp=now,
            labels={OPENED_BY: DETECTOR},
        )
        return AIIncident(metadata=metadata, spec=AIIncidentSpec(service=self.key.name))

    def _keep(self, incident: AIIncident, status: AIIncidentStatus) -> AIIncident:
        self.incidents[-1] = incident.model_copy(update={"status": status})
        return self.incidents[-1]

    def _quarantined(self, name: str, spec: QuarantineSpec) -> None:
        metadata = ObjectMeta(name=name, namespace=self.key.namespace)
        self._quarantines.setdefault(name, Quarantine(metadata=metadata, spec=spec))

    def _speak(self, now: datetime) -> None:
        """The simulated person: what waits for people is ended once the recorded counts have been good long enough."""
        incident = self.open
        if incident is None:
            return
        found = [self._verdict(self._objective(o.name), now).finding for o in incident.status.objectives]
        if any(f is not Finding.MET for f in found):
            self._good_since = None
            return
        self._good_since = self._good_since or now
        status = incident.status
        is_held = any(changes_answers(a.kind) and a.phase is ActionPhase.IN_FORCE for a in status.actions)
        if not is_held or status.remediating_since is not None or status.closing is not None:
            return
        if now >= self._good_since + self.policy.release.stable_for:
            spec = incident.spec.model_copy(update={"resolution": Resolution.KNOWN_GOOD_ACCEPTED})
            self.incidents[-1] = incident.model_copy(update={"spec": spec})

    # --- looking

    def _look(self, now: datetime) -> Situation:
        incident, service = self.open, self.service
        measured = [self._objective(name) for name in self._names()]
        facts = self._facts()
        watch_change(self._sampler, service, incident, facts, measured, now)
        recorded_verdicts = {key.objective: self._verdict(key, now) for key in measured}
        memory = remembered(self.key.name, AIServiceStatus(), tuple(self.incidents))
        asked = self._question(incident, recorded_verdicts, memory.last_resolved)
        return Situation(
            service=self.key,
            spec=service.spec,
            incident_count=memory.incident_count,
            policy=self.policy,
            verdicts=self._counterfactual(incident, recorded_verdicts),
            revision=facts,
            responder=RESPONDER,
            incident=incident,
            recoveries=self._recoveries(incident, asked, now),
            comparisons=compared(self._sampler, measured, now),
            objects=self._cluster.objects(service),
            effects=_effects(incident),
            drifts=self._drifts(incident),
            coverage=covered(self._sampler, measured),
            rollout=InForce(because="assumed: what is declared serves at once"),
            fallbacks={
                f.name: InForce(because="assumed: history does not tell of fallbacks") for f in service.spec.fallbacks
            },
            unmeasured=self.unmeasured,
            past=memory.past,
            last_resolved=memory.last_resolved,
            exposure=exposure_of(self._sampler, incident),
            judges=judges(self._sampler, measured) if incident is None else (),
        )

    def _drifts(self, incident: AIIncident | None) -> Mapping[str, str]:
        """What history has changed of what is in force."""
        live, history = self._cluster.objects(self.service), tuple(self._history.values())
        found = {a.id: drift_of(a, live, history) for a in (incident.status.actions if incident else ())}
        return {name: words for name, words in found.items() if words}

    def _names(self) -> Iterable[str]:
        """The objectives that are measured."""
        return [o.name for o in self.service.spec.objectives if self._sampler.watches(self._objective(o.name))]

    def _objective(self, name: str) -> ObjectiveKey:
        return ObjectiveKey(*self.key, name)

    def _cluster_revision(self) -> str:
        declared = self.service.spec.revision
        return digest_of(self._cluster.values(declared)) if declared is not None else ""

    def _facts(self) -> RevisionFacts:
        declared = self.service.spec.revision
        quarantined = frozenset(q.spec.revision for q in self._quarantines.values())
        history = tuple(self._history.values())
        if declared is None:
            return RevisionFacts(problem="spec.revision is not declared", quarantined=quarantined)
        current = self._history.get(self._cluster_revision())
        known_good = known_good_of(history, declared.known_good, quarantined)
        if current is None or known_good is None or current.digest == known_good.digest:
            self._left = None
        elif self._since is not None:
            # As the status remembers it: over what has come and gone since.
            self._left = min(self._left or self._since, self._since)
        return RevisionFacts(
            current=current,
            since=self._since if current is not None else None,
            left_known_good=self._left,
            history=history,
            known_good=known_good,
            quarantined=quarantined,
            problem="" if current else "the metrics have not named a revision yet",
        )

    def _counterfactual(self, incident: AIIncident | None, found: Mapping[str, Verdict]) -> Mapping[str, Verdict]:
        """What could still be known: once something holds the harm back, what was recorded is not what would be counted."""
        if incident is None or self._assume is Assume.NOTHING or incident.status.remediating_since is not None:
            return found
        held = [a for a in incident.status.actions if changes_answers(a.kind) and a.phase is ActionPhase.IN_FORCE]
        if not held:
            return found
        # A feature that is off spares what it would have answered; the others change all that users get.
        all_of_it = any(a.kind is not ActionKind.DISABLE_FEATURE for a in held)
        mine = {o.name for o in incident.status.objectives}
        gauges = {o.name for o in self.service.spec.objectives if o.detector.kind is DetectorKind.THRESHOLD}
        return {
            name: _unknown(v)
            if v.finding is Finding.BREACHED and name not in gauges and (all_of_it or name in mine)
            else v
            for name, v in found.items()
        }

    def _question(
        self, incident: AIIncident | None, found: Mapping[str, Verdict], last_resolved: datetime | None
    ) -> Question | None:
        if incident is not None:
            return question(incident.status)
        if last_resolved is None or not any(v.finding is Finding.BREACHED for v in found.values()):
            return None
        return Question(since=last_resolved, revision=None, about="what is left of the last incident")

    def _recoveries(
        self, incident: AIIncident | None, asked: Question | None, now: datetime
    ) -> Mapping[str, RecoveryVerdict]:
        if asked is None:
            return {}
        declared = self.service.spec.revision
        of_containment = asked.about in (str(ActionKind.ROLL_BACK), str(ActionKind.DISABLE_FEATURE))
        labelled = declared is not None and declared.metric_label is not None and not of_containment
        rates = {o.name: o.rate for o in incident.status.objectives} if incident else {}
        counted = {o.name for o in self.service.spec.objectives if o.detector.kind is not DetectorKind.THRESHOLD}
        found = {}
        for name in counted & set(self._names()):
            key = self._objective(name)
            if of_containment and self._assume is Assume.HELPS:
                found[name] = _assumed(key, asked, now, self._step)
            else:
                revision = asked.revision if labelled else None
                found[name] = self._sampler.recovery(key, asked.since, revision, rates.get(name), now)
        return found

    def _keep_house(self, s: Situation, now: datetime) -> None:
        """A revision that has proven itself, as app/loop.py does it."""
        proof = proof_of_revision(s, self._health(s, now), now)
        if isinstance(proof, Proven):
            digest = proof.snapshot.digest
            self._history[digest] = replace(self._history[digest], known_good_since=now)
        elif isinstance(proof, NotYet) and s.revision.current and not s.revision.current.known_good_since:
            self._sleep_until(proof.again_at or now + self._step * _LOOK_FOR_PROOF_STEPS)

    def _health(self, s: Situation, now: datetime) -> Mapping[str, Health]:
        facts, declared, began = s.revision, self.service.spec.revision, soak_began(s)
        if facts.current is None or began is None or facts.current.known_good_since or s.incident:
            return {}
        labelled = declared is not None and declared.metric_label is not None
        revision = facts.current.name if labelled else None
        return {
            o.name: self._sampler.health(self._objective(o.name), began, revision, now)
            for o in self.service.spec.objectives
            if o.target is not None and self._sampler.watches(self._objective(o.name))
        }


def _effects(incident: AIIncident | None) -> Mapping[str, Effect]:
    """Of every action whose effect is awaited."""
    at_once = InForce(because="simulated: a write takes effect at once")
    return {
        a.id: at_once
        for a in (incident.status.actions if incident else ())
        if a.phase is ActionPhase.APPLIED or (is_share_awaited(a) and all(w.landed for w in a.writes))
    }


def _unknown(verdict: Verdict) -> Verdict:
    return Verdict(
        objective=verdict.objective,
        finding=Finding.INCONCLUSIVE,
        reason=VerdictReason.STALE,
        because="contained: what was recorded from here on is not what would have been counted",
        at=verdict.at,
        query=verdict.query,
    )


def _assumed(key: ObjectiveKey, asked: Question, now: datetime, step: timedelta) -> RecoveryVerdict:
    due = asked.since + step * _RECOVERED_AFTER_STEPS
    return RecoveryVerdict(
        objective=key,
        finding=RecoveryFinding.RECOVERED if now >= due else RecoveryFinding.INCONCLUSIVE,
        because="assumed: nobody has recorded what follows a containment",
        at=now,
    )
