"""Scenarios: what cannot work as declared is said on the object that declares it, and other services go on."""

from typing import Any

from tests.integration.operator.manifests import API, FRESHNESS, GROUNDEDNESS, WATCH_POLICY, bare_service, target
from tests.integration.operator.place import TOLD_WITHIN, Place, condition

_TWICE = "$.spec.template.spec.containers[?@.name=='server'].env[?@.name=='MODEL'].value"
_NOWHERE = "$.spec.template.spec.containers[?@.name=='nobody'].image"


def mistakes_are_told_on_their_object_alone(place: Place) -> None:
    """Each mistake is a condition with a reason and words; the service beside them is proven and stays well."""
    place.declare(WATCH_POLICY)
    place.kubectl("create", "-f", "-", input=_WITH_A_NAME_TWICE)
    dead = {
        "apiVersion": API,
        "kind": "MetricSource",
        "metadata": {"name": "dead"},
        "spec": {"url": "http://127.0.0.1:9"},
    }
    place.apply(
        dead,
        bare_service("nowhere", revision=_revision("shop", _NOWHERE)),
        bare_service("twice", revision=_revision("twice", _TWICE)),
        bare_service("no-policy", containment={"policy": {"name": "nobody-wrote-it"}}),
        bare_service("no-source", metrics=_from("dead")),
        bare_service("no-such-source", metrics=_from("nobody-made-it")),
        bare_service("bad-query", objectives=[_gauge('label_replace(shop_index_age_seconds, "a", "$1", "b", "(")')]),
        bare_service("no-labels", objectives=[GROUNDEDNESS | {"indicator": _UNLABELLED}]),
    )
    for name, type_, reason, words in (
        ("nowhere", "ContainmentReady", "RevisionUnreadable", "nobody"),
        ("twice", "ContainmentReady", "RevisionUnreadable", "MODEL"),
        ("no-policy", "ContainmentReady", "PolicyMissing", "nobody-wrote-it"),
        ("no-source", "IndicatorHealthy", "SourceUnreachable", "127.0.0.1:9"),
        ("no-such-source", "IndicatorHealthy", "SourceMissing", "nobody-made-it"),
        ("bad-query", "IndicatorHealthy", "QueryRefused", "label_replace"),
        ("no-labels", "IndicatorHealthy", "NoSeries", "shop_unlabelled_total"),
    ):
        told = place.until(
            "ais",
            name,
            f"{type_} is False because of {reason}",
            lambda o, t=type_, r=reason: (condition(o, t).get("status"), condition(o, t).get("reason")) == ("False", r),
            TOLD_WITHIN,
        )
        assert words in condition(told, type_)["message"], (name, condition(told, type_)["message"])
        assert condition(told, "Ready")["status"] == "False"
    told_of = place.until_condition("metricsource", "dead", "Reachable", "False")
    assert told_of["reason"] == "NotAnswering"
    assert "127.0.0.1:9" in told_of["message"]

    place.until_proven()
    for type_ in ("Ready", "ObjectivesMet", "IndicatorHealthy", "ContainmentReady"):
        place.until_condition("ais", "shop", type_, "True")
    assert place.list("aii") == [], "what cannot be read is never a breach"


def _revision(workload: str, path: str) -> dict[str, Any]:
    return {"fields": [{"name": "model", "target": target("Deployment", workload), "path": path}]}


def _from(source: str) -> dict[str, Any]:
    return {"source": {"kind": "MetricSource", "name": source}, "labels": {"service": "shop"}}


def _gauge(expression: str) -> dict[str, Any]:
    return FRESHNESS | {"indicator": {"gauge": expression}}


_UNLABELLED = {"badSelector": "shop_unlabelled_total", "totalSelector": "shop_unlabelled_total"}
_WITH_A_NAME_TWICE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: twice}
spec:
  replicas: 0
  selector: {matchLabels: {app: twice}}
  template:
    metadata: {labels: {app: twice}}
    spec:
      containers:
      - {name: server, image: "shop:one", env: [{name: MODEL, value: a}, {name: MODEL, value: b}]}
"""

SCENARIOS = (mistakes_are_told_on_their_object_alone,)
