"""A switch that was written and is not seen in force: another fallback is tried, from where nothing is switched."""

from dataclasses import replace
from typing import Any

import pytest
from tests.builders import (
    NO_DATES,
    REVIEW_STEP,
    T0,
    TO_SMALL,
    TO_STATIC,
    a_cluster,
    a_policy,
    action_of,
    at,
    carried_out,
    opened,
    said,
    settled,
    status_of,
    with_status,
)

from firebreak.api.v1alpha1.incident import ActionPhase, ApprovalGiven, Outcome
from firebreak.core.commands import Reason, Retarget, TakeStep
from firebreak.core.decide import decide
from firebreak.core.observations import Effect, InForce, Waiting
from firebreak.core.record import landed, with_action
from firebreak.core.situation import Hold, Situation

READY, NOT_READY = InForce(because="2 ready"), Waiting(because="no ready endpoint")
UNSEEN = Waiting(because="HTTPRoute summarizer: Gateway main has not taken it up yet")
SOON = {"verifyWithin": "10m"}


def written(s: Situation, effect: Effect = UNSEEN) -> Situation:
    """All weights of the switch are written, and this is seen of it."""
    switch = action_of(s, "SwitchTraffic")
    changes = {"phase": ActionPhase.APPLIED, "applied_at": T0, "writes": tuple(landed(w) for w in switch.writes)}
    s = with_status(s, with_action(status_of(s), switch.model_copy(update=changes)))
    return replace(s, effects={switch.id: effect}, objects=a_cluster(weights=(0, 100, 0)))


def given_back(s: Situation) -> Situation:
    """What is to be undone is."""
    switch = action_of(s, "SwitchTraffic")
    assert switch.phase is ActionPhase.UNDOING
    changes = {"phase": ActionPhase.UNDONE, "writes": tuple(landed(w) for w in switch.writes)}
    s = with_status(s, with_action(status_of(s), switch.model_copy(update=changes)))
    return replace(s, effects={}, objects=a_cluster())


def unseen(*steps: dict[str, Any], static: Effect = READY, **policy: Any) -> Situation:
    """The small model was switched to, and in its time the gateway has not taken that up."""
    s = written(settled(opened(policy=a_policy(TO_SMALL | SOON, *steps, **policy)), T0))
    return replace(s, fallbacks={"small-model": READY, "apology": static})


def kinds(s: Situation) -> list[tuple[str, str, str]]:
    return [(str(a.kind), a.subject, str(a.phase)) for a in status_of(s).actions]


def test_the_next_fallback_is_tried_where_nothing_is_switched() -> None:
    """The first is given back, which is waited for, and then the second begins with the weights as they were."""
    s = settled(unseen(TO_STATIC), at(minutes=10))
    first = action_of(s, "SwitchTraffic")
    assert (first.subject, first.phase, first.outcome) == ("small-model", ActionPhase.UNDOING, Outcome.UNKNOWN)
    assert {w.path.split("'")[3]: w.desired.value for w in first.writes} == {"summarizer": 100, "summarizer-small": 0}
    assert "fallback apology is tried instead" in status_of(s).timeline[-1].message
    assert decide(s, at(minutes=11)).commands == (), "two are never being written at once"
    s = settled(given_back(s), at(minutes=11))
    assert kinds(s) == [("SwitchTraffic", "small-model", "Undone"), ("SwitchTraffic", "apology", "Intended")]
    second = action_of(s, "SwitchTraffic")
    assert {w.path.split("'")[3]: w.original.value for w in second.writes} == {
        "firebreak-responder": 0,
        "summarizer": 100,
    }


@pytest.mark.parametrize("steps", [(), (NO_DATES,), (TO_SMALL,)])
def test_without_another_fallback_it_is_left_as_it_is(steps: tuple[dict[str, Any], ...]) -> None:
    """It may come into force yet, and then it contains after all."""
    s = settled(unseen(*steps), at(minutes=10))
    assert action_of(s, "SwitchTraffic").phase in (ActionPhase.APPLIED, ActionPhase.SKIPPED)
    assert status_of(s).actions[0].phase is ActionPhase.APPLIED
    if steps != (NO_DATES,):
        late = replace(s, effects={status_of(s).actions[0].id: InForce(because="taken up")})
        assert status_of(settled(late, at(minutes=12))).actions[0].outcome is Outcome.RECOVERED


def test_it_is_left_for_none_that_could_not_serve() -> None:
    """The other fallback is skipped, with its own reason."""
    s = settled(unseen(TO_STATIC, static=NOT_READY), at(minutes=10))
    assert status_of(s).actions[0].phase is ActionPhase.APPLIED
    assert action_of(s, "SwitchTraffic").reason == Reason.FALLBACK_NOT_READY


def test_it_is_left_while_the_next_step_is_held() -> None:
    """Nothing is given back to make room for a step that is not taken."""
    s = replace(unseen(TO_STATIC), holds=(Hold(reason=Reason.PAUSED, because="paused"),))
    assert status_of(settled(s, at(minutes=10))).actions[0].phase is ActionPhase.APPLIED


def test_an_approval_is_given_once_for_the_switch_that_takes_its_place() -> None:
    """The first is not given back before the second is approved, and the word counts when it is."""
    s = settled(opened(policy=a_policy(TO_SMALL | SOON, TO_STATIC, approval={"P3": "Required"})), T0)
    s = settled(approved(s), at(minutes=1))
    s = replace(written(s), fallbacks={"small-model": READY, "apology": READY})
    s = settled(s, at(minutes=12))
    assert status_of(s).actions[0].phase is ActionPhase.APPLIED
    s = settled(approved(s), at(minutes=13))
    assert status_of(s).actions[0].phase is ActionPhase.UNDOING
    assert status_of(s).approval is not None
    s = settled(given_back(s), at(minutes=14))
    assert kinds(s)[-1] == ("SwitchTraffic", "apology", "Intended")
    assert status_of(s).approvals_asked == 2


def approved(s: Situation) -> Situation:
    wish = status_of(s).approval
    assert wish is not None
    return said(s, approval=ApprovalGiven(request=wish.request, by="ada@example.org"))


def test_a_person_who_asks_for_the_next_step_has_it_at_once() -> None:
    """Before the time of the first is over."""
    s = said(unseen(TO_STATIC), contain=True)
    decision = decide(s, at(minutes=2))
    s = carried_out(s, decision, at(minutes=2))
    assert status_of(s).actions[0].outcome is Outcome.UNKNOWN
    s = carried_out(s, decide(s, at(minutes=2)), at(minutes=2))
    assert not status_of(s).contain_followed
    s = given_back(s)
    (taken,) = decide(s, at(minutes=3)).commands
    assert isinstance(taken, TakeStep)
    assert taken.on_request


def test_a_route_that_does_not_name_the_other_fallback_gives_nothing_back() -> None:
    """That the second cannot be compiled is found before the first is undone."""
    s = unseen(TO_STATIC)
    s = replace(s, objects=a_cluster(weights=(0, 100, 7)))
    s = settled(s, at(minutes=10))
    assert not any(isinstance(c, Retarget) for c in decide(s, at(minutes=11)).commands)
    assert status_of(s).actions[0].phase is ActionPhase.APPLIED
    assert action_of(s, "SwitchTraffic").reason == Reason.CANNOT_COMPILE


def test_review_is_raised_beside_it() -> None:
    """That changes nothing of what users get."""
    s = settled(unseen(REVIEW_STEP, TO_STATIC), at(minutes=10))
    assert kinds(s)[-1][0] == "RaiseHumanReview"
    assert status_of(s).actions[0].phase is ActionPhase.UNDOING
