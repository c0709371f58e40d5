"""Firebreak's own objects and the revisions it keeps, on a real API server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.kube.kubeplace import APPLY, Place, a_deployment

from firebreak.adapters.kube.client import ClusterDenied
from firebreak.adapters.kube.kinds import CONTROLLER_REVISION, DEPLOYMENT, FIREBREAK, path_of
from firebreak.adapters.kube.lease import NotLeader
from firebreak.adapters.kube.objects import Conflict, FirebreakObjects, Stored
from firebreak.adapters.kube.quarantines import Quarantines
from firebreak.adapters.kube.snapshots import Snapshots
from firebreak.api.v1alpha1.incident import FINALIZER, AIIncident, AIIncidentSpec, AIIncidentStatus, Phase
from firebreak.api.v1alpha1.model import ApiModel
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import Missing, ObjectKey, Refused
from firebreak.core.revision import Snapshot

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("crds")]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def leading() -> None:
    """A fence that lets everything pass."""


def deposed() -> None:
    """A fence that lets nothing pass."""
    raise NotLeader("deposed")


def objects_of(place: Place) -> FirebreakObjects:
    return FirebreakObjects(place.client, fence=leading)


def incident_key(place: Place, name: str = "qa-1") -> ObjectKey:
    return place.key(FIREBREAK["AIIncident"], name)


async def an_incident(place: Place, name: str = "qa-1") -> Stored:
    made = await objects_of(place).create("AIIncident", place.namespace, name, AIIncidentSpec(service="qa"))
    assert isinstance(made, Stored), made
    return made


def version_of(stored: Stored) -> str:
    return str(stored.object["metadata"]["resourceVersion"])


async def test_an_incident_that_is_opened_twice_is_opened_once(place: Place):
    """The second operator gets the first one's object, and does not overwrite it."""
    first = await an_incident(place)
    second = await an_incident(place)
    assert first.created
    assert not second.created
    assert second.object["metadata"]["uid"] == first.object["metadata"]["uid"]


async def test_a_status_is_written_whole_and_read_back(place: Place):
    """What a status no longer says is gone from it."""
    made, objects = await an_incident(place), objects_of(place)
    status = AIIncidentStatus(phase=Phase.CONTAINING, summary="groundedness fell", detected_at=NOON)
    written = await objects.write_status(incident_key(place), version_of(made), status)
    assert isinstance(written, Stored), written
    assert AIIncident.model_validate(written.object).status == status
    later = await objects.write_status(incident_key(place), version_of(written), AIIncidentStatus(phase=Phase.RESOLVED))
    assert isinstance(later, Stored), later
    assert AIIncident.model_validate(later.object).status == AIIncidentStatus(phase=Phase.RESOLVED)


async def test_a_status_that_rests_on_an_old_read_is_a_conflict(place: Place):
    """Of two writers that have read the same, one is told to read again; nothing is mixed."""
    made, objects = await an_incident(place), objects_of(place)
    mine = await objects.write_status(incident_key(place), version_of(made), AIIncidentStatus(summary="mine"))
    theirs = await objects.write_status(incident_key(place), version_of(made), AIIncidentStatus(summary="theirs"))
    assert isinstance(mine, Stored), mine
    assert theirs == Conflict()
    kept = await objects.get("AIIncident", place.namespace, "qa-1")
    assert kept is not None
    assert kept["status"]["summary"] == "mine"


async def test_a_status_that_the_schema_refuses_is_told_from_a_conflict(place: Place):
    """Reading again would not help: it says what is wrong."""

    class Odd(ApiModel):
        phase: str = "Nowhere"

    made = await an_incident(place)
    refused = await objects_of(place).write_status(incident_key(place), version_of(made), Odd())
    assert isinstance(refused, Refused)
    assert refused.code == 422
    assert "status.phase" in refused.message


async def test_an_incident_that_is_gone_is_a_value(place: Place):
    """Someone has deleted it; that is for the caller to understand."""
    assert await objects_of(place).write_status(incident_key(place, "none"), "1", AIIncidentStatus()) == Missing()


async def test_an_incident_is_held_until_everything_is_undone(place: Place):
    """Deleting it waits for the finalizer; adding it to one that is being deleted is refused."""
    await an_incident(place)
    objects, key = objects_of(place), incident_key(place)
    held = await objects.hold(key, FINALIZER)
    again = await objects.hold(key, FINALIZER)
    assert isinstance(held, Stored)
    assert isinstance(again, Stored)
    assert version_of(again) == version_of(held)
    await objects.delete(key)
    waiting = await objects.get("AIIncident", place.namespace, "qa-1")
    assert waiting is not None
    assert waiting["metadata"]["deletionTimestamp"]
    assert isinstance(await objects.hold(key, "example.com/other"), Refused)
    assert isinstance(await objects.let_go(key, FINALIZER), Stored)
    assert await objects.let_go(key, FINALIZER) == Missing()
    await objects.delete(key)


async def test_a_deposed_leader_records_nothing(place: Place):
    """Neither a record nor an object nor a finalizer gets out."""
    made = await an_incident(place)
    objects, key = FirebreakObjects(place.client, fence=deposed), incident_key(place)
    with pytest.raises(NotLeader):
        await objects.write_status(key, version_of(made), AIIncidentStatus(summary="late"))
    with pytest.raises(NotLeader):
        await objects.hold(key, FINALIZER)
    with pytest.raises(NotLeader):
        await objects.create("AIIncident", place.namespace, "qa-2", AIIncidentSpec(service="qa"))
    with pytest.raises(NotLeader):
        await objects.delete(key)
    live = await objects.get("AIIncident", place.namespace, "qa-1")
    assert live is not None
    assert live["metadata"]["resourceVersion"] == version_of(made)


async def test_a_list_is_whole_however_many_pages_it_takes(place: Place):
    """All objects are there, with what tells them apart."""
    objects = objects_of(place)
    async with asyncio.TaskGroup() as group:
        for i in range(520):
            group.create_task(
                objects.create("AIIncident", place.namespace, f"qa-{i}", AIIncidentSpec(service="qa")), name=f"qa-{i}"
            )
    listed = await objects.list("AIIncident", place.namespace)
    assert len({item["metadata"]["uid"] for item in listed.items}) == 520
    assert {item["kind"] for item in listed.items} == {"AIIncident"}
    assert int(listed.resource_version) > 0


async def test_a_list_of_built_in_kinds_says_what_its_items_are(place: Place):
    """The API server leaves the kind out of the items of built-in kinds."""
    await place.apply(a_deployment(), manager="owner")
    listed = await place.client.list(DEPLOYMENT, place.namespace)
    assert [(item["apiVersion"], item["kind"]) for item in listed.items] == [("apps/v1", "Deployment")]


SNAPSHOT = Snapshot(digest="0123456789", name="v1-abc", values={"model": "qa:v1", "k": 4}, first_seen=NOON)


async def test_a_revision_is_kept_marked_and_forgotten(place: Place):
    """What was recorded is read back, with its types; recording it again changes nothing."""
    snapshots, service = Snapshots(place.client, fence=leading), ServiceKey(place.namespace, "qa")
    assert await snapshots.keep(service, SNAPSHOT) is None
    assert await snapshots.keep(service, SNAPSHOT) is None
    assert await snapshots.list(place.namespace) == {service: (SNAPSHOT,)}
    assert await snapshots.mark_known_good(service, SNAPSHOT.digest, NOON + timedelta(hours=1))
    assert await snapshots.mark_rollbackable(service, SNAPSHOT.digest, False)
    [marked] = (await snapshots.list())[service]
    assert marked.known_good_since == NOON + timedelta(hours=1)
    assert not marked.rollbackable
    assert await snapshots.mark_known_good(service, SNAPSHOT.digest, None)
    [revoked] = (await snapshots.list(place.namespace))[service]
    assert revoked.known_good_since is None
    await snapshots.delete(service, SNAPSHOT.digest)
    await snapshots.delete(service, SNAPSHOT.digest)
    assert await snapshots.list(place.namespace) == {}
    assert not await snapshots.mark_known_good(service, SNAPSHOT.digest, NOON)


@pytest.mark.parametrize(
    "prompt",
    ["Antworte höflich.\n" * 20_000, '<b>R&D</b> \u2028\u2029 \x7f\x85\ufeff \t\b\f\x1b \\ " / 😀 {{x}} %s'],
    ids=["long", "odd characters"],
)
async def test_a_prompt_is_kept_to_the_letter_and_can_be_marked(place: Place, prompt: str):
    """Several hundred kilobytes are nothing unusual, nor is markup; the API server holds the data to be unchanged."""
    snapshots, service = Snapshots(place.client, fence=leading), ServiceKey(place.namespace, "qa")
    kept = Snapshot(digest="1", name="v1", values={"prompt": prompt, "a": 1}, first_seen=NOON)
    assert await snapshots.keep(service, kept) is None
    assert (await snapshots.list(place.namespace))[service] == (kept,)
    assert await snapshots.mark_known_good(service, "1", NOON)
    annotated = await place.client.request(  # as kubectl annotate does
        "PATCH",
        path_of(place.key(CONTROLLER_REVISION, "qa-1")),
        body={"metadata": {"annotations": {"a": "b"}}},
        content_type="application/strategic-merge-patch+json",
    )
    assert annotated.ok, annotated.message[-300:]
    [marked] = (await snapshots.list(place.namespace))[service]
    assert marked.values == kept.values


async def test_what_cannot_be_read_as_a_revision_hides_no_other(place: Place):
    """Somebody's object with our label is left out."""
    snapshots, service = Snapshots(place.client, fence=leading), ServiceKey(place.namespace, "qa")
    await snapshots.keep(service, SNAPSHOT)
    stray = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "stray", "labels": {"firebreak.dev/service": "qa"}},
        "revision": 1,
        "data": {"replicas": 1},
    }
    made = await place.client.request("POST", CONTROLLER_REVISION.collection(place.namespace), body=stray)
    assert made.ok
    assert await snapshots.list(place.namespace) == {service: (SNAPSHOT,)}


@pytest.fixture
async def policy(place: Place) -> AsyncIterator[str]:
    """An admission policy that answers to the probe as the chart's do; its name is the quarantine's."""
    name = f"probe-{place.namespace}"
    group = "admissionregistration.k8s.io/v1"
    policies = {
        "validatingadmissionpolicies": {
            "failurePolicy": "Ignore",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["UPDATE"],
                        "resources": ["deployments"],
                    }
                ]
            },
            "validations": [
                {
                    "expression": "!('firebreak.dev/quarantine-probe' in object.metadata.?annotations.orValue({}))"
                    f" || object.metadata.annotations['firebreak.dev/quarantine-probe'] != '{name}'",
                    "message": "quarantined",
                }
            ],
        },
        "validatingadmissionpolicybindings": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}}},
        },
    }
    for plural, spec in policies.items():
        kind = "ValidatingAdmissionPolicy" + ("Binding" if plural.endswith("bindings") else "")
        answer = await place.client.request(
            "PATCH",
            f"/apis/{group}/{plural}/{name}",
            query={"fieldManager": "tests"},
            body={"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": spec},
            content_type=APPLY,
        )
        assert answer.ok, answer.message
    yield name
    for plural in policies:
        await place.client.request("DELETE", f"/apis/{group}/{plural}/{name}")


async def test_a_quarantine_is_in_force_when_the_api_server_denies_for_its_sake(place: Place, policy: str):
    """It takes effect some time after it was made; another one's name is not denied; nothing is written."""
    await place.apply(a_deployment(), manager="owner")
    quarantines, key = Quarantines(place.client, fence=leading), place.key(DEPLOYMENT, "web")
    before = (await place.get(DEPLOYMENT, "web"))["metadata"]["resourceVersion"]
    async with asyncio.timeout(20):
        while not await quarantines.in_force(key, policy):
            pass
    assert not await quarantines.in_force(key, "another")
    assert (await place.get(DEPLOYMENT, "web"))["metadata"]["resourceVersion"] == before


async def test_a_probe_that_may_not_be_made_says_nothing(place: Place):
    """A denial for another reason is not taken for the quarantine's."""
    with pytest.raises(ClusterDenied):
        await Quarantines(place.client, fence=leading).in_force(place.key(DEPLOYMENT, "none"), "q")
