"""Traffic that is switched share by share, and what happens when the fallback cannot take it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.builders import (
    T0,
    TO_SMALL,
    TO_STATIC,
    a_cluster,
    a_policy,
    action_of,
    at,
    carried_out,
    contained_by_switch,
    opened,
    said,
    settled,
    status_of,
    with_status,
)

from firebreak.api.v1alpha1.incident import ActionPhase, Outcome
from firebreak.core.commands import Judge, Reason, Retarget, TakeShare
from firebreak.core.decide import decide
from firebreak.core.observations import Effect, Failed, InForce, Waiting
from firebreak.core.record import landed, with_action
from firebreak.core.situation import Situation

IN_SHARES: dict[str, Any] = TO_SMALL | {"weights": [10, 50, 100]}
STANDS = InForce(because="the route is accepted")
UNKNOWN = Failed(because="it cannot be looked at: 403", is_seen=False)
READY, NOT_READY = InForce(because="2 ready"), Waiting(because="Service summarizer-small has no ready endpoint")


def _weights(s: Situation) -> dict[str, object]:
    return {w.path.split("'")[3]: w.desired.value for w in action_of(s, "SwitchTraffic").writes}


def _applied(s: Situation, effect: Effect = STANDS, ready: Effect = READY, **changes: Any) -> Situation:
    """The switch as it stands was written, and this is seen of it."""
    switch = action_of(s, "SwitchTraffic")
    written = {"phase": ActionPhase.APPLIED, "applied_at": T0, "writes": tuple(landed(w) for w in switch.writes)}
    s = with_status(s, with_action(status_of(s), switch.model_copy(update=written | changes)))
    return replace(s, effects={switch.id: effect}, fallbacks=dict(s.fallbacks) | {"small-model": ready})


def test_it_begins_with_the_first_share() -> None:
    """The rest stays with the primary."""
    s = settled(opened(policy=a_policy(IN_SHARES)), T0)
    assert _weights(s) == {"summarizer-small": 10, "summarizer": 90}
    assert action_of(s, "SwitchTraffic").share == 10


def test_each_share_follows_when_the_one_before_is_in_force() -> None:
    """Up to all of it, and only then is it in force."""
    s = settled(opened(policy=a_policy(IN_SHARES)), T0)
    for share in (50, 100):
        decision = decide(_applied(s), at(minutes=1))
        assert [c.reason for c in decision.commands] == [Reason.SHARE_TAKEN]
        s = carried_out(_applied(s), decision, at(minutes=1))
        assert _weights(s) == {"summarizer-small": share, "summarizer": 100 - share}
        assert action_of(s, "SwitchTraffic").phase is ActionPhase.APPLIED
    s = carried_out(_applied(s), decide(_applied(s), at(minutes=2)), at(minutes=2))
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.IN_FORCE


@pytest.mark.parametrize("effect", [Waiting(because="Gateway has not seen it"), NOT_READY])
def test_a_share_that_is_not_in_force_is_waited_for(effect: Effect) -> None:
    """No more traffic is taken meanwhile."""
    s = _applied(settled(opened(policy=a_policy(IN_SHARES)), T0), effect)
    assert not [c for c in decide(s, at(minutes=5)).commands if isinstance(c, TakeShare)]


def test_all_at_once_is_the_default() -> None:
    """As before."""
    s = settled(opened(policy=a_policy(TO_SMALL)), T0)
    assert _weights(s) == {"summarizer-small": 100, "summarizer": 0}


@pytest.mark.parametrize("step", [TO_SMALL, IN_SHARES])
def test_a_fallback_that_cannot_serve_gives_its_traffic_back(step: dict[str, Any]) -> None:
    """Both legs are bad: better than before is neither, so it is as before, and the next step is taken."""
    s = settled(opened(policy=a_policy(step, TO_STATIC)), T0)
    s = _applied(s, NOT_READY, NOT_READY)
    decision = decide(s, at(minutes=31))
    judge, back = decision.commands
    assert isinstance(judge, Judge)
    assert (judge.outcome, judge.reason) == (Outcome.UNKNOWN, Reason.BOTH_LEGS_BAD)
    assert isinstance(back, Retarget)
    assert back.undo
    assert {w.desired.value for w in back.writes} == {0, 100}
    s = carried_out(s, decision, at(minutes=31))
    assert not decide(s, at(minutes=32)).commands, "the next step waits until it is given back"
    undone = action_of(s, "SwitchTraffic").model_copy(update={"phase": ActionPhase.UNDONE})
    s = settled(replace(with_status(s, with_action(status_of(s), undone)), objects=a_cluster()), at(minutes=33))
    assert [a.subject for a in status_of(s).actions] == ["small-model", "apology"]


def _looked_at(s: Situation, *looks: Effect, step: float = 1) -> Situation:
    """What was seen of the fallback in force, a step of evidence after the other."""
    for i, ready in enumerate(looks):
        s = settled(replace(s, fallbacks={"small-model": ready}), at(minutes=9 + step * i))
    return s


def test_a_fallback_that_fails_after_the_switch_is_for_people() -> None:
    """It is not known which leg is the worse one."""
    s = _looked_at(contained_by_switch(policy=a_policy(TO_SMALL)), NOT_READY, NOT_READY, NOT_READY)
    page = status_of(s).page
    assert page is not None
    assert page.reason == Reason.BOTH_LEGS_BAD
    assert "users are sent to small-model, which cannot serve" in page.message
    assert action_of(s, "SwitchTraffic").phase is ActionPhase.IN_FORCE
    assert status_of(_looked_at(s, READY)).page is None


@pytest.mark.parametrize(
    "looks",
    [
        (NOT_READY,),
        (NOT_READY, NOT_READY),
        (NOT_READY, NOT_READY, READY, NOT_READY, NOT_READY),
        (NOT_READY, UNKNOWN, NOT_READY, UNKNOWN),
        (UNKNOWN,) * 9,
    ],
)
def test_a_fallback_that_misses_a_look_pages_nobody(looks: tuple[Effect, ...]) -> None:
    """Three in a row do; one that says nothing is none of them, and begins no new row."""
    s = contained_by_switch(policy=a_policy(TO_SMALL))
    assert status_of(_looked_at(s, *looks)).page is None


def test_many_looks_within_a_step_are_one() -> None:
    """A turn may come every second."""
    s = contained_by_switch(policy=a_policy(TO_SMALL))
    many = _looked_at(s, *(NOT_READY,) * 50, step=1 / 60)
    assert status_of(many).page is None
    assert action_of(many, "SwitchTraffic").unready_looks == 1
    assert decide(many, at(minutes=9.9)).wake_at == at(minutes=10)


def test_what_pages_stays_while_it_cannot_be_looked_at() -> None:
    """Only that it can serve takes the page back."""
    s = _looked_at(contained_by_switch(policy=a_policy(TO_SMALL)), *(NOT_READY,) * 3, UNKNOWN)
    assert status_of(s).page is not None


@pytest.mark.parametrize("asked", [{"release": True}, {"contain": True}])
def test_what_was_taken_in_part_is_given_back_when_a_person_asks_for_something_else(asked: dict[str, bool]) -> None:
    """A share that nobody judges any more would stay for ever."""
    s = said(_applied(settled(opened(policy=a_policy(IN_SHARES)), T0), NOT_READY), **asked)
    judge, back = decide(s, at(minutes=3)).commands
    assert isinstance(judge, Judge)
    assert judge.reason == Reason.REQUESTED_BY_PERSON
    assert isinstance(back, Retarget)
    assert back.undo
