"""What is missing of the policies that keep a bad revision out, in words."""

from typing import Any

import pytest

from firebreak.adapters.kube.policies import faults_of

NAME = "firebreak-quarantine-workloads"
POLICY: dict[str, Any] = {"metadata": {"name": NAME}, "status": {"typeChecking": {}}}
BINDING: dict[str, Any] = {"spec": {"policyName": NAME, "validationActions": ["Deny", "Audit"]}}


def test_both_there_is_in_order() -> None:
    """A policy whose status is not written yet is no fault either."""
    assert faults_of(NAME, POLICY, BINDING) == ()
    assert faults_of(NAME, {"metadata": {"name": NAME}}, BINDING) == ()


@pytest.mark.parametrize(
    ("policy", "binding", "said"),
    [
        (None, BINDING, f"ValidatingAdmissionPolicy {NAME} does not exist"),
        (POLICY, None, f"ValidatingAdmissionPolicyBinding {NAME} does not exist"),
        (POLICY, {"spec": {"policyName": NAME, "validationActions": ["Audit"]}}, "lack Deny"),
        (POLICY, {"spec": {"policyName": "other", "validationActions": ["Deny"]}}, "is about policy other"),
        (
            {"status": {"typeChecking": {"expressionWarnings": [{"warning": "undefined field 'denied'"}]}}},
            BINDING,
            "undefined field 'denied'",
        ),
    ],
)
def test_what_keeps_it_from_denying_is_named(policy: Any, binding: Any, said: str) -> None:
    """With the object that is to be put right."""
    (fault,) = faults_of(NAME, policy, binding)
    assert said in fault
