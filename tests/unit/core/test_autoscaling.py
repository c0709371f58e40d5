"""Human review where an autoscaler sets the replicas: the floor is raised, never the replicas."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.builders import (
    REVIEW,
    REVIEW_STEP,
    SWITCHES,
    T0,
    a_cluster,
    a_policy,
    a_service,
    a_situation,
    action_of,
    at,
    in_force,
    opened,
    settled,
)

from firebreak.adapters.kube.observers import effect_of
from firebreak.api.conditions import ConditionReason
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.declaration import problems_of
from firebreak.core.drift import drift_of
from firebreak.core.field_writes import undone
from firebreak.core.observations import InForce, Waiting
from firebreak.core.situation import Situation

HPA = TargetRef(api_version="autoscaling/v2", kind="HorizontalPodAutoscaler", name="review")
KEDA = TargetRef(api_version="keda.sh/v1alpha1", kind="ScaledObject", name="review")


def _scaler(target: TargetRef, workload: str = REVIEW.name, **spec: int) -> dict[str, Any]:
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload}
    metadata = {"name": target.name, "generation": 1}
    return {"kind": target.kind, "metadata": metadata, "spec": {"scaleTargetRef": scaled} | spec}


def _asked(target: TargetRef, scaler: Mapping[str, Any] | None, **rest: Any) -> dict[str, Any]:
    review = {
        "workload": {"name": REVIEW.name},
        "replicas": 6,
        "autoscaler": target.dump(),
        "rate": {"target": SWITCHES.dump(), "path": "$.data['review-rate']", "value": "100%"},
    }
    return {
        "service": a_service(humanReview=review),
        "objects": a_cluster() | {target: scaler},
        "policy": a_policy(REVIEW_STEP),
    } | rest


def _writes(s: Situation) -> list[tuple[str, str, object, object]]:
    return [
        (w.target.kind, w.path, w.original.value, w.desired.value) for w in action_of(s, "RaiseHumanReview").writes[:-1]
    ]


@pytest.mark.parametrize(
    ("target", "spec", "wanted"),
    [
        (HPA, {"minReplicas": 2, "maxReplicas": 10}, ("$.spec.minReplicas", 2, 6)),
        (HPA, {"maxReplicas": 10}, ("$.spec.minReplicas", None, 6)),
        (HPA, {"minReplicas": 2, "maxReplicas": 4}, ("$.spec.minReplicas", 2, 4)),
        (KEDA, {"minReplicaCount": 1, "maxReplicaCount": 20}, ("$.spec.minReplicaCount", 1, 6)),
        (KEDA, {}, ("$.spec.minReplicaCount", None, 6)),
    ],
)
def test_the_floor_is_raised(target: TargetRef, spec: dict[str, int], wanted: tuple[Any, ...]) -> None:
    """As far as asked, or as the maximum lets it; the replicas are the autoscaler's, and are not written."""
    s = settled(opened(**_asked(target, _scaler(target, **spec))), T0)
    assert _writes(s) == [(target.kind, *wanted)]


@pytest.mark.parametrize("spec", [{"minReplicas": 8, "maxReplicas": 10}, {"minReplicas": 4, "maxReplicas": 4}])
def test_a_floor_is_never_lowered(spec: dict[str, int]) -> None:
    """What is high enough, or as high as it may be, is left."""
    s = settled(opened(**_asked(HPA, _scaler(HPA, **spec))), T0)
    assert _writes(s) == []


def test_an_autoscaler_of_another_workload_is_not_touched() -> None:
    """The step is skipped with what to change."""
    s = settled(opened(**_asked(HPA, _scaler(HPA, workload="other", maxReplicas=9))), T0)
    skipped = action_of(s, "RaiseHumanReview")
    assert skipped.reason == "CannotCompile"
    assert "scales other, not Deployment summarizer-review" in skipped.because


def test_it_is_given_back_as_it_was() -> None:
    """A floor that was not set is not set again."""
    s = settled(opened(**_asked(HPA, _scaler(HPA, maxReplicas=9))), T0)
    floor = undone(action_of(s, "RaiseHumanReview").writes)[-1]
    assert (floor.path, floor.desired.value) == ("$.spec.minReplicas", None)


def test_it_is_in_force_when_the_reviewers_are_ready() -> None:
    """A floor says what will be; pods answer."""
    scaler = _scaler(HPA, minReplicas=6, maxReplicas=9)
    workload: dict[str, Any] = {
        "kind": "Deployment",
        "metadata": {"name": REVIEW.name, "generation": 1},
        "spec": {"replicas": 6},
        "status": {"observedGeneration": 1, "readyReplicas": 2},
    }
    wanted = [(HPA, "$.spec.minReplicas", 6)]
    assert isinstance(effect_of(wanted, {HPA: scaler, REVIEW: workload}), Waiting)
    workload["status"]["readyReplicas"] = 6
    assert isinstance(effect_of(wanted, {HPA: scaler, REVIEW: workload}), InForce)


def test_a_lower_floor_is_drift_and_a_higher_one_is_not() -> None:
    """Somebody who raises it further takes nothing away."""
    asked = _asked(HPA, _scaler(HPA, minReplicas=2, maxReplicas=9))
    s = in_force(settled(opened(**asked), T0), "RaiseHumanReview", at(minutes=1))
    action = action_of(s, "RaiseHumanReview")
    assert drift_of(action, {HPA: _scaler(HPA, minReplicas=7, maxReplicas=9)}, ()) == ""
    assert "holds 2, not 6" in drift_of(action, {HPA: _scaler(HPA, minReplicas=2, maxReplicas=9)}, ())


def _told(s: Situation) -> list[str]:
    return [p.message for p in problems_of(s) if p.reason is ConditionReason.AUTOSCALER_UNFIT]


def test_a_maximum_below_what_is_asked_is_told_before_any_incident() -> None:
    """With what to change."""
    s = a_situation(**_asked(HPA, _scaler(HPA, maxReplicas=4)))
    assert _told(s) == [
        "spec.humanReview.replicas: 6 are asked for and HorizontalPodAutoscaler review allows at most 4: "
        "raise its maximum, or ask for fewer"
    ]
    assert _told(a_situation(**_asked(HPA, _scaler(HPA, maxReplicas=6)))) == []


def test_a_workload_at_zero_turns_an_hpa_off() -> None:
    """Its floor would raise nothing."""
    asked = _asked(HPA, _scaler(HPA, maxReplicas=6))
    s = replace(a_situation(**asked), objects=asked["objects"] | {REVIEW: a_cluster(replicas=0)[REVIEW]})
    assert "has 0 replicas, which turns HorizontalPodAutoscaler review off" in _told(s)[0]


@pytest.mark.parametrize(("manager", "is_told"), [("kube-controller-manager", True), ("kubectl", False)])
def test_an_autoscaler_that_nobody_named_is_noticed_by_what_it_writes(manager: str, is_told: bool) -> None:
    """It would set back what is raised."""
    entry = {
        "manager": manager,
        "operation": "Update",
        "subresource": "scale",
        "time": "2026-05-04T02:00:00Z",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }
    objects = a_cluster()
    workload: Any = objects[REVIEW]
    objects[REVIEW] = {**workload, "metadata": workload["metadata"] | {"managedFields": [entry]}}
    assert bool(_told(a_situation(objects=objects, policy=a_policy(REVIEW_STEP)))) == is_told
