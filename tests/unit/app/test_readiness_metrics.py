"""Whether a service's steps could be taken, and when that was last proven, as gauges."""

from tests.builders import T0

from firebreak.api.v1alpha1.aiservice import AIServiceStatus, LastDrill, Mode
from firebreak.api.v1alpha1.drill import DrillMode, DrillOutcome
from firebreak.api.v1alpha1.model import Condition
from firebreak.app.telemetry import Telemetry
from firebreak.core.objectives import ServiceKey

QA = ServiceKey("docs", "qa")
LABELS = {"namespace": "docs", "service": "qa"}


def status(is_ready: bool, reason: str) -> AIServiceStatus:
    told = {
        "type": "ContainmentReady",
        "status": str(is_ready),
        "reason": reason,
        "message": "",
        "lastTransitionTime": T0,
    }
    return AIServiceStatus(conditions=(Condition.model_validate(told),))


def drill(outcome: DrillOutcome) -> LastDrill:
    return LastDrill(
        name="nightly",
        mode=DrillMode.DRY_RUN,
        at=T0,
        outcome=outcome,
        message="",
        policy_hash="x",
        service_generation=1,
    )


def read(telemetry: Telemetry) -> tuple[dict[str, float], float | None, float | None]:
    """Ready by reason, whether the last drill passed, and when it was proven."""
    ready = {
        sample.labels["reason"]: sample.value
        for family in telemetry.registry.collect()
        if family.name == "firebreak_containment_ready"
        for sample in family.samples
    }
    passed = telemetry.registry.get_sample_value("firebreak_drill_passed", LABELS)
    return ready, passed, telemetry.registry.get_sample_value("firebreak_containment_proven_timestamp_seconds", LABELS)


def test_a_service_has_one_series_whatever_its_reason_is() -> None:
    """The reason that was is no more; proven is 0 while no drill speaks for it."""
    telemetry = Telemetry()
    telemetry.readiness.told(QA, status(False, "TargetConflict"), Mode.ENFORCE, None)
    assert read(telemetry) == ({"TargetConflict": 0.0}, None, 0.0)
    telemetry.readiness.told(QA, status(True, "Ready"), Mode.ENFORCE, drill(DrillOutcome.PASSED))
    assert read(telemetry) == ({"Ready": 1.0}, 1.0, T0.timestamp())


def test_a_drill_that_failed_proves_nothing() -> None:
    """And one that speaks no more, since the policy was changed, neither passed nor failed."""
    telemetry = Telemetry()
    telemetry.readiness.told(QA, status(False, "DrillFailed"), Mode.ENFORCE, drill(DrillOutcome.FAILED))
    assert read(telemetry) == ({"DrillFailed": 0.0}, 0.0, 0.0)
    telemetry.readiness.told(QA, status(True, "Ready"), Mode.ENFORCE, None)
    assert read(telemetry) == ({"Ready": 1.0}, None, 0.0)


def test_a_service_that_only_observes_need_not_be_proven() -> None:
    """Nobody is told that it never was."""
    telemetry = Telemetry()
    telemetry.readiness.told(QA, status(True, "Observing"), Mode.OBSERVE, None)
    assert read(telemetry) == ({"Observing": 1.0}, None, None)


def test_a_service_that_is_gone_or_another_replica_s_says_nothing() -> None:
    """Two replicas that said different things would be two alerts."""
    telemetry = Telemetry()
    for leave in (lambda: telemetry.forgotten(QA), lambda: telemetry.leads(False)):
        telemetry.observed(QA, {})
        telemetry.readiness.told(QA, status(True, "Ready"), Mode.ENFORCE, drill(DrillOutcome.PASSED))
        assert read(telemetry)[2] == T0.timestamp()
        leave()
        assert read(telemetry) == ({}, None, None)
