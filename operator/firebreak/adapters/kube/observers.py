"""Is what was written in force, and could a fallback serve?

Pure functions over objects as the API server holds them; asked by app/observe.py, answered in words for people.
A condition in a status says that a change was accepted; that it works is proven by traffic and metrics elsewhere.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from firebreak.api.v1alpha1.aiservice import Fallback, Route
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.autoscaling import FLOOR_PATHS, REPLICAS_PATH, scales
from firebreak.core.field_paths import FieldPath, Found, find, same
from firebreak.core.observations import Effect, Failed, InForce, Waiting, all_of
from firebreak.core.owners import written_at
from firebreak.core.ports import Absent, Held, KubeObject, Unmatched


def effect_of(writes: Iterable[tuple[TargetRef, str, Held]], live: Mapping[TargetRef, KubeObject | None]) -> Effect:
    """Whether all of these (object, path, value) hold, and the objects' own controllers have acted on them."""
    effects: list[Effect] = []
    objects: dict[TargetRef, Effect] = {}
    for target, path, desired in writes:
        object_ = live.get(target)
        if object_ is not None:
            effects.append(holds(object_, path, desired))
        if object_ is not None and target.kind == "Deployment" and path == REPLICAS_PATH and isinstance(desired, int):
            # More reviewers are in force when they are ready; that another change still rolls out does not matter.
            effects.append(scaled(object_, desired))
        elif object_ is not None and path == FLOOR_PATHS.get(target.kind) and isinstance(desired, int):
            workload = TargetRef(api_version="apps/v1", kind="Deployment", name=scales(object_) or "-")
            effects.append(scaled(live.get(workload), desired))
        else:
            objects[target] = in_force(target, object_)
    return all_of((*effects, *objects.values()))


def in_force(target: TargetRef, live: KubeObject | None) -> Effect:
    """Whether an object's own controllers have acted on it as it is now."""
    if live is None:
        return Failed(because=f"{target.kind} {target.name} does not exist")
    match target.kind:
        case "Deployment":
            return rollout(live)
        case "HTTPRoute":
            return accepted(live)
        case _:
            # A ConfigMap has no controller: that it holds the value is all there is to see in the cluster.
            return InForce(because=f"{target.kind} {target.name} is set")


def holds(object_: KubeObject, path: str, desired: Held) -> Effect:
    """Whether a field holds the value."""
    where = f"{object_['kind']} {object_['metadata']['name']}"
    match find(object_, FieldPath.parse(path)):
        case Unmatched(message=message):
            return Failed(because=f"{where}: {message}")
        case Found(value=value) if same(value, desired):
            return InForce(because=f"{where} is set")
        case Found(value=value):
            return Failed(
                because=f"{where}: {path} holds {_short(value)}, not {_short(desired)}: someone has changed it"
            )


def rollout(deployment: KubeObject) -> Effect:
    """Whether every pod of a Deployment is of its current template, and available."""
    where = f"Deployment {deployment['metadata']['name']}"
    spec, status = deployment["spec"], deployment.get("status") or {}
    if spec.get("paused"):
        return Failed(because=f"{where} is paused: kubectl rollout resume deployment {deployment['metadata']['name']}")
    if not _observed(deployment):
        return Waiting(because=f"{where}: its controller has not seen the change yet")
    conditions = _conditions(status)
    progressing = conditions.get("Progressing", {})
    if progressing.get("status") == "False" and progressing.get("reason") == "ProgressDeadlineExceeded":
        return Failed(because=f"{where}: {progressing.get('message') or 'its progress deadline has passed'}")
    wanted = int(spec.get("replicas", 1))
    updated, total, available = (int(status.get(k) or 0) for k in ("updatedReplicas", "replicas", "availableReplicas"))
    if updated < wanted:
        return Waiting(because=f"{where}: {updated} of {wanted} pods are of the new revision{_hindrance(conditions)}")
    if total > updated:
        return Waiting(because=f"{where}: {total - updated} pods of the old revision still run")
    if available < updated:
        return Waiting(because=f"{where}: {available} of {updated} pods are available")
    words = f"{where} is rolled out: {available} of {wanted} pods available"
    came = progressing.get("lastUpdateTime") if progressing.get("reason") == "NewReplicaSetAvailable" else None
    return InForce(because=words, since=datetime.fromisoformat(came) if came else None)


def reloaded(workload: KubeObject, source: KubeObject, path: str) -> Effect:
    """Whether a Deployment's newest rollout ended after this place of a ConfigMap that it reads was last written.

    A changed ConfigMap restarts nothing, so until then the pods answer with what they have read before. A Deployment
    without a progress deadline does not say when it was rolled out; then this is not known, and not asked for.
    """
    changed = written_at(source, FieldPath.parse(path))
    progressing = _conditions(workload.get("status") or {}).get("Progressing")
    where = f"Deployment {workload['metadata']['name']}"
    if changed is None or progressing is None:
        return rollout(workload)
    if datetime.fromisoformat(progressing["lastUpdateTime"]) < changed:
        named = f"ConfigMap {source['metadata']['name']} was changed at {changed:%H:%M:%SZ}"
        restart = f"kubectl rollout restart deployment {workload['metadata']['name']}"
        return Waiting(because=f"{where} has not been restarted since {named}: {restart}")
    return rollout(workload)


def scaled(deployment: KubeObject | None, at_least: int) -> Effect:
    """Whether a Deployment has this many ready pods, of whichever template."""
    if deployment is None:
        return Failed(because="the workload does not exist")
    where = f"Deployment {deployment['metadata']['name']}"
    if not _observed(deployment):
        return Waiting(because=f"{where}: its controller has not seen the change yet")
    status = deployment.get("status") or {}
    ready = int(status.get("readyReplicas") or 0)
    if ready < at_least:
        return Waiting(because=f"{where}: {ready} of {at_least} pods are ready{_hindrance(_conditions(status))}")
    return InForce(because=f"{where}: {ready} pods are ready")


def accepted(route: KubeObject) -> Effect:
    """Whether every gateway that an HTTPRoute names has accepted it as it is now."""
    where = f"HTTPRoute {route['metadata']['name']}"
    generation = int(route["metadata"]["generation"])
    refs = route["spec"].get("parentRefs") or ()
    if not refs:
        return Failed(because=f"{where} names no gateway in spec.parentRefs")
    parents = (route.get("status") or {}).get("parents") or ()
    effects: list[Effect] = []
    for ref in refs:
        reports = [parent for parent in parents if _identity(parent["parentRef"], route) == _identity(ref, route)]
        if not reports:
            effects.append(Waiting(because=f"{where}: {_gateway(ref)} has not taken it up yet"))
        effects += [_accepted_by(where, _gateway(ref), report, generation) for report in reports]
    return all_of(tuple(effects))


def _accepted_by(where: str, gateway: str, report: Mapping[str, Any], generation: int) -> Effect:
    conditions = _conditions(report)
    for type_ in ("Accepted", "ResolvedRefs"):
        condition = conditions.get(type_)
        if condition is None or int(condition.get("observedGeneration") or 0) < generation:
            return Waiting(because=f"{where}: {gateway} has not said {type_} for generation {generation} yet")
        said = (
            f"{where}: {gateway} says {type_}={condition['status']} ({condition['reason']}): {condition.get('message')}"
        )
        if condition["status"] == "Unknown" or (condition["status"] == "False" and condition["reason"] == "Pending"):
            return Waiting(because=said)
        if condition["status"] == "False":
            return Failed(because=said)
    partly = conditions.get("PartiallyInvalid", {})
    if partly.get("status") == "True":
        # What is invalid is dropped, or the old configuration goes on serving.
        return Failed(because=f"{where}: {gateway} uses only a part of it: {partly.get('message')}")
    return InForce(because=f"{where} is accepted by {gateway}")


def ready_endpoints(slices: Iterable[KubeObject]) -> int:
    """How many endpoints of a Service are ready; of each slice's, those that say so."""
    return sum(
        1
        for slice_ in slices
        for endpoint in slice_.get("endpoints") or ()
        # Unset means unknown, which gateways differ on (Traefik 3: not ready): only what is said counts.
        if (endpoint.get("conditions") or {}).get("ready") is True
    )


def declared(route: KubeObject, where: Route, backend: str) -> Effect:
    """Whether the route's rule names this Service among its backends, so that a switch only moves weights."""
    rules = [rule for rule in route["spec"].get("rules") or () if rule.get("name") == where.rule]
    place = f"HTTPRoute {where.name}"
    if len(rules) != 1:
        return Failed(because=f"{place} has {len(rules) or 'no'} rules named {where.rule}; name exactly one so")
    for name in (where.primary.name, backend):
        refs = [ref for ref in rules[0].get("backendRefs") or () if ref.get("name") == name]
        if len(refs) != 1:
            return Failed(
                because=f"{place}, rule {where.rule}: {name} is {'not' if not refs else 'more than once'} among its "
                f"backendRefs; declare it once{', with weight 0' if name == backend else ''}"
            )
    return InForce(because=f"{place}, rule {where.rule} names {backend}")


def fallback_ready(
    fallback: Fallback,
    *,
    backend: str,
    routes: Iterable[tuple[Route, KubeObject | None]],
    slices: Iterable[KubeObject],
    workload: KubeObject | None,
) -> Effect:
    """Whether traffic could go to a fallback now; `backend` is the Service that routes name for it."""
    effects: list[Effect] = []
    for where, route in routes:
        if route is None:
            effects.append(Failed(because=f"HTTPRoute {where.name} does not exist"))
            continue
        effects.append(declared(route, where, backend))
        # A fallback that the gateway cannot resolve answers 500 as soon as it gets traffic.
        effects.append(accepted(route))
    ready = ready_endpoints(slices)
    if ready < 1:
        effects.append(Waiting(because=f"Service {backend} has no ready endpoint"))
    else:
        effects.append(InForce(because=f"Service {backend} has {ready} ready endpoints"))
    if fallback.readiness:
        if workload is None:
            effects.append(Failed(because=f"Deployment {fallback.readiness.workload.name} does not exist"))
        else:
            effects.append(scaled(workload, fallback.readiness.min_ready))
    return all_of(tuple(effects))


def _observed(object_: KubeObject) -> bool:
    observed = int((object_.get("status") or {}).get("observedGeneration") or 0)
    return observed >= int(object_["metadata"]["generation"])


def _conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {condition["type"]: condition for condition in status.get("conditions") or ()}


def _hindrance(conditions: Mapping[str, Mapping[str, Any]]) -> str:
    failure = conditions.get("ReplicaFailure", {})
    return f": {failure.get('message')}" if failure.get("status") == "True" else ""


def _identity(ref: Mapping[str, Any], route: KubeObject) -> tuple[object, ...]:
    return (
        ref.get("group", "gateway.networking.k8s.io"),
        ref.get("kind", "Gateway"),
        ref.get("namespace", route["metadata"]["namespace"]),
        ref["name"],
        ref.get("sectionName"),
        ref.get("port"),
    )


def _gateway(ref: Mapping[str, Any]) -> str:
    section = f" listener {ref['sectionName']}" if ref.get("sectionName") else ""
    return f"{ref.get('kind', 'Gateway')} {ref['name']}{section}"


def _short(value: Held) -> str:
    if isinstance(value, Absent):
        return "nothing"
    text = str(value)
    return text if len(text) <= 80 and "\n" not in text else f"a text of {len(text)} characters"
