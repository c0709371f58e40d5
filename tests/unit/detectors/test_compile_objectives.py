"""What a declared service asks to be measured."""

from datetime import timedelta
from typing import Any

import pytest

from firebreak.api.v1alpha1 import AIService
from firebreak.api.v1alpha1.indicator import QualityIndicatorSpec
from firebreak.api.v1alpha1.references import IndicatorKind
from firebreak.api.v1alpha1.source import MetricSourceSpec
from firebreak.core.compile_objectives import Compiled, compile_objectives
from firebreak.core.detectors.burn_rate import PROPOSED
from firebreak.core.detectors.rules import Absence, BurnWindow
from firebreak.core.objectives import (
    BurnRate,
    Count,
    ExposureSpec,
    Gauge,
    JudgeErrorsSpec,
    Labels,
    ObjectiveKey,
    ObjectiveSpec,
    Ratio,
    Sequential,
    SourceKey,
    Threshold,
)

SEQUENTIAL = {
    "name": "groundedness",
    "category": "Hallucination",
    "indicator": {"kind": "ClusterQualityIndicator", "name": "groundedness"},
    "target": "95%",
    "detector": {"kind": "Sequential", "step": "2s"},
}
SHARED = QualityIndicatorSpec.model_validate(
    {
        "badSelector": 'ai_judged_bad_total{indicator="groundedness"}',
        "totalSelector": 'ai_judged_total{indicator="groundedness"}',
        "labels": {"service": "ai_service", "revision": "rev"},
    }
)


SHARED_GAUGE = QualityIndicatorSpec.model_validate({"gauge": "age", "labels": {"service": "ai_service"}})
SLOW = {"selector": "answer_seconds", "above": 2.5}
SHARED_HISTOGRAM = QualityIndicatorSpec.model_validate({"histogram": SLOW})


def compiled(*objectives: dict[str, Any], clustering: dict[ObjectiveKey, float] | None = None, **spec: Any) -> Compiled:
    service = AIService.model_validate(
        {
            "metadata": {"name": "summarizer", "namespace": "docs"},
            "spec": {
                "metrics": {"labels": {"service": "summarizer"}},
                "objectives": objectives,
                "containment": {"policy": {"name": "policy"}},
                **spec,
            },
        }
    )
    sources = {SourceKey("", "default"): MetricSourceSpec(url="http://prometheus", namespace_label="k8s_namespace")}
    declared = {"groundedness": SHARED, "freshness": SHARED_GAUGE, "slow": SHARED_HISTOGRAM}
    indicators = {(IndicatorKind.CLUSTER, name): spec for name, spec in declared.items()}
    return compile_objectives(service, indicators, sources, clustering)


def gauge(expression: str, **detector: Any) -> dict[str, Any]:
    return {
        "name": "freshness",
        "category": "Pipeline",
        "indicator": {"gauge": expression},
        "detector": {"kind": "Threshold", "above": 60, **detector},
    }


def test_a_shared_indicator_says_which_labels_name_service_and_revision():
    """The service's own label value is looked for under the indicator's label."""
    assert compiled(SEQUENTIAL).watched == (
        ObjectiveSpec(
            key=ObjectiveKey("docs", "summarizer", "groundedness"),
            category="Hallucination",
            source=SourceKey("", "default"),
            indicator=Ratio(bad=SHARED.bad_selector, total=SHARED.total_selector),
            rule=Sequential(allowed=0.05),
            step=timedelta(seconds=2),
            settle=timedelta(seconds=1),
            matchers=(("ai_service", "summarizer"),),
            labels=Labels(namespace="k8s_namespace", revision="rev"),
        ),
    )


def test_measured_clustering_takes_the_place_of_the_assumed():
    """G is the objective's own once it is measured."""
    key = ObjectiveKey("docs", "summarizer", "groundedness")
    (spec,) = compiled(SEQUENTIAL, clustering={key: 0.7}).watched
    assert isinstance(spec, ObjectiveSpec)
    assert spec.rule == Sequential(allowed=0.05, clustering=0.7)


def test_thresholds_and_counts_have_their_defaults():
    """A gauge must be beyond for a step; one event in ten minutes is too many."""
    violations = {
        "name": "violations",
        "category": "PolicyViolation",
        "indicator": {"badSelector": "ai_policy_confirmed_violations_total"},
        "detector": {"kind": "Count"},
    }
    rules = [spec.rule for spec in compiled(gauge("age"), violations).watched if isinstance(spec, ObjectiveSpec)]
    assert rules == [
        Threshold(above=60.0, lasting=timedelta(seconds=60)),
        Count(at_least=1, within=timedelta(minutes=10)),
    ]


def test_a_heartbeat_says_so():
    """By default nothing is concluded from silence."""
    (spec,) = compiled(gauge("age", absent="Breach")).watched
    assert isinstance(spec, ObjectiveSpec)
    assert spec.rule == Threshold(above=60.0, lasting=timedelta(seconds=60), absent=Absence.BREACH)


def test_a_shared_gauge_has_a_row_for_each_service():
    """Found by the indicator's own labels."""
    named = gauge("") | {"indicator": {"kind": "ClusterQualityIndicator", "name": "freshness"}}
    (spec,) = compiled(named).watched
    assert isinstance(spec, ObjectiveSpec)
    assert (spec.indicator, spec.matchers) == (Gauge(expr="age", per_service=True), (("ai_service", "summarizer"),))


def test_a_histogram_is_a_ratio():
    """Shared or inline, it goes with the detectors of ratios."""
    shared = {**SEQUENTIAL, "indicator": {"kind": "ClusterQualityIndicator", "name": "slow"}}
    inline = {**SEQUENTIAL, "name": "slow", "indicator": {"histogram": SLOW}}
    specs = [s for s in compiled(shared, inline).watched if isinstance(s, ObjectiveSpec)]
    assert specs[0].indicator == specs[1].indicator
    assert isinstance(specs[0].indicator, Ratio)
    assert specs[0].indicator.bound == 'answer_seconds_bucket with le="2.5"'


def burning(target: str = "95%", **detector: Any) -> dict[str, Any]:
    return SEQUENTIAL | {"name": "budget", "target": target, "detector": {"kind": "BurnRate", **detector}}


def test_a_burn_rate_has_windows_that_an_incident_can_reach():
    """Those of the Workbook are for 99.9%."""
    (spec,) = compiled(burning()).watched
    assert isinstance(spec, ObjectiveSpec)
    assert spec.rule == BurnRate(allowed=0.05, windows=PROPOSED, period=timedelta(days=30))
    own = {"factor": 6, "long": "2h", "short": "10m"}
    (spec,) = compiled(burning("99%", windows=[own], budgetPeriod="7d")).watched
    assert isinstance(spec, ObjectiveSpec)
    window = BurnWindow(factor=6.0, long=timedelta(hours=2), short=timedelta(minutes=10))
    assert spec.rule == BurnRate(allowed=0.01, windows=(window,), period=timedelta(days=7))


@pytest.mark.parametrize(
    ("target", "window", "said"),
    [
        (
            "95%",
            {"factor": 14.4, "long": "1h", "short": "5m"},
            "72% bad, which no incident reaches; use factor 2 over 1h",
        ),
        ("60%", None, "use detector Sequential"),
        ("99%", {"factor": 2, "long": "5m", "short": "5m"}, "short 5m is not shorter than long 5m"),
        ("99%", {"factor": 2, "long": "3d", "short": "6h"}, "3d is longer than what is kept, 1500 steps (1d1h)"),
    ],
)
def test_a_burn_rate_that_cannot_work_is_refused(target: str, window: dict[str, Any] | None, said: str):
    """With what to use instead."""
    found = compiled(burning(target, windows=[window] if window else []))
    assert found.watched == ()
    (problem,) = found.problems
    assert problem.place == "spec.objectives[0].detector"
    assert said in problem.message


def test_what_a_judge_could_not_judge_is_read_on_its_objectives_grid():
    """Whether the indicator is inline or shared; with the same labels."""
    inline = {"badSelector": "bad_total", "totalSelector": "judged_total", "errorSelector": "errors_total"}
    found = compiled({**SEQUENTIAL, "indicator": inline}).watched
    (errors,) = [spec for spec in found if isinstance(spec, JudgeErrorsSpec)]
    assert (errors.selector, errors.step) == ("errors_total", timedelta(seconds=2))
    assert (errors.key.objective, errors.matchers) == ("groundedness", (("service", "summarizer"),))
    refused = compiled({**SEQUENTIAL, "indicator": inline | {"errorSelector": "rate(errors_total[1m])"}})
    assert refused.watched == ()
    assert "raw counter" in refused.problems[0].message


def test_answers_are_read_on_the_finest_grid():
    """So that exposure is known as soon as a breach is."""
    found = compiled(SEQUENTIAL, gauge("age"), answers={"selector": "ai_answers_total"}).watched
    (exposure,) = [spec for spec in found if isinstance(spec, ExposureSpec)]
    assert exposure.step == timedelta(seconds=2)
    assert exposure.matchers == (("service", "summarizer"),)


@pytest.mark.parametrize(
    ("objective", "place", "told"),
    [
        (
            {**SEQUENTIAL, "indicator": {"name": "missing"}},
            "spec.objectives[1].indicator",
            "no QualityIndicator missing",
        ),
        (gauge("time() -"), "spec.objectives[1].indicator", "not PromQL"),
        (gauge('age{k8s_namespace="shop"}'), "spec.objectives[1].indicator", "remove the matcher on k8s_namespace"),
        (
            {**SEQUENTIAL, "indicator": {"badSelector": "rate(bad[1m])", "totalSelector": "total"}},
            "spec.objectives[1].indicator",
            "raw counter",
        ),
        (
            {**SEQUENTIAL, "name": "slow", "indicator": {"histogram": {"selector": "x_bucket", "above": 1}}},
            "spec.objectives[1].indicator",
            "name the histogram itself, x",
        ),
        (
            {**SEQUENTIAL, "name": "age", "indicator": {"kind": "ClusterQualityIndicator", "name": "freshness"}},
            "spec.objectives[1].indicator",
            "goes with detector Threshold",
        ),
        (
            gauge("") | {"indicator": {"kind": "ClusterQualityIndicator", "name": "groundedness"}},
            "spec.objectives[1].indicator",
            "detector Threshold needs a gauge",
        ),
        (gauge("age", step="1s", **{"for": "1h"}), "spec.objectives[1].detector", "1500 steps"),
    ],
)
def test_what_cannot_be_measured_is_told_and_the_rest_goes_on(objective, place, told):
    """One bad objective does not blind the service."""
    found = compiled(SEQUENTIAL, objective)
    assert len(found.watched) == 1
    (problem,) = found.problems
    assert problem.place == place
    assert told in problem.message


def test_a_source_that_does_not_exist_is_told():
    """Nothing can be measured without one."""
    found = compiled(
        SEQUENTIAL, metrics={"labels": {"service": "x"}, "source": {"kind": "MetricSource", "name": "own"}}
    )
    assert found.watched == ()
    assert str(found.problems[0]) == "spec.metrics.source: no MetricSource own"
