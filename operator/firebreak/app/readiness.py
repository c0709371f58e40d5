"""Could a step be taken: does the fallback serve, and is there all that a rollback's pods need? Asked by app/observe.py.

Looked at only while a step may still want it: of a service in good order nothing is asked.
"""

from collections.abc import Mapping, Sequence

from firebreak.adapters.kube.client import ClusterDenied, KubeClient
from firebreak.adapters.kube.existence import exists
from firebreak.adapters.kube.kinds import ENDPOINT_SLICE
from firebreak.adapters.kube.observers import fallback_ready
from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import Fallback, Revision, Route, workload_target
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.app.catalog import Catalog, target_key
from firebreak.app.settings import Settings
from firebreak.core.dependencies import Missing, dependencies_of, missing_of, template_of
from firebreak.core.field_writes import route_target
from firebreak.core.observations import Effect, Failed
from firebreak.core.ports import Cluster, KubeObject, ObjectKey
from firebreak.core.proof import active
from firebreak.core.requests import contain_is_asked
from firebreak.core.revision import RevisionFacts
from firebreak.core.steps import is_contained, is_unseen, under_way


class Readiness:
    """Looks at what a step rests on before it is taken."""

    def __init__(self, *, catalog: Catalog, cluster: Cluster, client: KubeClient, settings: Settings) -> None:
        self._catalog = catalog
        self._cluster = cluster
        self._client = client
        self._settings = settings

    async def wanted(self, service: AIService, incident: AIIncident) -> Mapping[str, Effect]:
        """Whether the fallback that has traffic serves, else each that a step may still want."""
        status = incident.status
        switch = active(status, ActionKind.SWITCH_TRAFFIC)
        is_settled = under_way(status) or (is_contained(status) and not contain_is_asked(incident))
        if switch is not None and (is_settled or not is_unseen(switch)):
            return await self.fallbacks(service, switch.subject)
        return {} if is_settled else await self.fallbacks(service)

    async def fallbacks(self, service: AIService, name: str = "") -> Mapping[str, Effect]:
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

    async def missing(self, service: AIService, incident: AIIncident, revision: RevisionFacts) -> tuple[Missing, ...]:
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


def _workloads(declared: Revision) -> set[TargetRef]:
    """What a rollback starts anew."""
    written = {f.target for f in declared.fields if f.target.kind == "Deployment"}
    return written | {workload_target(f.reload) for f in declared.fields if f.reload}
