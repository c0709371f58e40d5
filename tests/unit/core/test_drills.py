"""A drill: what it rehearses, when it begins, what ends it, and what its record says."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.builders import (
    NO_DATES,
    REVIEW_STEP,
    ROLL_BACK,
    T0,
    TO_SMALL,
    TO_STATIC,
    V1,
    V2,
    a_policy,
    a_service,
    a_situation,
    at,
    met,
    revisions,
    suspected,
)
from tests.drills import a_drill, a_step

from firebreak.api.v1alpha1 import AIService, ContainmentDrill
from firebreak.api.v1alpha1.drill import DrillMode, DrillOutcome, OptionResult
from firebreak.api.v1alpha1.incident import ActionPhase
from firebreak.core.commands import Reason
from firebreak.core.drill import DrillFacts, Move, Record, Wait, checked, next_move
from firebreak.core.drill_options import Finding, options_of, policy_hash, rehearsed
from firebreak.core.drill_record import derived
from firebreak.core.ladder import CannotHelp, Plan
from firebreak.core.observations import Effect, Failed, InForce, Waiting
from firebreak.core.record import landed
from firebreak.core.situation import Hold, Situation

POLICY = a_policy(REVIEW_STEP, ROLL_BACK, TO_SMALL, TO_STATIC, NO_DATES)
FROZEN = a_policy(TO_SMALL, guardrails={"freeze": [{"cron": "0 0 * * *", "timeZone": "UTC", "duration": "24h"}]})
FOUND = Finding(result=OptionResult.READY, reason=Reason.REHEARSED, message="the API server accepts it")


def allowing(**containment: Any) -> AIService:
    """A service that lets drills execute."""
    declared = {"policy": {"name": "p"}, "mode": "Enforce", "executeDrills": True}
    return a_service(containment=declared | containment)


def facts(drill: ContainmentDrill, *, effect: Effect | None = None, incident: str = "", **rest: Any) -> DrillFacts:
    """Nothing is in the way."""
    service = rest.pop("service", None) or allowing()
    known = {"policy": POLICY} | rest
    s: Situation = a_situation(known.pop("verdict", met()), service=service, **known)
    return DrillFacts(drill=drill, service=service, situation=s, incident=incident, effect=effect)


def after(drill: ContainmentDrill, move: Move, now: datetime) -> ContainmentDrill:
    """The drill once its record says so."""
    assert isinstance(move, Record)
    return drill.model_copy(update={"status": derived(drill, move.status, None, now)})


def begun(drill: ContainmentDrill) -> ContainmentDrill:
    """Its first run has begun."""
    for _ in range(2):
        move = next_move(facts(drill), T0)
        if isinstance(move, Record):
            drill = after(drill, move, T0)
        if drill.status.run is not None:
            return drill
    raise AssertionError("it does not begin")


def executing(step: dict[str, Any] = TO_SMALL) -> ContainmentDrill:
    """Its one step is written, and not seen in force yet."""
    drill = begun(a_drill(DrillMode.EXECUTE, steps=[a_step(step)]))
    (option,) = drill.status.options
    drill = after(drill, checked(facts(drill), option, FOUND, T0), T0)
    drill = after(drill, next_move(facts(drill), T0), T0)
    assert drill.status.action is not None
    return applied(drill, ActionPhase.APPLIED, applied_at=at(seconds=1))


def applied(drill: ContainmentDrill, phase: ActionPhase, **changes: Any) -> ContainmentDrill:
    """The actuator has done what the record wants."""
    action = drill.status.action
    assert action is not None
    known = {"phase": phase, "writes": tuple(landed(w) for w in action.writes)} | changes
    return drill.model_copy(
        update={"status": drill.status.model_copy(update={"action": action.model_copy(update=known)})}
    )


# --- what is rehearsed


def test_every_step_of_every_ladder_is_rehearsed_once() -> None:
    """A fallback that one ladder names and another finds by its role is one step."""
    policy = a_policy(ladders=[{"steps": [TO_STATIC, ROLL_BACK]}, {"steps": [REVIEW_STEP, ROLL_BACK, TO_SMALL]}])

    found = options_of(a_service().spec, policy, (), DrillMode.VALIDATE)

    assert [o.name for o in found] == [
        "SwitchTraffic to apology",
        "RollBack",
        "RaiseHumanReview",
        "SwitchTraffic to small-model",
    ]
    assert {o.mode for o in found} == {DrillMode.VALIDATE}


def test_what_users_would_notice_is_executed_only_when_it_is_named() -> None:
    """A static answer by name; a rollback never."""
    unnamed = options_of(a_service().spec, POLICY, (), DrillMode.EXECUTE)
    named = options_of(
        a_service().spec, POLICY, tuple(a_drill(steps=[a_step(TO_STATIC)]).spec.steps), DrillMode.EXECUTE
    )

    assert {o.name: o.mode for o in unnamed} == {
        "RaiseHumanReview": DrillMode.EXECUTE,
        "RollBack": DrillMode.DRY_RUN,
        "SwitchTraffic to small-model": DrillMode.EXECUTE,
        "SwitchTraffic to apology": DrillMode.DRY_RUN,
        "DisableFeature date-summaries": DrillMode.EXECUTE,
    }
    assert [o.mode for o in named] == [DrillMode.EXECUTE]


def test_no_step_is_held_for_longer_than_five_minutes() -> None:
    """However much time a policy gives it to be proven."""
    quick = a_policy(TO_SMALL | {"verifyWithin": "30s"}, ROLL_BACK)

    assert [o.within for o in options_of(a_service().spec, quick, (), DrillMode.EXECUTE)] == [
        timedelta(seconds=30),
        timedelta(minutes=5),
    ]


def test_a_rollback_is_rehearsed_towards_the_revision_before_when_the_known_good_one_serves() -> None:
    """Otherwise a service in good order could never prove that a rollback would be accepted."""
    (option,) = options_of(a_service().spec, a_policy(ROLL_BACK), (), DrillMode.VALIDATE)
    proven = replace(V2, known_good_since=T0)

    good = rehearsed(a_situation(revision=replace(revisions(V2), known_good=V1)), option)
    serving = rehearsed(a_situation(revision=replace(revisions(V2), known_good=proven, history=(V1, proven))), option)
    alone = rehearsed(a_situation(revision=replace(revisions(V2), known_good=proven, history=(proven,))), option)

    assert isinstance(good, Plan)
    assert good.subject == "v1"
    assert isinstance(serving, Plan)
    assert (serving.subject, serving.because) == ("v1", "towards revision v1, since v2 is the known-good one")
    assert isinstance(alone, CannotHelp)
    assert alone.reason is Reason.NO_REVISION_CHANGE


def test_two_policies_that_say_the_same_have_the_same_hash() -> None:
    """So that a drill of another cluster can be compared."""
    assert policy_hash(a_policy(TO_SMALL)) == policy_hash(a_policy(TO_SMALL))
    assert policy_hash(a_policy(TO_SMALL)) != policy_hash(a_policy(TO_STATIC))


# --- when it begins


def test_a_drill_without_a_schedule_runs_once() -> None:
    """At once, and never again."""
    drill = begun(a_drill())

    assert drill.status.run is not None
    assert (drill.status.run.number, drill.status.run.mode) == (1, DrillMode.VALIDATE)
    assert drill.status.run.policy_hash == policy_hash(POLICY)
    over = drill.model_copy(update={"status": drill.status.model_copy(update={"options": ()})})
    over = after(over, next_move(facts(over), T0), T0)
    assert over.status.run is not None
    assert over.status.run.outcome is DrillOutcome.PASSED
    assert next_move(facts(over), at(days=1)) == Wait()


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        (Reason.EXECUTION_NOT_ALLOWED, {"service": allowing(executeDrills=False)}),
        (Reason.OBSERVING, {"service": allowing(mode="Observe")}),
        (Reason.PAUSED, {"holds": (Hold(reason=Reason.PAUSED, because="paused"),)}),
        (Reason.FREEZE_WINDOW, {"policy": FROZEN}),
        (Reason.CIRCUIT_BREAKER, {"breaker": Hold(reason=Reason.CIRCUIT_BREAKER, because="9 services")}),
        (Reason.OBJECTIVE_BREACHED, {"verdict": suspected()}),
        (Reason.INCIDENT_OPEN, {"incident": "summarizer-1"}),
    ],
)
def test_nothing_is_executed_while_something_forbids_it(reason: Reason, changed: dict[str, Any]) -> None:
    """The drill waits, says why, and is missed when that does not pass within ten minutes."""
    drill = a_drill(DrillMode.EXECUTE)

    waits = next_move(facts(drill, **changed), T0)
    late = next_move(facts(drill, **changed), at(minutes=10))

    assert isinstance(waits, Wait)
    assert waits.obstacle is not None
    assert (waits.obstacle[0], waits.until) == (reason, at(minutes=10))
    missed = after(drill, late, at(minutes=10)).status
    assert missed.run is not None
    assert (missed.run.outcome, missed.run.reason) == (DrillOutcome.MISSED, reason)
    assert missed.options == ()


@pytest.mark.parametrize("mode", [DrillMode.VALIDATE, DrillMode.DRY_RUN])
def test_what_changes_nothing_is_rehearsed_in_every_state_but_an_incident(mode: DrillMode) -> None:
    """Paused, observing, or with an objective in trouble: that is when one wants to know whether it would work."""
    drill, holds = a_drill(mode), (Hold(reason=Reason.PAUSED, because="paused"),)

    move = next_move(facts(drill, service=allowing(mode="Observe"), holds=holds, verdict=suspected()), T0)
    held = next_move(facts(drill, incident="summarizer-1"), T0)

    assert isinstance(move, Record)
    assert isinstance(held, Wait)


def test_a_second_drill_of_the_service_waits() -> None:
    """One at a time: each would find what the other does."""
    waits = next_move(replace(facts(a_drill()), other="nightly"), T0)

    assert isinstance(waits, Wait)
    assert waits.obstacle == (Reason.REHEARSING, "ContainmentDrill nightly of the same service is under way")


# --- executed, and given back


def test_a_step_is_given_back_as_soon_as_it_is_in_force_and_the_report_says_how_long_it_took() -> None:
    """Intent, acceptance, force, and everything as before: each is measured."""
    drill = executing()
    there = InForce(because="traffic was seen to have left the primary")

    drill = after(drill, next_move(facts(drill, effect=there), at(seconds=4)), at(seconds=4))
    drill = after(drill, next_move(facts(drill), at(seconds=4)), at(seconds=4))
    assert drill.status.state == "GivingBack"
    drill = applied(drill, ActionPhase.UNDONE, ended_at=at(seconds=5))
    drill = after(drill, next_move(facts(drill, effect=InForce(because="set")), at(seconds=6)), at(seconds=6))
    drill = after(drill, next_move(facts(drill), at(seconds=6)), at(seconds=6))

    (option,) = drill.status.options
    assert (option.result, option.reason) == (OptionResult.READY, Reason.REHEARSED)
    assert (option.accepted_seconds, option.in_force_seconds, option.given_back_seconds) == (1.0, 4.0, 2.0)
    assert (drill.status.state, drill.status.summary) == ("Passed", "1 of 1 ready")


@pytest.mark.parametrize("effect", [Failed(because="the Deployment is paused"), Waiting(because="0 of 6 pods ready")])
def test_a_step_that_does_not_come_into_force_is_given_back_and_fails_the_drill(effect: Effect) -> None:
    """At once when it failed, else when its time is over."""
    drill, late = executing(REVIEW_STEP), at(minutes=5)

    drill = after(drill, next_move(facts(drill, effect=effect), late), late)
    drill = applied(drill, ActionPhase.UNDONE, ended_at=late)
    drill = after(drill, next_move(facts(drill, effect=InForce(because="set")), late), late)
    drill = after(drill, next_move(facts(drill), late), late)

    (option,) = drill.status.options
    assert (option.result, option.reason) == (OptionResult.BLOCKED, Reason.NOT_IN_FORCE)
    assert effect.because in option.message
    assert drill.status.state == "Failed"
    passed = next(c for c in drill.status.conditions if c.type == "Passed")
    assert (passed.status, passed.reason) == ("False", "DrillFailed")


@pytest.mark.parametrize("phase", [ActionPhase.INTENDED, ActionPhase.APPLIED, ActionPhase.IN_FORCE])
def test_an_incident_ends_a_drill_at_any_point_of_a_step(phase: ActionPhase) -> None:
    """What was written, or may have been, goes back first; then the run is over as Yielded."""
    drill = applied(executing(), phase, in_force_at=None)
    come = DrillFacts(drill=drill, service=allowing(), incident="summarizer-1")

    drill = after(drill, next_move(come, at(seconds=9)), at(seconds=9))
    drill = after(drill, next_move(replace(come, drill=drill), at(seconds=9)), at(seconds=9))
    assert drill.status.action is not None
    assert drill.status.action.phase is ActionPhase.UNDOING
    assert {w.path: w.desired for w in drill.status.action.writes} == {
        w.path: w.original for w in drill.status.action.writes
    }
    drill = applied(drill, ActionPhase.UNDONE, ended_at=at(seconds=9))
    for _ in range(2):
        drill = after(drill, next_move(replace(come, drill=drill), at(seconds=9)), at(seconds=9))

    assert drill.status.run is not None
    assert (drill.status.run.outcome, drill.status.run.reason) == (DrillOutcome.YIELDED, Reason.INCIDENT_OPEN)
    assert drill.status.action is None


def test_an_incident_waits_fifteen_seconds_for_what_cannot_be_given_back() -> None:
    """Then the drill lets go, and says what it has left."""
    come = DrillFacts(drill=executing(), service=allowing(), incident="summarizer-1")
    for _ in range(2):
        come = replace(come, drill=after(come.drill, next_move(come, T0), T0))

    still = next_move(come, at(seconds=14))
    gone = after(come.drill, next_move(come, at(seconds=15)), at(seconds=15))

    assert isinstance(still, Wait)
    assert gone.status.action is None
    assert "was left to the incident: HTTPRoute summarizer" in gone.status.options[0].message


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        (Reason.EXECUTION_NOT_ALLOWED, {"service": allowing(executeDrills=False)}),
        (Reason.OBSERVING, {"service": allowing(mode="Observe")}),
        (Reason.SUSPENDED, {"holds": (Hold(reason=Reason.SUSPENDED, because="suspended"),)}),
        (Reason.OBJECTIVE_BREACHED, {"verdict": suspected()}),
    ],
)
def test_what_forbids_an_execution_ends_one(reason: Reason, changed: dict[str, Any]) -> None:
    """A pause, a suspension, a word withdrawn, or evidence of harm."""
    drill = executing()

    move = next_move(facts(drill, effect=InForce(because="set"), **changed), at(seconds=3))

    stopping = after(drill, move, at(seconds=3)).status
    assert stopping.run is not None
    assert stopping.run.stop is not None
    assert stopping.run.stop.reason == reason


def test_a_drill_that_is_deleted_gives_back_first() -> None:
    """Its finalizer is there for that."""
    drill = executing()
    drill = drill.model_copy(update={"metadata": drill.metadata.model_copy(update={"deletion_timestamp": T0})})

    for _ in range(2):
        drill = after(drill, next_move(facts(drill, effect=InForce(because="set")), T0), T0)

    assert drill.status.action is not None
    assert drill.status.action.phase is ActionPhase.UNDOING
