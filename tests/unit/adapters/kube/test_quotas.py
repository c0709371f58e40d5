"""Whether more pods have room in a namespace's quotas."""

from typing import Any

import pytest

from firebreak.adapters.kube.quotas import lacking, surge

RESOURCES = {"requests": {"cpu": "500m"}, "limits": {"cpu": "1", "memory": "1Gi"}}


def a_deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    pod = {"containers": list(containers) or [{"name": "review", "resources": RESOURCES}]}
    return {"metadata": {"name": "review"}, "spec": {"template": {"spec": pod}} | spec}


def a_quota(hard: dict[str, str], used: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "team"}, "spec": spec, "status": {"hard": hard, "used": used}}


@pytest.mark.parametrize(
    ("hard", "used"),
    [
        ({"pods": "10"}, {"pods": "8"}),
        ({"count/pods": "10"}, {"count/pods": "8"}),
        ({"requests.cpu": "4"}, {"requests.cpu": "2600m"}),
        ({"cpu": "4"}, {"cpu": "2600m"}),
        ({"limits.cpu": "4"}, {"limits.cpu": "2"}),
        ({"requests.memory": "8Gi"}, {"requests.memory": "6Gi"}),
    ],
)
def test_what_three_more_pods_need_and_is_not_left_is_named(hard: dict[str, str], used: dict[str, str]) -> None:
    """What is only limited counts as requested, as the API server has it."""
    (resource,) = hard

    said = lacking([a_quota(hard, used)], a_deployment(), 3)

    assert said.startswith(f"ResourceQuota team has {used[resource]} of {hard[resource]} {resource} in use")
    assert lacking([a_quota(hard, dict.fromkeys(used, "0"))], a_deployment(), 3) == ""


def test_quotas_of_other_pods_do_not_count() -> None:
    """Whether these are among those that a scope counts is not known beforehand."""
    full = a_quota({"pods": "1"}, {"pods": "1"}, scopes=["BestEffort"])

    assert lacking([full], a_deployment(), 1) == ""
    assert lacking([a_quota({"services": "1"}, {"services": "1"})], a_deployment(), 1) == ""


def test_a_rollout_needs_a_pod_beside_those_that_run_unless_it_makes_room_first() -> None:
    """By the Deployment's strategy."""
    assert surge(a_deployment()) == 1
    assert surge(a_deployment(strategy={"type": "Recreate"})) == 0
    assert surge(a_deployment(strategy={"rollingUpdate": {"maxSurge": 0}})) == 0
