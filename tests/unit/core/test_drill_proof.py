"""What the last drill says of its service, and for how long."""

from typing import Any

from tests.builders import TO_SMALL, TO_STATIC, a_policy, a_service, at
from tests.drills import a_drill

from firebreak.api.conditions import ConditionType
from firebreak.api.v1alpha1 import AIService, ContainmentDrill
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec
from firebreak.core.drill_options import policy_hash
from firebreak.core.drill_proof import in_words, last_drill, problems_of

POLICY = a_policy(TO_SMALL)


def over(outcome: str, *, minutes: int = 0, name: str = "weekly", **run: Any) -> ContainmentDrill:
    """A drill whose last run has ended."""
    moment = at(minutes=minutes).isoformat()
    known = {
        "number": 1,
        "mode": "DryRun",
        "dueAt": moment,
        "startedAt": moment,
        "endedAt": moment,
        "outcome": outcome,
        "message": "SwitchTraffic to small-model: Service small has no ready endpoint",
        "policyHash": policy_hash(POLICY),
        "serviceGeneration": 1,
    }
    return a_drill(name=name, status={"run": known | run})


def said(service: AIService, *drills: ContainmentDrill, policy: ContainmentPolicySpec = POLICY) -> str:
    return in_words(service, last_drill(service, drills), policy)


def test_a_service_says_when_it_was_last_proven_and_how() -> None:
    """By the latest drill that came to its end."""
    drills = (over("Passed"), over("Passed", minutes=5, name="nightly", mode="Execute"), over("Yielded", minutes=9))

    assert (
        said(a_service(), *drills) == "last proven by ContainmentDrill nightly (mode Execute) at 2026-05-04 03:05:00Z"
    )


def test_a_service_that_was_never_drilled_says_nothing() -> None:
    """A drill that gave way, was stopped or came too late is none."""
    assert said(a_service()) == ""
    assert said(a_service(), over("Missed"), over("Stopped"), over("Yielded")) == ""


def test_a_failed_drill_is_a_problem_until_another_one_passes() -> None:
    """The message says what is in the way and how to drill again."""
    failed, service = over("Failed"), a_service()

    (problem,) = problems_of(service, last_drill(service, (failed,)), (failed,), POLICY)
    repaired = (failed, over("Passed", minutes=5, name="again"))

    assert (problem.condition, problem.reason) == (ConditionType.CONTAINMENT_READY, "DrillFailed")
    assert "small has no ready endpoint" in problem.message
    assert "kubectl firebreak drill summarizer" in problem.message
    assert problems_of(service, last_drill(service, repaired), repaired, POLICY) == ()


def test_a_change_of_policy_or_service_takes_the_proof_away_and_the_blame() -> None:
    """A drill speaks for what it rehearsed."""
    other, service = a_policy(TO_STATIC), a_service()
    changed = service.model_copy(update={"metadata": service.metadata.model_copy(update={"generation": 2})})
    failed = over("Failed")

    assert "drill again" in said(service, over("Passed"), policy=other)
    assert "drill again" in said(changed, over("Passed"))
    assert problems_of(service, last_drill(service, (failed,)), (failed,), other) == ()
    assert problems_of(changed, last_drill(changed, (failed,)), (failed,), POLICY) == ()


def test_the_proof_outlives_the_drill() -> None:
    """Its object may be deleted; the service remembers."""
    service = a_service()
    known = last_drill(service, (over("Passed"),))
    remembering = service.model_copy(update={"status": service.status.model_copy(update={"last_drill": known})})

    assert "last proven by ContainmentDrill weekly" in said(remembering)
