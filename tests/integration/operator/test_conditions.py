"""What the API server cannot see becomes a condition on the object it is about, and on no other."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from examples.demo.stage import QA
from lab.cluster import Lab
from lab.install import install

SERVICE: Mapping[str, Any] = next(
    d for d in yaml.safe_load_all((QA / "firebreak" / "act1.yaml").read_text()) if d["kind"] == "AIService"
)
POLICY = {
    "apiVersion": "firebreak.dev/v1alpha1",
    "kind": "ContainmentPolicy",
    "metadata": {"name": "qa"},
    "spec": {"ladders": [{"steps": [{"action": "RollBack", "verifyWithin": "2m"}]}]},
}
IMAGE = "$.spec.template.spec.containers[?@.name=='server'].image"


@pytest.fixture(scope="module")
def place(lab: Lab) -> str:
    """A namespace with the example's objects in it (its processes are not needed), and Firebreak."""
    install(lab)
    name = "conditions"
    lab.kubectl("create", "namespace", name)
    for file in ("config.yaml", "server.yaml", "small.yaml", "review.yaml", "routes.yaml"):
        lab.kubectl("-n", name, "apply", "-f", str(QA / "manifests" / file))
    lab.kubectl("-n", name, "scale", "deployment", "--all", "--replicas=0")
    lab.kubectl("-n", name, "apply", "-f", "-", input=json.dumps(POLICY))
    return name


def _declare(lab: Lab, place: str, name: str, change: Mapping[str, Any]) -> None:
    """The example's service under another name, without the places that two services may not share, and changed."""
    kept = ("objectives", "metrics", "containment")
    spec = {k: v for k, v in SERVICE["spec"].items() if k in kept}
    manifest = {**SERVICE, "metadata": {"name": name}, "spec": {**spec, **change}}
    lab.kubectl("-n", place, "apply", "-f", "-", input=json.dumps(manifest))


def _condition(lab: Lab, place: str, name: str, kind: str, status: str) -> Mapping[str, Any]:
    lab.kubectl("-n", place, "wait", f"ais/{name}", f"--for=condition={kind}={status}", "--timeout=30s")
    found = json.loads(lab.kubectl("-n", place, "get", "ais", name, "-o", "json"))["status"]["conditions"]
    condition: Mapping[str, Any] = next(c for c in found if c["type"] == kind)
    return condition


def _revision(path: str) -> Mapping[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "qa-server"}
    return {"revision": {"fields": [{"name": "model", "target": target, "path": path}]}}


CASES: Mapping[str, tuple[Mapping[str, Any], str, str, str]] = {
    "a-path-that-matches-nothing": (
        _revision("$.spec.template.spec.containers[?@.name=='srv'].image"),
        "ContainmentReady",
        "RevisionUnreadable",
        "no item has name 'srv' (there are: server, judge)",
    ),
    "a-policy-that-does-not-exist": (
        {"containment": {"policy": {"name": "none"}, "mode": "Enforce"}},
        "ContainmentReady",
        "PolicyMissing",
        "ContainmentPolicy none does not exist",
    ),
    "a-target-that-does-not-exist": (
        {
            "features": [
                {
                    "name": "dates",
                    "flag": {
                        "target": {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone"},
                        "path": "$.data.dates",
                        "disabledValue": "off",
                    },
                }
            ]
        },
        "ContainmentReady",
        "",
        "ConfigMap gone does not exist",
    ),
    "a-source-that-does-not-exist": (
        {"metrics": {"source": {"kind": "MetricSource", "name": "none"}, "labels": {"service": "qa"}}},
        "IndicatorHealthy",
        "SourceMissing",
        "no MetricSource none",
    ),
    "an-indicator-that-does-not-exist": (
        {
            "objectives": [
                {**SERVICE["spec"]["objectives"][0], "indicator": {"kind": "QualityIndicator", "name": "none"}}
            ]
        },
        "IndicatorHealthy",
        "IndicatorMissing",
        "no QualityIndicator none",
    ),
    "an-expression-that-is-no-promql": (
        {
            "objectives": [
                {
                    "name": "freshness",
                    "category": "Pipeline",
                    "indicator": {"gauge": "time() - max("},
                    "detector": {"kind": "Threshold", "above": 15, "step": "1s"},
                }
            ]
        },
        "IndicatorHealthy",
        "",
        "spec.objectives[0].indicator",
    ),
    "another-namespace-in-a-matcher": (
        {
            "objectives": [
                {
                    **SERVICE["spec"]["objectives"][0],
                    "indicator": {
                        "badSelector": 'ai_judged_bad_total{namespace="other"}',
                        "totalSelector": "ai_judged_total",
                    },
                }
            ]
        },
        "IndicatorHealthy",
        "",
        "remove the matcher on namespace",
    ),
    "series-that-are-not-there": (
        {"metrics": {"labels": {"service": "nobody"}}},
        "IndicatorHealthy",
        "NoSeries",
        "groundedness",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_told_on_the_object(lab: Lab, place: str, case: str) -> None:
    """The condition names the place, the value and what to change."""
    change, kind, reason, words = CASES[case]
    _declare(lab, place, case, change)

    condition = _condition(lab, place, case, kind, "False")

    assert words in condition["message"]
    if reason:
        assert condition["reason"] in (reason, "Several")


def test_a_source_that_cannot_be_reached_is_told_on_it_and_on_its_services_alone(lab: Lab, place: str) -> None:
    """MetricSource says Reachable False, its service IndicatorHealthy False, and another service goes on."""
    source = {
        "apiVersion": "firebreak.dev/v1alpha1",
        "kind": "MetricSource",
        "metadata": {"name": "away"},
        "spec": {"url": "http://127.0.0.1:9", "timeout": "1s"},
    }
    lab.kubectl("-n", place, "apply", "-f", "-", input=json.dumps(source))
    metrics = {"source": {"kind": "MetricSource", "name": "away"}, "labels": {"service": "qa"}}
    _declare(lab, place, "reads-away", {"metrics": metrics})
    _declare(lab, place, "reads-default", {})

    told = _condition(lab, place, "reads-away", "IndicatorHealthy", "False")
    lab.kubectl("-n", place, "wait", "metricsource/away", "--for=condition=Reachable=False", "--timeout=30s")
    other = json.loads(lab.kubectl("-n", place, "get", "ais", "reads-default", "-o", "json"))["status"]["conditions"]

    assert told["reason"] == "SourceUnreachable"
    assert not any(c["reason"] == "SourceUnreachable" for c in other)


def test_two_services_that_claim_one_place_are_both_told(lab: Lab, place: str) -> None:
    """TargetConflict on both, with the place and the other's name; it ends when one gives the place up."""
    _declare(lab, place, "first", _revision(IMAGE))
    _declare(lab, place, "second", _revision(IMAGE))

    for name, other in (("first", "second"), ("second", "first")):
        condition = _condition(lab, place, name, "ContainmentReady", "False")
        assert condition["reason"] == "TargetConflict"
        assert f"AIService {other}" in condition["message"]

    lab.kubectl("-n", place, "delete", "ais", "second")
    _condition(lab, place, "first", "ContainmentReady", "True")
