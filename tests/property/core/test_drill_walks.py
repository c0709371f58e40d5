"""Whatever happens around a drill, at the end everything stands as before, and an incident never waits for long.

Random walks through drills of every mode, with incidents, other hands, refusals, effects that do not come, and an
operator that is killed after any write.
"""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.builders import (
    KEY,
    NO_DATES,
    REVIEW_STEP,
    ROLL_BACK,
    T0,
    TO_SMALL,
    TO_STATIC,
    a_policy,
    a_service,
    a_situation,
    met,
    revisions,
    suspected,
)
from tests.drills import a_drill, a_step
from tests.property.core.containment_world import HISTORY, World, acted, fields_of, objects_of, set_by_someone

from firebreak.api.v1alpha1 import ContainmentDrill
from firebreak.api.v1alpha1.drill import DrillMode, DrillOutcome, OptionResult
from firebreak.api.v1alpha1.incident import ActionPhase, AIIncidentStatus
from firebreak.core.commands import Reason
from firebreak.core.drill import YIELDED_WITHIN, Check, DrillFacts, Record, Wait, checked, next_move
from firebreak.core.drill_options import Finding
from firebreak.core.drill_record import derived, is_running
from firebreak.core.observations import Effect, Failed, InForce, Waiting
from firebreak.core.situation import Hold

_EFFECTS: dict[str, Effect] = {
    "Waiting": Waiting(because="2 of 6 pods are ready"),
    "InForce": InForce(because="6 pods are ready"),
    "Failed": Failed(because="the Deployment is paused"),
}
_BEGINNING = fields_of(HISTORY[1])
_POLICY = a_policy(REVIEW_STEP, ROLL_BACK, TO_SMALL, TO_STATIC, NO_DATES)
_CHANGING = (ActionPhase.INTENDED, ActionPhase.APPLIED, ActionPhase.IN_FORCE)


class Drilling(RuleBasedStateMachine):
    """One drill of one service, from its creation on."""

    @initialize(
        mode=st.sampled_from([DrillMode.EXECUTE, DrillMode.EXECUTE, DrillMode.DRY_RUN, DrillMode.VALIDATE]),
        named=st.booleans(),
    )
    def begin(self, mode: DrillMode, named: bool) -> None:
        steps = [a_step(step) for step in (TO_STATIC, REVIEW_STEP)] if named else []
        self.drill = a_drill(mode, steps=steps)
        self.world = World(now=T0, fields=_BEGINNING, verdicts=(), folds=())
        self.service = a_service(containment={"policy": {"name": "p"}, "mode": "Enforce", "executeDrills": True})
        self.incident = ""
        self.breached = self.held = self.let_go = False
        self.set_to: dict[int, object] = {}
        self.waited_since = T0

    # --- what happens around it

    @rule(name=st.sampled_from(["Waiting", "InForce", "InForce", "Failed"]))
    def effect(self, name: str) -> None:
        self.world = replace(self.world, effect=name)

    @rule(place=st.sampled_from([3, 4, 5, 6, 7, 8]))
    def someone_sets(self, place: int) -> None:
        value = 1000 + place if place < 7 else "theirs"
        self.set_to[place] = value
        self.world = set_by_someone(self.world, {place: value})

    @rule(refuses=st.booleans())
    def the_api_server_refuses(self, refuses: bool) -> None:
        self.world = replace(self.world, refuses=refuses)

    @rule(opens=st.booleans())
    def incident_comes_or_ends(self, opens: bool) -> None:
        self.incident = "summarizer-1" if opens else ""

    @rule(breached=st.booleans(), held=st.booleans())
    def the_service_changes(self, breached: bool, held: bool) -> None:
        self.breached, self.held = breached, held

    @rule(suspend=st.booleans())
    def someone_suspends_the_drill(self, suspend: bool) -> None:
        spec = self.drill.spec.model_copy(update={"suspend": suspend})
        self.drill = self.drill.model_copy(update={"spec": spec})

    @rule(seconds=st.sampled_from([1, 5, 20, 400]))
    def time_passes(self, seconds: int) -> None:
        self.world = replace(self.world, now=self.world.now + timedelta(seconds=seconds))

    # --- what the operator does

    @rule(result=st.sampled_from([OptionResult.READY, OptionResult.READY, OptionResult.BLOCKED]))
    def turn(self, result: OptionResult) -> None:
        for _ in range(60):
            if not self._moved(result, kill=None):
                break
        else:
            raise AssertionError(f"no end of moves: {self.drill.status}")
        if self.incident and not self.world.refuses:
            assert not is_running(self.drill.status), "an incident does not wait for a drill that can give back"

    @rule(moves=st.integers(0, 6), writes=st.integers(0, 3))
    def killed_in_a_turn(self, moves: int, writes: int) -> None:
        for _ in range(moves):
            self._moved(OptionResult.READY, kill=None)
        self._moved(OptionResult.READY, kill=writes)

    def _facts(self) -> DrillFacts:
        verdict = suspected() if self.breached else met()
        holds = (Hold(reason=Reason.PAUSED, because="paused"),) if self.held else ()
        s = a_situation(
            verdict,
            service=self.service,
            policy=_POLICY,
            objects=objects_of(self.world.fields),
            revision=revisions(HISTORY[1]),
            holds=holds,
        )
        looked = None if self.incident else s
        effect = _EFFECTS[self.world.effect] if self.drill.status.action else None
        return DrillFacts(
            drill=self.drill, service=self.service, situation=looked, incident=self.incident, effect=effect
        )

    def _moved(self, result: OptionResult, kill: int | None) -> bool:
        facts, now, before = self._facts(), self.world.now, self.drill
        move = next_move(facts, now)
        if isinstance(move, Check):
            found = Finding(result=result, reason=Reason.REHEARSED, message="accepted")
            move = checked(facts, move.option, found, now)
        if isinstance(move, Record):
            self.drill = before.model_copy(update={"status": derived(before, move.status, None, now)})
            self._hold_to_the_rules(before)
        moved = self._carried_out(kill)
        return isinstance(move, Record) or moved

    def _carried_out(self, kill: int | None) -> bool:
        """As app/drills.py has the actuator do it."""
        action = self.drill.status.action
        if action is None:
            return False
        world = replace(self.world, status=AIIncidentStatus(mode=self.world.mode, actions=(action,)))
        ways = list(acted(world))
        if not ways:
            return False
        after = ways[-1 if kill is None else min(kill, len(ways) - 1)].world
        assert after.status is not None
        # acted() lets an effect that is awaited anew begin as Waiting; what comes of it is a rule of this machine.
        self.world = replace(after, status=None, effect=self.world.effect)
        (done,) = after.status.actions
        self.drill = self.drill.model_copy(update={"status": self.drill.status.model_copy(update={"action": done})})
        return done != action

    def _hold_to_the_rules(self, before: ContainmentDrill) -> None:
        was, now = before.status.action, self.drill.status.action
        if was is None and now is not None:
            assert self.drill.spec.mode is DrillMode.EXECUTE
            assert not self.incident, "nothing is begun while an incident is open"
            assert not self.held, "nothing is begun that is forbidden"
            assert now.kind != "RollBack"
        if was is not None and now is None and was.phase is ActionPhase.UNDOING:
            assert self.incident, "only for an incident anything is left as it is"
            stop = before.status.run.stop if before.status.run else None
            assert stop is not None
            assert self.world.now - stop.at >= YIELDED_WITHIN
            self.let_go = True
        assert not (self.incident and now is not None and now.phase in _CHANGING and was is None)

    @invariant()
    def what_is_over_stands_as_before(self) -> None:
        if not hasattr(self, "drill") or is_running(self.drill.status):
            return
        assert self.drill.status.action is None
        if not self.let_go:
            wanted = tuple(self.set_to.get(i, held) for i, held in enumerate(_BEGINNING))
            assert self.world.fields == wanted

    @invariant()
    def only_execution_writes(self) -> None:
        if hasattr(self, "drill") and self.drill.spec.mode is not DrillMode.EXECUTE:
            assert self.world.fields == tuple(self.set_to.get(i, held) for i, held in enumerate(_BEGINNING))

    def teardown(self) -> None:
        """Left alone with an API server that answers, every run ends."""
        if not hasattr(self, "drill"):
            return
        self.world = replace(self.world, refuses=False)
        for _ in range(80):
            if not self._moved(OptionResult.READY, kill=None):
                self.world = replace(self.world, now=self.world.now + timedelta(minutes=6))
            run = self.drill.status.run
            if run is not None and run.ended_at is not None:
                assert run.outcome in DrillOutcome
                self.what_is_over_stands_as_before()
                return
            if isinstance(next_move(self._facts(), self.world.now), Wait) and self.drill.spec.suspend and run is None:
                return
        raise AssertionError(f"no end of {KEY}: {self.drill.status}")


IS_THOROUGH = settings.get_current_profile_name() == "thorough"
TestDrilling = Drilling.TestCase
TestDrilling.settings = settings(max_examples=1000 if IS_THOROUGH else 100, stateful_step_count=40, deadline=None)
