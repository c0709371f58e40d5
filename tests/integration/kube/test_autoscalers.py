"""The floors of an HPA and of a KEDA ScaledObject, and who set a field, on a real API server."""

from typing import Any

import pytest
from tests.integration.kube.conftest import until
from tests.integration.kube.kubeplace import APPLY, Place, a_deployment

from firebreak.adapters.kube.client import JSON_PATCH, KubeClient
from firebreak.adapters.kube.cluster import KubeCluster
from firebreak.adapters.kube.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, SCALED_OBJECT, Kind, path_of
from firebreak.core.autoscaling import ceiling_of, floor_of, scales
from firebreak.core.field_paths import FieldPath
from firebreak.core.owners import owner_of
from firebreak.core.ports import ABSENT, Landed, Refused

pytestmark = pytest.mark.lab

_TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "review"}
_KEDA = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "scaledobjects.keda.sh"},
    "spec": {
        "group": "keda.sh",
        "names": {"kind": "ScaledObject", "listKind": "ScaledObjectList", "plural": "scaledobjects"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def leading() -> None:
    """A fence that lets everything pass."""


async def _make(place: Place, kind: Kind, spec: dict[str, Any]) -> None:
    object_ = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "review"}, "spec": spec}
    answer = await place.client.request(
        "PATCH", path_of(place.key(kind, "review")), query={"fieldManager": "tests"}, body=object_, content_type=APPLY
    )
    assert answer.ok, answer.message


@pytest.fixture
async def keda(client: KubeClient) -> None:
    """KEDA's kind is served, as far as it matters here."""
    url = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/scaledobjects.keda.sh"
    answer = await client.request("PATCH", url, query={"fieldManager": "tests"}, body=_KEDA, content_type=APPLY)
    assert answer.ok, answer.message
    await until(client, "/apis/keda.sh/v1alpha1/scaledobjects")


async def test_an_hpa_s_floor_is_raised_and_given_back(place: Place) -> None:
    """Its controller is nowhere near; a floor above the maximum is refused by the API server itself."""
    metrics = [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    ]
    await _make(place, HORIZONTAL_POD_AUTOSCALER, {"scaleTargetRef": _TARGET, "maxReplicas": 6, "metrics": metrics})
    live = await place.get(HORIZONTAL_POD_AUTOSCALER, "review")
    assert (scales(live), floor_of(live), ceiling_of(live)) == ("review", 1, 6)
    cluster, key = KubeCluster(place.client, fence=leading), place.key(HORIZONTAL_POD_AUTOSCALER, "review")
    path = "$.spec.minReplicas"
    assert isinstance(await cluster.set_field(key, path, expected=(1, ABSENT), desired=7), Refused)
    assert isinstance(await cluster.set_field(key, path, expected=(1, ABSENT), desired=6), Landed)
    assert floor_of(await place.get(HORIZONTAL_POD_AUTOSCALER, "review")) == 6
    assert isinstance(await cluster.set_field(key, path, expected=(6,), desired=1), Landed)


async def test_a_scaled_object_s_floor_is_raised_and_given_back(place: Place, keda: None) -> None:
    """One that was not set is removed again."""
    await _make(place, SCALED_OBJECT, {"scaleTargetRef": {"name": "review"}, "maxReplicaCount": 10, "triggers": []})
    live = await place.get(SCALED_OBJECT, "review")
    assert (scales(live), floor_of(live), ceiling_of(live)) == ("review", 0, 10)
    cluster, key = KubeCluster(place.client, fence=leading), place.key(SCALED_OBJECT, "review")
    path = "$.spec.minReplicaCount"
    assert isinstance(await cluster.set_field(key, path, expected=(ABSENT,), desired=6), Landed)
    assert floor_of(await place.get(SCALED_OBJECT, "review")) == 6
    assert isinstance(await cluster.set_field(key, path, expected=(6,), desired=ABSENT), Landed)
    assert "minReplicaCount" not in (await place.get(SCALED_OBJECT, "review"))["spec"]


async def test_who_set_a_field_is_told_as_the_api_server_keeps_it(place: Place) -> None:
    """By server-side apply, by a patch, and through the scale subresource as an HPA does."""
    path = FieldPath.parse("$.spec.template.spec.containers[?@.name=='server'].image")
    replicas = FieldPath.parse("$.spec.replicas")
    await place.apply(a_deployment(image="web:v1"), manager="argocd-controller")
    assert owner_of(await place.get(DEPLOYMENT, "web"), path) == "argocd-controller (Apply)"

    url = path_of(place.key(DEPLOYMENT, "web"))
    ops = [{"op": "replace", "path": "/spec/template/spec/containers/1/image", "value": "web:v2"}]
    changed = await place.client.request(
        "PATCH", url, query={"fieldManager": "kubectl-set"}, body=ops, content_type=JSON_PATCH
    )
    assert changed.ok, changed.message
    assert owner_of(await place.get(DEPLOYMENT, "web"), path) == "kubectl-set (Update)"

    ops = [{"op": "replace", "path": "/spec/replicas", "value": 4}]
    query = {"fieldManager": "kube-controller-manager"}
    scaled = await place.client.request("PATCH", f"{url}/scale", query=query, body=ops, content_type=JSON_PATCH)
    assert scaled.ok, scaled.message
    assert owner_of(await place.get(DEPLOYMENT, "web"), replicas) == "kube-controller-manager (Update of scale)"
