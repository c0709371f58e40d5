"""Pods on the lab behave as pods do anywhere: real controllers, real endpoints, real processes."""

import json

import pytest
from tests.integration.lab.labplace import Place, deployment, eventually, route, service, settings, with_settings

pytestmark = pytest.mark.lab


def test_a_rollout_replaces_what_answers_and_a_rollback_brings_it_back(place: Place):
    """The processes that answer are those of the image that the Deployment names."""
    place.apply(deployment("web", "labtest:one", replicas=2), service("web"), route(place.host, web=1))
    place.rolled_out("web")
    eventually(lambda: place.ask() == "one")
    place.kubectl("set", "image", "deployment/web", "server=labtest:two")
    place.rolled_out("web")
    eventually(lambda: {place.ask() for _ in range(6)} == {"two"})
    place.kubectl("rollout", "undo", "deployment/web")
    place.rolled_out("web")
    eventually(lambda: {place.ask() for _ in range(6)} == {"one"})


def test_scaling_changes_who_answers(place: Place):
    """Every replica is a process of its own, at an address of its own."""
    place.apply(deployment("web", "labtest:one", replicas=1), service("web"), route(place.host, web=1))
    place.rolled_out("web")
    eventually(lambda: place.ask() == "one")
    place.kubectl("scale", "deployment/web", "--replicas=3")
    place.rolled_out("web")
    eventually(lambda: len({place.ask("/pid") for _ in range(9)}) == 3)
    assert len({pod["status"]["podIP"] for pod in place.pods("web")}) == 3


def test_a_pod_that_is_not_ready_gets_no_traffic(place: Place):
    """Readiness decides about the endpoints, and a mounted ConfigMap's change reaches the process."""
    place.apply(
        settings(ready="no", word="first"),
        with_settings(deployment("web", "labtest:one")),
        service("web"),
        route(place.host, web=1),
    )
    eventually(lambda: [pod["status"]["phase"] for pod in place.pods("web")] == ["Running"])
    assert place.ask() in ("404", "500", "503")
    place.apply(settings(ready="yes", word="second"))
    eventually(lambda: place.ask("/settings/word") == "second")
    place.apply(settings(ready="no", word="third"))
    eventually(lambda: place.ask() == "503")
    [pod] = place.pods("web")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_pod_knows_what_it_was_told(place: Place):
    """Environment, downward API and the ServiceAccount's token, with which the API server knows the pod."""
    place.apply(deployment("web", "labtest:one"), service("web"), route(place.host, web=1))
    place.rolled_out("web")
    eventually(lambda: place.ask() == "one")
    [pod] = place.pods("web")
    environment = json.loads(place.ask("/env"))
    assert environment["GREETING"] == f"hello from {pod['status']['podIP']}"
    assert place.ask("/whoami") == f"system:serviceaccount:{place.namespace}:default"


def test_a_process_that_fails_its_liveness_probe_is_started_anew(place: Place):
    """The container's restart is counted, and it answers again."""
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2}
    place.apply(deployment("web", "labtest:one", livenessProbe=probe), service("web"), route(place.host, web=1))
    place.rolled_out("web")
    eventually(lambda: place.ask() == "one")
    before = place.ask("/pid")
    assert place.ask("/break") == "broken"
    eventually(lambda: place.ask("/pid").isdigit() and place.ask("/pid") not in (before, "502", "503"))
    [pod] = place.pods("web")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1


def test_a_killed_pod_comes_back(place: Place):
    """What a crash is to a workload: the processes are gone at once, the pod stays."""
    place.apply(deployment("web", "labtest:one"))
    place.rolled_out("web")
    [pod] = place.pods("web")
    place.lab.kill_pod(place.namespace, pod["metadata"]["name"])
    eventually(lambda: place.pods("web")[0]["status"]["containerStatuses"][0]["restartCount"] == 1)
    place.rolled_out("web")
    assert place.pods("web")[0]["metadata"]["uid"] == pod["metadata"]["uid"]


def test_what_a_process_prints_can_be_read_after_its_end(place: Place):
    """A pod that fails says so in its status, and its last words are kept."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "once"},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "only", "image": "labtest:ends"}]},
    }
    place.apply(pod)
    eventually(lambda: place.get("pod", "once")["status"].get("phase") == "Failed")
    assert place.lab.logs(place.namespace, "once") == "it is over\n"


def test_an_image_that_the_lab_does_not_know_is_named_in_the_pods_status(place: Place):
    """As a registry's refusal is, so that a wrong image fails a rollout as it does anywhere."""
    place.apply(deployment("web", "labtest:none"))

    def waiting() -> dict[str, str]:
        pods = place.pods("web")
        statuses = pods[0]["status"].get("containerStatuses") if pods else None
        state: dict[str, str] = (statuses or [{"state": {}}])[0]["state"].get("waiting", {})
        return state

    eventually(lambda: waiting().get("reason") in ("ErrImagePull", "ImagePullBackOff"))
    assert "labtest:none" in waiting()["message"]
