"""An AIService's status: one word for the whole, the numbers behind it, and a write only when it is worth one."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import AIServiceStatus
from firebreak.api.v1alpha1.model import Condition
from firebreak.app.status import service_status, worth_writing
from firebreak.core.commands import Reason
from firebreak.core.detectors.burn_rate import Budget, budget_left
from firebreak.core.memory import Memory
from firebreak.core.objectives import ObjectiveKey
from firebreak.core.problems import Problem
from firebreak.core.quarantine import Guard
from firebreak.core.revision import RevisionFacts, Snapshot
from firebreak.core.situation import Hold, PastContainment
from firebreak.core.verdict import Finding, Tier, Verdict, VerdictReason

NOW = datetime(2026, 5, 4, 3, 20, tzinfo=UTC)
V1 = Snapshot(digest="d1", name="v1", values={"image": "s:v1"}, first_seen=NOW, known_good_since=NOW)
V2 = Snapshot(digest="d2", name="v2", values={"image": "s:v2"}, first_seen=NOW)
FACTS = RevisionFacts(current=V1, since=NOW, history=(V1,), known_good=V1)

RATIO = {
    "name": "groundedness",
    "category": "Hallucination",
    "indicator": {"name": "groundedness"},
    "target": "99%",
    "detector": {"kind": "Sequential"},
}
GAUGE = {
    "name": "freshness",
    "category": "Pipeline",
    "indicator": {"gauge": "time() - x"},
    "detector": {"kind": "Threshold", "above": 86400, "for": "10m"},
}
COUNT = {
    "name": "violations",
    "category": "PolicyViolation",
    "indicator": {"badSelector": "violations_total"},
    "detector": {"kind": "Count", "atLeast": 3, "window": "5m"},
}


def a_service(
    *objectives: Mapping[str, Any], status: AIServiceStatus | None = None, mode: str = "Enforce", suspend: bool = False
) -> AIService:
    field = {
        "name": "image",
        "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "s"},
        "path": "$.spec.template.spec.containers[?@.name=='s'].image",
    }
    read = AIService.model_validate(
        {
            "metadata": {"name": "s", "namespace": "docs", "generation": 4},
            "spec": {
                "suspend": suspend,
                "revision": {"fields": [field]},
                "metrics": {"labels": {"service": "s"}},
                "objectives": list(objectives or (RATIO,)),
                "containment": {"policy": {"name": "p"}, "mode": mode},
            },
        }
    )
    return read.model_copy(update={"status": status or AIServiceStatus()})


def a_verdict(
    name: str = "groundedness",
    finding: Finding = Finding.MET,
    reason: VerdictReason = VerdictReason.WITHIN_OBJECTIVE,
    **rest: Any,
) -> Verdict:
    said: dict[str, Any] = {"because": "3 of 1000 judged (0.3%) bad", "estimate": 0.003} | rest
    return Verdict(
        objective=ObjectiveKey("docs", "s", name), finding=finding, reason=reason, at=NOW, query="bad / total", **said
    )


def breached(tier: Tier, name: str = "groundedness") -> Verdict:
    because = "43 of 210 judged (20.5%) bad"
    reason = VerdictReason.EVIDENCE_OF_BREACH
    return a_verdict(name, Finding.BREACHED, reason, tier=tier, estimate=0.205, because=because)


def an_incident(**status: Any) -> AIIncident:
    return AIIncident.model_validate(
        {"metadata": {"name": "s-1", "namespace": "docs"}, "spec": {"service": "s"}, "status": status}
    )


def told(
    service: AIService,
    *verdicts: Verdict,
    revision: RevisionFacts = FACTS,
    incident: AIIncident | None = None,
    problems: tuple[Problem, ...] = (),
    holds: tuple[Hold, ...] = (),
    now: datetime = NOW,
    not_proven: str = "",
    expected_delays: Mapping[str, timedelta | None] | None = None,
    memory: Memory | None = None,
    budgets: Mapping[str, Budget] | None = None,
    guard: Guard | None = None,
) -> AIServiceStatus:
    return service_status(
        service,
        verdicts={v.objective.objective: v for v in verdicts},
        revision=revision,
        incident=incident,
        problems=problems,
        holds=holds,
        memory=memory or Memory(),
        now=now,
        not_proven=not_proven,
        expected_delays=expected_delays,
        budgets=budgets,
        guard=guard,
    )


def condition(status: AIServiceStatus, type_: ConditionType) -> Condition:
    return next(c for c in status.conditions if c.type == type_)


ACTION = {
    "id": "a",
    "ladder": 0,
    "step": 0,
    "kind": "RollBack",
    "phase": "InForce",
    "outcome": "Recovered",
    "reason": "r",
    "because": "b",
    "intendedAt": "2026-05-04T03:00:00Z",
}


@pytest.mark.parametrize(
    ("verdict", "incident", "suspend", "state"),
    [
        (a_verdict(), None, False, "Healthy"),
        (a_verdict(finding=Finding.INCONCLUSIVE, reason=VerdictReason.TOO_FEW_JUDGED), None, False, "Unknown"),
        (a_verdict(finding=Finding.ERROR, reason=VerdictReason.SOURCE_UNREACHABLE), None, False, "Unknown"),
        (breached(Tier.WATCH), None, False, "Watch"),
        (breached(Tier.SUSPECTED), None, False, "Suspected"),
        (breached(Tier.CONFIRMED), an_incident(phase="Detected"), False, "Incident"),
        (breached(Tier.CONFIRMED), an_incident(phase="Containing"), False, "Incident"),
        (a_verdict(), an_incident(phase="Contained", actions=[ACTION]), False, "Contained"),
        (a_verdict(), an_incident(phase="Remediating", actions=[ACTION]), False, "Contained"),
        (a_verdict(), an_incident(phase="AwaitingHuman", actions=[ACTION]), False, "NeedsHuman"),
        (a_verdict(), an_incident(phase="Resolved"), False, "Healthy"),
        (breached(Tier.CONFIRMED), None, True, "Suspended"),
        (breached(Tier.CONFIRMED), an_incident(phase="Detected"), True, "Incident"),
    ],
)
def test_the_state_is_the_service_in_one_word(
    verdict: Verdict, incident: AIIncident | None, suspend: bool, state: str
) -> None:
    """An open incident outweighs everything, a breach outweighs what is unknown."""
    assert told(a_service(suspend=suspend), verdict, incident=incident).state == state


def test_an_objective_that_was_never_read_is_unknown_and_not_healthy() -> None:
    """No evidence is no good news."""
    status = told(a_service())

    assert status.state == "Unknown"
    assert status.objectives[0].finding == "Inconclusive"
    assert condition(status, ConditionType.INDICATOR_HEALTHY).reason == "NotSampledYet"
    assert condition(status, ConditionType.READY).status == "Unknown"


def test_values_and_targets_are_in_the_users_terms() -> None:
    """A share of good answers, a gauge's value, a number of events."""
    status = told(
        a_service(RATIO, GAUGE, COUNT),
        a_verdict(estimate=0.0042),
        a_verdict("freshness", estimate=340.0),
        a_verdict("violations", estimate=None, bad=2.0),
    )

    assert [(o.value, o.target) for o in status.objectives] == [
        ("99.6%", "99%"),
        ("340", "at most 86400"),
        ("2", "fewer than 3 in 5m"),
    ]


def test_the_worst_objective_is_the_one_that_is_breached() -> None:
    """Then the one of which nothing is known, then the one nearest to its limit."""
    met = (a_verdict(), a_verdict("freshness", estimate=340.0))
    service = a_service(RATIO, GAUGE)

    assert told(service, *met).worst_objective == "groundedness 99.7% (99%)"
    assert told(service, met[0], a_verdict("freshness", estimate=86000.0)).worst_objective.startswith(
        "freshness 8.6e+04"
    )
    assert told(service, breached(Tier.WATCH), met[1]).worst_objective == "groundedness 79.5% (99%)"
    error = a_verdict("freshness", Finding.ERROR, VerdictReason.SOURCE_UNREACHABLE, estimate=None)
    assert told(service, met[0], error).worst_objective == "freshness: SourceUnreachable"


def test_a_breach_makes_objectives_met_false_with_its_numbers() -> None:
    """And leaves Ready alone: Firebreak works, the service does not."""
    status = told(a_service(), breached(Tier.CONFIRMED))

    met = condition(status, ConditionType.OBJECTIVES_MET)
    assert (met.status, met.reason) == ("False", "Breached")
    assert met.message == "groundedness (Confirmed, target 99%): 43 of 210 judged (20.5%) bad"
    assert condition(status, ConditionType.READY).status == "True"


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (VerdictReason.NO_SERIES, "False"),
        (VerdictReason.STALE, "False"),
        (VerdictReason.SEVERAL_WRITERS, "False"),
        (VerdictReason.TOO_FEW_JUDGED, "Unknown"),
        (VerdictReason.ABOVE_BUT_UNPROVEN, "True"),
    ],
)
def test_missing_series_are_the_indicators_fault_thin_traffic_is_not(reason: VerdictReason, status: str) -> None:
    """Both leave the objective open."""
    said = told(a_service(), a_verdict(finding=Finding.INCONCLUSIVE, reason=reason))

    assert condition(said, ConditionType.INDICATOR_HEALTHY).status == status
    assert condition(said, ConditionType.OBJECTIVES_MET).status == "Unknown"


def test_a_missing_indicator_is_named_once() -> None:
    """The verdict that follows from it adds nothing."""
    message = "spec.objectives[0].indicator: QualityIndicator groundedness does not exist in docs; create it"
    problem = Problem(
        condition=ConditionType.INDICATOR_HEALTHY, reason=ConditionReason.INDICATOR_MISSING, message=message
    )
    error = a_verdict(finding=Finding.ERROR, reason=VerdictReason.QUERY_REFUSED, because="there is none")

    status = told(a_service(), error, problems=(problem,))

    healthy = condition(status, ConditionType.INDICATOR_HEALTHY)
    assert (healthy.status, healthy.reason, healthy.message) == ("False", "IndicatorMissing", message)
    ready = condition(status, ConditionType.READY)
    assert (ready.status, ready.reason) == ("False", "IndicatorMissing")


def test_the_budget_that_is_left_is_told_and_no_step_is_proven_for_it() -> None:
    """An objective for tickets: its delay is not held against any step."""
    burning = RATIO | {"name": "budget", "detector": {"kind": "BurnRate"}}
    verdicts = (a_verdict(), a_verdict("budget"))
    left = {"budget": budget_left(0.01, 250, 50_000)}

    status = told(a_service(RATIO, burning), *verdicts, budgets=left, expected_delays={"groundedness": timedelta(0)})

    assert (status.budget, status.objectives[1].budget) == ("50%", "50% (43% to 56%)")
    assert (status.objectives[1].value, status.objectives[1].target) == ("99.7%", "99%")
    feasible = condition(status, ConditionType.VERIFICATION_FEASIBLE)
    assert feasible.status == "True"
    assert "budget" not in feasible.message


def test_what_cannot_be_contained_is_said_before_it_is_needed() -> None:
    """Several things wrong are all listed."""
    hold = Hold(reason=Reason.TARGET_CONFLICT, because="Deployment s is claimed by AIService t too")
    facts = RevisionFacts(problem="spec.revision.fields[0]: Deployment s does not exist in docs")

    status = told(a_service(), a_verdict(), revision=facts, holds=(hold,))

    ready = condition(status, ConditionType.CONTAINMENT_READY)
    assert (ready.status, ready.reason) == ("False", "Several")
    assert "claimed by AIService t too" in ready.message
    assert "Deployment s does not exist" in ready.message
    assert condition(status, ConditionType.READY).status == "False"


@pytest.mark.parametrize("reason", [Reason.PAUSED, Reason.SUSPENDED, Reason.CLUSTERING_UNMEASURED])
def test_a_pause_is_not_a_fault(reason: Reason) -> None:
    """Somebody wanted it: nothing is contained, and that is said, but Firebreak is well."""
    status = told(a_service(), a_verdict(), holds=(Hold(reason=reason, because="on purpose"),))

    assert condition(status, ConditionType.CONTAINMENT_READY).status == "False"
    ready = condition(status, ConditionType.READY)
    assert (ready.status, ready.message) == ("True", "watching, and containments are held: on purpose")


def test_without_a_known_good_revision_the_status_says_what_it_lacks() -> None:
    """RollBack would be skipped: better known today than in the incident."""
    facts = RevisionFacts(current=V2, since=NOW, history=(V2,))

    status = told(a_service(), a_verdict(), revision=facts, not_proven="1200 of 2000 judged answers")

    assert status.revision.known_good_reason == "no revision has been proven yet; 1200 of 2000 judged answers"
    ready = condition(status, ConditionType.CONTAINMENT_READY)
    assert (ready.status, ready.reason) == ("True", "NoKnownGood")


def test_in_mode_observe_containment_is_ready_in_words_only() -> None:
    """Whoever believes himself protected reads how to be."""
    status = told(a_service(mode="Observe"), a_verdict())

    assert condition(status, ConditionType.CONTAINMENT_READY).reason == "Observing"


def test_a_revision_that_cannot_be_read_for_a_moment_is_not_forgotten() -> None:
    """Since when it serves is known from here alone."""
    first = told(a_service(), a_verdict())

    second = told(a_service(status=first), a_verdict(), revision=RevisionFacts(problem="gone"), now=NOW + timedelta(1))

    assert (second.revision.current, second.revision.current_since) == ("v1", NOW)


def test_a_transition_is_dated_when_the_status_changes_and_not_when_the_words_do() -> None:
    """As in Kubernetes' own conditions."""
    later = NOW + timedelta(minutes=5)
    first = told(a_service(), breached(Tier.WATCH))

    same = told(a_service(status=first), breached(Tier.CONFIRMED), now=later)
    other = told(a_service(status=first), a_verdict(), now=later)

    assert condition(same, ConditionType.OBJECTIVES_MET).last_transition_time == NOW
    assert condition(other, ConditionType.OBJECTIVES_MET).last_transition_time == later


def as_read(status: AIServiceStatus) -> AIServiceStatus:
    """What the API server gives back."""
    return AIServiceStatus.model_validate(status.dump())


def test_nothing_is_written_when_nothing_has_changed() -> None:
    """Not even after an hour, and not because the API server holds milliseconds only."""
    since = NOW + timedelta(microseconds=123_456)
    facts = RevisionFacts(current=V1, since=since, history=(V1,), known_good=V1)
    old = as_read(told(a_service(), a_verdict(), revision=facts))

    new = told(a_service(status=old), a_verdict(), revision=facts, now=NOW + timedelta(hours=1))

    assert not worth_writing(old, new, None, NOW + timedelta(hours=1))


def test_the_words_around_a_value_that_is_met_are_no_reason_to_write() -> None:
    """They hold counts that move with every step, for thousands of services."""
    old = as_read(told(a_service(), a_verdict()))

    new = told(a_service(status=old), a_verdict(because="4 of 1003 judged", estimate=0.00301), now=NOW)

    assert not worth_writing(old, new, None, NOW + timedelta(hours=1))


def test_numbers_are_written_once_a_minute() -> None:
    """A value that moves is not news by itself."""
    old = as_read(told(a_service(), a_verdict()))
    new = told(a_service(status=old), a_verdict(estimate=0.006))

    assert not worth_writing(old, new, NOW, NOW + timedelta(seconds=59))
    assert worth_writing(old, new, NOW, NOW + timedelta(seconds=60))
    assert worth_writing(old, new, None, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"verdicts": (breached(Tier.SUSPECTED),)},
        {"verdicts": (a_verdict(finding=Finding.ERROR, reason=VerdictReason.SOURCE_UNREACHABLE),)},
        {"revision": RevisionFacts(current=V2, since=NOW, history=(V1, V2), known_good=V1)},
        {"revision": RevisionFacts(current=V1, since=NOW, history=(V1,))},
        {"incident": an_incident(phase="Detected")},
        {"holds": (Hold(reason=Reason.PAUSED, because="on purpose"),)},
    ],
)
def test_a_change_of_state_is_written_at_once(change: dict[str, Any]) -> None:
    """Whoever watches the object must see it when it happens."""
    old = as_read(told(a_service(), a_verdict()))
    verdicts = change.pop("verdicts", (a_verdict(),))

    new = told(a_service(status=old), *verdicts, **change)

    assert worth_writing(old, new, NOW, NOW + timedelta(seconds=1))


def test_an_odd_reading_does_not_hide_a_source_that_is_away():
    """Both are told: the one is about what was read, the other about what can be read no longer."""
    odd = Problem(
        condition=ConditionType.INDICATOR_HEALTHY, reason=ConditionReason.INDICATOR_ODD, message="NaN, infinite"
    )
    away = a_verdict(finding=Finding.ERROR, reason=VerdictReason.SOURCE_UNREACHABLE, because="connection refused")
    healthy = condition(told(a_service(), away, problems=(odd,)), ConditionType.INDICATOR_HEALTHY)
    assert healthy.reason == ConditionReason.SEVERAL
    assert "NaN, infinite" in healthy.message
    assert "connection refused" in healthy.message


def test_the_expected_delay_is_told_beside_the_objective():
    """And the condition says whether the steps can be proven in time; it is a warning and leaves Ready as it is."""
    status = told(a_service(), a_verdict(), expected_delays={"groundedness": timedelta(minutes=14)})
    assert status.objectives[0].expected_delay == "14m"
    assert condition(status, ConditionType.VERIFICATION_FEASIBLE).reason == ConditionReason.ENOUGH_EVIDENCE
    late = Problem(
        condition=ConditionType.VERIFICATION_FEASIBLE, reason=ConditionReason.TOO_LITTLE_EVIDENCE, message="steps[1]"
    )
    status = told(a_service(), a_verdict(), problems=(late,), expected_delays={"groundedness": None})
    assert status.objectives[0].expected_delay == "never"
    assert condition(status, ConditionType.VERIFICATION_FEASIBLE).status == "False"
    assert condition(status, ConditionType.READY).status == "True"


def test_nothing_is_said_of_feasibility_before_anything_was_read():
    """Not known is neither feasible nor not."""
    status = told(a_service())
    assert condition(status, ConditionType.VERIFICATION_FEASIBLE).status == "Unknown"


def test_what_is_remembered_is_written_at_once_and_once() -> None:
    """The limits rest on it; the API server holds times to the millisecond, so finer ones are no news."""
    over = NOW.replace(microsecond=123456)
    past = (PastContainment(incident="s-1", at=NOW, ended_at=over),)
    old = told(a_service(), a_verdict())
    new = told(a_service(), a_verdict(), memory=Memory(incident_count=1, past=past, last_resolved=over))
    assert worth_writing(old, new, NOW, NOW + timedelta(seconds=1))
    held = AIServiceStatus.model_validate(new.dump())
    assert not worth_writing(held, new, NOW, NOW + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("guard", "said"),
    [
        (Guard(is_in_force=True, because="the policies are there"), ("True", "Ready")),
        (Guard(is_in_force=False, because="ValidatingAdmissionPolicy x does not exist"), ("False", "NotDenied")),
        (Guard(is_in_force=None, because="cannot be read"), ("Unknown", "EvidenceMissing")),
    ],
)
def test_a_quarantine_that_would_not_deny_is_told_and_stops_nothing(guard: Guard, said: tuple[str, str]) -> None:
    """It fails open, so it is a condition of its own, and the service is ready all the same."""
    status = told(a_service(), a_verdict(), guard=guard)
    found = condition(status, ConditionType.QUARANTINE_READY)
    assert (found.status, found.reason) == said
    assert guard.because in found.message
    assert condition(status, ConditionType.READY).status == "True"
    assert condition(status, ConditionType.CONTAINMENT_READY).status == "True"


def test_nothing_is_said_of_the_quarantine_before_it_was_looked_at() -> None:
    """A replica that has just begun to lead guesses nothing."""
    assert not [c for c in told(a_service(), a_verdict()).conditions if c.type == ConditionType.QUARANTINE_READY]
