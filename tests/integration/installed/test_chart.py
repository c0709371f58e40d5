"""What the chart renders: as little as it takes, and nothing that a cluster would refuse."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.installed.installed import CHART, Helm, Kubectl, Manifest

pytestmark = pytest.mark.lab

RESPONDER_FOR = ("--set", "responder.namespaces={docs,chat}")
EVERYTHING = (
    *("--set", "metricSource.url=https://prometheus:9090", "--set", "metricSource.tls.insecureSkipVerify=true"),
    *(
        "--set",
        "podDisruptionBudget.enabled=true",
        "--set",
        "secretNamespaces={docs}",
        "--set",
        "priorityClassName=high",
    ),
    *RESPONDER_FOR,
)


def of(objects: tuple[Manifest, ...], kind: str) -> list[Manifest]:
    """The objects of a kind."""
    return [each for each in objects if each["kind"] == kind]


def test_the_chart_is_well_formed(helm: Helm) -> None:
    """`helm lint` has nothing to say."""
    done = helm.run("lint", str(CHART), "--strict")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [(), EVERYTHING], ids=["as it comes", "everything"])
def test_every_object_is_accepted_by_an_api_server(
    kubectl: Kubectl, helm: Helm, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """What is rendered can be applied, with and without everything that can be switched on."""
    for each in helm.template(*arguments, namespace=kubectl.namespace):
        if each["metadata"].get("namespace") in (None, kubectl.namespace) and each["kind"] != "ReferenceGrant":
            kubectl.must(kubectl.apply(each, dry_run=True))


def test_alerts_are_rules_of_the_operator_where_they_are_asked_for(helm: Helm) -> None:
    """The file that Prometheus can read by itself, whole and unchanged; none by default, since the CRD may be missing."""
    assert not of(helm.template(), "PrometheusRule")
    (rule,) = of(helm.template("--set", "alerts.enabled=true", "--set", "alerts.labels.release=kps"), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((CHART / "alerts.yaml").read_text())
    assert rule["metadata"]["labels"]["release"] == "kps"


def test_pods_meet_the_restricted_standard(kubectl: Kubectl, helm: Helm) -> None:
    """A namespace that enforces the strictest Pod security standard takes the pods."""
    kubectl.must(kubectl.run("label", "namespace", kubectl.namespace, "pod-security.kubernetes.io/enforce=restricted"))
    for deployment in of(helm.template(namespace=kubectl.namespace), "Deployment"):
        template = deployment["spec"]["template"]
        template["spec"].pop("serviceAccountName")
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"], "metadata": {"name": "it"}}
        said = kubectl.create(pod, dry_run=True)
        assert said.ok or "serviceaccount" in said.text, said.text


def test_rights_are_those_of_the_reach(helm: Helm) -> None:
    """Firebreak may patch the kinds in `reach` and nothing else; never Secrets, roles or policies cluster-wide."""
    reach = [{"apiVersion": "apps/v1", "kind": "StatefulSet", "resource": "statefulsets", "paths": ["$.spec.replicas"]}]
    objects = helm.template("--set-json", f"reach={json.dumps(reach)}")
    (role,) = [each for each in of(objects, "ClusterRole") if each["metadata"]["name"] == "firebreak"]
    patched = {resource for rule in role["rules"] if "patch" in rule["verbs"] for resource in rule["resources"]}
    ours = {"aiincidents", "aiincidents/status", "aiservices/status", "metricsources/status"}
    ours |= {"firebreakcontrols/status", "samplingraises", "samplingraises/status"}
    ours |= {"containmentdrills", "containmentdrills/status"}
    assert patched == ours | {"clustermetricsources/status", "events", "controllerrevisions", "statefulsets"}
    named = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert not named & {"secrets", "pods", "deployments", "configmaps", "serviceaccounts", "roles", "*"}
    assert not any({"*", "escalate", "bind", "impersonate"} & set(rule["verbs"]) for rule in role["rules"])


def test_secrets_are_read_only_where_they_are_named(helm: Helm) -> None:
    """`get` on Secrets in Firebreak's own namespace and in those that the values list; listing them nowhere."""
    roles = of(helm.template("--set", "secretNamespaces={docs}"), "Role")
    rights = {
        (role["metadata"]["namespace"], verb)
        for role in roles
        for rule in role["rules"]
        if "secrets" in rule["resources"]
        for verb in rule["verbs"]
    }
    assert rights == {("firebreak-system", "get"), ("docs", "get")}


def test_edit_does_not_move_production(helm: Helm) -> None:
    """Declaring and containing an incident is a role of its own, which edit does not hold."""
    roles = of(helm.template(), "ClusterRole")
    edit = "rbac.authorization.k8s.io/aggregate-to-edit"
    granted = {
        (resource, verb)
        for role in roles
        if (role["metadata"].get("labels") or {}).get(edit) == "true"
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert ("aiservices", "create") in granted
    assert not {at for at in granted if at[0] in ("aiincidents", "quarantines", "firebreakcontrols")} - {
        (resource, verb)
        for resource in ("aiincidents", "quarantines", "firebreakcontrols")
        for verb in ("get", "list", "watch")
    }


def test_routes_of_the_listed_namespaces_may_use_the_responder(helm: Helm) -> None:
    """One grant names each namespace, and only the responder's Service."""
    assert of(helm.template(), "ReferenceGrant") == []
    (grant,) = of(helm.template(*RESPONDER_FOR), "ReferenceGrant")
    assert [each["namespace"] for each in grant["spec"]["from"]] == ["docs", "chat"]
    assert [each["name"] for each in grant["spec"]["to"]] == ["firebreak-responder"]


def test_more_namespaces_than_a_grant_can_name_get_several(helm: Helm) -> None:
    """The Gateway API allows 16 in one grant."""
    names = [f"team-{i}" for i in range(18)]
    grants = of(helm.template("--set", f"responder.namespaces={{{','.join(names)}}}"), "ReferenceGrant")
    assert [each["namespace"] for grant in grants for each in grant["spec"]["from"]] == names
    assert len(grants) == len({grant["metadata"]["name"] for grant in grants}) == 2


def test_the_switch_is_nobodys_but_the_persons(helm: Helm) -> None:
    """The chart does not state `paused`, so neither Helm nor Argo CD takes a pause back."""
    (control,) = of(helm.template(), "FirebreakControl")
    assert control["spec"] == {}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("replcas=3", "replcas"),
        ("logLevel=loud", "logLevel"),
        ("responder.namespaces={Docs}", "responder/namespaces"),
        ("metricSource.url=prometheus:9090", "metricSource/url"),
        ("metricSource.timeuot=5s", "timeuot"),
        ("circuitBreaker.percent=0", "circuitBreaker/percent"),
        ("circuitBreaker.within=soon", "circuitBreaker/within"),
        ("reach[0].kind=Secret", "reach/0"),
        ("reach[0].paths[0]=$.spec.template.spec.serviceAccountName", "reach/0/paths/0"),
        ("reach[0].paths[0]=$.spec.template.spec.containers[?@.name=='*'].command", "reach/0/paths/0"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(helm: Helm, setting: str, said: str) -> None:
    """A misspelt or dangerous value stops the installation, with its place."""
    done = helm.run("template", "firebreak", str(CHART), "--set", setting)
    assert done.returncode != 0
    assert said in done.stderr


def test_an_upgrade_over_older_crds_stops_and_says_what_to_do(kubectl: Kubectl, helm: Helm, firebreak: Any) -> None:
    """Helm does not upgrade CRDs; without the check the API server would drop new fields in silence."""
    install = ("install", "firebreak-two", str(CHART), "--namespace", kubectl.namespace)
    dry = ("--dry-run=server", "--skip-crds", "--kubeconfig", str(kubectl.kubeconfig))
    name = "crd/firebreakcontrols.firebreak.dev"
    right = kubectl.run("get", name, "-o", r"jsonpath={.metadata.annotations.firebreak\.dev/schema}").text
    try:
        kubectl.must(kubectl.run("annotate", "--overwrite", name, "firebreak.dev/schema=older"))
        done = helm.run(*install, *dry)
        assert done.returncode != 0
        assert "firebreakcontrols.firebreak.dev is of another version than this chart" in done.stderr
        assert "kubectl apply --server-side" in done.stderr
    finally:
        kubectl.must(kubectl.run("annotate", "--overwrite", name, f"firebreak.dev/schema={right}"))
    done = helm.run(*install, *dry)
    assert "is of another version" not in done.stderr


def test_firebreak_may_act_as_the_named_accounts_alone(helm: Helm) -> None:
    """By a Role in each namespace; nobody by default, and never cluster-wide."""
    assert not [r for r in of(helm.template(), "Role") for rule in r["rules"] if "impersonate" in rule["verbs"]]
    value = json.dumps([{"namespace": "docs", "serviceAccounts": ["firebreak"]}])
    objects = helm.template("--set-json", f"impersonation={value}")
    (role,) = [r for r in of(objects, "Role") for rule in r["rules"] if "impersonate" in rule["verbs"]]
    assert role["metadata"]["namespace"] == "docs"
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["firebreak"], "verbs": ["impersonate"]}
    ]
    (settings,) = [c for c in of(objects, "ConfigMap") if "FIREBREAK_REACH" in (c.get("data") or {})]
    assert settings["data"]["FIREBREAK_IMPERSONATE"] == "docs/firebreak"
