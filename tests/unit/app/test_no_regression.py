"""What the service's status, its Event and its metric say of the last change of revision."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from tests.builders import KEY, T0, V1, V2, a_service, a_verdict, revisions

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.api.v1alpha1.aiservice import AIServiceStatus
from firebreak.api.v1alpha1.model import ConditionStatus
from firebreak.app.no_regression import newly_worse, no_regression
from firebreak.app.status import service_status
from firebreak.app.telemetry import Telemetry
from firebreak.core.comparison import Comparison
from firebreak.core.detectors.regression import before_after
from firebreak.core.memory import Memory
from firebreak.core.revision import RevisionFacts
from firebreak.core.verdict import Interval


def compared(new: float, steps: int = 300, *, allowed: float = 0.05, incomparable: str = "") -> Comparison:
    """v1 had 1% bad of 20 judged a minute for a day, and v2 this share since."""
    known, bad = np.full(1440, 0.2), np.full(steps, 20 * new)
    judged = np.full(steps, 20.0)
    return Comparison(
        found=before_after(known, np.full(1440, 20.0), bad, judged, 0.1),
        labelled=True,
        side_by_side=False,
        known_judged=28_800.0,
        known_bad=288.0,
        known_interval=Interval(low=0.008, high=0.012),
        allowed=allowed,
        incomparable=incomparable,
    )


def said(comparison: Comparison | None, facts: RevisionFacts | None = None) -> tuple[ConditionStatus, str, str]:
    found = {"groundedness": comparison} if comparison else {}
    ((type_, status, reason, message),) = no_regression(a_service(), facts or revisions(), found)
    assert type_ is ConditionType.NO_REGRESSION
    return status, reason, message


@pytest.mark.parametrize(
    ("comparison", "status", "reason", "words"),
    [
        (compared(0.03), ConditionStatus.FALSE, ConditionReason.WORSE_THAN_KNOWN_GOOD, "within the objective"),
        (compared(0.08), ConditionStatus.FALSE, ConditionReason.WORSE_THAN_KNOWN_GOOD, "beyond the objective"),
        (compared(0.01), ConditionStatus.TRUE, ConditionReason.NOT_TWICE_AS_BAD, "(1.0%) bad since the change"),
        (compared(0.02, 5), ConditionStatus.UNKNOWN, ConditionReason.COMPARING, "more answers needed"),
        (
            compared(0.08, incomparable="another judge has come"),
            ConditionStatus.UNKNOWN,
            ConditionReason.COMPARING,
            "another judge has come",
        ),
        (None, ConditionStatus.UNKNOWN, ConditionReason.NOT_COMPARED, "nothing is compared"),
    ],
    ids=["within", "beyond", "no worse", "thin", "another judge", "too long ago"],
)
def test_the_condition_says_how_it_compares(comparison, status, reason, words):
    """False as soon as it was called worse; Unknown as long as nobody can tell."""
    found = said(comparison)
    assert found[:2] == (status, reason)
    assert words in found[2]
    assert "v2 against the known-good v1" in found[2]


def test_what_is_proven_itself_is_no_regression():
    """The known-good revision, or one that was proven beside a pinned one."""
    assert said(None, revisions(V1))[:2] == (ConditionStatus.TRUE, ConditionReason.KNOWN_GOOD_SERVES)
    proven = replace(V2, known_good_since=T0)
    assert said(None, revisions(proven))[:2] == (ConditionStatus.TRUE, ConditionReason.KNOWN_GOOD_SERVES)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (revisions(known_good=None), "no revision is known to be good yet"),
        (revisions(None, problem="no such Deployment"), "no such Deployment"),
    ],
)
def test_without_two_revisions_nothing_is_said(facts, words):
    """Unknown, with what is missing."""
    found = said(None, facts)
    assert found[:2] == (ConditionStatus.UNKNOWN, ConditionReason.NOT_COMPARED)
    assert words in found[2]


def test_a_service_without_revisions_has_no_such_condition():
    """Nothing can change that Firebreak knows of."""
    service = a_service()
    spec = service.spec.model_copy(update={"revision": None})
    assert not no_regression(service.model_copy(update={"spec": spec}), revisions(), {})


def status_with(comparison: Comparison, before: AIServiceStatus | None = None) -> AIServiceStatus:
    service = a_service()
    if before is not None:
        service = service.model_copy(update={"status": before})
    return service_status(
        service,
        verdicts={},
        revision=revisions(),
        incident=None,
        problems=(),
        holds=(),
        memory=Memory(),
        now=T0 + timedelta(minutes=1),
        comparisons={"groundedness": comparison},
    )


def test_people_are_told_once_that_it_is_worse():
    """When the condition becomes False, and not with every number that moves."""
    comparing = status_with(compared(0.02, 5))
    first = status_with(compared(0.03, 200), comparing)
    assert "v2 against the known-good v1" in newly_worse(comparing, first)
    assert newly_worse(AIServiceStatus(), first)
    assert not newly_worse(first, status_with(compared(0.03, 300), first))


def test_the_metric_is_there_only_while_something_is_compared():
    """1 and more was called a regression; what cannot be compared has no evidence."""
    telemetry = Telemetry(CollectorRegistry())

    def value() -> float | None:
        labels = {"namespace": KEY.namespace, "service": KEY.name, "objective": "groundedness"}
        return telemetry.registry.get_sample_value("firebreak_regression_evidence_ratio", labels)

    telemetry.observed(KEY, {"groundedness": a_verdict()})
    telemetry.compared(KEY, {"groundedness": compared(0.08)})
    found = value()
    assert found is not None
    assert found >= 1.0
    telemetry.compared(KEY, {"groundedness": compared(0.08, incomparable="another judge")})
    assert value() == 0.0
    telemetry.compared(KEY, {})
    assert value() is None
    telemetry.compared(KEY, {"groundedness": compared(0.01)})
    telemetry.forgotten(KEY)
    assert value() is None
