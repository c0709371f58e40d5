"""Guarded writes to other people's objects, on a real API server."""

from typing import Any

import pytest
from tests.integration.kube.kubeplace import Place, Rival, a_config_map, a_deployment

from firebreak.adapters.kube.cluster import Fence, KubeCluster
from firebreak.adapters.kube.kinds import CONFIG_MAP, DEPLOYMENT, Kind
from firebreak.adapters.kube.lease import NotLeader
from firebreak.core.ports import ABSENT, Changed, Landed, Missing, Refused, Unmatched

pytestmark = pytest.mark.lab

IMAGE = "$.spec.template.spec.containers[?@.name=='server'].image"
RESTARTED = "$.spec.template.metadata.annotations['firebreak.dev/restarted-for']"


def leading() -> None:
    """A fence that lets everything pass."""


def cluster_of(place: Place, fence: Fence = leading) -> KubeCluster:
    return KubeCluster(place.client, fence=fence)


def image_of(deployment: Any) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][-1]["image"])


async def owners(place: Place, kind: Kind, name: str) -> set[tuple[str, str]]:
    """Who owns fields of it, but for its status."""
    entries = (await place.get(kind, name))["metadata"].get("managedFields", [])
    return {(entry["manager"], entry["operation"]) for entry in entries if "subresource" not in entry}


async def test_a_field_is_set_where_it_holds_what_was_expected(place: Place):
    """Nothing else changes, and the generation to wait for is returned."""
    await place.apply(a_deployment(image="web:v2"), manager="argocd-controller")
    before = await place.get(DEPLOYMENT, "web")
    result = await cluster_of(place).set_field(
        place.key(DEPLOYMENT, "web"), IMAGE, expected=("web:v2",), desired="web:v1"
    )
    after = await place.get(DEPLOYMENT, "web")
    assert result == Landed(generation=before["metadata"]["generation"] + 1, changed=True)
    assert image_of(after) == "web:v1"
    assert after["spec"]["template"]["spec"]["containers"][0] == before["spec"]["template"]["spec"]["containers"][0]


async def test_what_stands_already_is_not_written_again(place: Place):
    """After a crash between write and record, asking again changes nothing."""
    await place.apply(a_deployment(), manager="argocd-controller")
    before = await place.get(DEPLOYMENT, "web")
    result = await cluster_of(place).set_field(
        place.key(DEPLOYMENT, "web"), IMAGE, expected=("web:v2",), desired="web:v1"
    )
    assert result == Landed(generation=before["metadata"]["generation"], changed=False)
    assert (await place.get(DEPLOYMENT, "web"))["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_what_somebody_else_has_set_is_left_and_told(place: Place):
    """A value that is neither the expected nor the desired one is somebody's decision."""
    await place.apply(a_deployment(image="web:hotfix"), manager="someone")
    result = await cluster_of(place).set_field(
        place.key(DEPLOYMENT, "web"), IMAGE, expected=("web:v2",), desired="web:v1"
    )
    assert result == Changed(actual="web:hotfix")
    assert image_of(await place.get(DEPLOYMENT, "web")) == "web:hotfix"


async def test_a_change_between_read_and_write_is_not_overwritten(place: Place, rival: Rival):
    """The patch's test fails on the server, the object is read again, and the other's value is told."""
    await place.apply(a_deployment(image="web:v2"), manager="argocd-controller")
    key = place.key(DEPLOYMENT, "web")
    writes = []

    def fence() -> None:
        writes.append(1)
        rival(key, [{"op": "replace", "path": "/spec/template/spec/containers/1/image", "value": "web:hotfix"}])

    result = await cluster_of(place, fence).set_field(key, IMAGE, expected=("web:v2",), desired="web:v1")
    assert result == Changed(actual="web:hotfix")
    assert len(writes) == 1


async def test_a_write_survives_that_its_item_moves_in_the_list(place: Place, rival: Rival):
    """The neighbour that identifies the item is tested; the second attempt finds it at its new place."""
    await place.apply(a_deployment(image="web:v2"), manager="argocd-controller")
    key = place.key(DEPLOYMENT, "web")
    moves = iter(
        [[{"op": "move", "from": "/spec/template/spec/containers/1", "path": "/spec/template/spec/containers/0"}]]
    )

    def fence() -> None:
        for move in moves:
            rival(key, move)

    result = await cluster_of(place, fence).set_field(key, IMAGE, expected=("web:v2",), desired="web:v1")
    assert isinstance(result, Landed)
    containers = (await place.get(DEPLOYMENT, "web"))["spec"]["template"]["spec"]["containers"]
    assert [(c["name"], c["image"]) for c in containers] == [("server", "web:v1"), ("judge", "judge:v1")]


async def test_an_absent_field_is_made_and_made_absent_again(place: Place, rival: Rival):
    """Its map is made with it; an unrelated change in between costs only another attempt."""
    await place.apply(a_deployment(), manager="argocd-controller")
    key = place.key(DEPLOYMENT, "web")
    changes = iter([[{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]])

    def fence() -> None:
        for change in changes:
            rival(key, change)

    cluster = cluster_of(place, fence)
    set_ = await cluster.set_field(key, RESTARTED, expected=(ABSENT,), desired="i-1")
    template = (await place.get(DEPLOYMENT, "web"))["spec"]["template"]
    assert isinstance(set_, Landed)
    assert template["metadata"]["annotations"] == {"firebreak.dev/restarted-for": "i-1"}
    unset = await cluster.set_field(key, RESTARTED, expected=("i-1",), desired=ABSENT)
    assert isinstance(unset, Landed)
    assert not (await place.get(DEPLOYMENT, "web"))["spec"]["template"]["metadata"].get("annotations")


async def test_a_dry_run_answers_as_the_write_would_and_changes_nothing(place: Place):
    """What a drill learns is what an incident would meet."""
    await place.apply(a_deployment(image="web:v2"), manager="argocd-controller")
    key = place.key(DEPLOYMENT, "web")
    cluster = cluster_of(place)
    result = await cluster.set_field(key, IMAGE, expected=("web:v2",), desired="web:v1", dry_run=True)
    refused = await cluster.set_field(key, "$.spec.replicas", expected=(2,), desired=-1, dry_run=True)
    assert isinstance(result, Landed)
    assert isinstance(refused, Refused)
    assert image_of(await place.get(DEPLOYMENT, "web")) == "web:v2"


@pytest.mark.parametrize(
    ("path", "desired", "says"),
    [
        ("$.spec.replicas", -1, "must be greater than or equal to 0"),
        ("$.spec.replicas", "many", "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas"),
        ("$.spec.replcas", 3, 'unknown field "spec.replcas"'),
    ],
)
async def test_what_validation_refuses_is_told_from_a_failed_guard(place: Place, path: str, desired: Any, says: str):
    """It is not tried again, and the message is the API server's without the object that it quotes."""
    await place.apply(a_deployment(), manager="argocd-controller")
    asked: list[int] = []
    cluster = cluster_of(place, lambda: asked.append(1))
    result = await cluster.set_field(place.key(DEPLOYMENT, "web"), path, expected=(2, ABSENT), desired=desired)
    assert isinstance(result, Refused)
    assert result.code == 422
    assert says in result.message
    assert "containers" not in result.message
    assert len(asked) == 1


async def test_objects_and_places_that_are_not_there_are_values(place: Place):
    """Nothing of this is an exception: it is for people to change the declaration."""
    cluster = cluster_of(place)
    await place.apply(a_deployment(), manager="argocd-controller")
    key = place.key(DEPLOYMENT, "web")
    assert await cluster.set_field(place.key(DEPLOYMENT, "none"), IMAGE, expected=("a",), desired="b") == Missing()
    assert isinstance(
        await cluster.set_field(key, IMAGE.replace("server", "srv"), expected=("a",), desired="b"), Unmatched
    )
    assert isinstance(
        await cluster.set_field(key._replace(kind="Secret", api_version="v9"), IMAGE, expected=("a",), desired="b"),
        Unmatched,
    )
    assert await cluster.read(place.key(CONFIG_MAP, "none")) is None


async def test_a_deposed_leader_writes_nothing(place: Place):
    """The fence is asked right before the request, and stops it."""

    def fence() -> None:
        raise NotLeader("deposed")

    await place.apply(a_deployment(image="web:v2"), manager="argocd-controller")
    with pytest.raises(NotLeader):
        await cluster_of(place, fence).set_field(
            place.key(DEPLOYMENT, "web"), IMAGE, expected=("web:v2",), desired="web:v1"
        )
    assert image_of(await place.get(DEPLOYMENT, "web")) == "web:v2"


async def test_after_disowning_the_owner_applies_without_force(place: Place):
    """Contained, restored and disowned: no entry of Firebreak is left, and Git's next change arrives."""
    await place.apply(a_deployment(image="web:v2", replicas=2), manager="argocd-controller")
    cluster, key = cluster_of(place), place.key(DEPLOYMENT, "web")
    await cluster.set_field(key, "$.spec.replicas", expected=(2,), desired=6)
    assert ("firebreak", "Update") in await owners(place, DEPLOYMENT, "web")
    assert await place.apply(a_deployment(image="web:v2", replicas=3), manager="argocd-controller") == 409
    await cluster.set_field(key, "$.spec.replicas", expected=(6,), desired=2)
    assert await place.apply(a_deployment(image="web:v2", replicas=3), manager="argocd-controller") == 409
    await cluster.disown(key)
    assert await owners(place, DEPLOYMENT, "web") == {("argocd-controller", "Apply")}
    assert await place.apply(a_deployment(image="web:v2", replicas=3), manager="argocd-controller") == 200
    assert (await place.get(DEPLOYMENT, "web"))["spec"]["replicas"] == 3


async def test_disowning_survives_a_change_in_between_and_an_object_that_is_gone(place: Place, rival: Rival):
    """The guard on the resourceVersion fails, and it is done again; the other's entry stays."""
    await place.apply(a_config_map(data={"system.txt": "v2"}), manager="argocd-controller")
    key = place.key(CONFIG_MAP, "prompt")
    await cluster_of(place).set_field(key, "$.data['system.txt']", expected=("v2",), desired="v1")
    changes = iter([[{"op": "add", "path": "/data/other", "value": "x"}]])

    def fence() -> None:
        for change in changes:
            rival(key, change)

    await cluster_of(place, fence).disown(key)
    assert await owners(place, CONFIG_MAP, "prompt") == {("rival", "Update")}
    await cluster_of(place).disown(place.key(CONFIG_MAP, "none"))
