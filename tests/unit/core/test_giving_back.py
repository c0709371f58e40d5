"""When is control given back, in which shares, and what happens when the fix turns out not to be one."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.builders import (
    NO_DATES,
    REVIEW_STEP,
    ROLL_BACK,
    TO_SMALL,
    V1,
    V2,
    V3,
    V4,
    a_gauge,
    a_policy,
    a_ratio,
    a_recovery,
    a_service,
    a_verdict,
    action_of,
    at,
    carried_out,
    contained_by_rollback,
    contained_by_switch,
    in_force,
    met,
    now_saying,
    opened,
    revisions,
    settled,
    status_of,
    with_status,
)

from firebreak.api.conditions import ConditionReason
from firebreak.api.v1alpha1.incident import ActionPhase
from firebreak.api.v1alpha1.policy import ReleaseWhen
from firebreak.core.commands import AbandonRemedy, AskPeople, BeginClosing, BeginRemedy, Reason, Retarget
from firebreak.core.decide import decide
from firebreak.core.declaration import problems_of
from firebreak.core.observations import Failed, InForce, Waiting
from firebreak.core.record import landed, with_action
from firebreak.core.revision import RevisionFacts
from firebreak.core.situation import Hold, Situation
from firebreak.core.verdict import RecoveryFinding

STABLE = timedelta(minutes=30)
BAD = (a_recovery(finding=RecoveryFinding.NOT_HELPED),)
GOOD = (a_recovery(),)
FIXED = at(hours=1)


def kinds(s: Situation, now: datetime) -> list[str]:
    return [type(c).__name__ for c in decide(s, now).commands]


def with_fix(s: Situation, now: datetime = FIXED) -> Situation:
    """v3 is deployed, and is being proven."""
    s = replace(s, revision=revisions(V3, since=now), rollout=InForce(because="3 of 3 pods"))
    return carried_out(s, decide(s, now), now)


def probing(now: datetime = FIXED + STABLE) -> Situation:
    """A tenth of the traffic is on the primary again, and was seen to be."""
    s = with_fix(contained_by_switch())
    s = carried_out(s, decide(s, now), now)
    switch = action_of(s, "SwitchTraffic")
    writes = tuple(landed(w) for w in switch.writes)
    seen = switch.model_copy(update={"writes": writes, "given_back_at": now})
    return with_status(s, with_action(status_of(s), seen))


def desired(s: Situation) -> dict[str, Any]:
    writes = action_of(s, "SwitchTraffic").writes
    return {w.path.split("name=='")[2].split("'")[0]: w.desired.value for w in writes}


def test_a_new_revision_begins_the_proof() -> None:
    """Neither the one that failed nor one that was rolled back to."""
    (command,) = decide(replace(contained_by_switch(), revision=revisions(V3)), FIXED).commands
    assert isinstance(command, BeginRemedy)
    assert command.revision == "v3"


@pytest.mark.parametrize("revision", [V1, V2], ids=["rolled back to", "failed"])
def test_old_revisions_prove_nothing_after_a_rollback(revision: Any) -> None:
    """The known-good one serves because Firebreak put it there."""
    s = replace(contained_by_rollback(policy=a_policy(ROLL_BACK)), revision=revisions(revision))
    assert "BeginRemedy" not in kinds(s, FIXED)


def test_going_back_by_hand_is_a_fix_where_nothing_was_rolled_back() -> None:
    """Traffic is away and someone reverts to the known-good revision: it is proven like any other."""
    s = replace(contained_by_switch(), revision=revisions(V1, since=FIXED))
    assert kinds(s, FIXED) == ["BeginRemedy"]


@pytest.mark.parametrize("contained", [contained_by_rollback, contained_by_switch])
def test_a_fix_whose_pods_never_come_up_is_not_proven_by_the_old_ones(contained: Any) -> None:
    """The known-good revision's pods go on answering well; none of these answers is the fix's."""
    s = replace(contained(), revision=revisions(V3, since=FIXED), rollout=Failed(because="ImagePullBackOff"))
    decision = decide(now_saying(s, recoveries=GOOD), FIXED + STABLE)
    (command,) = decision.commands
    assert isinstance(command, AskPeople)
    assert (command.reason, "ImagePullBackOff" in command.because) == (Reason.NOT_IN_FORCE, True)


def test_a_fix_that_stops_serving_is_not_proven() -> None:
    """Its pods are being replaced just when the proof would be there: it waits for them."""
    s = replace(now_saying(with_fix(contained_by_rollback()), recoveries=GOOD), rollout=Waiting(because="1 of 3 pods"))
    assert "BeginClosing" not in kinds(s, FIXED + STABLE)


def test_users_are_not_sent_to_a_fix_that_does_not_serve() -> None:
    """Its pods are still coming up: the probe waits."""
    s = replace(with_fix(contained_by_switch()), rollout=Waiting(because="1 of 3 pods"))
    assert not decide(s, FIXED + STABLE * 0.9).commands
    assert "Retarget" not in kinds(s, FIXED + STABLE)


def test_a_fix_that_takes_long_to_serve_is_told() -> None:
    """A prompt that nobody has restarted the pods for would be waited for in silence."""
    s = replace(with_fix(contained_by_switch()), rollout=Waiting(because="it has not been restarted"))
    assert not decide(s, FIXED + STABLE / 2).commands
    (command,) = decide(s, FIXED + STABLE * 1.1).commands
    assert (command.reason, "not been restarted" in command.because) == (Reason.NOT_IN_FORCE, True)


def test_a_fix_whose_rollout_fails_is_told() -> None:
    """It will not serve without someone's help."""
    s = replace(with_fix(contained_by_switch()), rollout=Failed(because="ImagePullBackOff"))
    (command,) = decide(s, FIXED + STABLE).commands
    assert (command.reason, "ImagePullBackOff" in command.because) == (Reason.NOT_IN_FORCE, True)


def test_the_first_share_is_the_probe() -> None:
    """A tenth of the traffic by default, once the fix has served for stableFor."""
    s = with_fix(contained_by_switch())
    assert decide(s, FIXED).wake_at == FIXED + STABLE
    s = carried_out(s, decide(s, FIXED + STABLE), FIXED + STABLE)
    assert desired(s) == {"summarizer": 10, "summarizer-small": 90}


def test_the_next_share_needs_proof_on_the_one_before() -> None:
    """Held for stableFor, on fresh evidence since the share was seen."""
    s = now_saying(probing(), recoveries=GOOD)
    assert not decide(s, FIXED + STABLE * 1.5).commands
    s = carried_out(s, decide(s, FIXED + STABLE * 2), FIXED + STABLE * 2)
    assert desired(s) == {"summarizer": 50, "summarizer-small": 50}


def test_without_proof_nothing_more_is_given_back() -> None:
    """Inconclusive evidence on the probe gives nothing back; after a while people are asked."""
    s = now_saying(probing(), recoveries=(a_recovery(finding=RecoveryFinding.INCONCLUSIVE),))
    assert not decide(s, FIXED + STABLE * 3).commands
    (command,) = decide(s, FIXED + STABLE * 11).commands
    assert command.reason is Reason.EVIDENCE_THIN


def test_a_bad_probe_is_stepped_back_from_at_once() -> None:
    """All traffic to the fallback again, without waiting for any time to pass."""
    s = now_saying(probing(), recoveries=BAD)
    decision = decide(s, FIXED + STABLE + timedelta(seconds=5))
    assert [type(c) for c in decision.commands] == [AbandonRemedy, Retarget]
    s = carried_out(s, decision, FIXED + STABLE)
    assert desired(s) == {"summarizer": 0, "summarizer-small": 100}


def test_what_is_bad_again_since_the_share_is_stepped_back_from() -> None:
    """Not in the fix's own series, so pods of what it replaces answer still; the fix itself has not failed."""
    began = FIXED + STABLE + timedelta(seconds=20)
    s = now_saying(probing(), a_verdict(since=began), recoveries=GOOD)
    s = carried_out(s, decide(s, began + timedelta(seconds=10)), began)
    assert desired(s) == {"summarizer": 0, "summarizer-small": 100}
    assert "v3" not in status_of(s).refuted


def test_what_was_bad_before_the_share_is_no_reason_to_step_back() -> None:
    """The breach that opened the incident is evidence about the revision that was replaced."""
    s = now_saying(probing(), a_verdict(since=FIXED - STABLE), recoveries=GOOD)
    assert not decide(s, FIXED + STABLE * 1.5).commands


def test_a_fix_that_failed_is_not_tried_again() -> None:
    """Another revision is asked for, and a person is told which one did not pass."""
    s = settled(now_saying(probing(), recoveries=BAD), FIXED + STABLE)
    page = status_of(s).page
    assert page is not None
    assert (page.reason, "v3 did not pass" in page.message) == (Reason.FIX_FAILED, True)


def test_the_next_fix_is_tried() -> None:
    """A revision that has not failed yet."""
    s = settled(now_saying(probing(), recoveries=BAD), FIXED + STABLE)
    s = settled(replace(s, revision=revisions(V4, since=at(hours=3))), at(hours=3))
    assert status_of(s).remediated_revision == "v4"


def test_all_of_it_given_back_and_proven_ends_the_incident() -> None:
    """Without a switch the new revision serves everybody already, so its own proof is enough."""
    s = now_saying(with_fix(contained_by_rollback()), recoveries=GOOD)
    (command,) = decide(s, FIXED + STABLE).commands
    assert isinstance(command, BeginClosing)
    assert command.reason is Reason.FIX_PROVEN


def test_a_fix_that_fails_after_a_rollback_lets_the_ladder_go_on() -> None:
    """It has taken the known-good revision's place, so nothing is contained any more."""
    s = now_saying(with_fix(contained_by_rollback()), a_verdict(since=FIXED), recoveries=BAD)
    s = settled(s, FIXED + STABLE)
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.INTENDED


def test_a_fix_that_is_replaced_is_not_given_its_proof() -> None:
    """Another revision serves now: what was measured of the first says nothing of it."""
    s = replace(now_saying(probing(), recoveries=GOOD), revision=revisions(V4, since=at(hours=2)))
    assert [type(c) for c in decide(s, at(hours=2)).commands] == [AbandonRemedy, Retarget]


def test_a_repaired_gauge_gives_a_feature_back() -> None:
    """Nothing was deployed: the index is fresh again, for stableFor."""
    service, policy = a_service(a_gauge("freshness")), a_policy(NO_DATES, release={"when": "GaugeRecovered"})
    s = in_force(settled(opened(service=service, policy=policy), at()), "DisableFeature", at(minutes=1))
    s = settled(s, at(minutes=1))
    s = settled(replace(s, verdicts={"freshness": met("freshness", at=FIXED)}), FIXED)
    later = FIXED + STABLE
    s = settled(replace(s, verdicts={"freshness": met("freshness", at=later)}), later)
    assert action_of(s, "DisableFeature").phase is ActionPhase.UNDOING


def test_a_gauge_that_is_beyond_its_limit_again_ends_the_proof() -> None:
    """It came and went: the feature stays off."""
    service, policy = a_service(a_gauge("freshness")), a_policy(NO_DATES, release={"when": "GaugeRecovered"})
    s = in_force(settled(opened(service=service, policy=policy), at()), "DisableFeature", at(minutes=1))
    s = settled(replace(settled(s, at(minutes=1)), verdicts={"freshness": met("freshness", at=FIXED)}), FIXED)
    s = replace(s, verdicts={"freshness": a_verdict("freshness", at=FIXED)})
    s = settled(s, FIXED + timedelta(minutes=1))
    assert (status_of(s).remediating_since, action_of(s, "DisableFeature").phase) == (None, ActionPhase.IN_FORCE)


def test_an_incident_without_a_gauge_waits_for_a_new_revision() -> None:
    """A policy of GaugeRecovered is shared by incidents that no gauge is part of."""
    s = contained_by_switch(policy=a_policy(TO_SMALL, release={"when": "GaugeRecovered"}))
    assert kinds(replace(s, revision=revisions(V3)), FIXED) == ["BeginRemedy"]


def test_nothing_is_given_back_to_a_service_that_is_to_be_left_alone() -> None:
    """It is held, and people are told so."""
    held = (Hold(reason=Reason.SUSPENDED, because="the AIService has spec.suspend: true"),)
    s = replace(contained_by_switch(), revision=revisions(V3), holds=held)
    *_, command = decide(s, FIXED).commands
    assert (command.reason, "giving back is held" in command.because) == (Reason.SUSPENDED, True)


def test_a_step_back_is_taken_even_while_paused() -> None:
    """It takes nothing new: users are kept from what is known to be bad."""
    held = (Hold(reason=Reason.PAUSED, because="the installation is paused"),)
    s = replace(now_saying(probing(), recoveries=BAD), holds=held)
    assert [type(c) for c in decide(s, FIXED + STABLE).commands] == [AbandonRemedy, Retarget]


def test_review_is_given_back_after_a_proven_rollback() -> None:
    """People need not look at every answer until the fix comes."""
    s = settled(opened(policy=a_policy(REVIEW_STEP, ROLL_BACK)), at())
    s = in_force(in_force(s, "RaiseHumanReview", at(minutes=1)), "RollBack", at(minutes=1))
    s = settled(now_saying(s, recoveries=GOOD), at(minutes=10))
    assert action_of(s, "RaiseHumanReview").phase is ActionPhase.IN_FORCE
    s = settled(s, at(minutes=40))
    assert action_of(s, "RaiseHumanReview").phase is ActionPhase.UNDOING
    assert status_of(s).last_action == "RollBack to v1: Recovered"


def test_what_was_never_contained_ends_when_it_is_over() -> None:
    """Every objective is met, for as long as a proof takes."""
    s = opened(policy=a_policy(ROLL_BACK), revision=revisions(V1))
    s = settled(now_saying(settled(s, at()), met()), at(minutes=5))
    assert status_of(s).closing is None
    (command,) = decide(s, at(minutes=5) + STABLE).commands
    assert command.reason is Reason.RECOVERED_BY_ITSELF


def test_evidence_that_is_gone_ends_nothing() -> None:
    """It was met for a moment, and then the source was lost."""
    s = settled(opened(policy=a_policy(ROLL_BACK), revision=revisions(V1)), at())
    s = settled(now_saying(s, met()), at(minutes=5))
    s = settled(now_saying(s, a_verdict(finding=a_verdict().finding.ERROR)), at(hours=1))
    assert status_of(s).closing is None


@pytest.mark.parametrize(
    ("objective", "remedy"), [("freshness", ReleaseWhen.GAUGE_RECOVERED), ("groundedness", ReleaseWhen.NEW_REVISION)]
)
def test_each_ladder_may_have_its_own_proof(objective: str, remedy: ReleaseWhen) -> None:
    """Of one service: the pipeline's incident ends by its gauge, the answers' by a new revision."""
    service = a_service(a_ratio(), a_gauge("freshness"))
    pipeline = {"when": {"categories": ["Pipeline"]}, "release": {"when": "GaugeRecovered"}, "steps": [NO_DATES]}
    policy = a_policy(ladders=[pipeline, {"steps": [NO_DATES]}])
    s = settled(opened(a_verdict(objective), service=service, policy=policy), at())
    contained = in_force(s, "DisableFeature", at(minutes=1))
    s = now_saying(contained, a_verdict(objective), recoveries=(a_recovery(objective),))
    s = carried_out(s, decide(s, at(minutes=2)), at(minutes=2))
    s = replace(now_saying(s, met(objective)), revision=revisions(V3, since=at(minutes=3)))
    begun = settled(s, at(minutes=4))
    assert status_of(begun).remediating_on is remedy


def without_a_revision() -> Situation:
    """Traffic is away, and the service declares no revision: no fix can ever be seen."""
    nothing = RevisionFacts(problem="spec.revision is not declared")
    s = contained_by_switch(service=a_service(without=("revision",)), revision=nothing)
    return replace(now_saying(s, met()), revision=nothing)


def test_what_only_a_person_can_give_back_is_said_beforehand() -> None:
    """In a condition of the service, with what to change."""
    (problem,) = [p for p in problems_of(without_a_revision()) if p.reason is ConditionReason.RELEASE_UNREACHABLE]
    assert "SwitchTraffic would be given back when a new revision is proven" in problem.message
    assert "release.when to Person" in problem.message


def test_a_person_is_asked_where_no_fix_can_be_seen() -> None:
    """Else the switch would stay for ever, and nobody would know why."""
    s = settled(without_a_revision(), FIXED)
    assert status_of(s).page is None
    (command,) = decide(s, FIXED + STABLE * 11).commands
    assert isinstance(command, AskPeople)
    assert "declares no spec.revision" in command.because
