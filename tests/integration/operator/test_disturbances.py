"""A containment goes on and nothing doubles, whoever is killed; and nothing happens that was not allowed to.

One example service per story, deployed side by side; the stories are told one after the other, since they disturb what
all of them share.
"""

import json
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from examples.demo.acts import INCIDENT, await_proven, get_ready
from examples.demo.stage import Stage
from lab.cluster import Lab
from lab.install import NAMESPACE, install

STORIES = {"killed": "act1", "observed": "act1", "declared": "act2"}


@pytest.fixture(scope="module")
def stages(lab: Lab) -> Iterator[Mapping[str, Stage]]:
    """Each story's namespace, with a service whose revision is proven."""
    found = {story: Stage(lab=lab, namespace=f"story-{story}") for story in STORIES}
    install(lab, namespaces=[s.namespace for s in found.values()])
    for story, stage in found.items():
        get_ready(stage, STORIES[story])
    found["observed"].patch("ais", "qa", {"spec": {"containment": {"mode": "Observe"}}})
    with ThreadPoolExecutor() as pool:
        list(pool.map(await_proven, found.values()))
    yield found
    for stage in found.values():
        lab.kubectl("delete", "namespace", stage.namespace, "--ignore-not-found", "--wait=false")


def _leader(lab: Lab) -> str:
    lease = json.loads(lab.kubectl("-n", NAMESPACE, "get", "lease", "firebreak", "-o", "json"))
    holder: str = lease["spec"]["holderIdentity"]
    return holder


def _conditions(stage: Stage) -> Mapping[str, Mapping[str, Any]]:
    return {c["type"]: c for c in stage.get("ais", "qa")["status"]["conditions"]}


def _managers(stage: Stage, kind: str, name: str) -> set[str]:
    return {m["manager"] for m in stage.get(kind, name)["metadata"]["managedFields"]}


def test_without_prometheus_nothing_is_known_and_nothing_is_done(lab: Lab, stages: Mapping[str, Stage]) -> None:
    """Verdicts become Error or Inconclusive, no incident is opened, and all is well again when it is back."""
    stage = stages["killed"]
    lab.signal("prometheus", signal.SIGKILL)
    try:
        stage.kubectl("wait", "ais/qa", "--for=condition=ObjectivesMet=Unknown", "--timeout=60s")
        stage.kubectl("wait", "clustermetricsource/default", "--for=condition=Reachable=False", "--timeout=30s")
        assert stage.kubectl("get", "aii", "-o", "name") == ""
    finally:
        lab.restart("prometheus")

    stage.kubectl("wait", "ais/qa", "--for=condition=ObjectivesMet=True", "--timeout=90s")
    assert stage.kubectl("get", "aii", "-o", "name") == ""


def test_a_leader_killed_in_the_middle_is_followed_by_another(lab: Lab, stages: Mapping[str, Stage]) -> None:
    """Killed right after an intent was recorded: each field is written once, by whoever leads next."""
    stage = stages["killed"]
    stage.deploy(image="1.1", prompt="v2")
    bad = stage.get("deployment", "qa-server")["metadata"]["generation"]
    stage.await_incident(INCIDENT, 90)
    first = _leader(lab)
    lab.kill_pod(NAMESPACE, first, signal.SIGKILL)

    stage.await_phase(INCIDENT, "Contained", 150)

    incident = stage.get("aii", INCIDENT)
    taken = [a for a in incident["status"]["actions"] if a["phase"] != "Skipped"]
    assert [a["kind"] for a in taken] == ["RaiseHumanReview", "RollBack"]
    assert stage.get("deployment", "qa-server")["metadata"]["generation"] == bad + 1
    assert stage.get("deployment", "qa-review")["spec"]["replicas"] in (1, 3)


def test_the_api_server_may_go_away_in_between(lab: Lab, stages: Mapping[str, Stage]) -> None:
    """An outage while the fix is being proven: the record goes on where it was."""
    stage = stages["killed"]
    stage.deploy(prompt="v4")
    stage.deploy(image="1.2")
    lab.signal("kube-apiserver", signal.SIGKILL)
    lab.restart("kube-apiserver")

    stage.await_phase(INCIDENT, "Resolved", 180)

    assert stage.get("aii", INCIDENT)["metadata"].get("finalizers", []) == []
    assert "firebreak" not in _managers(stage, "deployment", "qa-server")
    assert stage.kubectl("get", "quarantines", "-o", "name") == ""


def test_in_mode_observe_it_is_said_and_not_done(lab: Lab, stages: Mapping[str, Stage]) -> None:
    """The same record with WouldDo actions; nothing in the namespace is written by Firebreak."""
    stage = stages["observed"]
    stage.deploy(image="1.1", prompt="v2")
    stage.await_incident(INCIDENT, 90)
    stage.await_value("aii", INCIDENT, ".status.actions[1].kind", "RollBack", 60, "the rollback is spoken of")

    incident = stage.get("aii", INCIDENT)
    assert {a["phase"] for a in incident["status"]["actions"]} == {"WouldDo"}
    assert incident["status"]["mode"] == "Observe"
    for kind, name in (("deployment", "qa-server"), ("deployment", "qa-review"), ("configmap", "qa-prompt")):
        assert "firebreak" not in _managers(stage, kind, name)
    assert stage.kubectl("get", "quarantines", "-o", "name") == ""


def test_while_paused_a_containment_is_held_and_people_are_asked(lab: Lab, stages: Mapping[str, Stage]) -> None:
    """Enforced but paused: the incident says why in words; the pause over, it is contained."""
    stage = stages["observed"]
    pause = {"spec": {"paused": True, "reason": "the game day is on"}}
    lab.kubectl("patch", "firebreakcontrol", "firebreak", "--type=merge", "-p", json.dumps(pause))
    try:
        stage.patch("ais", "qa", {"spec": {"containment": {"mode": "Enforce"}}})
        stage.await_phase(INCIDENT, "AwaitingHuman", 60)
        page = stage.get("aii", INCIDENT)["status"]["page"]
        assert page["reason"] == "Paused"
        assert "the game day is on" in page["message"]
        assert stage.get("deployment", "qa-server")["spec"]["template"]["spec"]["containers"][0]["image"].endswith(
            "1.1"
        )
    finally:
        lab.kubectl("patch", "firebreakcontrol", "firebreak", "--type=merge", "-p", '{"spec":{"paused":false}}')

    stage.await_phase(INCIDENT, "Contained", 150)


def test_a_person_declares_contains_and_gives_back(lab: Lab, stages: Mapping[str, Stage]) -> None:
    """No metric is bad: the person's word takes the step, and the person's word takes it back, byte for byte."""
    stage = stages["declared"]
    rules = stage.get("httproute", "qa")["spec"]["rules"]
    declared = {
        "apiVersion": "firebreak.dev/v1alpha1",
        "kind": "AIIncident",
        "metadata": {"name": "seen-by-eve"},
        "spec": {
            "service": "qa",
            "category": "PolicyViolation",
            "description": "I saw a phone number",
            "contain": True,
        },
    }
    stage.kubectl("create", "-f", "-", input=json.dumps(declared))
    stage.await_phase("seen-by-eve", "Contained", 60)
    assert stage.get("aii", "seen-by-eve")["status"]["actions"][0]["reason"] == "RequestedByPerson"

    stage.patch("aii", "seen-by-eve", {"spec": {"release": True}})
    stage.await_phase("seen-by-eve", "Resolved", 120)

    assert stage.get("httproute", "qa")["spec"]["rules"] == rules
    assert "firebreak" not in _managers(stage, "httproute", "qa")


def test_a_namespace_with_an_open_incident_can_be_deleted(lab: Lab, stages: Mapping[str, Stage]) -> None:
    """The finalizer lets go: nothing can be given back where everything is being deleted."""
    lab.kubectl("delete", "namespace", stages["observed"].namespace, "--timeout=60s")
