"""What an acknowledgement covers: the pages that were said up to it, never what comes up after."""

from dataclasses import replace

from tests.builders import (
    ROLL_BACK,
    T0,
    TO_SMALL,
    V1,
    V2,
    V3,
    a_policy,
    a_recovery,
    at,
    in_force,
    now_saying,
    opened,
    revisions,
    said,
    settled,
    status_of,
    with_status,
)

from firebreak.api.v1alpha1.incident import ActionPhase, ApprovalGiven, Asked, Page
from firebreak.core.commands import AskPeople, Reason
from firebreak.core.decide import decide
from firebreak.core.paging import PAGE_EVERY
from firebreak.core.record import blocked, with_action
from firebreak.core.situation import Hold, Situation
from firebreak.core.verdict import RecoveryFinding

BOTH = a_policy(ROLL_BACK, TO_SMALL, approval={"P3": "Required"})
PAUSED = Hold(reason=Reason.PAUSED, because="the installation is paused")


def pages(s: Situation) -> list[tuple[str, str]]:
    """What was asked so far, and what about."""
    return [(a.reason, a.subject) for a in status_of(s).asked]


def exhausted() -> Situation:
    """Every step was skipped, and people are asked."""
    return settled(opened(policy=a_policy(ROLL_BACK), revision=revisions(V1)), T0)


def after_a_rollback_in_vain(s: Situation) -> Situation:
    """The first wish is approved at once, and the rollback turns out not to help."""
    wish = status_of(s).approval
    assert wish is not None
    s = settled(said(s, approval=ApprovalGiven(request=wish.request, by="ada")), at(minutes=1))
    s = now_saying(in_force(s, "RollBack", at(minutes=2)), recoveries=(a_recovery(finding=RecoveryFinding.NOT_HELPED),))
    return settled(s, at(minutes=40))


def test_a_second_wish_is_paged_though_the_first_was_acknowledged() -> None:
    """It is about another step, and nobody can have seen it before it came up."""
    s = settled(opened(policy=BOTH), T0)
    s = after_a_rollback_in_vain(said(s, acknowledged=True, acknowledged_up_to=1))
    assert pages(s)[-1] == (Reason.APPROVAL_REQUIRED, "l0-s1-switchtraffic.2")
    page = status_of(s).page
    assert page is not None
    assert (page.number, page.times) == (2, 1)
    again = decide(s, at(minutes=40) + PAGE_EVERY).commands
    assert [type(c) for c in again] == [AskPeople]


def test_what_was_acknowledged_is_not_said_again() -> None:
    """Not when it comes back either."""
    s = said(exhausted(), acknowledged_up_to=1)
    s = settled(replace(s, holds=(PAUSED,)), at(minutes=20))
    s = settled(replace(s, holds=()), at(minutes=40))
    assert pages(s) == [(Reason.LADDER_EXHAUSTED, "ladder 0")]
    assert not decide(s, at(hours=2)).commands


def test_a_number_that_is_too_high_covers_nothing_that_is_still_to_come() -> None:
    """What comes up later gets a higher one."""
    s = said(settled(replace(opened(policy=a_policy(ROLL_BACK)), holds=(PAUSED,)), T0), acknowledged_up_to=999)
    conflict = Hold(reason=Reason.TARGET_CONFLICT, because="docs/other claims it too")
    s = settled(replace(s, holds=(conflict,)), at(minutes=1))
    page = status_of(s).page
    assert page is not None
    assert (page.reason, page.number) == (Reason.TARGET_CONFLICT, 1000)


def test_acknowledged_without_a_number_covers_what_was_asked_when_it_is_seen() -> None:
    """Set for good, it says nothing of what comes up later; set anew, it does."""
    s = settled(replace(opened(policy=a_policy(ROLL_BACK)), holds=(PAUSED,)), T0)
    s = settled(said(s, acknowledged=True), at(minutes=1))
    assert not decide(s, at(hours=1)).commands
    conflict = Hold(reason=Reason.TARGET_CONFLICT, because="docs/other claims it too")
    s = settled(replace(s, holds=(conflict,)), at(minutes=2))
    assert [type(c) for c in decide(s, at(hours=1)).commands] == [AskPeople]
    s = settled(said(s, acknowledged=False), at(minutes=3))
    s = settled(said(s, acknowledged=True), at(minutes=4))
    assert not decide(s, at(hours=1)).commands


def test_what_is_so_at_the_same_time_is_said_each_for_itself() -> None:
    """A write that was refused some time ago hides no wish; what nobody has is shown before what somebody has."""
    s = settled(opened(policy=a_policy(ROLL_BACK, TO_SMALL)), T0)
    back = status_of(s).actions[0].model_copy(update={"phase": ActionPhase.INTENDED})
    s = with_status(s, with_action(status_of(s), blocked(back, "refused by policy x")))
    done = tuple(w.model_copy(update={"landed": True}) for w in status_of(s).actions[0].writes)
    s = with_status(s, with_action(status_of(s), status_of(s).actions[0].model_copy(update={"writes": done})))
    s = settled(replace(s, holds=(PAUSED,)), at(minutes=1))
    assert set(pages(s)) == {
        (Reason.WRITE_BLOCKED, "l0-s0-rollback"),
        (Reason.PAUSED, "l0-s1-switchtraffic"),
    }
    shown = status_of(s).page
    assert shown is not None
    assert shown.reason == Reason.WRITE_BLOCKED
    s = settled(said(s, acknowledged_up_to=shown.number), at(minutes=2))
    later = status_of(s).page
    assert later is not None
    assert later.reason == Reason.PAUSED


def test_the_same_reason_about_another_revision_is_another_page() -> None:
    """A second fix that does not pass is news."""
    s = said(exhausted(), acknowledged_up_to=9)
    for number, fix in enumerate((V2, V3), start=1):
        failed = status_of(s).model_copy(update={"failed_revisions": (V2.name, V3.name)})
        s = settled(
            replace(with_status(s, failed), revision=revisions(fix, since=at(minutes=number))), at(minutes=number)
        )
    assert [p for p in pages(s) if p[0] == Reason.FIX_FAILED] == [
        (Reason.FIX_FAILED, V2.name),
        (Reason.FIX_FAILED, V3.name),
    ]


def as_before(s: Situation) -> Situation:
    """The record as it was written before pages had subjects and numbers."""
    status = status_of(s)
    page = status.page
    assert page is not None
    old = Page(since=page.since, reason=page.reason, message=page.message, repeated_at=page.repeated_at)
    asked = (Asked(reason=page.reason, at=page.repeated_at),)
    return with_status(s, status.model_copy(update={"page": old, "asked": asked, "pages": 0}))


def test_a_record_of_an_earlier_version_is_gone_on_with() -> None:
    """What was asked is not said again before its time, and what was acknowledged not at all."""
    s = as_before(exhausted())
    at_once = settled(s, at(minutes=1))
    assert [e.reason for e in status_of(at_once).timeline] == [e.reason for e in status_of(s).timeline]
    assert pages(at_once) == [(Reason.LADDER_EXHAUSTED, "ladder 0")]
    had = settled(said(s, acknowledged=True), at(hours=1))
    assert [e.reason for e in status_of(had).timeline] == [e.reason for e in status_of(s).timeline]


def test_an_old_acknowledgement_hides_no_wish_that_comes_later() -> None:
    """In a record of an earlier version either."""
    s = as_before(settled(opened(policy=BOTH), T0))
    s = after_a_rollback_in_vain(settled(said(s, acknowledged=True), at(seconds=30)))
    assert pages(s)[-1] == (Reason.APPROVAL_REQUIRED, "l0-s1-switchtraffic.2")
