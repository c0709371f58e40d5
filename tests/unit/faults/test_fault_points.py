"""What is counted, named and decided at the doors of the fault bench's lab part."""

import json
from dataclasses import replace
from typing import Any

import pytest
from bench.faults.lab.mishaps import KILLS, Mishap, Neighbour
from bench.faults.lab.points import Point, points, read
from bench.faults.lab.proxy import Asked
from bench.faults.lab.stories import FIRST, STORIES, named, revisions
from bench.faults.lab.traffic import Traffic

PATCH = "/apis/apps/v1/namespaces/shop/deployments/shop"
RECORD = "/apis/firebreak.dev/v1alpha1/namespaces/shop/aiincidents/shop-1/status"


class Door:
    """A process that says what was done to it."""

    cut_off_until = 0.0

    def __init__(self) -> None:
        self.done: list[str] = []

    def kill(self) -> None:
        self.done.append("kill")

    def cut(self) -> None:
        self.done.append("cut")

    def silence(self) -> None:
        self.done.append("silence")


def _traffic() -> tuple[Traffic, Door]:
    traffic, door = Traffic("shop", restart_etcd=lambda: None), Door()
    traffic.doors.append(door)
    return traffic, door


def _asked(method: str, path: str, **query: str) -> Asked:
    return Asked(method=method, path=path, query=query, body=b"")


def test_boundaries_are_the_writes_of_the_namespace() -> None:
    """Not the Lease, an Event, a dry run, a read, or what happens in another namespace."""
    traffic, door = _traffic()
    for asked in (
        _asked("PATCH", RECORD),
        _asked("PATCH", PATCH),
        _asked("PATCH", PATCH, dryRun="All"),
        _asked("GET", PATCH),
        _asked("PUT", "/apis/coordination.k8s.io/v1/namespaces/shop/leases/firebreak"),
        _asked("POST", "/api/v1/namespaces/shop/events"),
        _asked("PATCH", PATCH.replace("namespaces/shop", "namespaces/other")),
        _asked("PATCH", PATCH),
    ):
        traffic.decide(door, asked)
    assert traffic.passed == ["patch-aiincidents.status-1", "patch-deployments-1", "patch-deployments-2"]


def test_an_operator_sees_one_namespace_alone() -> None:
    """What it lists and watches is asked for there; cluster-wide kinds and everything else stay as they are."""
    traffic, door = _traffic()
    group = "/apis/firebreak.dev/v1alpha1"
    assert traffic.decide(door, _asked("GET", f"{group}/aiservices")).path == f"{group}/namespaces/shop/aiservices"
    watched = traffic.decide(door, _asked("GET", "/api/v1/configmaps", watch="true"))
    assert watched.path == "/api/v1/namespaces/shop/configmaps"
    for path in (f"{group}/clustermetricsources", f"{group}/namespaces/shop/aiservices/shop", "/api/v1", "/apis"):
        assert traffic.decide(door, _asked("GET", path)).path == ""


@pytest.mark.parametrize("mishap", KILLS)
def test_a_process_is_killed_once_and_at_its_boundary(mishap: Mishap) -> None:
    """Before the request is passed on, or after it was carried out; never again in this story."""
    traffic, door = _traffic()
    traffic.begin("patch-deployments-2", mishap)
    assert traffic.decide(door, _asked("PATCH", PATCH)).times == 1
    fault = traffic.decide(door, _asked("PATCH", PATCH))
    assert (fault.times, fault.is_lost) == (0 if mishap is Mishap.KILLED_BEFORE else 1, True)
    fault.before()
    assert door.done == (["kill"] if mishap is Mishap.KILLED_BEFORE else [])
    fault.after()
    assert door.done == ["kill"]
    assert traffic.is_reached
    assert not traffic.decide(door, _asked("PATCH", PATCH)).is_lost


def test_what_was_replaced_without_a_word_is_seen() -> None:
    """A write that the record names is fine, one that it does not is wrong; both are told in order."""
    traffic, _ = _traffic()
    path = "$.spec.template.spec.containers[?@.name=='server'].image"

    def sees(method: str, at: str, object_: dict[str, Any]) -> None:
        traffic.seen(_asked(method, at), 200, json.dumps(object_).encode())

    def workload(image: str, version: int) -> dict[str, Any]:
        metadata = {"resourceVersion": str(version)}
        return {
            "metadata": metadata,
            "spec": {"template": {"spec": {"containers": [{"name": "server", "image": image}]}}},
        }

    write = {"path": path, "target": {"name": "shop"}, "last": {"value": "bad"}, "desired": {"value": "good"}}
    sees("PATCH", RECORD, {"status": {"actions": [{"writes": [write]}]}})
    sees("GET", PATCH, workload("bad", 1))
    sees("GET", PATCH, workload("good", 2))  # read before the answer to the write is heard of
    sees("PATCH", PATCH, workload("good", 2))
    assert (traffic.witness.written, traffic.witness.wrong) == ([("image", "good")], [])
    sees("PATCH", PATCH, workload("other", 3))
    assert traffic.witness.written[1:] == [("image", "other")]
    assert traffic.witness.wrong == ["image: 'good' was replaced by 'other', and no record says so"]


@pytest.mark.parametrize("story", STORIES.values(), ids=str)
def test_every_write_is_tried_on_either_side_and_every_point_has_a_name(story: Any) -> None:
    """The names are read back; a seed fixes the order; what happens around the effect happens at a write there is."""
    boundaries = [story.effect, story.giving_back, "patch-aiincidents-2"]
    found = points(story, boundaries, seed=1)
    assert {(p.boundary, p.what) for p in found if p.replicas == 1 and p.what in KILLS} == {
        (b, k) for b in boundaries for k in KILLS
    }
    assert {p.what for p in found} == {*Mishap, *Neighbour}
    assert [read(str(p)) for p in found] == found
    assert points(story, boundaries, seed=1) == found
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", ["Nothing/1/patch-deployments-1/late", "RollBack/1/patch-deployments-1/nothing"])
def test_a_name_that_nobody_gave_is_refused(name: str) -> None:
    """In words that say what there is."""
    with pytest.raises(ValueError, match="there are"):
        read(name)


def test_values_are_named_alike_in_every_story() -> None:
    """So that the n-th story of a namespace can be held against the first."""
    story, good = STORIES["RollBack"], FIRST
    seen = []
    for number in (1, 2):
        bad, fix = revisions(story, number)
        values = (good.image, bad.image, fix.image, good.prompt, bad.prompt, fix.prompt, "2%")
        assert len({good.image, bad.image, fix.image}) == 3
        seen.append([named(v, good, bad, fix) for v in values])
        good = replace(fix, name="good")
    assert seen[0] == seen[1]
    assert Point("RollBack", 1, "patch-deployments-1", Mishap.LATE).mishap is Mishap.LATE
