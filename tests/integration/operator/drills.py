"""Scenarios: the ladder is rehearsed, in each mode, and an incident takes precedence."""

import subprocess
import sys
from pathlib import Path

from tests.integration.operator.manifests import drill
from tests.integration.operator.manifests import incident as declaration
from tests.integration.operator.place import (
    CONTAINED_WITHIN,
    TOLD_WITHIN,
    Place,
    action,
    condition,
    declared,
    owned_by_firebreak,
)
from tests.integration.operator.watching import Object

_PROGRAM = Path(sys.executable).with_name("kubectl-firebreak")
_EXECUTABLE = {"policy": {"name": "shop"}, "mode": "Enforce", "executeDrills": True}


def the_ladder_is_rehearsed_in_every_mode(place: Place) -> None:
    """Without a trace; the service says when it was proven, and what a drill has found in the way."""
    place.declare(containment=_EXECUTABLE)
    place.until_proven()
    before = declared(place)
    said = _rehearsed(place, "--mode", "Validate")
    assert "Passed" in said.stdout.splitlines()[0], said.stdout + said.stderr
    assert "NotNow" in next(line for line in said.stdout.splitlines() if line.startswith("RollBack"))
    assert declared(place) == before

    place.deploy(image="shop:two")
    before = declared(place)
    place.apply(drill("dry", "DryRun"))
    found = _over(place, "dry")
    assert _results(found) == dict.fromkeys(_results(found), ("DryRun", "Ready")), found["status"]
    assert "a revision that was rolled back would be kept out" in _option(found, "RollBack")["message"]
    assert place.list("quarantine") == [], "what a drill looks with does not stay"

    place.apply(drill("real", "Execute"))
    found = _over(place, "real")
    assert _results(found) == {
        "RaiseHumanReview": ("Execute", "Ready"),
        "RollBack": ("DryRun", "Ready"),
        "SwitchTraffic to apology": ("DryRun", "Ready"),
        "DisableFeature dates": ("Execute", "Ready"),
    }, found["status"]
    review = _option(found, "RaiseHumanReview")
    assert 0 < review["acceptedSeconds"] <= review["inForceSeconds"]
    assert review["givenBackSeconds"] > 0
    assert declared(place) == before
    assert owned_by_firebreak(place) == []
    assert place.list("aii") == [], "a drill is no incident"
    ready = place.until("ais", "shop", "the drill is told", lambda o: _last_drill(o) == "real", TOLD_WITHIN)
    assert "last proven by ContainmentDrill real (mode Execute) at" in condition(ready, "ContainmentReady")["message"]

    place.kubectl("delete", "httproute", "shop")
    said = _rehearsed(place, "--step", "SwitchTraffic=Static")
    assert said.returncode == 1
    assert "HTTPRoute shop does not exist" in said.stdout
    told = place.until_condition("ais", "shop", "ContainmentReady", "False")
    assert told["reason"] in ("DrillFailed", "Several")
    assert "failed at" in told["message"]


def a_drill_yields_to_an_incident(place: Place) -> None:
    """What the drill holds goes back first; the incident finds everything as it was, and is contained as ever."""
    place.declare(containment=_EXECUTABLE)
    place.until_proven()
    before = declared(place)
    place.kubectl("patch", "deployment", "review", "--type=json", "-p", _UNSTARTABLE)
    before["deployment/review"] = declared(place)["deployment/review"]
    place.apply(drill("slow", "Execute", steps=[{"action": "RaiseHumanReview"}]))
    place.until("drill", "slow", "its step is written", lambda o: _action(o).get("phase") == "Applied", TOLD_WITHIN)
    assert place.get("deployment", "review")["spec"]["replicas"] == 1

    place.apply(declaration(category="Hallucination", contain=True, description="seen on the front page"))
    incident = place.until_contained("declared")
    run = _over(place, "slow")["status"]["run"]
    assert (run["outcome"], run["reason"]) == ("Yielded", "IncidentOpen")
    review = action(incident, "RaiseHumanReview")
    assert {w["path"]: w["original"].get("value") for w in review["writes"]}["$.spec.replicas"] == 0
    assert run["endedAt"] <= review["intendedAt"], "the drill was over before anything was decided"
    assert incident["status"]["policy"]["guardrails"]["cooldown"] == "1s"

    place.say("declared", release=True)
    place.until_resolved("declared")
    assert declared(place) == before
    assert owned_by_firebreak(place) == []
    assert place.get("ais", "shop")["status"]["incidentCount"] == 0, "neither was found by the detector"


_UNSTARTABLE = '[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "shop-review:none"}]'


def _rehearsed(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `kubectl firebreak drill` says."""
    command = [str(_PROGRAM), "drill", "shop", *arguments, "-n", place.namespace]
    command += ["--kubeconfig", str(place.lab.kubeconfig)]
    return subprocess.run(command, capture_output=True, text=True, timeout=CONTAINED_WITHIN, check=False)


def _over(place: Place, name: str) -> Object:
    """The drill once its run is over."""
    return place.until(
        "drill", name, "its run is over", lambda o: condition(o, "Complete").get("status") == "True", CONTAINED_WITHIN
    )


def _results(found: Object) -> dict[str, tuple[str, str]]:
    return {o["name"]: (o["mode"], o["result"]) for o in found["status"]["options"]}


def _option(found: Object, name: str) -> Object:
    (option,) = (o for o in found["status"]["options"] if o["name"] == name)
    return dict(option)


def _action(found: Object) -> Object:
    return dict(found.get("status", {}).get("action") or {})


def _last_drill(found: Object) -> str:
    return str(found.get("status", {}).get("lastDrill", {}).get("name", ""))


SCENARIOS = (the_ladder_is_rehearsed_in_every_mode, a_drill_yields_to_an_incident)
