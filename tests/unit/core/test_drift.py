"""Someone changes or reverts what is in force."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.builders import (
    NO_DATES,
    REVIEW,
    REVIEW_STEP,
    ROLL_BACK,
    ROUTE,
    T0,
    TO_SMALL,
    TO_STATIC,
    V2,
    a_cluster,
    a_policy,
    a_recovery,
    action_of,
    at,
    contained_by_rollback,
    contained_by_switch,
    in_force,
    met,
    now_saying,
    opened,
    revisions,
    said,
    settled,
    status_of,
    with_status,
)

from firebreak.api.v1alpha1.incident import ActionPhase, Outcome, Phase
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.commands import Reason
from firebreak.core.drift import drift_of
from firebreak.core.incident_conditions import with_conditions
from firebreak.core.observations import InForce
from firebreak.core.ports import KubeObject
from firebreak.core.record import blocked, landed, with_action
from firebreak.core.situation import Situation
from firebreak.core.steps import is_contained
from firebreak.core.verdict import RecoveryFinding

_NOT_HELPED = a_recovery(finding=RecoveryFinding.NOT_HELPED)


def _looked_at(s: Situation, objects: Mapping[TargetRef, KubeObject | None]) -> Situation:
    """The situation with the cluster like this, as app/observe.py would see it."""
    found = {a.id: drift_of(a, objects, s.revision.history) for a in status_of(s).actions}
    effects = {a.id: InForce(because="it stands") for a in status_of(s).actions}
    return replace(s, objects=objects, drifts={i: words for i, words in found.items() if words}, effects=effects)


def _written(objects: Mapping[TargetRef, KubeObject | None], target: TargetRef, *entries: dict[str, Any]) -> Any:
    object_: Any = objects[target]
    return {**objects, target: {**object_, "metadata": object_["metadata"] | {"managedFields": list(entries)}}}


def test_a_switch_that_someone_takes_back_contains_nothing() -> None:
    """It is told with who did it, people are asked, and no step is taken on what was measured before."""
    s = contained_by_switch(policy=a_policy(TO_SMALL, NO_DATES))
    argo = {
        "manager": "argocd-controller",
        "operation": "Apply",
        "time": "2026-05-04T03:03:00Z",
        "fieldsV1": {"f:spec": {"f:rules": {}}},
    }
    s = settled(_looked_at(s, _written(a_cluster(weights=(100, 0, 0)), ROUTE, argo)), at(minutes=3))
    status = with_conditions(status_of(s), 1, at(minutes=3))
    switch = action_of(s, "SwitchTraffic")
    assert (switch.phase, switch.drifted_at) == (ActionPhase.BLOCKED, at(minutes=3))
    assert not is_contained(status)
    assert status.phase is Phase.AWAITING_HUMAN
    assert status.page is not None
    assert status.page.reason == Reason.DRIFTED
    assert "weight holds 100, not 0; changed by argocd-controller (Apply)" in status.page.message
    contained = next(c for c in status.conditions if c.type == "Contained")
    assert (contained.status, contained.reason) == ("False", "Drifted")
    assert [a.kind for a in status.actions] == ["SwitchTraffic"]
    assert any(e.reason == Reason.DRIFTED and "argocd-controller" in e.message for e in status.timeline)


def test_what_was_changed_is_never_written_again() -> None:
    """The record wants nothing more of the place: two that fight over a field serve nobody."""
    s = _looked_at(contained_by_switch(policy=a_policy(TO_SMALL)), a_cluster(weights=(50, 50, 0)))
    before = action_of(s, "SwitchTraffic").writes
    s = settled(s, at(minutes=3))
    assert action_of(s, "SwitchTraffic").writes == before
    assert all(w.landed for w in before)


def test_the_next_step_follows_on_what_is_measured_since() -> None:
    """It is bad again since the change: the ladder goes on."""
    s = settled(_looked_at(contained_by_switch(policy=a_policy(TO_SMALL, NO_DATES)), a_cluster()), at(minutes=3))
    s = settled(now_saying(s, recoveries=(_NOT_HELPED,)), at(minutes=9))
    assert [a.kind for a in status_of(s).actions] == ["SwitchTraffic", "DisableFeature"]


def test_a_person_may_ask_for_the_next_step_at_once() -> None:
    """Their word stands for the evidence."""
    s = settled(_looked_at(contained_by_switch(policy=a_policy(TO_SMALL, NO_DATES)), a_cluster()), at(minutes=3))
    s = settled(said(s, contain=True), at(minutes=4))
    assert [a.kind for a in status_of(s).actions] == ["SwitchTraffic", "DisableFeature"]


def test_put_back_it_contains_again() -> None:
    """Whoever changed it has set it as it was; it is seen to be in force, and the page ends."""
    s = settled(_looked_at(contained_by_switch(policy=a_policy(TO_SMALL)), a_cluster()), at(minutes=3))
    s = settled(_looked_at(s, a_cluster(weights=(0, 100, 0))), at(minutes=5))
    assert is_contained(status_of(s))
    assert action_of(s, "SwitchTraffic").drifted_at is None
    assert status_of(s).page is None


def test_a_step_under_way_is_not_judged_as_if_it_were_in_force() -> None:
    """The flag is back on before it was shown to help: what recovers then did not recover by it."""
    s = in_force(settled(opened(policy=a_policy(NO_DATES)), at()), "DisableFeature", at(minutes=1))
    s = _looked_at(s, a_cluster(dates="true"))
    s = settled(now_saying(s, recoveries=(a_recovery(),)), at(minutes=3))
    assert action_of(s, "DisableFeature").outcome is Outcome.UNKNOWN
    assert not is_contained(status_of(s))


def test_more_reviewers_than_asked_for_are_no_drift() -> None:
    """A floor holds as long as it is not undercut."""
    s = in_force(settled(opened(policy=a_policy(REVIEW_STEP)), at()), "RaiseHumanReview", at(minutes=1))
    objects = {k: v for k, v in a_cluster(replicas=9).items() if k == REVIEW}
    assert _looked_at(s, objects).drifts == {}
    fewer = {k: v for k, v in a_cluster(replicas=3).items() if k == REVIEW}
    assert "holds 3, not 6" in next(iter(_looked_at(s, fewer).drifts.values()))


def test_a_fallback_s_weight_may_change_while_the_primary_has_none() -> None:
    """All traffic still goes to it."""
    s = contained_by_switch(policy=a_policy(TO_SMALL))
    assert _looked_at(s, a_cluster(weights=(0, 30, 0))).drifts == {}


def test_a_new_revision_after_a_rollback_is_no_drift() -> None:
    """It is judged as a revision; of the bad one that is back it is said who brought it."""
    s = contained_by_rollback(policy=a_policy(ROLL_BACK))
    back = _written(
        a_cluster(V2),
        TargetRef(api_version="apps/v1", kind="Deployment", name="summarizer"),
        {"manager": "helm", "operation": "Update", "time": "2026-05-04T03:04:00Z", "fieldsV1": {"f:spec": {}}},
    )
    s = replace(_looked_at(s, back), revision=revisions(V2, since=at(minutes=14), quarantined=("v2",)))
    s = settled(s, at(minutes=15))
    assert action_of(s, "RollBack").drifted_at is None
    told = [e.message for e in status_of(s).timeline if e.reason == Reason.QUARANTINE_MISSING]
    assert "changed by helm (Update)" in told[0]


def test_an_object_that_is_gone_is_told() -> None:
    """What does not exist contains nothing."""
    s = settled(_looked_at(contained_by_switch(policy=a_policy(TO_SMALL)), {ROUTE: None}), at(minutes=3))
    assert "HTTPRoute summarizer does not exist any more" in action_of(s, "SwitchTraffic").message


def test_the_next_switch_takes_the_place_of_one_that_someone_took_back() -> None:
    """A person asks for the next step: what nobody holds any more is not in its way, and is told no longer."""
    s = contained_by_switch(policy=a_policy(TO_SMALL, TO_STATIC))
    first = action_of(s, "SwitchTraffic")
    s = replace(s, drifts={first.id: "its weight holds 100, not 0"}, objects=a_cluster(weights=(100, 0, 0)))
    s = settled(s, at(minutes=5))
    s = settled(replace(said(s, contain=True), drifts={}), at(minutes=6))
    before, now = (a for a in status_of(s).actions if a.kind == "SwitchTraffic")
    assert (before.phase, now.phase, now.subject) == (ActionPhase.KEPT, ActionPhase.INTENDED, "apology")
    assert "has taken its place" in before.message


def test_the_next_switch_is_tried_when_the_first_one_was_refused() -> None:
    """Nothing of it was written, so the route stands as it was."""
    s = settled(opened(policy=a_policy(TO_SMALL, TO_STATIC)), T0)
    refused = blocked(action_of(s, "SwitchTraffic"), "refused (403): a webhook")
    taken_back = refused.model_copy(update={"writes": tuple(landed(w) for w in refused.writes)})
    s = settled(with_status(s, with_action(status_of(s), taken_back)), at(minutes=1))
    assert [(a.subject, a.phase) for a in status_of(s).actions if a.kind == "SwitchTraffic"] == [
        ("small-model", ActionPhase.TAKEN_BACK),
        ("apology", ActionPhase.INTENDED),
    ]


def test_what_was_good_while_it_stood_is_no_end_once_it_is_taken_back() -> None:
    """The failing prompt had no traffic, so nothing failed; now it has it again, and that has to be good for as long."""
    s = now_saying(contained_by_switch(policy=a_policy(TO_SMALL)), met())
    s = settled(s, at(minutes=3))
    taken_back = a_cluster(weights=(100, 0, 0))

    s = settled(_looked_at(s, taken_back), at(hours=2))
    assert status_of(s).closing is None
    s = settled(_looked_at(s, taken_back), at(hours=2, minutes=1))
    assert status_of(s).closing is None

    s = settled(_looked_at(s, taken_back), at(hours=4))
    assert status_of(s).closing is not None
