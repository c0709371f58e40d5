"""Steps that wait for a person: who is asked what, what an approval counts for, and when the wish is withdrawn."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.builders import (
    IMAGE_PATH,
    REVIEW_STEP,
    ROLL_BACK,
    T0,
    TO_SMALL,
    V2,
    a_cluster,
    a_policy,
    a_recovery,
    action_of,
    at,
    error,
    in_force,
    inconclusive,
    met,
    now_saying,
    opened,
    said,
    settled,
    status_of,
    suspected,
    with_status,
)

from firebreak.api.v1alpha1.incident import ActionPhase, ApprovalAsked, ApprovalGiven
from firebreak.api.v1alpha1.policy import Severity
from firebreak.core.commands import Reason
from firebreak.core.situation import Hold, PastContainment, Situation
from firebreak.core.verdict import RecoveryFinding, Verdict

EARLIER = PastContainment(incident="summarizer-0", at=T0, ended_at=T0)
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
    command = "kubectl firebreak approve summarizer-1 -n docs --request l0-s0-rollback.1"
    assert f"RollBack to v1 waits for approval ({command})" in status.page.message
    assert "image: registry/summarizer:v2 → registry/summarizer:v1. Why: " in status.page.message
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


def test_what_would_be_done_stands_in_the_wish() -> None:
    """In words, place by place, for whoever has kubectl alone."""
    wish = status_of(settled(opened(policy=BOTH), T0)).approval
    assert wish is not None
    assert wish.would == "RollBack to v1"
    assert wish.changes == (
        "ConfigMap summarizer-prompt $.data['system.txt']: prompt v2 → prompt v1",
        f"Deployment summarizer {IMAGE_PATH}: registry/summarizer:v2 → registry/summarizer:v1",
    )


def test_what_is_approved_and_would_do_something_else_by_now_is_asked_anew() -> None:
    """Whoever said yes said it to other weights: the page says so, and the first answer counts for nothing."""
    s = settled(opened(policy=a_policy(TO_SMALL, approval={"P3": "Required"})), T0)
    s = settled(replace(approved(s), objects=a_cluster(V2, weights=(7, 0, 0))), at(minutes=1))
    assert kinds(s) == []
    wish = status_of(s).approval
    assert wish is not None
    assert wish.request == "l0-s0-switchtraffic.2"
    assert "0 → 7" in wish.changes[0]
    assert any("anew, since it would do something else now" in e.message for e in status_of(s).timeline)
    assert kinds(settled(approved(s), at(minutes=2))) == ["SwitchTraffic"]


def test_a_wish_of_an_earlier_version_is_asked_anew() -> None:
    """It does not say what would be done, so nobody can have approved that."""
    s = settled(opened(policy=BOTH), T0)
    wish = status_of(s).approval
    assert wish is not None
    old = ApprovalAsked(request=wish.request, step=wish.step, since=wish.since)
    s = with_status(s, status_of(s).model_copy(update={"approval": old}))
    s = settled(approved(s), at(minutes=1))
    assert kinds(s) == []
    anew = status_of(s).approval
    assert anew is not None
    assert anew.request == "l0-s0-rollback.2"


PAUSED = (Hold(reason=Reason.PAUSED, because="the installation is paused"),)
TRIPPED = Hold(reason=Reason.CIRCUIT_BREAKER, because="trip 1")


@pytest.mark.parametrize(
    "hindrance",
    [
        pytest.param(lambda s: now_saying(s, inconclusive()), id="inconclusive"),
        pytest.param(lambda s: now_saying(s, error()), id="error"),
        pytest.param(lambda s: replace(s, holds=PAUSED), id="paused"),
        pytest.param(lambda s: replace(s, breaker=TRIPPED), id="circuit breaker"),
        pytest.param(lambda s: replace(s, past=(EARLIER,), last_resolved=T0), id="cooldown"),
    ],
)
def test_a_wish_outlasts_what_only_hinders_its_step(hindrance: Callable[[Situation], Situation]) -> None:
    """One reading that fails, or a hold, takes no approval away: when it is over the step is taken on it."""
    asked = settled(opened(policy=BOTH), T0)
    wish = status_of(asked).approval
    s = settled(hindrance(asked), at(minutes=1))
    assert status_of(s).approval == wish
    assert status_of(s).held is not None
    s = settled(approved(s), at(minutes=2))
    assert kinds(s) == []
    s = settled(replace(s, verdicts=asked.verdicts, holds=(), breaker=None, past=(), last_resolved=None), at(minutes=3))
    assert kinds(s) == ["RollBack"]


def test_what_cannot_be_seen_is_said_of_the_wish() -> None:
    """Before it is approved and after, in the words that an on-call person needs; nobody is paged for it twice."""
    s = settled(now_saying(settled(opened(policy=BOTH), T0), error()), at(minutes=1))
    held, page = status_of(s).held, status_of(s).page
    assert held is not None
    assert page is not None
    assert (held.reason, page.times) == (Reason.APPROVAL_REQUIRED, 1)
    assert "just now nothing can be said of groundedness" in held.message
    s = settled(approved(s), at(minutes=2))
    held = status_of(s).held
    assert held is not None
    assert held.message.startswith("RollBack to v1 is approved by ada@example.org; just now nothing can be said")
    assert status_of(s).page is None


def test_a_hold_says_that_an_approval_is_wanted_too() -> None:
    """Whoever ends the hold learns that this is not enough."""
    s = settled(replace(settled(opened(policy=BOTH), T0), holds=PAUSED), at(minutes=1))
    held = status_of(s).held
    assert held is not None
    assert "the installation is paused; RollBack to v1 waits for approval (kubectl firebreak approve" in held.message


def test_a_wish_on_a_person_s_word_ends_with_it() -> None:
    """Nothing else called for it."""
    s = settled(said(opened(inconclusive(), policy=BOTH), contain=True), T0)
    assert status_of(s).approval is not None
    s = settled(said(s, contain=False), at(minutes=1))
    assert status_of(s).approval is None
    assert any("has taken that back" in e.message for e in status_of(s).timeline)


@pytest.mark.parametrize("gone", [met(), suspected()])
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
