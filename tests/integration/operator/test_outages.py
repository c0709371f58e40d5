"""What is taken away in the middle: the leader, Prometheus, the API server, the permission to act."""

import json
import signal
from collections.abc import Mapping
from concurrent.futures import Future

import pytest
from lab.cluster import Lab
from lab.install import NAMESPACE as INSTALLED
from tests.integration.operator.conftest import LEASE_SECONDS
from tests.integration.operator.manifests import policy
from tests.integration.operator.place import DETECTED_WITHIN, Place, action, actions, condition, said
from tests.integration.operator.watching import Object, Reader

pytestmark = pytest.mark.lab


def _expect_done_once(place: Place, incident: Object, generation: int) -> None:
    """Each field was written once, each step was taken once, and there is one record and one quarantine."""
    kinds = [a["kind"] for a in actions(incident)]
    assert sorted(kinds) == ["RaiseHumanReview", "RollBack"]
    assert place.is_as_before()
    assert place.get("deployment", "shop")["metadata"]["generation"] == generation + 1, "the image was written once"
    for kind, name in (("deployment", "shop"), ("configmap", "shop-prompt")):
        managers = [m for m in place.get(kind, name)["metadata"]["managedFields"] if m["manager"] == "firebreak"]
        assert len(managers) == 1
    assert [q["metadata"]["name"] for q in place.list("quarantine")] == ["shop-1"]
    assert [i["metadata"]["name"] for i in place.list("aii")] == ["shop-1"]


@pytest.mark.parametrize("place", ["crash"], indirect=True)
def test_a_leader_killed_between_intent_and_effect_is_followed_by_another(
    lab: Lab, reader: Reader, place: Place
) -> None:
    """The other replica leads within the Lease's duration, and goes on from the record: nothing twice, nothing left."""
    place.break_quietly()
    generation = place.get("deployment", "shop")["metadata"]["generation"]
    place.until_step("RollBack", "Intended", "Applied")
    leader = _holder(reader.get("lease", INSTALLED, "firebreak"))
    lab.kill_pod(INSTALLED, leader)

    reader.until(
        "lease",
        INSTALLED,
        "firebreak",
        "another leads",
        lambda lease: _holder(lease) not in (leader, ""),
        LEASE_SECONDS + 4,
    )
    incident = place.until_contained()
    _expect_done_once(place, incident, generation)
    assert said(incident, "QuarantineMissing") == [], "the time without a leader is not held against the quarantine"


@pytest.mark.parametrize("place", ["cut-off"], indirect=True)
def test_a_containment_survives_the_loss_of_the_control_plane(lab: Lab, place: Place) -> None:
    """What was recorded is carried out when etcd and the API server are back, once."""
    place.break_quietly()
    generation = place.get("deployment", "shop")["metadata"]["generation"]
    place.until_step("RollBack", "Intended", "Applied")
    lab.signal("kube-apiserver", signal.SIGKILL)
    lab.signal("etcd", signal.SIGKILL)
    lab.restart("etcd")
    lab.restart("kube-apiserver")
    incident = place.until_contained()
    _expect_done_once(place, incident, generation)


@pytest.mark.parametrize("place", ["unseen"], indirect=True)
def test_without_prometheus_nothing_is_contained_and_nothing_is_proven(
    lab: Lab, place: Place, prepared: Mapping[str, Future[Place]]
) -> None:
    """A service in good order stays so, one under containment waits and asks people; both go on when it is back."""
    well = prepared["well"].result()
    hasty = policy()
    for ladder in hasty["spec"]["ladders"]:
        for step in ladder["steps"]:
            if step["action"] == "RollBack":
                step["verifyWithin"] = "15s"
    place.apply(hasty)
    place.break_quietly()
    place.until_step("RollBack")
    lab.signal("prometheus", signal.SIGKILL)

    told = well.until_condition("ais", "shop", "IndicatorHealthy", "False")
    assert told["reason"] == "SourceUnreachable"
    incident = place.until_phase("shop-1", "AwaitingHuman", DETECTED_WITHIN)
    assert action(incident, "RollBack")["outcome"] == "Pending"
    assert incident["status"]["page"]["reason"] == "EvidenceThin"
    assert [a["kind"] for a in actions(incident)] == ["RaiseHumanReview", "RollBack"], "no further step is taken"
    assert place.is_as_before(), "what was recorded is carried out without Prometheus"
    shop = well.get("ais", "shop")
    assert {o["finding"] for o in shop["status"]["objectives"]} <= {"Inconclusive", "Error"}
    assert condition(shop, "ObjectivesMet")["status"] == "Unknown"

    lab.restart("prometheus")
    place.until_contained()
    well.until_condition("ais", "shop", "ObjectivesMet", "True")
    assert well.list("aii") == []


@pytest.mark.parametrize("place", ["paused"], indirect=True)
def test_a_pause_holds_everything_and_says_why(lab: Lab, place: Place) -> None:
    """The incident is recorded and people are told why nothing is done; after the pause it is contained."""
    _pause(lab, paused=True, reason="load test")
    place.until_condition("ais", "shop", "ContainmentReady", "False")
    place.break_quietly()
    incident = place.until_phase("shop-1", "AwaitingHuman", DETECTED_WITHIN)
    assert incident["status"]["page"]["reason"] == "Paused"
    assert "load test" in incident["status"]["page"]["message"]
    assert actions(incident) == []
    assert place.image() == "shop:bad"

    _pause(lab, paused=False)
    place.until_contained()
    assert place.is_as_before()


def _pause(lab: Lab, **spec: object) -> None:
    lab.kubectl("patch", "firebreakcontrol", "firebreak", "--type=merge", "-p", json.dumps({"spec": spec}))


def _holder(lease: Object | None) -> str:
    return str((lease or {}).get("spec", {}).get("holderIdentity") or "")
