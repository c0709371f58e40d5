"""Which objectives are measured is compiled for all services at once, and each of them stands by itself."""

from typing import Any

import pytest
from tests.builders import a_gauge, a_service

from firebreak.adapters.kube.kinds import FIREBREAK
from firebreak.app.catalog import Catalog
from firebreak.app.objectives import Objectives
from firebreak.core.objectives import ObjectiveSpec, ServiceKey
from firebreak.core.ports import KubeObject


def seen(catalog: Catalog, kind: str, name: str, spec: dict[str, Any], namespace: str = "") -> None:
    raw: KubeObject = {"apiVersion": FIREBREAK[kind].api_version, "kind": kind, "spec": spec}
    raw["metadata"] = {"name": name, "namespace": namespace, "resourceVersion": "1"}
    catalog.see(raw)


def with_expression(expression: str) -> dict[str, Any]:
    return a_gauge() | {"indicator": {"gauge": expression}}


def with_step(step: str) -> dict[str, Any]:
    gauge = a_gauge()
    return gauge | {"detector": gauge["detector"] | {"step": step}}


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        (with_expression("max(x offset 1e20)"), "look at its offsets"),
        (with_expression("x offset Inf"), "look at its offsets"),
        (with_step("999999d"), "OverflowError"),
    ],
)
def test_a_service_that_cannot_be_compiled_is_its_own_problem(objective: dict[str, Any], told: str) -> None:
    """The others are measured as ever, and the service is told what is wrong with it."""
    catalog = Catalog(lambda key: None)
    seen(catalog, "ClusterMetricSource", "default", {"url": "http://prometheus:9090"})
    for name, objectives in (("a", a_gauge()), ("odd", objective), ("z", a_gauge())):
        spec = a_service(objectives, without=("answers",)).spec.dump()
        seen(catalog, "AIService", name, spec, "docs")
    objectives = Objectives(catalog)

    measured = [spec.key.service for spec in objectives.watched() if isinstance(spec, ObjectiveSpec)]

    assert measured == ["a", "z"]
    (problem,) = objectives.problems(ServiceKey("docs", "odd"))
    assert told in problem.message
