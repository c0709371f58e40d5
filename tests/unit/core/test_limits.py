"""What holds a containment back whatever the evidence says: mode, pause, cooldown, and how many there were."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import (
    REVIEW_STEP,
    ROLL_BACK,
    T0,
    TO_SMALL,
    a_policy,
    a_service,
    a_situation,
    a_verdict,
    action_of,
    an_incident,
    at,
    carried_out,
    contained_by_switch,
    met,
    now_saying,
    opened,
    said,
    settled,
    status_of,
    suspected,
)

from firebreak.api.v1alpha1.aiservice import Mode, OnDelete
from firebreak.api.v1alpha1.incident import ActionPhase, AIIncidentStatus, Phase
from firebreak.core.commands import BeginClosing, NoteHold, Reason, Retarget
from firebreak.core.decide import ORPHANED_FOR, decide, without_service
from firebreak.core.field_writes import contained_again, given_back, ours, undone
from firebreak.core.guardrails import unweighed, waits_for_clustering
from firebreak.core.record import landed
from firebreak.core.situation import Hold, PastContainment

JUST_ENDED = (PastContainment(incident="summarizer-1", at=at(hours=-1), ended_at=at(minutes=-5)),)


def page_reason(status: AIIncidentStatus) -> str | None:
    return status.page.reason if status.page else None


def test_observe_says_what_it_would_do_and_does_nothing() -> None:
    """The same record with the same places and values, as WouldDo."""
    s = settled(opened(service=a_service(mode=Mode.OBSERVE), policy=a_policy(REVIEW_STEP, ROLL_BACK)), T0)
    assert [(a.kind, a.phase, bool(a.writes)) for a in status_of(s).actions] == [
        ("RaiseHumanReview", ActionPhase.WOULD_DO, True),
        ("RollBack", ActionPhase.WOULD_DO, True),
    ]


HELD_UNMEASURED = a_policy(REVIEW_STEP, ROLL_BACK, guardrails={"unmeasuredClustering": "Hold"})
UNMEASURED = {"groundedness": "3d of 14d of healthy history"}


def test_a_policy_may_wait_until_clustering_is_measured() -> None:
    """Review is raised, nothing that users get is changed, and people are asked with how much history there is."""
    s = settled(opened(policy=HELD_UNMEASURED, unmeasured=UNMEASURED), T0)
    assert [a.kind for a in status_of(s).actions] == ["RaiseHumanReview"]
    assert page_reason(status_of(s)) == Reason.CLUSTERING_UNMEASURED
    page = status_of(s).page
    assert page is not None
    assert "groundedness (3d of 14d of healthy history)" in page.message

    contained = settled(said(s, contain=True), T0)
    assert action_of(contained, "RollBack").phase is ActionPhase.INTENDED, "a person has looked"
    measured = settled(replace(s, unmeasured={}), T0)
    assert action_of(measured, "RollBack").phase is ActionPhase.INTENDED


def test_by_default_clustering_is_assumed() -> None:
    """Whoever says nothing is protected from the first day."""
    s = settled(opened(policy=a_policy(ROLL_BACK), unmeasured=UNMEASURED), T0)
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED


@given(
    names=st.frozensets(st.sampled_from(["a", "b", "c"])),
    unmeasured=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.just("0s of 14d"), max_size=3),
)
def test_one_objective_that_is_weighed_is_enough(names: frozenset[str], unmeasured: dict[str, str]) -> None:
    """Held exactly while all that speaks is unmeasured; a policy that assumes never holds."""
    held = unweighed(HELD_UNMEASURED.guardrails, unmeasured, names)
    assert (held is not None) == (bool(names) and names <= set(unmeasured))
    assert unweighed(a_policy().guardrails, unmeasured, names) is None


def test_what_would_wait_is_said_before_there_is_an_incident() -> None:
    """Better known by day."""
    s = a_situation(met(), policy=HELD_UNMEASURED, unmeasured=UNMEASURED)
    assert [hold.reason for hold in waits_for_clustering(s)] == [Reason.CLUSTERING_UNMEASURED]
    assert waits_for_clustering(replace(s, unmeasured={})) == ()


def test_observe_takes_the_time_that_the_steps_would_take() -> None:
    """The next step would only follow when the one before it had not helped in time."""
    s = settled(opened(service=a_service(mode=Mode.OBSERVE), policy=a_policy(ROLL_BACK, TO_SMALL)), T0)
    assert [a.kind for a in status_of(s).actions] == ["RollBack"]
    s = settled(s, at(minutes=30))
    assert [a.kind for a in status_of(s).actions] == ["RollBack", "SwitchTraffic"]


def test_an_observed_incident_ends_without_a_write() -> None:
    """There is nothing to give back."""
    s = settled(opened(service=a_service(mode=Mode.OBSERVE)), T0)
    s = settled(now_saying(s, met()), at(minutes=1))
    s = settled(s, at(minutes=40))
    assert status_of(s).phase is Phase.RESOLVED
    assert {a.phase for a in status_of(s).actions} == {ActionPhase.WOULD_DO}


def test_switched_to_enforce_in_the_middle_it_begins_where_it_stands() -> None:
    """What was only said has not been done."""
    s = settled(opened(service=a_service(mode=Mode.OBSERVE), policy=a_policy(ROLL_BACK)), T0)
    s = settled(replace(s, spec=a_service().spec), at(minutes=1))
    assert [(a.kind, a.phase) for a in status_of(s).actions] == [("RollBack", ActionPhase.INTENDED)]


def test_a_pause_holds_every_step_and_asks() -> None:
    """Review too: nothing is written while everything is paused."""
    s = settled(opened(suspected(), holds=(Hold(reason=Reason.PAUSED, because="for the migration"),)), T0)
    assert not status_of(s).actions
    assert page_reason(status_of(s)) == Reason.PAUSED


def test_not_even_a_person_s_word_overrides_a_pause() -> None:
    """Whoever paused everything had a reason; it is lifted where it was set."""
    held = (Hold(reason=Reason.PAUSED, because="for the migration"),)
    s = settled(said(opened(policy=a_policy(ROLL_BACK), holds=held), contain=True), T0)
    assert not status_of(s).actions


def test_the_cooldown_holds_the_next_containment() -> None:
    """And says when it ends, and how a person can have it at once."""
    s = opened(policy=a_policy(ROLL_BACK), past=JUST_ENDED)
    noted, asked = decide(s, T0).commands
    assert isinstance(noted, NoteHold)
    assert noted.reason is asked.reason is Reason.COOLDOWN
    assert "spec.contain" in noted.message
    s = settled(s, T0)
    assert decide(s, T0).wake_at == at(minutes=10)
    s = settled(s, at(minutes=10))
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED


def test_review_is_free() -> None:
    """It changes nothing for users."""
    s = settled(opened(suspected(), past=JUST_ENDED), T0)
    assert [a.kind for a in status_of(s).actions] == ["RaiseHumanReview"]


def test_a_person_may_have_it_within_the_cooldown() -> None:
    """The limits are there for the machine."""
    s = settled(said(opened(policy=a_policy(ROLL_BACK), past=JUST_ENDED), contain=True), T0)
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED


def test_the_limits_are_for_the_first_step_only() -> None:
    """An incident that is being contained goes on down its ladder."""
    s = settled(opened(policy=a_policy(ROLL_BACK, TO_SMALL)), T0)
    s = settled(settled(replace(s, past=JUST_ENDED), at(minutes=30)), at(minutes=32))
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.INTENDED


def test_so_many_containments_in_a_time_and_no_more() -> None:
    """The third of a day is allowed, the fourth is held until the first is a day old."""
    past = tuple(
        PastContainment(incident=f"summarizer-{i}", at=at(hours=-i), ended_at=at(hours=-i, minutes=30))
        for i in (2, 4, 20)
    )
    assert settled(opened(policy=a_policy(ROLL_BACK), past=past[:2]), T0).incident is not None
    assert action_of(settled(opened(policy=a_policy(ROLL_BACK), past=past[:2]), T0), "RollBack")
    s = settled(opened(policy=a_policy(ROLL_BACK), past=past), T0)
    assert page_reason(status_of(s)) == Reason.MAX_CONTAINMENTS
    # People are asked every fifteen minutes; acknowledged, only the limit itself is waited for.
    assert decide(said(s, acknowledged=True), T0).wake_at == at(hours=4)


def test_an_incident_whose_service_is_gone_is_given_back_and_ended() -> None:
    """Nothing is watched any more, so nothing may stay; first people are asked, for it may be a slip."""
    s, gone = contained_by_switch(), at(minutes=5)
    for moment in (gone, gone):
        assert s.incident is not None
        s = carried_out(s, without_service(s.incident, moment), moment)
    page = status_of(s).page
    assert page is not None
    assert (page.reason, "apply it again" in page.message) == (Reason.SERVICE_GONE, True)
    assert s.incident is not None
    assert not without_service(s.incident, gone + ORPHANED_FOR / 2).commands
    (command,) = without_service(s.incident, gone + ORPHANED_FOR).commands
    assert isinstance(command, BeginClosing)
    assert command.reason is Reason.SERVICE_GONE


def test_a_service_that_is_replaced_keeps_its_containment() -> None:
    """`kubectl replace --force` deletes it and makes it again: traffic does not go back to what failed in between."""
    s = contained_by_switch()
    assert s.incident is not None
    s = carried_out(s, without_service(s.incident, at(minutes=5)), at(minutes=5))
    s = settled(s, at(minutes=6))
    assert status_of(s).orphaned_at is None
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.IN_FORCE
    assert status_of(s).timeline[-1].reason == Reason.SERVICE_BACK


def test_an_incident_that_holds_nothing_back_ends_with_its_service() -> None:
    """There is nothing that users could lose."""
    assert isinstance(without_service(an_incident(), T0).commands[0], BeginClosing)


def test_what_was_perhaps_written_before_a_crash_stays_ours() -> None:
    """A write that was killed before its record is undone like any other, not taken for somebody's."""
    writes = action_of(settled(opened(policy=a_policy(TO_SMALL)), T0), "SwitchTraffic").writes
    undo = {w.path: w for w in undone(writes)}
    for write in writes:
        assert write.desired in ours(undo[write.path])


def test_what_was_seen_to_be_written_needs_no_such_memory() -> None:
    """Only what stands there may be overwritten."""
    writes = tuple(landed(w) for w in action_of(settled(opened(policy=a_policy(TO_SMALL)), T0), "SwitchTraffic").writes)
    share = tuple(landed(w) for w in given_back(writes, 10))
    assert [ours(w) for w in contained_again(share)] == [(w.desired,) for w in share]
    assert all(not w.attempted for w in share)


def test_a_hold_that_ends_is_followed_at_once() -> None:
    """What was held is taken if it is still called for."""
    held = (Hold(reason=Reason.SUSPENDED, because="the AIService has spec.suspend: true"),)
    s = settled(opened(a_verdict(), policy=a_policy(ROLL_BACK), holds=held), T0)
    s = settled(replace(s, holds=()), T0 + timedelta(minutes=1))
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED
    assert status_of(s).page is None


@pytest.mark.parametrize(("own", "of_service"), [("Leave", "Restore"), (None, "Leave")])
def test_what_is_in_force_stays_where_a_deletion_is_to_leave_it(own: str | None, of_service: str) -> None:
    """The incident's own word goes before its service's; the weights stay, and the record says so."""
    s = contained_by_switch(service=a_service(containment={"policy": {"name": "p"}, "onDelete": of_service}))
    s = settled(said(settled(s, at(minutes=3)), on_delete=OnDelete(own) if own else None), at(minutes=4))
    assert s.incident is not None
    for moment in (at(minutes=5), at(minutes=6)):
        s = carried_out(s, without_service(s.incident, moment), moment)
        assert s.incident is not None
    assert status_of(s).phase is Phase.RESOLVED
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.KEPT
    assert "what is in force stays" in status_of(s).timeline[-1].message


def test_a_deletion_gives_back_unless_it_is_said_otherwise() -> None:
    """The service says Leave, this incident Restore."""
    s = contained_by_switch(service=a_service(containment={"policy": {"name": "p"}, "onDelete": "Leave"}))
    s = said(settled(s, at(minutes=3)), on_delete=OnDelete.RESTORE)
    assert s.incident is not None
    for moment in (at(minutes=4), at(minutes=19)):
        s = carried_out(s, without_service(s.incident, moment), moment)
        assert s.incident is not None
    (command,) = without_service(s.incident, at(minutes=20)).commands
    assert isinstance(command, Retarget)
    assert command.undo
