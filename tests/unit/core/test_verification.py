"""Has a step helped? What follows when it has, when it has not, and when nobody can tell."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.builders import (
    NO_DATES,
    ROLL_BACK,
    T0,
    TO_SMALL,
    V1,
    V3,
    a_gauge,
    a_policy,
    a_recovery,
    a_service,
    a_verdict,
    action_of,
    at,
    carried_out,
    contained_by_rollback,
    error,
    in_force,
    inconclusive,
    met,
    now_saying,
    opened,
    revisions,
    rolled_back,
    settled,
    status_of,
    with_status,
)

from firebreak.api.v1alpha1.incident import ActionPhase, Outcome, Phase
from firebreak.core.commands import AskPeople, Judge, Reason, TakeStep
from firebreak.core.decide import decide
from firebreak.core.observations import Failed, InForce, Waiting
from firebreak.core.record import with_action
from firebreak.core.situation import Situation
from firebreak.core.verdict import RecoveryFinding

DUE = T0 + timedelta(minutes=31)
"""Thirty minutes after it was written."""


def applied(s: Situation, kind: str = "RollBack") -> Situation:
    """Written, and its effect not seen."""
    return in_force(s, kind, at(minutes=1), phase=ActionPhase.APPLIED, in_force_at=None)


def blocked(s: Situation, kind: str = "RollBack") -> Situation:
    action = action_of(s, kind).model_copy(update={"phase": ActionPhase.BLOCKED, "message": "refused (403)"})
    return with_status(s, with_action(status_of(s), action))


def test_an_effect_is_in_force_when_it_was_seen() -> None:
    """That a write was accepted proves nothing."""
    s = applied(settled(opened(policy=a_policy(ROLL_BACK)), T0))
    s = replace(s, effects={"l0-s0-rollback": InForce(because="3 of 3 pods")})
    assert action_of(carried_out(s, decide(s, at(minutes=2)), at(minutes=2)), "RollBack").in_force_at == at(minutes=2)


def test_a_rollback_has_helped_when_fresh_evidence_says_so() -> None:
    """Evidence from before the effect says nothing about it."""
    s = contained_by_rollback()
    assert (action_of(s, "RollBack").outcome, status_of(s).phase) == (Outcome.RECOVERED, Phase.CONTAINED)


def test_a_fallback_in_force_contains_at_once() -> None:
    """The failing answers reach nobody any more; the primary's metrics are not waited for."""
    s = in_force(settled(opened(policy=a_policy(TO_SMALL)), T0), "SwitchTraffic", at(minutes=1))
    (command,) = decide(s, at(minutes=1)).commands
    assert (command.reason, isinstance(command, Judge)) == (Reason.TRAFFIC_MOVED, True)


def test_before_the_deadline_nothing_is_judged_to_have_failed() -> None:
    """A fold that says so early may still change its mind; the time to look again is the deadline."""
    s = now_saying(rolled_back(), recoveries=(a_recovery(finding=RecoveryFinding.NOT_HELPED),))
    decision = decide(s, DUE - timedelta(seconds=1))
    assert (decision.commands, decision.wake_at) == ((), DUE)


def test_a_step_that_did_not_help_is_followed_by_the_next() -> None:
    """Freshly breached past the deadline."""
    s = settled(now_saying(rolled_back(), recoveries=(a_recovery(finding=RecoveryFinding.NOT_HELPED),)), DUE)
    assert action_of(s, "RollBack").outcome is Outcome.NOT_RECOVERED
    assert action_of(s, "SwitchTraffic").reason == Reason.NOT_RECOVERED


@pytest.mark.parametrize("finding", [RecoveryFinding.INCONCLUSIVE, RecoveryFinding.ERROR, RecoveryFinding.IMPROVED])
def test_a_broken_judge_walks_no_service_down_its_ladder(finding: RecoveryFinding) -> None:
    """Nobody can tell whether it helped: hold and page, however bad the standing evidence looks."""
    s = settled(now_saying(rolled_back(), a_verdict(), recoveries=(a_recovery(finding=finding),)), DUE)
    status = status_of(s)
    assert [a.kind for a in status.actions] == ["RollBack"]
    assert (status.phase, status.page and status.page.reason) == (Phase.AWAITING_HUMAN, Reason.EVIDENCE_THIN)


def test_answers_that_nobody_gave_do_not_prove_recovery() -> None:
    """Without traffic on the primary a good fold is empty."""
    s = replace(now_saying(rolled_back(), recoveries=(a_recovery(),)), exposed=False)
    assert not decide(s, at(minutes=2)).commands


def test_a_gauge_is_read_after_the_effect() -> None:
    """What it said before the effect says nothing about it."""
    service = a_service(a_gauge("freshness"))
    s = rolled_back(service=service, policy=a_policy(ROLL_BACK))
    s = settled(replace(s, verdicts={"freshness": met("freshness", at=T0)}), at(minutes=2))
    assert action_of(s, "RollBack").outcome is Outcome.PENDING
    s = settled(replace(s, verdicts={"freshness": met("freshness", at=at(minutes=2))}), at(minutes=2))
    assert action_of(s, "RollBack").outcome is Outcome.RECOVERED


def test_an_effect_that_fails_is_told_at_once() -> None:
    """Nobody waits for the deadline of a rollout that is stuck."""
    s = applied(settled(opened(policy=a_policy(ROLL_BACK)), T0))
    s = replace(s, effects={"l0-s0-rollback": Failed(because="its progress deadline has passed")})
    (command,) = decide(s, at(minutes=2)).commands
    assert isinstance(command, AskPeople)
    assert (command.reason, "progress deadline" in command.because) == (Reason.NOT_IN_FORCE, True)


def test_what_does_not_come_into_force_is_followed_by_the_next_step() -> None:
    """And is judged Unknown: it says nothing about the revision, which keeps its standing."""
    s = applied(settled(opened(policy=a_policy(ROLL_BACK, TO_SMALL)), T0))
    s = settled(replace(s, effects={"l0-s0-rollback": Waiting(because="1 of 3 pods")}), DUE)
    assert action_of(s, "RollBack").outcome is Outcome.UNKNOWN
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.INTENDED


def test_a_refused_write_is_not_waited_for() -> None:
    """Nothing will come of it: the next step follows at once, and people are asked about the refusal."""
    s = settled(blocked(settled(opened(policy=a_policy(ROLL_BACK, TO_SMALL)), T0)), at(minutes=1))
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.INTENDED
    page = status_of(s).page
    assert page is not None
    assert (page.reason, "refused (403)" in page.message) == (Reason.WRITE_BLOCKED, True)


def test_a_refused_write_of_what_is_over_holds_nothing_open() -> None:
    """Someone has repaired it by other means: the incident ends by itself."""
    s = blocked(settled(opened(policy=a_policy(ROLL_BACK)), T0))
    s = settled(now_saying(s, met()), at(minutes=1))
    assert status_of(settled(s, at(minutes=31))).closing is not None


def test_a_rollback_that_another_revision_has_overtaken_is_judged_no_longer() -> None:
    """Someone deploys a fix before the rollback was judged: waiting for evidence on the old revision would not end."""
    s = replace(rolled_back(), revision=revisions(V3, since=at(minutes=5)))
    (command,) = decide(s, at(minutes=5)).commands
    assert isinstance(command, Judge)
    assert (command.outcome, command.reason) == (Outcome.UNKNOWN, Reason.OVERTAKEN)


def test_the_last_step_that_did_not_help_ends_at_people() -> None:
    """There is nothing more to take."""
    s = rolled_back(policy=a_policy(ROLL_BACK))
    s = settled(now_saying(s, recoveries=(a_recovery(finding=RecoveryFinding.NOT_HELPED),)), DUE)
    page = status_of(s).page
    assert page is not None
    assert page.reason == Reason.LADDER_EXHAUSTED


def test_late_recovery_counts_as_containment() -> None:
    """A step that fell short in time and is in force still may be what helps: it is not given back as if nothing was."""
    policy = a_policy(NO_DATES)
    s = in_force(settled(opened(policy=policy), T0), "DisableFeature", at(minutes=1))
    s = settled(now_saying(s, recoveries=(a_recovery(finding=RecoveryFinding.NOT_HELPED),)), DUE)
    s = settled(now_saying(s, met()), at(minutes=40))
    s = settled(s, at(minutes=71))
    assert (action_of(s, "DisableFeature").outcome, status_of(s).closing) == (Outcome.RECOVERED, None)


def test_what_helped_and_no_longer_does_is_followed_by_the_next_step() -> None:
    """Surely breached with an onset after the proof: the incident is not contained any more."""
    s = contained_by_rollback()
    s = settled(now_saying(s, a_verdict(since=at(minutes=20))), at(minutes=25))
    assert action_of(s, "RollBack").outcome is Outcome.UNKNOWN
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.INTENDED


def test_what_the_detector_holds_from_before_the_proof_is_nothing_new() -> None:
    """The standing verdict stays Confirmed for a while after a rollback that has helped."""
    s = now_saying(contained_by_rollback(), a_verdict(since=T0), recoveries=(a_recovery(),))
    assert not decide(s, at(minutes=11)).commands


def test_a_rolled_back_revision_that_is_back_is_told() -> None:
    """Nothing kept it out: what serves is what was rolled back, so nothing is contained, and people are asked."""
    s = contained_by_rollback()
    s = settled(replace(now_saying(s, inconclusive()), revision=revisions(since=at(minutes=20))), at(minutes=20))
    status = status_of(s)
    assert action_of(s, "RollBack").outcome is Outcome.UNKNOWN
    assert (status.phase, status.page and status.page.reason) == (Phase.AWAITING_HUMAN, Reason.QUARANTINE_MISSING)


def test_an_objective_that_is_no_longer_declared_holds_no_incident_open() -> None:
    """It can neither be breached nor be seen to recover."""
    s = opened(policy=a_policy(NO_DATES))
    s = replace(s, spec=a_service(a_gauge("other")).spec, verdicts={"other": met("other")})
    s = settled(s, at(minutes=1))
    assert status_of(settled(s, at(minutes=32))).closing is not None


def test_thin_evidence_after_a_while_is_for_people_to_judge() -> None:
    """Opened on suspicion, and then the source is gone: neither contained nor over, so people are asked which it is."""
    s = settled(opened(a_verdict(since=T0), policy=a_policy(ROLL_BACK), revision=revisions(V1)), T0)
    s = now_saying(s, error())
    decision = decide(settled(s, at(hours=1)), at(hours=1))
    assert decision.wake_at is not None
    s = settled(settled(s, at(hours=1)), decision.wake_at)
    page = status_of(s).page
    assert page is not None
    assert page.reason == Reason.EVIDENCE_THIN


def test_a_step_is_taken_when_its_turn_comes() -> None:
    """The rollback comes first, and says which revision it returns to."""
    (command,) = decide(opened(policy=a_policy(ROLL_BACK)), T0).commands
    assert isinstance(command, TakeStep)
    assert command.action.subject == V1.name
