"""What a person says in the incident's spec, and what people are asked."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.builders import (
    REVIEW_STEP,
    ROLL_BACK,
    T0,
    TO_SMALL,
    V1,
    a_policy,
    a_ratio,
    a_recovery,
    a_service,
    a_situation,
    a_verdict,
    action_of,
    an_incident,
    at,
    carried_out,
    contained_by_rollback,
    contained_by_switch,
    in_force,
    met,
    now_saying,
    opened,
    revisions,
    rolled_back,
    said,
    settled,
    status_of,
    suspected,
    with_status,
)

from firebreak.api.v1alpha1.incident import ActionPhase, Outcome, Phase, Resolution
from firebreak.api.v1alpha1.policy import Severity
from firebreak.core.commands import AskPeople, BeginClosing, BeginRemedy, KeepAsking, Reason, StopAsking
from firebreak.core.decide import decide
from firebreak.core.paging import PAGE_EVERY
from firebreak.core.record import blocked, landed, recorded, with_action
from firebreak.core.verdict import RecoveryFinding


def test_a_person_s_word_stands_for_the_evidence() -> None:
    """A declared incident without any breach: contain takes the first step that changes what users get."""
    incident = an_incident(by="person", contain=True)
    s = settled(a_situation(met(), incident=incident, policy=a_policy(REVIEW_STEP, ROLL_BACK)), T0)
    assert [(a.kind, a.reason) for a in status_of(s).actions] == [
        ("RaiseHumanReview", "RequestedByPerson"),
        ("RollBack", "RequestedByPerson"),
    ]


def test_one_request_is_one_step() -> None:
    """The field stays set, and the next step is not taken on it."""
    s = settled(said(opened(suspected(), policy=a_policy(ROLL_BACK, TO_SMALL)), contain=True), T0)
    s = settled(in_force(s, "RollBack", at(minutes=1)), at(hours=2))
    assert [a.kind for a in status_of(s).actions] == ["RollBack"]


def test_asking_again_takes_the_next_step() -> None:
    """Unset and set once more, while nobody can tell whether the first step helped."""
    s = settled(said(opened(suspected(), policy=a_policy(ROLL_BACK, TO_SMALL)), contain=True), T0)
    s = settled(said(in_force(s, "RollBack", at(minutes=1)), contain=False), at(minutes=2))
    s = settled(said(s, contain=True), at(minutes=3))
    assert action_of(s, "RollBack").outcome is Outcome.UNKNOWN
    assert action_of(s, "SwitchTraffic").reason == Reason.REQUESTED_BY_PERSON


def test_a_declared_incident_without_evidence_asks_what_to_do() -> None:
    """It is not left lying about."""
    s = settled(a_situation(met(), incident=an_incident(by="person")), T0)
    assert status_of(s).phase is Phase.AWAITING_HUMAN


def test_a_person_may_give_back_without_the_policy_s_proof() -> None:
    """By the ramp all the same, and the first share goes at once."""
    s = said(contained_by_switch(), release=True)
    s = carried_out(s, decide(s, at(minutes=5)), at(minutes=5))
    (command,) = decide(s, at(minutes=5)).commands
    assert command.reason is Reason.GIVING_BACK


def test_a_request_to_give_back_is_heard_while_a_step_is_under_way() -> None:
    """Nobody can tell whether the rollback helped, and a person wants the rest given back."""
    s = settled(said(rolled_back(), release=True), at(hours=1))
    assert status_of(s).remediating_since == at(hours=1)


def test_what_a_person_gave_back_and_is_bad_still_is_contained_again_once() -> None:
    """The field stays set; without a new request it is not tried again and again."""
    s = settled(said(contained_by_rollback(), release=True), at(hours=1))
    s = settled(now_saying(s, recoveries=(a_recovery(finding=RecoveryFinding.NOT_HELPED),)), at(hours=1))
    assert status_of(s).remediating_since is None
    assert not any(isinstance(c, BeginRemedy) for c in decide(s, at(hours=9)).commands)


def test_a_request_that_is_taken_back_is_followed_no_further() -> None:
    """The person has thought better of it."""
    s = settled(said(contained_by_rollback(), release=True), at(hours=1))
    s = settled(said(s, release=False), at(hours=1))
    assert status_of(s).remediating_since is None


@pytest.mark.parametrize("how", list(Resolution))
def test_a_resolution_gives_back_and_ends(how: Resolution) -> None:
    """Weights, rates and flags are put back; only a false alarm lifts the quarantine."""
    s = said(contained_by_switch(), resolution=how)
    (command,) = decide(s, at(minutes=5)).commands
    assert isinstance(command, BeginClosing)
    assert command.lift_quarantine is (how is Resolution.FALSE_ALARM)
    s = settled(s, at(minutes=5))
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.UNDOING


def test_a_rollback_is_kept_at_the_end() -> None:
    """It is never given back into the bad revision."""
    s = settled(said(contained_by_rollback(), resolution=Resolution.KNOWN_GOOD_ACCEPTED), at(hours=1))
    assert (status_of(s).phase, action_of(s, "RollBack").phase) == (Phase.RESOLVED, ActionPhase.KEPT)


def test_a_rollback_that_was_refused_half_way_is_told_as_taken_back() -> None:
    """Nothing of it stands: it is neither kept, as one that was carried through is, nor given back."""
    s = settled(opened(policy=a_policy(ROLL_BACK)), T0)
    refused = blocked(action_of(s, "RollBack"), "refused (403): a webhook")
    back = refused.model_copy(update={"writes": tuple(landed(w) for w in refused.writes)})
    s = settled(with_status(s, with_action(status_of(s), back)), at(minutes=1))
    s = settled(said(s, resolution=Resolution.FALSE_ALARM), at(minutes=2))
    assert (status_of(s).phase, action_of(s, "RollBack").phase) == (Phase.RESOLVED, ActionPhase.TAKEN_BACK)
    assert status_of(s).last_action == "RollBack to v1: TakenBack"
    assert "refused (403): a webhook" in action_of(s, "RollBack").message


def test_no_incident_ends_in_the_middle_of_a_rollback() -> None:
    """Half of it would be a revision that nobody has ever tried: it is carried through first."""
    s = settled(opened(policy=a_policy(ROLL_BACK)), T0)
    s = settled(said(s, resolution=Resolution.FALSE_ALARM), T0)
    assert (status_of(s).phase, action_of(s, "RollBack").phase) == (Phase.REMEDIATING, ActionPhase.INTENDED)


def test_an_end_that_does_not_come_is_told() -> None:
    """Something keeps the last write from happening."""
    s = settled(said(contained_by_switch(), resolution=Resolution.FALSE_ALARM), at(hours=1))
    s = settled(s, at(hours=1) + PAGE_EVERY)
    page = status_of(s).page
    assert page is not None
    assert "cannot end" in page.message


def test_a_deleted_incident_gives_back_first() -> None:
    """The finalizer holds it until then."""
    s = contained_by_switch()
    assert s.incident is not None
    gone = s.incident.metadata.model_copy(update={"deletion_timestamp": at(minutes=5)})
    s = replace(s, incident=s.incident.model_copy(update={"metadata": gone}))
    assert status_of(settled(s, at(minutes=5))).closing is not None


def test_a_person_s_word_on_severity_counts_at_any_time() -> None:
    """Also of an incident that the detectors opened."""
    s = settled(said(contained_by_rollback(), severity=Severity.P1), at(hours=1))
    assert status_of(s).severity is Severity.P1


def test_a_worse_category_switches_the_ladder_and_keeps_what_is_in_force() -> None:
    """A policy violation joins: its own ladder begins, beside the review that was raised."""
    service = a_service(a_ratio(), a_ratio("violations", category="PolicyViolation"))
    policy = a_policy(
        severity=[{"when": {"categories": ["PolicyViolation"]}, "severity": "P1"}],
        ladders=[{"when": {"categories": ["PolicyViolation"]}, "steps": [TO_SMALL]}, {"steps": [REVIEW_STEP]}],
    )
    s = settled(opened(suspected(), service=service, policy=policy), T0)
    s = settled(now_saying(s, suspected(), a_verdict("violations")), at(minutes=1))
    assert [(a.ladder, a.kind) for a in status_of(s).actions] == [(1, "RaiseHumanReview"), (0, "SwitchTraffic")]
    assert status_of(s).severity is Severity.P1


def test_a_worse_category_without_a_ladder_keeps_the_one_there_is() -> None:
    """What was being contained is not left alone because something worse has joined."""
    service = a_service(a_ratio(), a_ratio("violations", category="PolicyViolation"))
    policy = a_policy(
        severity=[{"when": {"categories": ["PolicyViolation"]}, "severity": "P1"}],
        ladders=[{"when": {"categories": ["Hallucination"]}, "steps": [TO_SMALL]}],
    )
    s = settled(opened(suspected(), service=service, policy=policy), T0)
    s = settled(now_saying(s, suspected(), a_verdict("violations")), at(minutes=1))
    assert (status_of(s).category, status_of(s).ladder) == ("PolicyViolation", 0)
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.INTENDED


def test_a_policy_that_is_missing_is_asked_for_and_taken_up() -> None:
    """Nothing is contained without one; as soon as it is there the incident goes on by it."""
    s = settled(opened(without_policy=True), T0)
    page = status_of(s).page
    assert page is not None
    assert page.reason == Reason.POLICY_MISSING
    s = settled(replace(s, policy=a_policy(ROLL_BACK)), at(minutes=1))
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED
    assert status_of(s).page is None


def exhausted() -> tuple[AskPeople, ...]:
    s = opened(policy=a_policy(ROLL_BACK), revision=revisions(V1))
    s = carried_out(s, decide(s, T0), T0)
    return tuple(c for c in decide(s, T0).commands if isinstance(c, AskPeople))


def test_a_page_repeats_until_somebody_has_it() -> None:
    """Every fifteen minutes; acknowledged, it stays and is not said again."""
    (asked,) = exhausted()
    assert asked.reason is Reason.LADDER_EXHAUSTED
    s = settled(opened(policy=a_policy(ROLL_BACK), revision=revisions(V1)), T0)
    assert decide(s, at(minutes=14)).wake_at == T0 + PAGE_EVERY
    assert [type(c) for c in decide(s, T0 + PAGE_EVERY).commands] == [AskPeople]
    s = said(s, acknowledged_up_to=1)
    assert not decide(s, T0 + PAGE_EVERY).commands


def test_a_page_ends_when_it_is_no_longer_so() -> None:
    """And the incident no longer awaits anybody."""
    s = settled(opened(policy=a_policy(ROLL_BACK), revision=revisions(V1)), T0)
    s = now_saying(s, met())
    s = carried_out(s, decide(s, at(minutes=1)), at(minutes=1))
    assert [type(c) for c in decide(s, at(minutes=1)).commands] == [StopAsking]


def test_what_comes_and_goes_is_said_once() -> None:
    """The same thing within fifteen minutes is shown again, and wakes nobody twice."""
    s = settled(opened(policy=a_policy(ROLL_BACK), revision=revisions(V1)), T0)
    s = settled(now_saying(s, met()), at(minutes=1))
    s = now_saying(s, a_verdict())
    s = carried_out(s, decide(s, at(minutes=2)), at(minutes=2))
    assert [type(c) for c in decide(s, at(minutes=2)).commands] == [KeepAsking]
    s = settled(s, at(minutes=2))
    assert status_of(s).phase is Phase.AWAITING_HUMAN
    assert decide(s, at(minutes=3)).wake_at == T0 + PAGE_EVERY


def test_a_command_recorded_twice_changes_nothing() -> None:
    """Not even the timeline."""
    s = contained_by_switch()
    s = replace(said(s, release=True))
    for _ in range(4):
        for command in decide(s, at(hours=1)).commands:
            once = recorded(status_of(s), command, at(hours=1))
            assert recorded(once, command, at(hours=1) + timedelta(seconds=1)) == once
            s = with_status(s, once)
