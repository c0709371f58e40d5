"""Metrics: derived from the same commands that become Events and timeline, with labels that cannot grow without bound."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.aiservice import ClusteringBasis, ClusteringStatus
from firebreak.api.v1alpha1.incident import Action, AIIncidentStatus, Outcome
from firebreak.api.v1alpha1.policy import Severity
from firebreak.app.telemetry import Telemetry, every_metric
from firebreak.core.commands import AskPeople, Judge, OpenIncident, Reason, Resolve, SkipStep, TakeStep
from firebreak.core.coverage import Coverage
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.record import recorded
from firebreak.core.verdict import Finding, Tier, Verdict, VerdictReason

NOW = datetime(2026, 5, 4, 3, 20, tzinfo=UTC)
SERVICE = ServiceKey("docs", "s")


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def an_action(**changes: Any) -> Action:
    said: dict[str, Any] = {
        "id": "l0-s0-rollback",
        "ladder": 0,
        "step": 0,
        "kind": "RollBack",
        "phase": "Intended",
        "reason": "EvidenceReached",
        "because": "b",
        "intended_at": NOW,
    }
    return Action.model_validate(said | changes)


def an_incident(status: AIIncidentStatus | None = None, *, by: str = "detector") -> AIIncident:
    begun = AIIncidentStatus(category="Hallucination", severity="P2", detected_at=NOW)
    labels = {"firebreak.dev/opened-by": by} if by == "detector" else {}
    return AIIncident.model_validate(
        {"metadata": {"name": "s-1", "namespace": "docs", "labels": labels}, "spec": {"service": "s"}}
    ).model_copy(update={"status": status or begun})


def opened(onset: datetime | None, reason: Reason = Reason.BREACH_CONFIRMED) -> OpenIncident:
    return OpenIncident(
        number=1,
        severity=Severity.P2,
        category="Hallucination",
        objectives=(),
        suspects=(),
        onset=onset,
        ladder=0,
        reason=reason,
        because="b",
    )


def a_verdict(finding: Finding, tier: Tier = Tier.NONE, estimate: float | None = 0.1) -> Verdict:
    return Verdict(
        objective=ObjectiveKey("docs", "s", "groundedness"),
        finding=finding,
        reason=VerdictReason.WITHIN_OBJECTIVE,
        because="b",
        at=NOW,
        query="q",
        tier=tier,
        estimate=estimate,
    )


def test_an_opened_incident_is_counted_with_the_delay_of_its_detection() -> None:
    """From the estimated onset to the opening."""
    telemetry = Telemetry()

    telemetry.decided(an_incident(), opened(NOW - timedelta(seconds=90)))

    labels = {"namespace": "docs", "category": "Hallucination"}
    counted = value(telemetry, "firebreak_incidents_opened_total", severity="P2", found_by="detector", **labels)
    assert counted == 1.0
    assert value(telemetry, "firebreak_detection_delay_seconds_sum", **labels) == 90.0


def test_what_people_found_is_told_from_what_detectors_found() -> None:
    """A person's onset is a word, not an estimate: it says nothing of the detectors' delay."""
    telemetry = Telemetry()

    telemetry.decided(an_incident(by="person"), opened(NOW, Reason.DECLARED_BY_PERSON))

    labels = {"namespace": "docs", "category": "Hallucination"}
    assert value(telemetry, "firebreak_incidents_opened_total", severity="P2", found_by="person", **labels) == 1.0
    assert value(telemetry, "firebreak_detection_delay_seconds_count", **labels) is None


def test_the_time_to_contain_ends_with_the_first_containment_that_helped() -> None:
    """A later one does not count again."""
    telemetry = Telemetry()
    status = an_incident().status
    for number, minutes in ((0, 2), (1, 9)):
        action = an_action(id=f"a{number}")
        at = NOW + timedelta(minutes=minutes)
        taken = TakeStep(action=action, reason=Reason.EVIDENCE_REACHED, because="b")
        judge = Judge(
            action_id=action.id, outcome=Outcome.RECOVERED, reason=Reason.OBJECTIVE_RECOVERED, because="better"
        )
        for command in (taken, judge):
            status = recorded(status, command, at)
            telemetry.decided(an_incident(status), command)

    labels = {"namespace": "docs", "category": "Hallucination"}
    assert value(telemetry, "firebreak_time_to_contain_seconds_count", **labels) == 1.0
    assert value(telemetry, "firebreak_time_to_contain_seconds_sum", **labels) == 120.0
    for outcome in ("Taken", "Recovered"):
        counted = value(telemetry, "firebreak_containments_total", namespace="docs", action="RollBack", outcome=outcome)
        assert counted == 2.0


def test_a_skipped_step_is_counted_with_its_reason() -> None:
    """Suppressed containments are what one asks for after the incident."""
    telemetry = Telemetry()
    skipped = SkipStep(action=an_action(phase="Skipped"), reason=Reason.NO_KNOWN_GOOD, because="b")

    telemetry.decided(an_incident(), skipped)

    assert value(telemetry, "firebreak_containments_suppressed_total", namespace="docs", reason="NoKnownGood") == 1.0


def test_a_hold_is_counted_once_and_its_pages_each_time() -> None:
    """It is one hold, however often people are reminded of it."""
    telemetry = Telemetry()
    status = an_incident().status
    ask = AskPeople(reason=Reason.PAUSED, because="paused", number=1)
    for minutes in (0, 15, 30):
        status = recorded(status, ask, NOW + timedelta(minutes=minutes))
        telemetry.decided(an_incident(status), ask)

    assert value(telemetry, "firebreak_containments_suppressed_total", namespace="docs", reason="Paused") == 1.0
    assert value(telemetry, "firebreak_pages_total", namespace="docs", reason="Paused") == 3.0


def test_an_end_is_counted_with_its_reason_and_its_length() -> None:
    """From the opening to the end."""
    telemetry = Telemetry()
    resolve = Resolve(reason=Reason.FIX_PROVEN, because="b")
    status = recorded(an_incident().status, resolve, NOW + timedelta(hours=1))

    telemetry.decided(an_incident(status), resolve)

    labels = {"namespace": "docs", "category": "Hallucination"}
    assert value(telemetry, "firebreak_time_to_recover_seconds_sum", **labels) == 3600.0
    ended = {**labels, "severity": "P2", "found_by": "detector", "reason": "FixProven"}
    assert value(telemetry, "firebreak_incidents_resolved_total", **ended) == 1.0


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (a_verdict(Finding.ERROR), -2),
        (a_verdict(Finding.INCONCLUSIVE), -1),
        (a_verdict(Finding.MET), 0),
        (a_verdict(Finding.BREACHED, Tier.WATCH), 1),
        (a_verdict(Finding.BREACHED, Tier.CONFIRMED), 3),
    ],
)
def test_an_objectives_state_is_one_number(verdict: Verdict, state: int) -> None:
    """One series for each objective, so that an alert can compare."""
    telemetry = Telemetry()

    telemetry.observed(SERVICE, {"groundedness": verdict})

    labels = {"namespace": "docs", "service": "s", "objective": "groundedness"}
    assert value(telemetry, "firebreak_objective_state", **labels) == state


def test_objectives_that_are_gone_leave_no_series() -> None:
    """A gauge that nobody updates would be believed for ever; also one that never had a value."""
    telemetry = Telemetry()
    labels = {"namespace": "docs", "service": "s", "objective": "groundedness"}
    ways: tuple[Callable[[], None], ...] = (
        lambda: telemetry.observed(SERVICE, {}),
        lambda: telemetry.forgotten(SERVICE),
        lambda: telemetry.leads(False),
    )
    for leave in ways:
        telemetry.observed(SERVICE, {"groundedness": a_verdict(Finding.MET, estimate=None)})
        assert value(telemetry, "firebreak_objective_state", **labels) == 0

        leave()

        assert value(telemetry, "firebreak_objective_state", **labels) is None


def test_clustering_is_one_series_whatever_it_rests_on() -> None:
    """What was assumed and is measured now must not be told twice, and what is gone not at all."""
    telemetry = Telemetry()
    labels = {"namespace": "docs", "service": "s", "objective": "groundedness"}
    telemetry.observed(SERVICE, {"groundedness": a_verdict(Finding.MET)})
    assumed = ClusteringStatus(
        value="0.1", basis=ClusteringBasis.ASSUMED, healthy="7d", needed="14d", series="5be0cd19"
    )

    telemetry.clustered(SERVICE, {"groundedness": assumed})

    assert value(telemetry, "firebreak_objective_clustering", basis="Assumed", **labels) == 0.1
    assert value(telemetry, "firebreak_clustering_history_ratio", **labels) == 0.5

    measured = assumed.model_copy(update={"value": "3", "basis": ClusteringBasis.MEASURED, "healthy": "14d"})
    telemetry.clustered(SERVICE, {"groundedness": measured})

    assert value(telemetry, "firebreak_objective_clustering", basis="Assumed", **labels) is None
    assert value(telemetry, "firebreak_objective_clustering", basis="Measured", **labels) == 3

    telemetry.forgotten(SERVICE)

    assert value(telemetry, "firebreak_objective_clustering", basis="Measured", **labels) is None
    assert value(telemetry, "firebreak_clustering_history_ratio", **labels) is None


def test_open_incidents_are_counted_when_they_are_read() -> None:
    """So the number is right after a restart, and after the last one has ended."""
    telemetry = Telemetry()
    held = [an_incident()]
    telemetry.watch_incidents(lambda: held)
    labels = {"namespace": "docs", "category": "Hallucination", "severity": "P2", "phase": "Detected"}
    assert value(telemetry, "firebreak_incidents_open", **labels) == 1.0

    held.clear()

    assert value(telemetry, "firebreak_incidents_open", **labels) is None


def test_the_first_list_is_no_sign_of_a_dead_watch() -> None:
    """Everything is news then."""
    telemetry = Telemetry()

    telemetry.relisted(500, NOW)
    assert value(telemetry, "firebreak_watch_missed_changes_total") == 0.0

    telemetry.relisted(2, NOW)
    assert value(telemetry, "firebreak_watch_missed_changes_total") == 2.0


def test_every_metric_has_the_prefix_and_is_described() -> None:
    """The reference page is made from what is declared."""
    telemetry = Telemetry(CollectorRegistry())
    telemetry.watch_incidents(list)
    known = {m.name for m in every_metric()}

    for family in telemetry.registry.collect():
        if family.name.startswith(("process_", "python_")):
            continue
        assert family.name + ("_total" if family.type == "counter" else "") in known
    assert all(name.startswith("firebreak_") for name in known)


def test_the_expected_delay_is_infinite_where_a_breach_would_never_be_found() -> None:
    """And absent while it is not known: what was true of the last reading is not told of now."""
    telemetry = Telemetry()
    labels = {"namespace": "docs", "service": "s", "objective": "groundedness"}
    verdicts = {"groundedness": a_verdict(Finding.MET)}
    for delay, seconds in ((timedelta(minutes=14), 840.0), (None, float("inf"))):
        telemetry.observed(SERVICE, verdicts, {"groundedness": delay})
        assert value(telemetry, "firebreak_expected_detection_delay_seconds", **labels) == seconds
    telemetry.observed(SERVICE, verdicts, {})
    assert value(telemetry, "firebreak_expected_detection_delay_seconds", **labels) is None


def test_the_coverage_of_a_judge_is_told_while_it_is_known() -> None:
    """Against what is usual; what is not known of now is not told."""
    telemetry, found = Telemetry(), []
    seen = Coverage(judged=150.0, answers=6000.0, usual=0.05, known_from=NOW, lost_since=None)
    for coverage in ({"groundedness": seen}, {}):
        telemetry.observed(SERVICE, {"groundedness": a_verdict(Finding.MET, estimate=None)})
        telemetry.covered(SERVICE, coverage)
        labels = {"namespace": "docs", "service": "s", "objective": "groundedness"}
        found.append(value(telemetry, "firebreak_judge_coverage_ratio", **labels))
    assert found == [0.5, None]
