"""A second opinion: random walks through a wider world, with two objectives, two ladders and everything that may happen.

The model checker sees every order of a few kinds of events; these see a few orders of all of them.
"""

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.builders import NO_DATES, REVIEW_STEP, V1, V2, V3, V4, a_gauge, a_policy, a_ratio, a_service
from tests.property.core.containment_rules import (
    broken_at_rest,
    broken_by_repetition,
    broken_by_turn,
    broken_by_world,
    broken_by_writing,
)
from tests.property.core.containment_world import Setting, World, acted, decided, is_over, past_of, with_commands
from tests.property.core.model_search import Events, all_of
from tests.property.core.questions import BACK, P1, SMALL, STATIC, quick_policy
from tests.property.core.surroundings import (
    acknowledgements,
    approvals,
    deployments,
    effects,
    evidence,
    flips,
    folds,
    other_hands,
    person,
    resolutions,
    rollouts,
)

from firebreak.api.v1alpha1.aiservice import Mode
from firebreak.api.v1alpha1.policy import Severity

_LADDERS = [
    {"when": {"categories": ["PolicyViolation"]}, "steps": [STATIC, BACK]},
    {"when": {"categories": ["Pipeline"]}, "steps": [NO_DATES, SMALL]},
    {"steps": [REVIEW_STEP, BACK, SMALL, NO_DATES]},
]
_SERVICES = {
    "two ratios": a_service(a_ratio(), a_ratio("violations", category="PolicyViolation")),
    "a ratio and a gauge": a_service(a_ratio(), a_gauge("freshness")),
}


def _surroundings() -> Events:
    return all_of(
        *(evidence("Met", "Suspected", "Confirmed", "ConfirmedAnew", "Inconclusive", "Error", of=i) for i in (0, 1)),
        *(folds("Recovered", "Improved", "NotHelped", "Inconclusive", "Error", of=i) for i in (0, 1)),
        effects("Waiting", "InForce", "Failed"),
        rollouts,
        person(
            contain=(True, False),
            release=(True, False),
            acknowledged=(True, False),
            severity=(Severity.P1, Severity.P4),
        ),
        resolutions,
        approvals,
        acknowledgements,
        deployments(V1, V2, V3, V4),
        other_hands(0, 1, 3, 4, 6, 7, 8),
        flips("refuses", "is_paused", "is_wave", "is_ready"),
    )


class Containment(RuleBasedStateMachine):
    """One service through several incidents."""

    @initialize(
        service=st.sampled_from(sorted(_SERVICES)),
        when=st.sampled_from(["NewRevision", "GaugeRecovered", "Person"]),
        starts=st.tuples(st.sampled_from(["Met", "Confirmed"]), st.sampled_from(["Met", "Suspected"])),
        mode=st.sampled_from([Mode.ENFORCE, Mode.ENFORCE, Mode.OBSERVE]),
        is_declared=st.booleans(),
        needs_approval=st.booleans(),
    )
    def begin(
        self, service: str, when: str, starts: tuple[str, str], mode: Mode, is_declared: bool, needs_approval: bool
    ) -> None:
        required = {severity: "Required" for severity in ("P1", "P2", "P3", "P4") if needs_approval}
        policy = quick_policy(ladders=_LADDERS, severity=P1, when=when, approval=required)
        rails = a_policy(guardrails={"cooldown": "15m", "maxContainments": {"count": 2, "per": "24h"}}).guardrails
        spec = _SERVICES[service].spec
        spec = spec.model_copy(update={"containment": spec.containment.model_copy(update={"mode": mode})})
        self.setting = Setting(
            spec=spec,
            policy=policy.model_copy(update={"guardrails": rails}),
            needs_approval=needs_approval,
            has_pager=False,
        )
        self.events = _surroundings()
        self.world = World(verdicts=starts, folds=("Inconclusive",) * 2, mode=mode, is_declared=is_declared)

    @rule(data=st.data())
    def something_changes(self, data: st.DataObject) -> None:
        after = dict(self.events(self.world))
        if after:
            self.world = after[data.draw(st.sampled_from(sorted(after)), label="event")]

    @rule()
    def turn(self) -> None:
        """Until there is nothing left to decide or to write, as one turn of the loop."""
        for _ in range(60):
            if not self._moves(kill=None):
                decision = decided(self.setting, self.world)
                self._hold(broken_at_rest(self.setting, self.world, decision))
                return
        raise AssertionError("a turn does not come to an end")

    @rule(data=st.data())
    def killed_in_a_turn(self, data: st.DataObject) -> None:
        """After some moves, between any two writes."""
        for _ in range(data.draw(st.integers(0, 4), label="moves")):
            self._moves(kill=None)
        self._moves(kill=data.draw(st.integers(0, 5), label="writes"))

    @rule()
    def time_passes(self) -> None:
        decision = decided(self.setting, self.world)
        if decision.wake_at is not None and not decision.commands:
            self.world = replace(self.world, now=max(decision.wake_at, self.world.now))

    @precondition(lambda self: is_over(self.world))
    @rule()
    def another_one_may_begin(self) -> None:
        self.world = World(
            now=self.world.now,
            fields=self.world.fields,
            changed_at=self.world.changed_at,
            theirs=frozenset(range(9)),
            verdicts=self.world.verdicts,
            folds=("Inconclusive",) * 2,
            mode=self.world.mode,
            is_paused=self.world.is_paused,
            is_wave=self.world.is_wave,
            past=past_of(self.world),
        )

    def _moves(self, kill: int | None) -> bool:
        if is_over(self.world):
            return False
        decision = decided(self.setting, self.world)
        if decision.commands:
            self._hold(broken_by_turn(self.setting, self.world, decision))
            self._hold(broken_by_repetition(self.world, decision))
            self.world = with_commands(self.setting, self.world, decision.commands)
            return True
        writes = list(acted(self.world)) if self.world.status is not None else []
        if not writes:
            return False
        for written in writes:
            self._hold(broken_by_writing(self.setting, self.world, written))
        self.world = writes[-1 if kill is None else min(kill, len(writes) - 1)].world
        return True

    @invariant()
    def nothing_is_broken(self) -> None:
        if hasattr(self, "world"):
            self._hold(broken_by_world(self.world))

    def _hold(self, broken: Iterator[str]) -> None:
        words = list(broken)
        assert not words, f"{words}\nin {self.world}"


IS_THOROUGH = settings.get_current_profile_name() == "thorough"
TestContainment = Containment.TestCase
TestContainment.settings = settings(
    max_examples=2000 if IS_THOROUGH else 60, stateful_step_count=60 if IS_THOROUGH else 40, deadline=None
)
