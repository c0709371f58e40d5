"""Killed between two writes, the operator goes on as if nothing had happened: a small part of `make bench-faults`."""

import asyncio
from typing import Any

import pytest
from bench.faults.api import FakeApi
from bench.faults.check import Ending, Witness, differences, half_done
from bench.faults.connection import Mishap
from bench.faults.courses import DEPLOYED_AT
from bench.faults.interleavings import wrong_with
from bench.faults.manifests import IMAGE_FIELD, LADDERS, ROUTE, WORKLOAD, set_up
from bench.faults.points import Point, lived, undisturbed, wrong_at
from bench.faults.story import Plan, Stage, play
from bench.faults.virtual import T0

from firebreak.adapters.kube.client import FIELD_MANAGER
from firebreak.adapters.kube.lease import Lease
from firebreak.core.commands import Reason

_TARGETS = ("deployments", "configmaps", "httproutes")


def _field_writes(story: str, replicas: int) -> list[int]:
    """The boundaries at which something of the user's is written."""
    asked = undisturbed(story, replicas, 0).boundaries
    return [n for n, words in enumerate(asked) if any(f"/{plural}/" in words for plural in _TARGETS)]


@pytest.mark.parametrize("story", LADDERS)
def test_a_story_without_mishaps_ends_well(story: str) -> None:
    """The incident is over, everything stands as it was, and the fix serves."""
    ending = undisturbed(story, 1, 0)

    assert half_done(ending) == []
    assert (ending.values["image"], ending.values["primary"]) == ("registry/summarizer:v3", 100)


@pytest.mark.parametrize(
    ("story", "replicas", "mishap"),
    [
        ("RollBack", 2, Mishap.KILLED_AFTER),
        ("RollBack", 1, Mishap.FORBIDDEN),
        ("SwitchTraffic", 1, Mishap.KILLED_BEFORE),
        ("RaiseHumanReview", 2, Mishap.LATE_AND_CUT_OFF),
        ("Drill", 1, Mishap.KILLED_AFTER),
        ("SamplingRaise", 2, Mishap.KILLED_AFTER),
    ],
)
def test_a_mishap_at_a_field_write_changes_no_ending(story: str, replicas: int, mishap: Mishap) -> None:
    """Killed, overtaken or refused once at any write: nothing is lost, doubled, half done or overwritten."""
    points = [Point(story, replicas, boundary, mishap, 0) for boundary in _field_writes(story, replicas)]

    assert points, "a story writes something"
    assert {str(p): wrong for p in points if (wrong := wrong_at(p))} == {}


def test_who_stood_still_while_another_took_over_writes_nothing_any_more() -> None:
    """It goes on in the middle of its turn, twenty minutes later, when everything was given back: the fence is closed."""
    assert wrong_at(_frozen_between_two_weights()) == []


def test_the_bench_notices_when_there_is_no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the deposed leader takes the primary's traffic away, after the incident is over."""
    monkeypatch.setattr(Lease, "fence", lambda _: None)

    wrong = wrong_at(_frozen_between_two_weights())

    assert any("arrives while replica-" in words for words in wrong)
    assert any("no record says so" in words for words in wrong)


def _frozen_between_two_weights() -> Point:
    first_weight = _field_writes("SwitchTraffic", 2)[0]
    return Point("SwitchTraffic", 2, first_weight, Mishap.FROZEN, 0)


def test_nothing_holds_a_sampling_record_that_is_over() -> None:
    """Killed just before it lets go of it: whoever deletes the service or its namespace would wait for ever."""
    last = max(n for n, asked in enumerate(undisturbed("SamplingRaise", 1, 0).boundaries) if _lets_go(asked))

    assert wrong_at(Point("SamplingRaise", 1, last, Mishap.KILLED_BEFORE, 0)) == []


def _lets_go(asked: str) -> bool:
    return asked.endswith("/samplingraises/summarizer")


def test_a_record_that_is_refused_once_opens_no_second_incident() -> None:
    """The incident stands there still, so the same thing is recorded in it a moment later."""
    asked = undisturbed("DisableFeature", 1, 0).boundaries
    records = [n for n, words in enumerate(asked) if "/aiincidents/" in words][:4]

    assert {n: wrong for n in records if (wrong := wrong_at(Point("DisableFeature", 1, n, Mishap.INVALID, 0)))} == {}


def test_a_rollback_that_may_not_be_finished_is_taken_back() -> None:
    """The prompt was rolled back and the image may not be: half of it is a revision that nobody has ever tried."""
    ending = play(Plan(story="RollBack", forbidden="deployments", fixed_by=200.0))
    messages = [e["message"] for e in ending.incidents[0]["status"]["timeline"]]

    assert ending.written == (("prompt", "prompt v1"), ("prompt", "prompt v2"))
    assert any("could not be carried through, and what was written is taken back" in m for m in messages)
    assert half_done(ending) == []


def test_an_outage_as_long_as_the_step_has_time_does_not_use_it_up() -> None:
    """Nothing could be written for ten minutes, which is not the step's fault: it is tried once more."""
    asked = undisturbed("RollBack", 1, 5).boundaries
    quarantine = next(n for n, words in enumerate(asked) if words.startswith("POST") and "/quarantines" in words)
    point = Point("RollBack", 1, quarantine, Mishap.API_AWAY, 5)  # of this seed the outage is one of ten minutes

    assert Reason.TRIED_AGAIN in _reasons(lived(point))
    assert wrong_at(point) == []


def test_a_clock_that_is_set_back_makes_no_old_evidence_fresh() -> None:
    """What was measured before the first share was given back says nothing about the fix."""
    asked = undisturbed("SwitchTraffic", 1, 0).boundaries
    shares = [n for n, words in enumerate(asked) if "/httproutes/" in words][2:]

    assert {n: wrong for n in shares if (wrong := wrong_at(Point("SwitchTraffic", 1, n, Mishap.CLOCK_BEHIND, 0)))} == {}


def test_what_is_left_as_others_set_it_is_named_although_nothing_was_taken_back() -> None:
    """Somebody set both places of a step in the second of its write: the incident names both."""
    assert wrong_with(21_584) == []


def test_a_fix_that_came_unseen_and_has_answered_nobody_is_not_rolled_back() -> None:
    """It was deployed while the API server was out of reach, and a person had taken all traffic away before."""
    assert wrong_with(22_121) == []


def _reasons(ending: Ending) -> list[str]:
    return [entry["reason"] for entry in ending.incidents[0]["status"]["timeline"]]


@pytest.mark.parametrize("seed", range(3))
def test_others_who_write_to_the_same_objects_are_never_overwritten(seed: int) -> None:
    """A person, an autoscaler and a GitOps loop, as the seed says: what each set last stands, or was announced."""
    assert wrong_with(seed) == []


def _an_api() -> FakeApi:
    api = FakeApi(now=lambda: T0, elapsed=lambda: 0.0)
    set_up(api, "RollBack")
    return api


def test_the_witness_sees_what_no_record_announced() -> None:
    """A write by Firebreak that no incident speaks of is an overwriting, whoever's value stood there."""
    api = _an_api()
    witness = Witness(api, lambda: 0.0)

    api.edit(WORKLOAD, FIELD_MANAGER, {IMAGE_FIELD: "registry/summarizer:v0"})

    assert len(witness.wrong) == 1


@pytest.mark.parametrize(("force", "status"), [(False, 409), (True, 200)])
def test_server_side_apply_heeds_owners(force: bool, status: int) -> None:
    """A field that someone else owns with another value is a conflict, unless the applier insists."""
    api = _an_api()
    api.edit(WORKLOAD, "kubectl-edit", {IMAGE_FIELD: "registry/summarizer:v0"})
    wanted: dict[str, Any] = {
        "spec": {"template": {"spec": {"containers": [{"name": "server", "image": "registry/summarizer:v1"}]}}}
    }

    assert api.apply(WORKLOAD, "argocd", wanted, force=force).status == status


def test_a_stale_write_is_refused() -> None:
    """Whoever sends an older resourceVersion is told 409, as by a real API server."""
    api = _an_api()
    live = api.read(ROUTE)
    assert live is not None
    api.edit(ROUTE, "kubectl-edit", {("metadata", "annotations", "note"): "moved"})

    path = f"/apis/{ROUTE.api_version}/namespaces/docs/httproutes/{ROUTE.name}"

    assert api.handle("PUT", path, {}, live, "application/json").status == 409


async def _deaf_at_the_deployment(stage: Stage) -> None:
    """The watch goes silent just before the bad revision is deployed."""
    await asyncio.sleep(DEPLOYED_AT - 1.0)
    for replica in stage.replicas:
        replica.is_deaf = True


@pytest.mark.parametrize("story", ["RollBack", "SwitchTraffic", "DisableFeature"])
def test_an_incident_is_opened_for_the_revision_that_failed_though_its_deployment_was_not_heard_of(story: str) -> None:
    """What stands in the targets is read before the record says which revision failed."""
    ending = play(Plan(story=story, also=(_deaf_at_the_deployment,)))
    assert differences(ending, undisturbed(story, 1, 0)) == []
