"""The circuit breaker over random waves: whatever comes and goes, a person's word releases what they can have seen."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.builders import T0

from firebreak.api.v1alpha1.control import Breaker, BreakerState
from firebreak.core.breaker import BreakerRules, Wave, hold_of_breaker, judge, seen
from firebreak.core.objectives import ServiceKey

RULES = BreakerRules(services=2, share=0.2, within=timedelta(minutes=5))
KEYS = [ServiceKey("docs", f"s{i}") for i in range(10)]

Event = tuple[tuple[str, object, bool], int]
_HALVES = [set(range(5)), set(range(5, 10)), {0, 1, 2}, {5, 6, 7}, {7, 8, 9}, set(range(10))]
looks = st.tuples(st.just("look"), st.integers(0, 9), st.booleans())
waves = st.tuples(st.just("wave"), st.sampled_from(_HALVES), st.sampled_from([True, True, True, False]))
words = st.tuples(st.just("confirm"), st.sampled_from([0, 0, 0, 0, -1, 1, 2, None]), st.just(True))
metrics = st.tuples(st.just("ill"), st.just(0), st.booleans())
events = st.one_of(looks, waves, waves, words, words, metrics)
histories = st.lists(st.tuples(events, st.sampled_from([0, 1, 1, 30, 30, 120, 400])), min_size=16, max_size=30)


@dataclass
class Living:
    """An installation as time goes by, and what a person has said of it, in the test's own words."""

    now: datetime = T0
    wave: Wave = field(default_factory=lambda: Wave(since={}, total=len(KEYS)))
    breaker: Breaker = field(default_factory=Breaker)
    confirmed: int | None = None
    said: dict[int, datetime] = field(default_factory=dict)
    """Of each trip, when a person last began to confirm it, while it was tripped."""
    followed: datetime = T0 - timedelta(days=1)
    """When the last word was said that was followed."""
    is_ill: bool = False

    def goes_on(self, event: Event) -> None:
        (kind, what, flag), seconds = event
        self.now += timedelta(seconds=seconds)
        match kind, what:
            case "look", int():
                self.wave = seen(self.wave, KEYS[what], flag, self.now)
            case "wave", set():
                for i in what:
                    self.wave = seen(self.wave, KEYS[i], flag, self.now)
            case "confirm", _:
                self.hears(self.breaker.trip + what if isinstance(what, int) else 0)
            case "ill", _:
                self.is_ill = flag
        signs = dict.fromkeys(KEYS, "odd") if self.is_ill else {}
        self.breaker = judge(self.breaker, self.wave, signs, self.confirmed, RULES, self.now)
        if self.breaker.state is BreakerState.CONFIRMED:
            self.followed = self.said[self.breaker.trip]

    def hears(self, number: int) -> None:
        if number == self.confirmed:
            return
        if self.breaker.state is BreakerState.TRIPPED:
            self.said.pop(self.breaker.trip, None)
            if number == self.breaker.trip:
                self.said[number] = self.now
        self.confirmed = number if number > 0 else None

    def newly(self, after: datetime) -> set[ServiceKey]:
        return {k for k, at in self.wave.since.items() if at > after and self.now - at < RULES.within}

    def held(self) -> set[ServiceKey]:
        """The breached services of which the next step is held."""
        return {k for k, at in self.wave.since.items() if hold_of_breaker(self.breaker, RULES, "docs", "i", at)}


@given(histories)
def test_a_word_releases_only_what_could_be_seen_when_it_was_said(history: list[Event]) -> None:
    """What was held and is bad still is held on, or its trip was confirmed after it became bad, or the wave is over."""
    world = Living()
    for event in history:
        before, held = world.breaker, world.held()
        world.goes_on(event)
        after, released = world.breaker, held & set(world.wave.since) - world.held()
        if released and after.state is not BreakerState.READY:
            assert before.trip in world.said, f"{released} are released, and nobody has said so of trip {before.trip}"
            assert after.state is BreakerState.CONFIRMED
            assert len(world.newly(world.followed)) <= RULES.limit(len(KEYS)), "a wave that nobody saw is released"
        if after.state is BreakerState.TRIPPED:
            assert world.held() >= {k for k, at in world.wave.since.items() if at > world.followed}


@given(histories)
def test_it_trips_when_and_only_when_many_became_bad_that_nobody_spoke_of(history: list[Event]) -> None:
    """In every state; while it is tripped and nobody has spoken, what comes is part of the same wave."""
    world = Living()
    for event in history:
        before = world.breaker
        world.goes_on(event)
        spoken = max(world.followed, world.said.get(before.trip, world.followed))
        many = len(world.newly(spoken)) > RULES.limit(len(KEYS))
        if many:
            assert world.breaker.state is BreakerState.TRIPPED
            assert world.newly(spoken) <= world.held()
        if world.breaker.trip > before.trip:
            assert many
            assert before.state is not BreakerState.TRIPPED or before.trip in world.said


@given(histories)
def test_what_is_confirmed_is_not_held_again_while_it_stays_bad(history: list[Event]) -> None:
    """A later trip is about what came later."""
    world, free = Living(), set[tuple[ServiceKey, datetime]]()
    for event in history:
        world.goes_on(event)
        if world.breaker.state is BreakerState.CONFIRMED:
            free |= {(k, at) for k, at in world.wave.since.items() if at <= world.followed}
        assert not {k for k, at in free if world.wave.since.get(k) == at} & world.held()


@given(histories)
def test_a_restart_at_any_moment_changes_nothing(history: list[Event]) -> None:
    """What stands in the object is all that there is to know, beside what is bad."""
    world, restarted = Living(), Living()
    for event in history:
        world.goes_on(event)
        restarted.breaker = Breaker.model_validate(restarted.breaker.dump())
        restarted.goes_on(event)
        assert restarted.breaker == world.breaker
