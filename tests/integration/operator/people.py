"""Scenarios: what people say is done, and what they forbid is not."""

import json
from typing import Any

from tests.integration.operator.manifests import incident as declaration
from tests.integration.operator.manifests import prompt, service
from tests.integration.operator.place import (
    BAD_PROMPT,
    DETECTED_WITHIN,
    TOLD_WITHIN,
    Place,
    action,
    actions,
    condition,
    declared,
    owned_by_firebreak,
    said,
)

_CONTAIN: dict[str, Any] = {"category": "PolicyViolation", "contain": True, "description": "seen on the front page"}


def a_suspended_service_is_left_alone_until_it_is_not(place: Place) -> None:
    """The breach is told, no incident is opened; taken out of suspension it is contained.

    The name that comes next is in use for an incident of something else: it is passed over, and left as it is.
    """
    place.declare(suspend=True)
    place.until_proven()
    place.break_quietly()
    place.until_condition("ais", "shop", "ObjectivesMet", "False")
    shop = place.get("ais", "shop")
    held = condition(shop, "ContainmentReady")
    assert (held["status"], held["reason"]) == ("False", "Suspended")
    assert "spec.suspend: true" in held["message"]
    assert place.list("aii") == []
    assert place.image() == "shop:bad"

    place.apply(declaration("shop-1", service="storehouse", description="no service of Firebreak's"))
    place.patch("ais", "shop", {"spec": {"suspend": False}})
    place.until_contained("shop-2")
    assert place.is_as_before()
    other = place.get("aii", "shop-1")
    assert (other["spec"]["service"], actions(other)) == ("storehouse", [])


def two_services_that_claim_one_place_are_both_held(place: Place) -> None:
    """Neither is contained, each is told of the other; when one gives it up, the other is contained."""
    place.declare()
    place.apply(service("twin"))
    place.until_proven()
    for name, other in (("shop", "twin"), ("twin", "shop")):
        told = place.until_condition("ais", name, "ContainmentReady", "False")
        assert told["reason"] == "TargetConflict"
        assert f"AIService {other}" in told["message"]
    place.break_quietly()
    incident = place.until_phase("shop-1", "AwaitingHuman", DETECTED_WITHIN)
    assert incident["status"]["page"]["reason"] == "TargetConflict"
    assert "is held" in incident["status"]["page"]["message"]
    assert actions(incident) == []
    assert place.image() == "shop:bad"

    place.until_phase("twin-1", "AwaitingHuman", DETECTED_WITHIN)
    place.kubectl("delete", "ais", "twin", "--wait=false")
    place.until_contained()
    assert place.is_as_before()
    assert actions(place.until_resolved("twin-1")) == [], "only one of them ever writes to the place"


def a_person_has_it_contained_and_released(place: Place) -> None:
    """On a person's word alone: contained, then given back by the ramp, with nothing left behind."""
    place.declare()
    place.until_proven()
    before = declared(place)
    place.apply(declaration(**_CONTAIN))
    found = place.until_contained("declared")
    assert said(found, "DeclaredByPerson") == ["seen on the front page"]
    assert place.answer()[0] == 503
    place.apply(declaration("too-late", **_CONTAIN))
    place.until_resolved("too-late")
    place.say("declared", release=True)
    found = place.until_resolved("declared")
    assert found["status"]["closing"]["reason"] == "RequestedByPerson", "no objective has proven anything"
    assert said(found, "GivingBack")[0].startswith("30%")
    assert declared(place) == before
    assert owned_by_firebreak(place) == []
    told = [e["note"] for e in place.list("event") if e["regarding"]["name"] == "declared"]
    assert any("(spec.contain) is not done: say it in declared" in note for note in told)


def a_person_accepts_the_known_good_revision(place: Place) -> None:
    """Only the prompt was bad: it is put back and its readers restarted; it stays so, and the bad prompt stays out."""
    place.declare()
    place.until_proven()
    place.deploy(text=BAD_PROMPT)
    incident = place.until_contained()
    assert {s["field"] for s in incident["status"]["suspects"]} == {"prompt"}
    written = {w["path"].rsplit(".", 1)[-1] for w in action(incident, "RollBack")["writes"]}
    assert len(written) == 2, f"the prompt, and the restart of what has read it: {written}"

    place.say("shop-1", resolution="KnownGoodAccepted")
    incident = place.until_resolved()
    assert incident["status"]["closing"]["reason"] == "KnownGoodAccepted"
    assert action(incident, "RollBack")["phase"] == "Kept"
    assert place.is_as_before()
    assert "shop-1" in place.refused(lambda: place.apply(prompt(BAD_PROMPT)))
    assert owned_by_firebreak(place) == []
    place.apply(place.workload("shop:two"))
    assert place.image() == "shop:two", "the image was never bad, so it is not kept out"


def a_false_alarm_may_come_back(place: Place) -> None:
    """The quarantine is lifted with it, so the team may deploy its revision again."""
    place.declare()
    place.until_proven()
    place.break_quietly()
    place.until_contained()
    place.say("shop-1", resolution="FalseAlarm")
    incident = place.until_resolved()
    assert incident["status"]["closing"]["reason"] == "FalseAlarm"
    place.until_gone("quarantine", "shop-1")
    assert owned_by_firebreak(place) == []
    place.break_quietly()


def what_someone_has_changed_meanwhile_is_left_to_them(place: Place) -> None:
    """Giving back undoes what Firebreak wrote, and no more; it says what it has left."""
    place.declare()
    place.until_proven()
    place.apply(declaration(**_CONTAIN))
    place.until_contained("declared")
    change = [{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 7}]
    place.kubectl("patch", "httproute", "shop", "--type=json", "-p", json.dumps(change))
    place.say("declared", resolution="KnownGoodAccepted")
    found = place.until_resolved("declared")
    (left,) = said(found, "LeftAsChanged")
    assert "someone else has set it to '7'" in left
    weights = {b["name"]: b["weight"] for b in place.get("httproute", "shop")["spec"]["rules"][0]["backendRefs"]}
    assert weights == {"shop": 7, "firebreak-responder": 0}
    assert owned_by_firebreak(place) == []


def a_deleted_incident_gives_back_before_it_goes(place: Place) -> None:
    """The finalizer holds it until everything stands as it stood before; the limits know of it afterwards."""
    place.declare()
    place.until_proven()
    before = declared(place)
    place.apply(declaration(**_CONTAIN))
    place.until_contained("declared")
    place.kubectl("delete", "aii", "declared", "--wait=false")
    place.until_gone("aii", "declared")
    assert declared(place) == before
    assert owned_by_firebreak(place) == []
    assert [c["incident"] for c in place.get("ais", "shop")["status"]["containments"]] == ["declared"]


def a_step_waits_until_it_is_approved(place: Place) -> None:
    """What waits and how it is approved stands in the page; the record says who did, as the API server knows them."""
    place.declare()
    place.patch("containmentpolicy", "shop", {"spec": {"approval": {"P1": "Required"}}})
    place.apply(declaration(**_CONTAIN))
    found = place.until_phase("declared", "AwaitingHuman", DETECTED_WITHIN)
    assert actions(found) == []
    assert (condition(found, "Held")["status"], condition(found, "Held")["reason"]) == ("True", "ApprovalRequired")
    assert "kubectl firebreak approve declared" in found["status"]["page"]["message"]
    request = found["status"]["approval"]["request"]
    another = place.refused(lambda: place.say("declared", approval={"request": request, "by": "someone else"}))
    assert "nobody approves in another name" in another
    me = json.loads(place.kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"]
    place.say("declared", approval={"request": request, "by": me})
    found = place.until_contained("declared")
    assert any(f"approved by {me}" in words for words in said(found, "RequestedByPerson"))


def a_deleted_service_keeps_its_containment_until_it_is_sure(place: Place) -> None:
    """People are asked first, for it may be a slip; who deletes the incident as well has everything given back."""
    place.declare()
    place.until_proven()
    before = declared(place)
    place.apply(declaration(**_CONTAIN))
    place.until_contained("declared")
    contained = declared(place)
    place.kubectl("delete", "ais", "shop", "--wait=false")
    found = place.until_phase("declared", "AwaitingHuman", TOLD_WITHIN)
    assert found["status"]["page"]["reason"] == "ServiceGone"
    assert declared(place) == contained
    place.kubectl("delete", "aii", "declared", "--wait=false")
    place.until_gone("aii", "declared")
    assert declared(place) == before
    assert owned_by_firebreak(place) == []


def a_namespace_goes_with_its_open_incident(place: Place) -> None:
    """Nothing that Firebreak holds keeps a namespace from being deleted."""
    place.declare()
    place.until_proven()
    place.apply(declaration(**_CONTAIN))
    place.until_contained("declared")
    place.lab.kubectl("delete", "namespace", place.namespace, "--wait=false")
    place.reader.until("namespace", "", place.namespace, "it is gone", lambda o: o is None, TOLD_WITHIN)


SCENARIOS = (
    a_suspended_service_is_left_alone_until_it_is_not,
    two_services_that_claim_one_place_are_both_held,
    a_person_has_it_contained_and_released,
    a_person_accepts_the_known_good_revision,
    a_false_alarm_may_come_back,
    what_someone_has_changed_meanwhile_is_left_to_them,
    a_deleted_incident_gives_back_before_it_goes,
    a_step_waits_until_it_is_approved,
    a_deleted_service_keeps_its_containment_until_it_is_sure,
    a_namespace_goes_with_its_open_incident,
)
