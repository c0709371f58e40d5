"""Scenarios: what Firebreak finds by itself, contains and gives back."""

from tests.integration.operator.manifests import FRESHNESS, GOOD_PROMPT, GROUNDEDNESS, MORE_EVIDENCE, PERSONAL_DATA
from tests.integration.operator.place import (
    BAD_PROMPT,
    FIXED_PROMPT,
    LEAKING_PROMPT,
    TOLD_WITHIN,
    Place,
    action,
    actions,
    declared,
    owned_by_firebreak,
    said,
)


def a_bad_revision_is_rolled_back_and_kept_out_until_it_is_fixed(place: Place) -> None:
    """Both fields go back, the bad values are refused however they are applied, and a third revision ends it."""
    place.declare()
    place.until_proven()
    place.break_quietly()
    incident = place.until_contained()
    rolled_back = action(incident, "RollBack")
    assert {w["target"]["kind"] for w in rolled_back["writes"]} == {"ConfigMap", "Deployment"}
    assert {s["field"] for s in incident["status"]["suspects"]} == {"model", "prompt"}
    assert place.is_as_before()

    bad = place.workload("shop:bad")
    for said_instead in (
        place.refused(lambda: place.apply(bad)),
        place.refused(lambda: place.apply_server_side(bad)),
        place.refused(lambda: place.deploy(text=BAD_PROMPT)),
    ):
        assert "shop-1" in said_instead, "the refusal names the incident"
    assert place.is_as_before()

    place.deploy(image="shop:two", text=FIXED_PROMPT)
    incident = place.until_resolved()
    assert incident["status"]["closing"]["reason"] == "FixProven"
    place.until_gone("quarantine", "shop-1")
    assert (place.image(), place.prompt()) == ("shop:two", FIXED_PROMPT)
    assert place.get("deployment", "review")["spec"]["replicas"] == 0
    assert place.get("configmap", "shop-controls")["data"]["review-rate"] == "2%"
    assert owned_by_firebreak(place) == []


def traffic_goes_to_a_static_answer_and_comes_back_by_a_probe(place: Place) -> None:
    """Users get the answer that the service declares; after the fix the weights are what they were, to the byte."""
    place.declare(objectives=[PERSONAL_DATA])
    place.until_proven()
    before = place.get("httproute", "shop")["spec"]
    place.deploy(text=LEAKING_PROMPT)
    incident = place.until_contained()
    assert action(incident, "SwitchTraffic")["subject"] == "apology"
    assert place.answer() == (503, '{"text": "sorry"}')

    place.deploy(text=FIXED_PROMPT)
    incident = place.until_resolved()
    assert incident["status"]["closing"]["reason"] == "FixProven"
    assert said(incident, "GivingBack")[0].startswith("30%"), "the first share is the probe"
    assert place.get("httproute", "shop")["spec"] == before
    assert place.answer()[0] == 200
    assert owned_by_firebreak(place) == []


def a_stale_index_is_no_reason_to_roll_back(place: Place) -> None:
    """No revision changed, so the rollback is skipped; the feature is off until the pipeline works again."""
    place.declare(objectives=[GROUNDEDNESS, FRESHNESS], release_when="GaugeRecovered")
    place.until_proven()
    place.patch("configmap", "shop-index", {"data": {"age": "500"}})
    incident = place.until_contained()
    skipped = action(incident, "RollBack")
    assert (skipped["phase"], skipped["reason"]) == ("Skipped", "NoRevisionChange")
    assert place.get("configmap", "shop-controls")["data"]["dates"] == "off"
    assert place.is_as_before()

    place.patch("configmap", "shop-index", {"data": {"age": "5"}})
    incident = place.until_resolved()
    assert incident["status"]["closing"]["reason"] == "FixProven"
    assert place.get("configmap", "shop-controls")["data"]["dates"] == "on"
    assert owned_by_firebreak(place) == []


def observing_changes_nothing(place: Place) -> None:
    """In mode Observe the incident says what would have been done, and nothing is written."""
    place.declare(containment={"policy": {"name": "shop"}, "mode": "Observe"})
    place.until_proven()
    place.break_quietly()
    before = declared(place)
    incident = place.until_step("RollBack")
    would = action(incident, "RollBack")
    assert would["phase"] == "WouldDo"
    assert "mode is Observe" in would["because"] or any("mode is Observe" in m for m in said(incident, "Observing"))
    assert {a["phase"] for a in actions(incident)} == {"WouldDo"}
    worse = place.until_condition("ais", "shop", "NoRegression", "False")
    assert worse["reason"] == "WorseThanKnownGood"
    assert "beyond the objective" in worse["message"]
    assert declared(place) == before
    assert owned_by_firebreak(place) == []
    assert place.list("quarantine") == []
    assert "finalizers" not in incident["metadata"], "nothing is to be undone, so nothing holds it"


def more_is_judged_while_there_is_doubt(place: Place) -> None:
    """After a change of revision until the evidence is weak for an hour of steps; and what is deleted leaves nothing."""
    place.declare(judge=MORE_EVIDENCE)
    place.until_proven()
    assert place.list("samplingraise") == [], "nothing was in doubt"
    place.deploy(text=FIXED_PROMPT)
    raised = place.until_sampling("100%")
    assert (raised["status"]["phase"], raised["status"]["reason"]) == ("Raised", "RevisionChanged")
    place.until(
        "ais",
        "shop",
        "the service says so",
        lambda o: (o["status"].get("sampling") or {}).get("state") == "Raised",
        TOLD_WITHIN,
    )
    over = place.until_sampling("2%")
    assert (over["status"]["phase"], over["status"]["reason"]) == ("Normal", "EvidenceGone")
    assert owned_by_firebreak(place) == []

    place.deploy(text=GOOD_PROMPT)
    place.until_sampling("100%")
    place.kubectl("delete", "ais", "shop")
    place.until_gone("samplingraise", "shop")
    assert place.get("configmap", "shop-controls")["data"]["sampling"] == "2%"
    assert owned_by_firebreak(place) == []
    assert place.list("aii") == []


SCENARIOS = (
    a_bad_revision_is_rolled_back_and_kept_out_until_it_is_fixed,
    traffic_goes_to_a_static_answer_and_comes_back_by_a_probe,
    a_stale_index_is_no_reason_to_roll_back,
    observing_changes_nothing,
    more_is_judged_while_there_is_doubt,
)
