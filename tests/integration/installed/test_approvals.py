"""Who may approve a step: only in one's own name, and only members of the groups that the chart names."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.integration.installed.installed import INCIDENT, NAMESPACE, Helm, Kubectl, until

pytestmark = pytest.mark.lab

REQUEST = "l0-s1-rollback.1"


def approves(kubectl: Kubectl, *who: str, by: str = "ada", request: str = REQUEST) -> str:
    """What a person is told who approves; empty when it was taken."""
    patch = json.dumps({"spec": {"approval": {"request": request, "by": by}}})
    said = kubectl.run("patch", "aii", "it", "--type=merge", "-p", patch, *who)
    return "" if said.ok else said.text


def test_nobody_approves_in_another_name(kubectl: Kubectl) -> None:
    """The name in the record is the one that the API server knows."""
    kubectl.must(kubectl.create(INCIDENT))
    ada = ("--as=ada", "--as-group=system:masters")
    told = approves(kubectl, *ada, by="bob")
    assert "spec.approval.by says bob, and you are ada: nobody approves in another name" in told
    assert approves(kubectl, *ada) == ""
    # What was said once may stay, whoever changes the rest; somebody else's approval is a new one.
    kubectl.must(kubectl.run("patch", "aii", "it", "--type=merge", "-p", '{"spec":{"acknowledged":true}}'))
    assert "you are bob" in approves(kubectl, "--as=bob", "--as-group=system:masters", request="l0-s1-rollback.2")


def test_an_incident_is_not_created_approved(kubectl: Kubectl) -> None:
    """An approval answers what is asked."""
    spec = INCIDENT["spec"] | {"approval": {"request": REQUEST, "by": "kubernetes-admin"}}
    said = kubectl.create(INCIDENT | {"spec": spec}, dry_run=True)
    assert not said.ok
    assert "an incident cannot be created with it" in said.text


def test_only_members_of_the_groups_approve(kubectl: Kubectl, admin: Kubectl, helm: Helm) -> None:
    """Whoever may patch incidents and is in none of them is told which they are."""
    parts = helm.template(
        "--set", "approvers.groups={sre,model-risk}", "--set", f"fullnameOverride={kubectl.namespace}"
    )
    mine: list[dict[str, Any]] = []
    for each in parts:
        if each["kind"].startswith("ValidatingAdmissionPolicy") and each["metadata"]["name"].endswith("-approval"):
            if each["kind"].endswith("Binding"):
                here = {"matchLabels": {"kubernetes.io/metadata.name": kubectl.namespace}}
                each["spec"]["matchResources"] = {"namespaceSelector": here}
            mine.append(each)
    assert len(mine) == 2
    kubectl.must(kubectl.create(INCIDENT))
    cluster = replace(admin, namespace=NAMESPACE)
    cluster.must(cluster.apply(*mine))
    try:
        ada = ("--as=ada", "--as-group=system:masters")
        until(lambda: approves(kubectl, *ada, "--dry-run=server") != "")
        assert "ada is in none of the groups that may approve: sre, model-risk" in approves(kubectl, *ada)
        assert approves(kubectl, *ada, "--as-group=model-risk") == ""
    finally:
        for each in mine:
            cluster.run("delete", each["kind"].lower(), each["metadata"]["name"], "--wait=false")
