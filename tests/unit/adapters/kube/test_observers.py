"""What is read from the objects' status: in force, not yet, or not without help, in words."""

from typing import Any

import pytest

from firebreak.adapters.kube.observers import (
    accepted,
    declared,
    effect_of,
    fallback_ready,
    holds,
    in_force,
    ready_endpoints,
    reloaded,
    rollout,
    scaled,
)
from firebreak.api.v1alpha1.aiservice import Fallback, Route
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.observations import Effect, Failed, InForce, Waiting
from firebreak.core.ports import ABSENT


def a_deployment(*, generation: int = 2, observed: int = 2, replicas: int = 3, **status: Any) -> dict[str, Any]:
    """A Deployment that is rolled out, unless told otherwise."""
    counts = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "docs", "generation": generation},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": observed, **counts, **status},
    }


def rolled_out(at: str, **status: Any) -> dict[str, Any]:
    """A Deployment whose newest pods were all available at this time of day."""
    said = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    return a_deployment(conditions=[said | {"lastUpdateTime": f"2026-01-01T{at}Z"}], **status)


def a_condition(type_: str, status: str, reason: str = "So", message: str = "", observed: int = 5) -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": reason, "message": message, "observedGeneration": observed}


FINE = (a_condition("Accepted", "True"), a_condition("ResolvedRefs", "True"))


def a_route(*conditions: dict[str, Any], parent: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """An HTTPRoute at generation 5 with one gateway, which says this."""
    ref = {"name": "gateway"}
    return {
        "kind": "HTTPRoute",
        "metadata": {"name": "qa", "namespace": "docs", "generation": 5},
        "spec": {
            "parentRefs": [ref],
            "rules": [
                {
                    "name": "answers",
                    "backendRefs": [
                        {"name": "qa", "port": 80, "weight": 100},
                        {"name": "qa-small", "port": 80, "weight": 0},
                    ],
                }
            ],
            **spec,
        },
        "status": {
            "parents": [{"controllerName": "x", "parentRef": parent or ref, "conditions": list(conditions)}]
            if conditions
            else []
        },
    }


WHERE = Route.model_validate({"name": "qa", "rule": "answers", "primary": {"name": "qa", "port": 80}})
SMALL = Fallback.model_validate(
    {
        "name": "small",
        "role": "SimplerModel",
        "backend": {"name": "qa-small", "port": 80},
        "readiness": {"workload": {"name": "qa-small"}, "minReady": 2},
    }
)
READY = {"endpoints": [{"conditions": {"ready": True}}, {"conditions": {"ready": True}}]}


def says(effect: Effect, kind: type[Effect], words: str) -> bool:
    assert isinstance(effect, kind), effect
    assert words in effect.because
    return True


@pytest.mark.parametrize(
    ("deployment", "kind", "words"),
    [
        (a_deployment(), InForce, "3 of 3 pods available"),
        (a_deployment(observed=1), Waiting, "has not seen the change yet"),
        (a_deployment(updatedReplicas=1), Waiting, "1 of 3 pods are of the new revision"),
        (a_deployment(replicas=3) | {"status": {"observedGeneration": 2}}, Waiting, "0 of 3 pods"),
        (a_deployment(replicas=4, updatedReplicas=4) | {}, Waiting, "3 of 4 pods are available"),
        (
            {**a_deployment(), "status": {**a_deployment()["status"], "replicas": 4}},
            Waiting,
            "1 pods of the old revision still run",
        ),
        (a_deployment(availableReplicas=2), Waiting, "2 of 3 pods are available"),
        (
            a_deployment(
                availableReplicas=2,
                conditions=[a_condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out progressing")],
            ),
            Failed,
            "timed out progressing",
        ),
        (
            a_deployment(
                updatedReplicas=1, conditions=[a_condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")]
            ),
            Waiting,
            "exceeded quota",
        ),
        (
            {**a_deployment(), "spec": {"paused": True}},
            Failed,
            "kubectl rollout resume deployment web",
        ),
    ],
)
def test_a_rollout_is_over_when_all_pods_are_new_and_available(deployment: Any, kind: type[Effect], words: str):
    """At the generation that was written, or it is the one before that is looked at."""
    assert says(rollout(deployment), kind, words)


@pytest.mark.parametrize(
    ("deployment", "changed", "kind", "words"),
    [
        (rolled_out("10:00:00"), "09:59:59", InForce, "rolled out"),
        (rolled_out("10:00:00"), "10:00:00", InForce, "rolled out"),
        (rolled_out("10:00:00"), "10:00:01", Waiting, "kubectl rollout restart deployment web"),
        (rolled_out("10:00:00", updatedReplicas=1), "09:59:59", Waiting, "1 of 3 pods"),
        (a_deployment(), "10:00:00", InForce, "rolled out"),
    ],
)
def test_a_prompt_serves_once_the_pods_are_newer_than_it(deployment: Any, changed: str, kind: type[Effect], words: str):
    """Pods that have read the old text go on with it, however well their own rollout looks."""
    written = {"manager": "argocd", "time": f"2026-01-01T{changed}Z", "fieldsV1": {"f:data": {"f:system.txt": {}}}}
    other = {"manager": "kubectl", "time": "2026-01-01T23:00:00Z", "fieldsV1": {"f:data": {"f:limits.yaml": {}}}}
    prompt = {"kind": "ConfigMap", "metadata": {"name": "prompt", "managedFields": [other, written]}}
    assert says(reloaded(deployment, prompt, "$.data['system.txt']"), kind, words)


@pytest.mark.parametrize(
    ("deployment", "kind", "words"),
    [
        (a_deployment(), InForce, "3 pods are ready"),
        (a_deployment(updatedReplicas=0), InForce, "3 pods are ready"),
        (a_deployment(readyReplicas=1), Waiting, "1 of 3 pods are ready"),
        (a_deployment(observed=1), Waiting, "has not seen"),
        (None, Failed, "does not exist"),
    ],
)
def test_a_workload_is_scaled_when_enough_pods_are_ready(deployment: Any, kind: type[Effect], words: str):
    """Of whichever revision: reviewers are reviewers."""
    assert says(scaled(deployment, 3), kind, words)


@pytest.mark.parametrize(
    ("route", "kind", "words"),
    [
        (a_route(*FINE), InForce, "accepted by Gateway gateway"),
        (a_route(), Waiting, "has not taken it up yet"),
        (a_route(a_condition("Accepted", "True", observed=4), FINE[1]), Waiting, "Accepted for generation 5"),
        (a_route(FINE[0], a_condition("ResolvedRefs", "True", observed=4)), Waiting, "ResolvedRefs for generation 5"),
        (a_route(a_condition("Accepted", "False", "Pending")), Waiting, "Pending"),
        (a_route(a_condition("Accepted", "False", "NoMatchingParent", "no such listener")), Failed, "no such listener"),
        (a_route(FINE[0], a_condition("ResolvedRefs", "False", "BackendNotFound")), Failed, "BackendNotFound"),
        (a_route(*FINE, a_condition("PartiallyInvalid", "True", message="Dropped Rule")), Failed, "Dropped Rule"),
        (a_route(*FINE, parent={"name": "another"}), Waiting, "has not taken it up yet"),
        (a_route(*FINE, parent={"name": "gateway", "namespace": "docs", "kind": "Gateway"}), InForce, "accepted"),
        (a_route(*FINE, parentRefs=[]), Failed, "names no gateway"),
        (a_route(*FINE, parentRefs=[{"name": "gateway"}, {"name": "second"}]), Waiting, "second"),
    ],
)
def test_a_route_is_accepted_when_every_gateway_says_so_of_this_generation(route: Any, kind: type[Effect], words: str):
    """What a gateway says of an earlier generation, or of a part of it, is not it."""
    assert says(accepted(route), kind, words)


def test_a_field_that_someone_has_changed_since_is_told():
    """A long text is named by its length: it may be a prompt."""
    config = {"kind": "ConfigMap", "metadata": {"name": "prompt"}, "data": {"rate": "50%", "text": "a\n" * 100}}
    assert says(holds(config, "$.data.rate", "50%"), InForce, "ConfigMap prompt is set")
    assert says(holds(config, "$.data.rate", "100%"), Failed, "holds 50%, not 100%")
    assert says(holds(config, "$.data.text", ABSENT), Failed, "holds a text of 200 characters, not nothing")
    assert says(holds(config, "$.data.a.b.c", 1), Failed, "$.data has no field 'a'")


def test_an_objects_own_controller_is_asked():
    """Of a ConfigMap there is none; of an object that is gone nothing is in force."""
    deployment = TargetRef(api_version="apps/v1", kind="Deployment", name="web")
    route = TargetRef(api_version="gateway.networking.k8s.io/v1", kind="HTTPRoute", name="qa")
    config = TargetRef(api_version="v1", kind="ConfigMap", name="prompt")
    assert says(in_force(deployment, a_deployment(observed=1)), Waiting, "Deployment web")
    assert says(in_force(route, a_route()), Waiting, "HTTPRoute qa")
    assert says(in_force(config, {"kind": "ConfigMap"}), InForce, "ConfigMap prompt")
    assert says(in_force(config, None), Failed, "does not exist")


def test_only_endpoints_that_say_so_are_ready():
    """Gateways differ on those that say nothing."""
    slices: list[dict[str, Any]] = [
        {"endpoints": [{"conditions": {"ready": True}}, {"conditions": {"ready": False}}, {}]},
        {"endpoints": None},
        {"endpoints": [{"conditions": {"ready": True, "serving": True}}]},
    ]
    assert ready_endpoints(slices) == 2


def test_a_fallback_is_ready_when_traffic_could_go_to_it():
    """Declared in the rule, resolved by the gateway, with endpoints and as many pods as it needs."""
    ready = fallback_ready(
        SMALL, backend="qa-small", routes=[(WHERE, a_route(*FINE))], slices=[READY], workload=a_deployment()
    )
    assert says(ready, InForce, "Service qa-small has 2 ready endpoints")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"routes": [(WHERE, None)]}, Failed, "HTTPRoute qa does not exist"),
        ({"routes": [(WHERE, a_route(*FINE, rules=[]))]}, Failed, "no rules named answers"),
        ({"backend": "other"}, Failed, "other is not among its backendRefs; declare it once, with weight 0"),
        (
            {"routes": [(WHERE, a_route(FINE[0], a_condition("ResolvedRefs", "False", "BackendNotFound")))]},
            Failed,
            "Back",
        ),
        ({"slices": []}, Waiting, "has no ready endpoint"),
        ({"workload": a_deployment(readyReplicas=1)}, Waiting, "1 of 2 pods are ready"),
        ({"workload": None}, Failed, "Deployment qa-small does not exist"),
    ],
)
def test_a_fallback_that_could_not_serve_says_why(change: dict[str, Any], kind: type[Effect], words: str):
    """Traffic is not sent where nobody answers."""
    asked: dict[str, Any] = {
        "backend": "qa-small",
        "routes": [(WHERE, a_route(*FINE))],
        "slices": [READY],
        "workload": a_deployment(),
    }
    assert says(fallback_ready(SMALL, **(asked | change)), kind, words)


def test_a_backend_that_is_declared_twice_is_refused():
    """Weights are found by the Service's name."""
    twice = a_route(*FINE)
    refs = twice["spec"]["rules"][0]["backendRefs"]
    refs.append(refs[1])
    assert says(declared(twice, WHERE, "qa-small"), Failed, "more than once")


DEPLOYMENT = TargetRef(api_version="apps/v1", kind="Deployment", name="web")
PROMPT = TargetRef(api_version="v1", kind="ConfigMap", name="prompt")


def test_a_rollback_is_in_force_when_every_field_holds_and_the_pods_are_new():
    """A field that stands but is not rolled out is awaited; one that was changed since outweighs what is awaited."""
    prompt = {"kind": "ConfigMap", "metadata": {"name": "prompt"}, "data": {"text": "v1"}}
    writes = [(PROMPT, "$.data.text", "v1"), (DEPLOYMENT, "$.spec.paused", ABSENT)]
    assert says(effect_of(writes, {PROMPT: prompt, DEPLOYMENT: a_deployment()}), InForce, "is rolled out")
    assert says(effect_of(writes, {PROMPT: prompt, DEPLOYMENT: a_deployment(updatedReplicas=1)}), Waiting, "1 of 3")
    changed = prompt | {"data": {"text": "v2"}}
    assert says(effect_of(writes, {PROMPT: changed, DEPLOYMENT: a_deployment(updatedReplicas=1)}), Failed, "holds v2")
    assert says(effect_of(writes, {PROMPT: prompt, DEPLOYMENT: None}), Failed, "Deployment web does not exist")


def test_more_reviewers_are_in_force_when_they_are_ready():
    """Whatever else is being rolled out."""
    writes = [(DEPLOYMENT, "$.spec.replicas", 3)]
    assert says(effect_of(writes, {DEPLOYMENT: a_deployment(updatedReplicas=1)}), InForce, "3 pods are ready")
    assert says(effect_of(writes, {DEPLOYMENT: a_deployment(readyReplicas=2)}), Waiting, "2 of 3 pods are ready")
