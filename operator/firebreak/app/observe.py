"""What is so, about one service, now? Gathers everything that `decide` looks at.

Asked by app/loop.py before each move. Of a service in good order it asks the cluster nothing: all of it is known. While
an incident is open its targets are read live, since what is written next rests on what they hold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from firebreak.adapters.kube.client import ClusterDenied, KubeClient
from firebreak.adapters.kube.validations import Validations
from firebreak.api.v1alpha1 import (
    AIIncident,
    AIService,
    ClusterContainmentPolicy,
    ContainmentPolicy,
)
from firebreak.api.v1alpha1.aiservice import (
    ClusteringStatus,
)
from firebreak.api.v1alpha1.incident import ActionPhase, AIIncidentStatus, Phase, ValidationOutcome
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec
from firebreak.api.v1alpha1.references import PolicyKind, PolicyRef
from firebreak.app.breaker import CircuitBreaker
from firebreak.app.budgets import Budgets
from firebreak.app.catalog import Catalog, Invalid, target_key
from firebreak.app.clustering import ClusteringMeasurements
from firebreak.app.effects import Effects
from firebreak.app.holds import holds_of
from firebreak.app.measuring import compared, covered, expected_delays, oddities, raised_delays, watch_change
from firebreak.app.objectives import Objectives
from firebreak.app.proofs import Proofs, objective_key, watched
from firebreak.app.readiness import Readiness
from firebreak.app.revisions import Revisions
from firebreak.app.sampler import Sampler
from firebreak.app.scope import exposure_of, judges
from firebreak.app.settings import Settings
from firebreak.core.clustering_in_force import adopted, is_clustered, unmeasured
from firebreak.core.decide import is_share_awaited
from firebreak.core.declaration import problems_of
from firebreak.core.detectors.burn_rate import Budget
from firebreak.core.feasibility import infeasible_steps
from firebreak.core.freeze import problems_of_freeze
from firebreak.core.memory import remembered
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.observations import Effect
from firebreak.core.ports import Cluster, ClusterError
from firebreak.core.problems import Problem
from firebreak.core.proof import question
from firebreak.core.quarantine import NEVER_DEPLOYED, Guard
from firebreak.core.revision import RevisionFacts
from firebreak.core.situation import Situation
from firebreak.core.steps import is_taken_back
from firebreak.core.verdict import Health

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
        self._revisions = revisions
        self._sampler = sampler
        self._objectives = objectives
        self._clusterings = clusterings
        self._budgets = budgets
        self._settings = settings
        self._breaker = breaker
        self.effects = Effects(catalog=catalog, cluster=cluster, revisions=revisions, sampler=sampler)
        self._readiness = Readiness(catalog=catalog, cluster=cluster, client=client, settings=settings)
        self._proofs = Proofs(sampler)

    async def look(self, key: ServiceKey, now: datetime, *, anew: bool = False) -> Seen | Orphan | Unreadable | None:
        """Everything known now; None when there is nothing to decide. Raises ClusterError.

        `anew`: the targets as they are, and not as the watch has told of them; with an open incident it is always so.
        """
        service = self._catalog.service(key)
        incidents = self._catalog.incidents(key)
        incident = next((i for i in incidents if i.status.phase is not Phase.RESOLVED), None)
        if service is None:
            return Orphan(incident=incident) if incident else None
        if isinstance(service, Invalid):
            return Unreadable(message=service.message)
        # With the service as it was read here: a claim that another gives up meanwhile was in conflict with this one.
        holds = holds_of(service, key, self._catalog, self._settings)
        if incident is not None or anew:
            await self._read_targets(service, is_record_needed=incident is None)
        else:
            await self._read_missing_targets(service)
        quarantined = frozenset(q.spec.revision for q in self._catalog.quarantines(key)) - {NEVER_DEPLOYED}
        revision = await self._revisions.facts(service, quarantined, now)
        policy = self._policy(service)
        memory = remembered(key.name, service.status, incidents)
        measured = tuple(objective_key(key, o.name) for o in watched(self._sampler, service))
        watch_change(self._sampler, service, incident, revision, measured, now)
        verdicts = {o.objective: self._sampler.verdict(o, now) for o in measured}
        clusterings = self._clustering(service, incident, measured)
        asked = question(incident.status) if incident else self._proofs.still(key, verdicts, memory.last_resolved)
        fallbacks = await self._readiness.wanted(service, incident) if incident else {}
        base = Situation(
            service=key,
            spec=service.spec,
            incident_count=memory.incident_count,
            policy=policy,
            verdicts=verdicts,
            revision=revision,
            responder=self._settings.responder_name,
            incident=incident,
            recoveries=self._proofs.recoveries(service, incident, asked, now),
            comparisons=compared(self._sampler, measured, now),
            coverage=covered(self._sampler, measured),
            unmeasured=unmeasured(clusterings),
            exposed=self._proofs.exposed(service, key, asked),
            untried=self._proofs.untried(service, key, incident, revision, now),
            objects={t: self._catalog.target(target_key(key.namespace, t)) for _, t in service.spec.targets()},
            effects=await self.effects.of_incident(service, incident, fallbacks) if incident else {},
            drifts=await self.effects.drifts(service, incident) if incident else {},
            rollout=self.effects.rollout(service) if incident or not _is_proven(revision) else None,
            validation=await self._validation(incident) if incident else None,
            fallbacks=fallbacks,
            missing=await self._readiness.missing(service, incident, revision) if incident else (),
            # And as it is now, after all that was waited for: what forbids at either moment forbids.
            holds=tuple(dict.fromkeys((*holds, *holds_of(service, key, self._catalog, self._settings)))),
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
            health=self._proofs.health(service, base, now),
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
            fallbacks=await self._readiness.fallbacks(seen.service),
        )

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

    async def _read_targets(self, service: AIService, *, is_record_needed: bool = False) -> None:
        """What is written next rests on what the targets hold, so a cache will not do.

        An incident is recorded all the same where one of them cannot be read: people must get to know of it.
        """
        for target in dict.fromkeys(t for _, t in service.spec.targets()):
            key = target_key(service.metadata.namespace, target)
            try:
                self._catalog.keep_target(key, await self._cluster.read(key))
            except ClusterDenied as error:
                # One target that may not be read keeps nobody from acting on the others; a write to it is refused.
                log.warning("target_denied", kind=target.kind, name=target.name, error=str(error))
            except ClusterError as error:
                if not is_record_needed:
                    raise
                log.warning("target_unread", kind=target.kind, name=target.name, error=str(error))

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

    async def _validation(self, incident: AIIncident) -> Effect | None:
        wanted = incident.status.validation
        if wanted is None or wanted.outcome is not ValidationOutcome.PENDING or incident.status.closing:
            return None
        return await self._validations.look(incident.metadata.namespace, wanted.job)


def _words(ref: PolicyRef) -> str:
    return f"{ref.kind} {ref.name}"


def _is_proven(facts: RevisionFacts) -> bool:
    return facts.current is not None and facts.current.known_good_since is not None


def _awaits_effect(status: AIIncidentStatus) -> bool:
    return any(
        a.phase in (ActionPhase.INTENDED, ActionPhase.APPLIED, ActionPhase.UNDOING)
        or is_share_awaited(a)
        or is_taken_back(a)
        for a in status.actions
    )
