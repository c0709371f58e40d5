"""Nobody makes Firebreak write what they may not write themselves."""

import json
from typing import Any

import pytest
from tests.integration.installed.installed import (
    DRILL,
    IMAGE,
    SERVICE,
    Kubectl,
    Manifest,
    a,
    changed,
    config_map,
    deployment,
    until,
)

pytestmark = pytest.mark.lab


def may(*rules: dict[str, Any]) -> tuple[Manifest, Manifest, Manifest]:
    """The account `author`, which may write AIServices and what the rules say."""
    ours = ["aiservices", "containmentdrills"]
    services = {"apiGroups": ["firebreak.dev"], "resources": ours, "verbs": ["create", "get", "patch"]}
    group = "rbac.authorization.k8s.io"
    named = {"metadata": {"name": "author"}}
    return (
        {"apiVersion": "v1", "kind": "ServiceAccount"} | named,
        {"apiVersion": f"{group}/v1", "kind": "Role", "rules": [services, *rules]} | named,
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "author"},
            "subjects": [{"kind": "ServiceAccount", "name": "author"}],
        }
        | named,
    )


def patch_on(group: str, resource: str, *names: str) -> dict[str, Any]:
    """The right to patch objects of a kind: all of them, or those with these names."""
    return {"apiGroups": [group], "resources": [resource], "verbs": ["patch"]} | (
        {"resourceNames": list(names)} if names else {}
    )


def author(kubectl: Kubectl, *rules: dict[str, Any]) -> Kubectl:
    """kubectl as the account, once its rights are known to the API server."""
    objects = may(*rules)
    objects[2]["subjects"][0]["namespace"] = kubectl.namespace
    kubectl.must(kubectl.create(*objects))
    account = kubectl.as_account("author")
    until(lambda: account.run("auth", "can-i", "create", "aiservices").ok)
    return account


def a_service(fields: tuple[str, ...], flags: tuple[str, ...] = (), *, reload: bool = False) -> Manifest:
    """A service whose revision lies in these Deployments and whose features in these ConfigMaps."""
    spec = {key: SERVICE["spec"][key] for key in ("metrics", "objectives", "containment")}
    return a(
        "AIService",
        spec
        | {
            "revision": {
                "fields": [
                    {"name": f"f{i}", "target": deployment(name), "path": IMAGE}
                    | ({"reload": {"name": f"r-{name}"}} if reload else {})
                    for i, name in enumerate(fields)
                ]
            },
            "features": [
                {"name": f"x{i}", "flag": {"target": config_map(n), "path": "$.data.on", "disabledValue": "false"}}
                for i, n in enumerate(flags)
            ],
        },
    )


ALL_KINDS = (
    patch_on("apps", "deployments"),
    patch_on("", "configmaps"),
    patch_on("gateway.networking.k8s.io", "httproutes"),
)


def test_who_may_patch_all_targets_may_declare_the_service(kubectl: Kubectl) -> None:
    """A right to each kind is enough, whatever the service names."""
    account = author(kubectl, *ALL_KINDS)
    account.must(account.create(SERVICE))


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (0, "spec names Deployment summarizer as a target, which system:serviceaccount:"),
        (1, "spec names ConfigMap summarizer-prompt as a target"),
        (2, "spec names HTTPRoute summarizer as a target"),
    ],
)
def test_one_target_that_the_author_may_not_patch_is_named(kubectl: Kubectl, missing: int, said: str) -> None:
    """Every place that names a target counts: revision, route, review and flags."""
    account = author(kubectl, *(rule for i, rule in enumerate(ALL_KINDS) if i != missing))
    answer = account.create(SERVICE)
    assert not answer.ok
    assert said in answer.text
    assert "ask for the right to patch it, or leave it out" in answer.text


def test_who_may_not_patch_a_target_has_no_drill_executed_on_it(kubectl: Kubectl) -> None:
    """It would have Firebreak write what they may not; to rehearse without changes is free to them."""
    kubectl.must(kubectl.create(SERVICE))
    account = author(kubectl, *ALL_KINDS[:2])
    rehearsed = changed(DRILL, lambda spec: spec.update(mode="DryRun", allowExecution=False))
    elsewhere = changed(DRILL, lambda spec: spec.update(service="another"))

    answer = account.create(DRILL, dry_run=True)

    assert not answer.ok
    assert "AIService it names HTTPRoute summarizer as a target, which system:serviceaccount:" in answer.text
    account.must(account.create(rehearsed, dry_run=True))
    account.must(account.create(elsewhere, dry_run=True))


def test_who_may_patch_all_targets_and_the_service_may_have_a_drill_executed(kubectl: Kubectl) -> None:
    """Rights to the targets alone are not enough: the service's author decides about the service."""
    kubectl.must(kubectl.create(SERVICE))
    account = author(kubectl, *ALL_KINDS)
    account.must(account.create(DRILL, dry_run=True))
    kubectl.must(kubectl.run("create", "serviceaccount", "stranger"))
    stranger = f"--serviceaccount={kubectl.namespace}:stranger"
    rights = ("create", "role", "drills", "--verb=create", "--resource=containmentdrills.firebreak.dev")
    kubectl.must(kubectl.run(*rights))
    kubectl.must(kubectl.run("create", "rolebinding", "drills", "--role=drills", stranger))
    kinds = "--resource=deployments.apps,configmaps,httproutes.gateway.networking.k8s.io"
    kubectl.must(kubectl.run("create", "role", "targets", "--verb=patch", kinds))
    kubectl.must(kubectl.run("create", "rolebinding", "targets", "--role=targets", stranger))
    other = kubectl.as_account("stranger")
    until(lambda: other.run("auth", "can-i", "create", "containmentdrills").ok)
    until(lambda: other.run("auth", "can-i", "patch", "httproutes.gateway.networking.k8s.io").ok)

    said = other.create(DRILL, dry_run=True)

    assert not said.ok
    assert "changes what AIService it serves, which system:serviceaccount:" in said.text


def test_rights_to_single_objects_are_enough(kubectl: Kubectl) -> None:
    """Whoever may patch just these objects, by name, may name just these."""
    account = author(kubectl, patch_on("apps", "deployments", "mine"), patch_on("", "configmaps", "flags"))
    account.must(account.create(a_service(("mine",), ("flags",)), dry_run=True))
    assert "Deployment theirs" in account.create(a_service(("mine", "theirs"), ("flags",)), dry_run=True).text
    assert "ConfigMap theirs" in account.create(a_service(("mine",), ("flags", "theirs")), dry_run=True).text


def test_as_many_names_as_can_be_checked_are_checked(kubectl: Kubectl) -> None:
    """Twenty objects by name fit into what the API server spends on a request; of more it says what to do."""
    deployments = tuple(f"d{i}" for i in range(8))
    reloaded = tuple(f"r-{name}" for name in deployments)
    flags = tuple(f"c{i}" for i in range(5))
    account = author(
        kubectl, patch_on("apps", "deployments", *deployments, *reloaded), patch_on("", "configmaps", *flags[:4])
    )
    account.must(account.create(a_service(deployments, flags[:4], reload=True), dry_run=True))
    assert (
        "ConfigMap c4" in account.create(a_service(deployments, (*flags[:3], flags[4]), reload=True), dry_run=True).text
    )
    assert (
        "21 objects, of which at most 20"
        in account.create(a_service(deployments, flags, reload=True), dry_run=True).text
    )


def test_a_change_of_spec_is_checked_again_and_nothing_else_is(kubectl: Kubectl) -> None:
    """Somebody without rights to the targets may label the service, but not change what it says."""
    kubectl.must(kubectl.create(SERVICE))
    account = author(kubectl)
    account.must(account.run("label", "aiservice/it", "team=docs"))
    said = account.run("patch", "aiservice/it", "--type=merge", "-p", json.dumps({"spec": {"suspend": True}}))
    assert not said.ok
    assert "as a target, which" in said.text


def test_what_is_out_of_reach_is_refused_to_the_admin_too(kubectl: Kubectl) -> None:
    """The installation's limits hold for everyone: they are what Firebreak's own rights were granted for."""
    outside = changed(SERVICE, lambda spec: spec["humanReview"]["rate"].update(path="$.metadata.labels.rate"))
    outside = changed(outside, lambda spec: spec["features"][0]["flag"].update(path="$.binaryData.x"))
    said = kubectl.create(outside)
    assert not said.ok
    assert "spec.humanReview.rate, spec.features[dates].flag: Firebreak may not write to v1 ConfigMap at" in said.text
