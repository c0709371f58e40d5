"""What is so, about one service, now? Gathers everything that `decide` looks at.

Asked by app/loop.py before each move. Of a service in good order it asks the cluster nothing: all of it is known. While
an incident is open its targets are read live, since what is written next rests on what they hold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from firebreak.adapters.kube.client import ClusterDenied, KubeClient
from firebreak.adapters.kube.existence import exists
from firebreak.adapters.kube.kinds import ENDPOINT_SLICE
from firebreak.adapters.kube.observers import effect_of, fallback_ready, reloaded, rollout
from firebreak.adapters.kube.validations import Validations
from firebreak.api.v1alpha1 import (
    AIIncident,
    AIService,
    ClusterContainmentPolicy,
    ContainmentPolicy,
)
from firebreak.api.v1alpha1.aiservice import (
    ClusteringStatus,
    DetectorKind,
    Fallback,
    Objective,
    Revision,
    Route,
    workload_target,
)
from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncidentStatus, Phase, ValidationOutcome
from firebreak.api.v1alpha1.policy import ActionKind, ContainmentPolicySpec
from firebreak.api.v1alpha1.references import PolicyKind, PolicyRef, TargetRef
from firebreak.app.breaker import CircuitBreaker
from firebreak.app.budgets import Budgets
from firebreak.app.catalog import Catalog, Invalid, target_key
from firebreak.app.clustering import ClusteringMeasurements
from firebreak.app.measuring import compared, covered, expected_delays, oddities, raised_delays, watch_change
from firebreak.app.objectives import Objectives
from firebreak.app.revisions import Revisions
from firebreak.app.sampler import Sampler
from firebreak.app.scope import exposure_of, judges
from firebreak.app.settings import Settings
from firebreak.core.autoscaling import FLOOR_PATHS
from firebreak.core.clustering_in_force import adopted, is_clustered, unmeasured
from firebreak.core.commands import Reason
from firebreak.core.decide import is_share_awaited
from firebreak.core.declaration import problems_of
from firebreak.core.dependencies import Missing, dependencies_of, missing_of, template_of
from firebreak.core.detectors.burn_rate import Budget
from firebreak.core.drift import drift_of, is_drifted, is_watched
from firebreak.core.feasibility import infeasible_steps
from firebreak.core.field_writes import route_target, value_of
from firebreak.core.freeze import problems_of_freeze
from firebreak.core.memory import remembered
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.observations import Effect, Failed, InForce, Waiting, all_of
from firebreak.core.ports import Cluster, KubeObject, ObjectKey
from firebreak.core.problems import Problem
from firebreak.core.proof import Question, active, question
from firebreak.core.quarantine import NEVER_DEPLOYED, Guard
from firebreak.core.requests import contain_is_asked
from firebreak.core.revision import RevisionFacts
from firebreak.core.situation import Hold, Situation
from firebreak.core.soak import soak_began
from firebreak.core.steps import is_contained, is_taken_back, is_unseen, under_way
from firebreak.core.verdict import Finding, Health, RecoveryVerdict, Verdict

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A service and everything known of it."""

    service: AIService
    situation: Situation
    health: Mapping[str, Health]
    problems: tuple[Problem, ...]
    expected_delays: Mapping[str, timedelta | None]
    """By objective, None for never; one that cannot be read now is left out."""
    clusterings: Mapping[str, ClusteringStatus]
    """By objective: the G that is to stand in the status, and is in force once it does."""
    budgets: Mapping[str, Budget]
    """By objective with detector BurnRate: how much of its error budget is left, once that was read."""
    awaits_effect: bool
    guard: Guard | None = None
    """Whether a bad revision would be kept out; None before that was looked at."""

    @property
    def incident(self) -> AIIncident | None:
        """The open incident."""
        return self.situation.incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An open incident whose service is gone."""

    incident: AIIncident
    awaits_effect: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A service whose spec its model does not accept: a newer or a damaged CRD has let it through."""

    message: str


class Observer:
    """Looks at one service at a time."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        cluster: Cluster,
        client: KubeClient,
        revisions: Revisions,
        sampler: Sampler,
        objectives: Objectives,
        clusterings: ClusteringMeasurements,
        budgets: Budgets,
        settings: Settings,
        breaker: CircuitBreaker,
        guard: Callable[[ServiceKey], Guard | None] = lambda _: None,
    ) -> None:
        self._guard = guard
        self._validations = Validations(client, fence=lambda: None)  # looked at only, here
        self._catalog = catalog
        self._cluster = cluster
        self._client = client
        self._revisions = revisions
        self._sampler = sampler
        self._objectives = objectives
        self._clusterings = clusterings
        self._budgets = budgets
        self._settings = settings
        self._breaker = breaker

    async def look(self, key: ServiceKey, now: datetime) -> Seen | Orphan | Unreadable | None:
        """Everything known now; None when there is nothing to decide. Raises ClusterError."""
        service = self._catalog.service(key)
        incidents = self._catalog.incidents(key)
        incident = next((i for i in incidents if i.status.phase is not Phase.RESOLVED), None)
        if service is None:
            return Orphan(incident=incident) if incident else None
        if isinstance(service, Invalid):
            return Unreadable(message=service.message)
        # With the service as it was read here: a claim that another gives up meanwhile was in conflict with this one.
        holds = self._holds(service, key)
        if incident is not None:
            await self._read_targets(service)
        else:
            await self._read_missing_targets(service)
        quarantined = frozenset(q.spec.revision for q in self._catalog.quarantines(key)) - {NEVER_DEPLOYED}
        revision = await self._revisions.facts(service, quarantined, now)
        policy = self._policy(service)
        memory = remembered(key.name, service.status, incidents)
        measured = tuple(_objective(key, o.name) for o in self._watched(service))
        watch_change(self._sampler, service, incident, revision, measured, now)
        verdicts = {o.objective: self._sampler.verdict(o, now) for o in measured}
        clusterings = self._clustering(service, incident, measured)
        asked = question(incident.status) if incident else self._still(key, verdicts, memory.last_resolved)
        fallbacks = await self._fallbacks(service, incident) if incident else {}
        base = Situation(
            service=key,
            spec=service.spec,
            incident_count=memory.incident_count,
            policy=policy,
            verdicts=verdicts,
            revision=revision,
            responder=self._settings.responder_name,
            incident=incident,
            recoveries=self._recoveries(service, incident, asked, now),
            comparisons=compared(self._sampler, measured, now),
            coverage=covered(self._sampler, measured),
            unmeasured=unmeasured(clusterings),
            exposed=self._exposed(service, key, asked),
            objects={t: self._catalog.target(target_key(key.namespace, t)) for _, t in service.spec.targets()},
            effects=await self._effects(service, incident, fallbacks) if incident else {},
            drifts=await self._drifts(service, incident) if incident else {},
            rollout=self._rollout(service) if incident or not _is_proven(revision) else None,
            validation=await self._validation(incident) if incident else None,
            fallbacks=fallbacks,
            missing=await self._missing(service, incident, revision) if incident else (),
            # And as it is now, after all that was waited for: what forbids at either moment forbids.
            holds=tuple(dict.fromkeys((*holds, *self._holds(service, key)))),
            breaker=self._breaker.hold(incident),
            past=memory.past,
            last_resolved=memory.last_resolved,
            exposure=exposure_of(self._sampler, incident),
            judges=judges(self._sampler, measured) if incident is None else (),
        )
        delays = expected_delays(self._sampler, verdicts.values())
        return Seen(
            service=service,
            situation=base,
            health=self._health(service, base, now),
            problems=(
                *self._objectives.problems(key),
                *oddities(self._sampler, measured),
                *problems_of(base),
                *infeasible_steps(service.spec, policy, delays, self._raised_delays(service, delays)),
                *(
                    problems_of_freeze(_words(service.spec.containment.policy), policy.guardrails.freeze, now)
                    if policy
                    else ()
                ),
            ),
            expected_delays=delays,
            clusterings=clusterings,
            budgets=self._left(measured),
            guard=self._guard(key),
            awaits_effect=incident is not None and _awaits_effect(incident.status),
        )

    async def for_drill(self, seen: Seen) -> Situation:
        """The same with the targets as they are now and every fallback looked at: what a drill's writes rest on."""
        await self._read_targets(seen.service)
        namespace = seen.service.metadata.namespace
        return replace(
            seen.situation,
            objects={t: self._catalog.target(target_key(namespace, t)) for _, t in seen.service.spec.targets()},
            fallbacks=await self._readiness(seen.service),
        )

    def _watched(self, service: AIService) -> tuple[Objective, ...]:
        """The objectives of which something may be asked: one just declared is read with the next step."""
        key = ServiceKey(service.metadata.namespace, service.metadata.name)
        return tuple(o for o in service.spec.objectives if self._sampler.watches(_objective(key, o.name)))

    def _left(self, measured: tuple[ObjectiveKey, ...]) -> Mapping[str, Budget]:
        specs = [spec for key in measured if (spec := self._sampler.spec(key)) is not None]
        found = {spec.key.objective: self._budgets.left(spec) for spec in specs}
        return {name: budget for name, budget in found.items() if budget is not None}

    def _raised_delays(
        self, service: AIService, delays: Mapping[str, timedelta | None]
    ) -> Mapping[str, timedelta | None]:
        if service.spec.judge is None:
            return {}
        target = service.spec.judge.sampling_rate.target
        live = self._catalog.target(target_key(service.metadata.namespace, target))
        return raised_delays(self._sampler, service, delays, live)

    def _clustering(
        self, service: AIService, incident: AIIncident | None, measured: tuple[ObjectiveKey, ...]
    ) -> Mapping[str, ClusteringStatus]:
        known = {o.name: o.clustering for o in service.status.objectives}
        specs = [spec for key in measured if (spec := self._sampler.spec(key)) is not None and is_clustered(spec)]
        # While an incident is open its evidence is not weighed anew.
        return {
            spec.key.objective: adopted(
                known.get(spec.key.objective), None if incident else self._clusterings.found(spec), spec
            )
            for spec in specs
        }

    async def _read_targets(self, service: AIService) -> None:
        """What is written next rests on what the targets hold, so a cache will not do."""
        for target in dict.fromkeys(t for _, t in service.spec.targets()):
            key = target_key(service.metadata.namespace, target)
            try:
                self._catalog.keep_target(key, await self._cluster.read(key))
            except ClusterDenied as error:
                # One target that may not be read keeps nobody from acting on the others; a write to it is refused.
                log.warning("target_denied", kind=target.kind, name=target.name, error=str(error))

    async def _read_missing_targets(self, service: AIService) -> None:
        """The watch brings what changes; what stood there before the service named it has to be asked for once."""
        for target in dict.fromkeys(t for _, t in service.spec.targets()):
            key = target_key(service.metadata.namespace, target)
            if self._catalog.target(key) is None and self._catalog.first_asked(key):
                self._catalog.keep_target(key, await self._cluster.read(key))

    def _policy(self, service: AIService) -> ContainmentPolicySpec | None:
        ref = service.spec.containment.policy
        if ref.kind is PolicyKind.NAMESPACED:
            found = self._catalog.get(ContainmentPolicy, service.metadata.namespace, ref.name)
            return found.spec if isinstance(found, ContainmentPolicy) else None
        shared = self._catalog.get(ClusterContainmentPolicy, "", ref.name)
        return shared.spec if isinstance(shared, ClusterContainmentPolicy) else None

    def _recoveries(
        self, service: AIService, incident: AIIncident | None, asked: Question | None, now: datetime
    ) -> Mapping[str, RecoveryVerdict]:
        if asked is None:
            return {}
        key = ServiceKey(service.metadata.namespace, service.metadata.name)
        labelled = service.spec.revision is not None and service.spec.revision.metric_label is not None
        rates = {o.name: o.rate for o in incident.status.objectives} if incident else {}
        return {
            o.name: self._sampler.recovery(
                _objective(key, o.name), asked.since, asked.revision if labelled else None, rates.get(o.name), now
            )
            for o in self._watched(service)
            if o.detector.kind is not DetectorKind.THRESHOLD
        }

    def _still(
        self, key: ServiceKey, verdicts: Mapping[str, Verdict], last_resolved: datetime | None
    ) -> Question | None:
        """Whether what began before the last incident ended is bad still: an incident that ended too early is no end."""
        if last_resolved is None or not any(v.finding is Finding.BREACHED for v in verdicts.values()):
            return None
        return Question(since=last_resolved, revision=None, about="what is left of the last incident")

    def _exposed(self, service: AIService, key: ServiceKey, asked: Question | None) -> bool | None:
        if service.spec.answers is None or asked is None:
            return None
        answered = self._sampler.answers(key, asked.since)
        return None if answered is None else sum(step.answers for step in answered) > 0

    def _health(self, service: AIService, s: Situation, now: datetime) -> Mapping[str, Health]:
        """Only asked for while the revision that serves has still to prove itself."""
        facts, began = s.revision, soak_began(s)
        if facts.current is None or began is None or facts.current.known_good_since or s.incident:
            return {}
        labelled = service.spec.revision is not None and service.spec.revision.metric_label is not None
        revision = facts.current.name if labelled else None
        return {
            o.name: self._sampler.health(_objective(s.service, o.name), began, revision, now)
            for o in self._watched(service)
            if o.target is not None
        }

    async def _effects(
        self, service: AIService, incident: AIIncident, fallbacks: Mapping[str, Effect]
    ) -> Mapping[str, Effect]:
        """Of every action whose effect is awaited."""
        return {
            a.id: await self.effect(service, a, fallbacks)
            for a in incident.status.actions
            if a.phase is ActionPhase.APPLIED
            or is_drifted(a)
            or (is_share_awaited(a) and all(w.landed for w in a.writes))
        }

    async def _drifts(self, service: AIService, incident: AIIncident) -> Mapping[str, str]:
        """What others have changed of what is in force; what the service no longer names is read for it."""
        watched = [a for a in incident.status.actions if is_watched(a)]
        if not watched:
            return {}
        namespace = service.metadata.namespace
        live = {t: self._catalog.target(target_key(namespace, t)) for _, t in service.spec.targets()}
        for target in dict.fromkeys(w.target for a in watched for w in a.writes if w.target not in live):
            live[target] = await self._cluster.read(target_key(namespace, target))
        history = await self._revisions.history(ServiceKey(namespace, service.metadata.name))
        found = {a.id: drift_of(a, live, history) for a in watched}
        return {name: words for name, words in found.items() if words}

    async def effect(self, service: AIService, action: Action, fallbacks: Mapping[str, Effect] | None = None) -> Effect:
        """Whether what an action wants to stand is in force, by what is known of its targets and fallbacks."""
        namespace = service.metadata.namespace
        history = await self._revisions.history(ServiceKey(namespace, service.metadata.name))
        wanted, live = [], {}
        for write in action.writes:
            desired = value_of(write.desired, history)
            live[write.target] = self._catalog.target(target_key(namespace, write.target))
            if write.path in FLOOR_PATHS.values() and service.spec.human_review and service.spec.human_review.workload:
                workload = workload_target(service.spec.human_review.workload)
                live[workload] = self._catalog.target(target_key(namespace, workload))
            if desired is not None:
                wanted.append((write.target, write.path, desired))
        effects = [effect_of(wanted, live)]
        if action.kind is ActionKind.SWITCH_TRAFFIC and not action.given_back:
            if (ready := (fallbacks or {}).get(action.subject)) is not None:
                effects.append(ready)
            if action.share >= 100:
                effects.append(self._traffic_moved(service, action))
        if action.kind is ActionKind.ROLL_BACK:
            effects.append(self._rollout(service))
        return all_of(tuple(effects))

    def _rollout(self, service: AIService) -> Effect:
        """Of every workload that a field of the revision is in, or that reloads one."""
        fields = service.spec.revision.fields if service.spec.revision else ()
        effects = []
        for field in fields:
            written = self._catalog.target(target_key(service.metadata.namespace, field.target))
            if written is not None and field.target.kind == "Deployment":
                effects.append(rollout(written))
            if written is not None and field.reload:
                reader = self._catalog.target(target_key(service.metadata.namespace, workload_target(field.reload)))
                if reader is not None:
                    effects.append(reloaded(reader, written, field.path))
        return all_of(tuple(effects))

    def _traffic_moved(self, service: AIService, action: Action) -> Effect:
        """Proof is in the data plane: a whole step in which the primary gave no answer."""
        if service.spec.answers is None or action.applied_at is None:
            return InForce(because="the route is accepted (spec.answers is not declared, so traffic is not looked at)")
        key = ServiceKey(service.metadata.namespace, service.metadata.name)
        answered = self._sampler.answers(key, action.applied_at)
        if not answered:
            return Waiting(because="traffic since the switch has not been read yet")
        if answered[-1].answers > 0:
            return Waiting(because=f"the primary still gave {answered[-1].answers:.0f} answers in the last step")
        return InForce(because="traffic was seen to have left the primary")

    async def _validation(self, incident: AIIncident) -> Effect | None:
        wanted = incident.status.validation
        if wanted is None or wanted.outcome is not ValidationOutcome.PENDING or incident.status.closing:
            return None
        return await self._validations.look(incident.metadata.namespace, wanted.job)

    async def _fallbacks(self, service: AIService, incident: AIIncident) -> Mapping[str, Effect]:
        """Whether the fallback that has traffic serves, else each that a step may still want."""
        status = incident.status
        switch = active(status, ActionKind.SWITCH_TRAFFIC)
        is_settled = under_way(status) or (is_contained(status) and not contain_is_asked(incident))
        if switch is not None and (is_settled or not is_unseen(switch)):
            return await self._readiness(service, switch.subject)
        return {} if is_settled else await self._readiness(service)

    async def _readiness(self, service: AIService, name: str = "") -> Mapping[str, Effect]:
        """Of all fallbacks, or of the one with this name."""
        if service.spec.traffic is None:
            return {}
        namespace = service.metadata.namespace
        routes = [
            (r, self._catalog.target(target_key(namespace, route_target(r)))) for r in service.spec.traffic.routes
        ]
        found: dict[str, Effect] = {}
        for fallback in (f for f in service.spec.fallbacks if not name or f.name == name):
            try:
                found[fallback.name] = await self._fallback(namespace, fallback, routes)
            except ClusterDenied as error:
                found[fallback.name] = Failed(because=f"it cannot be looked at: {error}", is_seen=False)
        return found

    async def _fallback(
        self, namespace: str, fallback: Fallback, routes: Sequence[tuple[Route, KubeObject | None]]
    ) -> Effect:
        backend = fallback.backend.name if fallback.backend else self._settings.responder_name
        where = namespace if fallback.backend or not self._settings.responder else self._settings.responder.namespace
        slices = await self._client.list(ENDPOINT_SLICE, where, labels=f"kubernetes.io/service-name={backend}")
        workload = None
        if fallback.readiness:
            workload = await self._cluster.read(target_key(namespace, workload_target(fallback.readiness.workload)))
        return fallback_ready(fallback, backend=backend, routes=routes, slices=slices.items, workload=workload)

    async def _missing(self, service: AIService, incident: AIIncident, revision: RevisionFacts) -> tuple[Missing, ...]:
        """What the pods of a rollback would lack; looked for only while one may still be the next step."""
        good, declared = revision.known_good, service.spec.revision
        is_taken = any(a.kind is ActionKind.ROLL_BACK for a in incident.status.actions)
        if good is None or declared is None or is_taken or under_way(incident.status):
            return ()
        namespace = service.metadata.namespace
        found: list[Missing] = []
        for target in dict.fromkeys(t for _, t in service.spec.targets() if t in _workloads(declared)):
            live = self._catalog.target(target_key(namespace, target))
            if live is None:
                continue
            needed = dependencies_of(template_of(live, declared, good.values))
            there = {d: await exists(self._client, ObjectKey("v1", d.kind, namespace, d.name)) for d in needed}
            found += missing_of(live, declared, good, there)
        return tuple(found)

    def _holds(self, service: AIService, key: ServiceKey) -> tuple[Hold, ...]:
        holds = []
        if service.spec.suspend:
            holds.append(
                Hold(
                    reason=Reason.SUSPENDED,
                    because=f"AIService {key.name} has spec.suspend: true; it goes on when that is set to false",
                )
            )
        if (why := self._catalog.paused) is not None:
            because = f"the whole installation is paused ({why}); it goes on with: kubectl firebreak resume"
            holds.append(Hold(reason=Reason.PAUSED, because=because))
        if (overlap := self._catalog.conflicts.get(key)) is not None:
            holds.append(Hold(reason=Reason.TARGET_CONFLICT, because=overlap))
        account = service.spec.containment.service_account_name
        if account and (refused := self._settings.may_act_as(key.namespace, account)) is not None:
            # Never with more rights than the service was to be given.
            holds.append(Hold(reason=Reason.TARGET_NOT_ALLOWED, because=refused))
        for claim in self._catalog.claims(key):
            if (beyond := self._settings.reach.allows(claim.target, claim.written)) is not None:
                holds.append(Hold(reason=Reason.TARGET_NOT_ALLOWED, because=f"{claim.place}: {beyond}"))
        return tuple(holds)


def _words(ref: PolicyRef) -> str:
    return f"{ref.kind} {ref.name}"


def _is_proven(facts: RevisionFacts) -> bool:
    return facts.current is not None and facts.current.known_good_since is not None


def _workloads(declared: Revision) -> set[TargetRef]:
    """What a rollback starts anew."""
    written = {f.target for f in declared.fields if f.target.kind == "Deployment"}
    return written | {workload_target(f.reload) for f in declared.fields if f.reload}


def _objective(key: ServiceKey, name: str) -> ObjectiveKey:
    return ObjectiveKey(key.namespace, key.name, name)


def _awaits_effect(status: AIIncidentStatus) -> bool:
    return any(
        a.phase in (ActionPhase.INTENDED, ActionPhase.APPLIED, ActionPhase.UNDOING)
        or is_share_awaited(a)
        or is_taken_back(a)
        for a in status.actions
    )
