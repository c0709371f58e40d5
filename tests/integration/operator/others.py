"""Scenarios: what others do to the same objects while an incident is contained."""

import json

from tests.integration.operator.manifests import PERSONAL_DATA
from tests.integration.operator.place import FIXED_PROMPT, LEAKING_PROMPT, Place, action, owned_by_firebreak, said

SWITCH = {"action": "SwitchTraffic", "fallback": {"role": "Static"}, "verifyWithin": "60s", "weights": [20, 100]}


def a_switch_that_someone_takes_back_is_told_and_left(place: Place) -> None:
    """Taken share by share; undone by hand it contains nothing, is not written again, and counts once it is put back."""
    place.declare(objectives=[PERSONAL_DATA])
    place.patch("containmentpolicy", "shop", {"spec": {"ladders": [{"steps": [SWITCH]}]}})
    place.until_proven()
    place.until_condition("ais", "shop", "QuarantineReady", "True")
    place.deploy(text=LEAKING_PROMPT)
    incident = place.until_contained()
    assert said(incident, "ShareTaken")[0].startswith("100% of traffic to apology: 20% is in force")

    _set_weight(place, 100)
    told = place.until_condition("aii", "shop-1", "Contained", "False")
    assert told["reason"] == "Drifted"
    assert "holds 100, not 0; changed by kubectl-patch (Update)" in told["message"]
    incident = place.until_phase("shop-1", "AwaitingHuman", 60.0)
    assert incident["status"]["page"]["reason"] == "Drifted"
    assert action(incident, "SwitchTraffic")["phase"] == "Blocked"
    assert _weight(place) == 100, "it is not written again"

    _set_weight(place, 0)
    incident = place.until_contained()
    assert any("is in force again" in m for m in said(incident, "InForce"))

    place.deploy(text=FIXED_PROMPT)
    place.until_resolved()
    assert _weight(place) == 100
    assert owned_by_firebreak(place) == []


def _weight(place: Place) -> int:
    """The primary's."""
    weight: int = place.get("httproute", "shop")["spec"]["rules"][0]["backendRefs"][0]["weight"]
    return weight


def _set_weight(place: Place, weight: int) -> None:
    ops = [{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": weight}]
    place.kubectl("patch", "httproute", "shop", "--type=json", "-p", json.dumps(ops))


SCENARIOS = (a_switch_that_someone_takes_back_is_told_and_left,)
