"""A step that could not be written in its time: it is not begun on old evidence, and not given up while it is called for."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.builders import (
    ROLL_BACK,
    T0,
    TO_SMALL,
    a_policy,
    a_service,
    a_verdict,
    action_of,
    at,
    carried_out,
    error,
    in_force,
    inconclusive,
    now_saying,
    opened,
    settled,
    status_of,
    with_status,
)

from firebreak.api.v1alpha1.incident import ActionPhase, Closing, Outcome
from firebreak.api.v1alpha1.quarantine import QuarantineSpec
from firebreak.app.actuator import Actuator, Context
from firebreak.app.backtest.cluster import SimulatedCluster
from firebreak.app.backtest.simulation import SimulatedClock
from firebreak.core.commands import Judge, Reason, Renew
from firebreak.core.deadlines import LAST_TRY, due_at, is_out_of_date
from firebreak.core.decide import decide
from firebreak.core.field_writes import undone, value_of
from firebreak.core.ports import ObjectKey
from firebreak.core.record import with_action
from firebreak.core.situation import Hold, Situation
from firebreak.core.verdict import Verdict

DUE = T0 + timedelta(minutes=30)


def intended() -> Situation:
    """The intent is recorded, and nothing could be written since."""
    return settled(opened(policy=a_policy(ROLL_BACK, TO_SMALL)), T0)


def is_old(s: Situation, minutes: float) -> bool:
    return is_out_of_date(status_of(s), action_of(s, "RollBack"), at(minutes=minutes))


def test_a_step_that_could_not_be_written_in_its_time_is_tried_again() -> None:
    """The API server was away as long as the step had time: that is no reason to leave users with what is bad."""
    s = intended()
    (command,) = decide(s, DUE).commands

    assert (type(command), command.reason) == (Renew, Reason.TRIED_AGAIN)
    assert (is_old(s, 30), is_old(carried_out(s, decide(s, DUE), DUE), 30)) == (True, False)


def test_one_more_chance_is_all_that_it_gets() -> None:
    """An API server that answers, and takes everything but this write: the ladder must go on."""
    s = settled(intended(), DUE)
    assert decide(s, DUE + LAST_TRY - timedelta(seconds=1)).commands == ()

    (command,) = decide(s, DUE + LAST_TRY).commands

    assert (type(command), command.reason) == (Judge, Reason.NOT_IN_FORCE)
    assert action_of(settled(s, DUE + LAST_TRY), "SwitchTraffic").phase is ActionPhase.INTENDED


@pytest.mark.parametrize("verdict", [inconclusive(), error()])
def test_an_old_intent_is_not_begun_on_evidence_that_nobody_has(verdict: Verdict) -> None:
    """Hours later what it was decided on may be so no longer: people are asked, and nothing is written."""
    s = settled(now_saying(intended(), verdict), DUE)

    assert [a.reason for a in status_of(s).asked] == [Reason.NOT_IN_FORCE]
    assert is_old(s, 30)
    assert is_old(now_saying(s, a_verdict()), 30), "until it is renewed"


def test_what_is_half_written_is_seen_through() -> None:
    """Half of a step is something that nobody has ever tried, however old it is."""
    s = intended()
    action = action_of(s, "RollBack")
    first, *rest = action.writes
    half = action.model_copy(update={"writes": (first.model_copy(update={"landed": True}), *rest)})

    assert not is_old(with_status(s, with_action(status_of(s), half)), 300)


def test_the_time_for_the_proof_runs_from_the_write() -> None:
    """What was written late has all of its time to help."""
    s = in_force(settled(intended(), DUE), "RollBack", DUE + timedelta(minutes=1))

    assert due_at(status_of(s), action_of(s, "RollBack")) == at(minutes=61)


def test_a_clock_that_is_set_back_makes_no_step_late() -> None:
    """It was written an hour before it was intended, by that clock: its time runs from the later of the two."""
    s = in_force(intended(), "RollBack", at(hours=-1))

    assert due_at(status_of(s), action_of(s, "RollBack")) == DUE


def test_a_rollback_of_an_incident_that_ends_is_carried_through() -> None:
    """It is begun, as far as anybody knows, and the incident cannot end before it is over."""
    s = intended()
    closing = Closing(at=T0, reason=Reason.FALSE_ALARM, message="a person says so")
    ended = with_status(s, status_of(s).model_copy(update={"closing": closing}))

    assert not is_old(ended, 300)


def test_it_is_never_earlier_than_the_newest_evidence() -> None:
    """Whatever a clock says that was set back: what has been measured is past."""
    s = intended()

    assert s.not_before == max(v.at for v in s.verdicts.values())
    assert replace(s, verdicts={}).not_before is None


def test_what_is_given_up_is_taken_back() -> None:
    """A write that was perhaps carried out after all must not stay as half of a step."""
    s = settled(intended(), DUE)
    given_up = action_of(settled(s, DUE + LAST_TRY), "RollBack")

    assert (given_up.phase, given_up.outcome) == (ActionPhase.BLOCKED, Outcome.UNKNOWN)
    assert given_up.writes == undone(action_of(s, "RollBack").writes)


class _NeverAsked:
    """A gate that a step which is only looked at does not come to."""

    async def create(self, namespace: str, name: str, spec: QuarantineSpec) -> None:
        raise AssertionError("nothing is begun")

    async def in_force(self, target: ObjectKey, name: str) -> bool:
        raise AssertionError("nothing is begun")


async def test_what_stands_already_is_seen_before_it_is_given_up() -> None:
    """The answer to a write was lost with the API server: a rollback that works is not taken back for that."""
    s = intended()
    cluster = SimulatedCluster(a_service())
    for write in action_of(s, "RollBack").writes:
        cluster.put(write.target, write.path, value_of(write.desired, s.revision.history))
    late = SimulatedClock()
    late.at = at(minutes=31)
    actuator = Actuator(cluster, _NeverAsked(), late)
    assert s.incident is not None

    status = await actuator.carry_out(s.incident, Context(service=a_service(), history=s.revision.history))

    found = next(a for a in status.actions if a.kind == "RollBack")
    assert all(w.landed for w in found.writes)
    assert not is_out_of_date(status, found, at(minutes=31))


def test_what_is_tried_again_is_held_by_what_holds_now() -> None:
    """It is a decision of today, so a pause that came meanwhile holds it; and once that is over it is tried."""
    paused = Hold(reason=Reason.PAUSED, because="someone has paused it")
    s = settled(replace(intended(), holds=(paused,)), DUE)

    assert action_of(s, "RollBack").renewed_at is None
    assert [a.reason for a in status_of(s).asked] == [Reason.PAUSED]
    assert type(decide(replace(s, holds=()), DUE).commands[0]) is Renew
