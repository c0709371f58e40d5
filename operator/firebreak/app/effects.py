"""Is what Firebreak wrote in force, and has somebody changed it since? Asked by app/observe.py of each action.

Proof is in the data plane: a rollout that is complete, traffic that was seen to have moved.
"""

from collections.abc import Mapping

from firebreak.adapters.kube.observers import effect_of, reloaded
from firebreak.adapters.kube.observers import rollout as rolled_out
from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import workload_target
from firebreak.api.v1alpha1.incident import Action, ActionPhase
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.app.catalog import Catalog, target_key
from firebreak.app.revisions import Revisions
from firebreak.app.sampler import Sampler
from firebreak.core.autoscaling import FLOOR_PATHS
from firebreak.core.decide import is_share_awaited
from firebreak.core.drift import drift_of, is_drifted, is_watched
from firebreak.core.field_writes import value_of
from firebreak.core.objectives import ServiceKey
from firebreak.core.observations import Effect, InForce, Waiting, all_of
from firebreak.core.ports import Cluster


class Effects:
    """Looks at what became of actions, by what is known of their targets."""

    def __init__(self, *, catalog: Catalog, cluster: Cluster, revisions: Revisions, sampler: Sampler) -> None:
        self._catalog = catalog
        self._cluster = cluster
        self._revisions = revisions
        self._sampler = sampler

    async def of_incident(
        self, service: AIService, incident: AIIncident, fallbacks: Mapping[str, Effect]
    ) -> Mapping[str, Effect]:
        """Of every action whose effect is awaited."""
        return {
            a.id: await self.of_action(service, a, fallbacks)
            for a in incident.status.actions
            if a.phase is ActionPhase.APPLIED
            or is_drifted(a)
            or (is_share_awaited(a) and all(w.landed for w in a.writes))
        }

    async def drifts(self, service: AIService, incident: AIIncident) -> Mapping[str, str]:
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

    async def of_action(
        self, service: AIService, action: Action, fallbacks: Mapping[str, Effect] | None = None
    ) -> Effect:
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
            effects.append(self.rollout(service))
        return all_of(tuple(effects))

    def rollout(self, service: AIService) -> Effect:
        """Of every workload that a field of the revision is in, or that reloads one."""
        fields = service.spec.revision.fields if service.spec.revision else ()
        effects = []
        for field in fields:
            written = self._catalog.target(target_key(service.metadata.namespace, field.target))
            if written is not None and field.target.kind == "Deployment":
                effects.append(rolled_out(written))
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
