"""Steps that wait for a person: who is asked what, what an approval counts for, and when the wish is withdrawn."""

import pytest
from tests.builders import (
    REVIEW_STEP,
    ROLL_BACK,
    T0,
    TO_SMALL,
    a_policy,
    a_recovery,
    action_of,
    at,
    in_force,
    inconclusive,
    met,
    now_saying,
    opened,
    said,
    settled,
    status_of,
)

from firebreak.api.v1alpha1.incident import ActionPhase, ApprovalGiven
from firebreak.api.v1alpha1.policy import Severity
from firebreak.core.commands import Reason
from firebreak.core.situation import Situation
from firebreak.core.verdict import RecoveryFinding, Verdict

BOTH = a_policy(ROLL_BACK, TO_SMALL, approval={"P3": "Required"})


def approved(s: Situation, request: str = "") -> Situation:
    """A person approves what is asked for now, or this request."""
    wish = status_of(s).approval
    request = request or (wish.request if wish else "")
    return said(s, approval=ApprovalGiven(request=request, by="ada@example.org"))


def kinds(s: Situation) -> list[str]:
    return [a.kind for a in status_of(s).actions]


def test_the_step_waits_and_says_what_is_to_be_said() -> None:
    """The page names the step, its target, and the command; the condition Held says the same."""
    s = settled(opened(policy=BOTH), T0)
    status = status_of(s)
    assert kinds(s) == []
    assert status.approval is not None
    assert status.approval.request == "l0-s0-rollback.1"
    assert status.page is not None
    assert status.page.reason == Reason.APPROVAL_REQUIRED
    assert "RollBack to v1 waits for approval (kubectl firebreak approve summarizer-1 -n docs)" in status.page.message
    assert status.held is not None
    assert status.held.message == status.page.message


def test_an_approved_step_is_taken_in_the_name_of_who_approved_it() -> None:
    """The timeline says who; nothing is asked any more."""
    s = settled(approved(settled(opened(policy=BOTH), T0)), at(minutes=1))
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED
    assert status_of(s).approval is None
    assert status_of(s).held is None
    assert any("approved by ada@example.org" in e.message for e in status_of(s).timeline)


def test_each_step_is_approved_by_itself() -> None:
    """What was approved for the rollback says nothing about the switch after it."""
    s = settled(approved(settled(opened(policy=BOTH), T0)), at(minutes=1))
    s = now_saying(in_force(s, "RollBack", at(minutes=2)), recoveries=(a_recovery(finding=RecoveryFinding.NOT_HELPED),))
    s = settled(s, at(minutes=40))
    assert kinds(s) == ["RollBack"]
    wish = status_of(s).approval
    assert wish is not None
    assert wish.request == "l0-s1-switchtraffic.2"
    assert kinds(settled(approved(s), at(minutes=41))) == ["RollBack", "SwitchTraffic"]


@pytest.mark.parametrize("gone", [met(), inconclusive()])
def test_evidence_that_goes_away_withdraws_the_wish(gone: Verdict) -> None:
    """And the approval with it: the same step on other evidence is asked for anew, under another name."""
    s = settled(opened(policy=BOTH), T0)
    first = status_of(s).approval
    assert first is not None
    s = settled(now_saying(s, gone), at(minutes=1))
    assert status_of(s).approval is None
    assert any(e.reason == Reason.APPROVAL_WITHDRAWN for e in status_of(s).timeline)
    again = opened(policy=BOTH).verdicts["groundedness"]
    s = settled(now_saying(approved(s, first.request), again), at(minutes=2))
    assert kinds(s) == []
    wish = status_of(s).approval
    assert wish is not None
    assert wish.request == "l0-s0-rollback.2"


def test_review_waits_for_nobody() -> None:
    """It changes nothing for users."""
    s = settled(opened(policy=a_policy(REVIEW_STEP, ROLL_BACK, approval={"P3": "Required"})), T0)
    assert kinds(s) == ["RaiseHumanReview"]


def test_a_person_who_asks_for_the_step_does_not_approve_it() -> None:
    """`contain` stands for evidence; an approval may be somebody else's to give."""
    s = settled(said(opened(inconclusive(), policy=BOTH), contain=True), T0)
    assert kinds(s) == []


@pytest.mark.parametrize(("required", "waits"), [("P3", True), ("P1", True), ("P2", False)])
def test_whoever_overrides_the_severity_does_not_override_the_approval(required: str, waits: bool) -> None:
    """The policy's word on the category counts beside the person's."""
    s = opened(policy=a_policy(ROLL_BACK, approval={required: "Required"}))
    s = settled(said(s, severity=Severity.P1), T0)
    assert (status_of(s).approval is not None) is waits


def test_other_severities_are_automatic() -> None:
    """Nothing waits unless the policy says so."""
    s = settled(opened(policy=a_policy(ROLL_BACK, approval={"P2": "Required"})), T0)
    assert kinds(s) == ["RollBack"]
