"""The circuit breaker over real measuring: it sees a wave, tells what it looks like, and is taken up after a restart."""

from datetime import datetime, timedelta

from tests.recorded import RecordedStore

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.control import Breaker, BreakerCause, BreakerState
from firebreak.app.breaker import CircuitBreaker
from firebreak.app.catalog import Catalog
from firebreak.app.clock import SystemClock
from firebreak.app.grid import Grid
from firebreak.app.queue import Turns
from firebreak.app.sampler import Sampler
from firebreak.app.telemetry import Telemetry
from firebreak.core.breaker import BreakerRules, ways_out
from firebreak.core.detectors.rules import Sequential
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Ratio, ServiceKey, SourceKey
from firebreak.core.ports import KubeObject
from firebreak.core.ports_metrics import SourceUnreachable
from firebreak.core.verdict import Verdict

GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
FIRST = 29_000_000
SOURCE = SourceKey("", "default")
NAMES = tuple(f"s{i}" for i in range(8))


def an_object(kind: str, name: str, version: int, namespace: str = "docs", **rest: object) -> KubeObject:
    metadata = {"name": name, "namespace": namespace, "resourceVersion": str(version), "generation": 1}
    return {"apiVersion": "firebreak.dev/v1alpha1", "kind": kind, "metadata": metadata} | rest


def a_service(name: str) -> KubeObject:
    objective = {
        "name": "groundedness",
        "category": "Hallucination",
        "indicator": {"badSelector": "bad_total", "totalSelector": "judged_total"},
        "target": "95%",
        "detector": {"kind": "Sequential", "step": "60s"},
    }
    spec = {
        "metrics": {"labels": {"service": name}},
        "objectives": [objective],
        "containment": {"policy": {"name": "p"}, "mode": "Enforce"},
    }
    return an_object("AIService", name, 1, spec=spec)


def watched(name: str) -> ObjectiveSpec:
    return ObjectiveSpec(
        key=ObjectiveKey("docs", name, "groundedness"),
        category="Hallucination",
        indicator=Ratio(bad="bad_total", total="judged_total"),
        rule=Sequential(allowed=0.05),
        matchers=(("service", name),),
        segments=(),
        source=SOURCE,
        step=GRID.step,
        settle=GRID.settle,
    )


class World:
    """Eight services of one metric source."""

    def __init__(self) -> None:
        self.store = RecordedStore(GRID)
        self.step = 0
        self._totals: dict[tuple[str, str], float] = {}
        self._version = 10
        self.count(())
        for _ in range(30):
            self.count(())
        self.start()

    def start(self, *, leads: bool = True) -> None:
        """The process begins, and knows what stands in the cluster."""
        self.leads = leads
        self.touched: set[ServiceKey] = set()
        self.catalog = Catalog(self.touched.add)
        for name in NAMES:
            self.catalog.see(a_service(name))
        self.sampler = Sampler(lambda key: self.store if key == SOURCE else None)
        self.breaker = CircuitBreaker(
            rules=BreakerRules(),
            catalog=self.catalog,
            sampler=self.sampler,
            turns=Turns(SystemClock()),
            telemetry=Telemetry(),
            leads=lambda: self.leads,
        )

    def count(self, bad: tuple[str, ...]) -> None:
        """One step: half of the answers of these are bad."""
        self.step += 1
        for name in NAMES:
            for metric, grown in (("bad_total", 20 if name in bad else 0), ("judged_total", 40)):
                self._totals[metric, name] = self._totals.get((metric, name), 0.0) + grown
                labels = {"namespace": "docs", "service": name}
                self.store.write(metric, labels, {FIRST + self.step: self._totals[metric, name]})

    @property
    def now(self) -> datetime:
        return GRID.end(FIRST + self.step) + GRID.settle

    async def round(self) -> Breaker:
        """One round of measuring."""
        self.breaker.follow(await self.sampler.sample([watched(n) for n in NAMES], self.now), self.now)
        assert self.breaker.state is not None
        return self.breaker.state

    async def steps(self, number: int, bad: tuple[str, ...]) -> Breaker:
        """So many steps, each of them measured."""
        for _ in range(number):
            self.count(bad)
            state = await self.round()
        return state

    def control(self, breaker: Breaker, confirmed: int | None = None) -> None:
        """What stands in FirebreakControl."""
        self._version += 1
        spec, status = {"confirmedTrip": confirmed}, {"breaker": breaker.dump()}
        self.catalog.see(an_object("FirebreakControl", "firebreak", self._version, "", spec=spec, status=status))

    def incident(self, name: str, detected_at: datetime, again_at: datetime | None = None) -> AIIncident:
        """An incident that was opened before; its objective was met in between, and is breached again."""
        objective = {"name": "groundedness", "category": "Hallucination", "tier": "Suspected"}
        if again_at is not None:
            objective["breachedSince"] = again_at.isoformat()
        status = {"detectedAt": detected_at.isoformat(), "objectives": [objective]}
        raw = an_object("AIIncident", f"{name}-1", 5, spec={"service": name}, status=status)
        self.catalog.see(raw)
        return AIIncident.model_validate(raw)


async def test_a_wave_trips_it_before_anyone_has_a_turn() -> None:
    """Six of eight become bad in the same step; each of their incidents is held."""
    world = World()
    assert (await world.round()).state is BreakerState.READY
    state = await world.steps(12, NAMES[:6])
    assert (state.state, state.breached, state.total, state.trip) == (BreakerState.TRIPPED, 6, 8, 1)
    assert state.cause is BreakerCause.COMMON_CAUSE
    assert world.breaker.hold(world.incident("s0", world.now)) is not None
    assert world.breaker.hold(None) is None


async def test_five_of_eight_are_five_incidents() -> None:
    """The breaker is for what no single service explains."""
    world = World()
    await world.round()
    assert (await world.steps(12, NAMES[:5])).state is BreakerState.READY


async def test_a_restart_in_a_wave_holds_on() -> None:
    """The trip stands in the object, and who is bad in the incidents: neither is new, and none is released."""
    world = World()
    await world.round()
    state = await world.steps(12, NAMES[:6])
    world.start()
    world.control(Breaker.model_validate(state.dump()))
    for name in NAMES[:6]:
        world.incident(name, state.since or world.now)
    assert (await world.round()).state is BreakerState.TRIPPED
    state = await world.steps(10, NAMES[:6])
    assert (state.state, state.trip) == (BreakerState.TRIPPED, 1)


async def test_incidents_of_long_ago_are_no_wave_after_a_restart() -> None:
    """Six that have been bad for an hour were not so at once because the process is new."""
    world = World()
    await world.steps(12, NAMES[:6])
    world.start()
    for name in NAMES[:6]:
        world.incident(name, world.now - timedelta(hours=1))
    assert (await world.round()).state is BreakerState.READY


async def test_a_source_that_does_not_answer_ends_no_wave() -> None:
    """What cannot be read stays what it was, and looks like broken metrics."""
    world = World()
    await world.round()
    await world.steps(12, NAMES[:6])
    world.store.fails = SourceUnreachable("http://prometheus: no answer within 10s")
    state = await world.steps(30, NAMES[:6])
    assert state.state is BreakerState.TRIPPED
    assert state.cause is BreakerCause.METRICS_PIPELINE
    assert "no answer within 10s" in state.because
    assert "once they are well" in ways_out(state)


async def test_a_confirmation_in_the_object_releases_all() -> None:
    """And every service with an open incident has a turn."""
    world = World()
    await world.round()
    state = await world.steps(12, NAMES[:6])
    incident = world.incident("s0", world.now)
    world.control(state, confirmed=1)
    assert (await world.round()).state is BreakerState.CONFIRMED
    assert world.breaker.hold(incident) is None


async def test_a_restart_holds_what_was_held_before_it_has_measured_anything() -> None:
    """Also what has no incident yet: the trip names it, and a turn that comes first finds it held."""
    world = World()
    await world.round()
    state = await world.steps(12, NAMES[:6])
    since = state.since or world.now
    world.store.fails = SourceUnreachable("http://prometheus: no answer within 10s")
    world.start()
    world.control(state)
    opened = world.incident("s0", since)
    assert world.breaker.hold(opened) is not None, "before the first round"
    assert (await world.round()).state is BreakerState.TRIPPED
    assert world.breaker.hold(opened) is not None
    world.store.fails = None
    assert (await world.steps(3, NAMES[:6])).state is BreakerState.TRIPPED
    assert (await world.steps(1, NAMES[:6])).trip == 1


async def test_a_restart_keeps_confirmed_what_was_confirmed() -> None:
    """And goes on counting what comes after it: the wave that a person saw is no part of the next."""
    world = World()
    await world.round()
    world.control(await world.steps(12, NAMES[:6]))
    world.control(world.breaker.state or Breaker(), confirmed=1)
    state = await world.round()
    assert state.state is BreakerState.CONFIRMED
    world.start()
    world.control(state, confirmed=1)
    mine = [world.incident(name, state.since or world.now) for name in NAMES[:6]]
    assert world.breaker.hold(mine[0]) is None, "before the first round"
    state = await world.steps(6, NAMES[:6])
    assert (state.state, state.trip) == (BreakerState.CONFIRMED, 1)
    assert [world.breaker.hold(i) for i in mine] == [None] * 6


async def test_a_restart_tells_what_broke_again_from_what_is_bad_since_long() -> None:
    """Their incidents are of this morning, and the wave is of now: the record says since when each is breached."""
    world = World()
    await world.steps(12, NAMES[:6])
    world.start()
    trip = Breaker(trip=1, state=BreakerState.TRIPPED, since=world.now, breached=6, total=8)
    world.control(trip)
    morning = world.now - timedelta(hours=5)
    for name in NAMES[:6]:
        world.incident(name, morning, again_at=world.now - timedelta(minutes=1))
    assert (await world.round()).state is BreakerState.TRIPPED


async def test_who_does_not_lead_holds_what_the_leader_holds() -> None:
    """A standby that sees less than the leader ends no trip; it leads with the leader's, and ends it by its own view then."""
    world = World()
    await world.round()
    held = await world.steps(12, NAMES[:6])
    for _ in range(400):
        world.count(())
    world.start(leads=False)
    world.control(held)
    opened = world.incident("s0", held.since or world.now)
    for _ in range(3):
        assert (await world.steps(1, ())).state is BreakerState.TRIPPED
        assert world.breaker.hold(opened) is not None
    world.leads = True
    assert (await world.round()).state is BreakerState.READY


async def test_a_standby_takes_over_what_was_confirmed_with_its_moment() -> None:
    """Whoever leads next holds the next wave, and leaves alone what a person has seen."""
    world = World()
    world.leads = False
    await world.round()
    held = await world.steps(12, NAMES[:6])
    assert held.state is BreakerState.TRIPPED, "it sees the wave by itself too"
    told = held.model_copy(
        update={"state": BreakerState.CONFIRMED, "heard_at": world.now, "confirmed_at": world.now, "total": 8}
    )
    world.control(told, confirmed=1)
    assert (await world.round()).confirmed_at == told.confirmed_at
    world.leads = True
    state = await world.steps(2, NAMES[:6])
    assert (state.state, state.confirmed_at) == (BreakerState.CONFIRMED, told.confirmed_at)


class Torn(Sampler):
    """A sampler that fails over one service's verdict."""

    broken = ""

    def verdict(self, key: ObjectiveKey, now: datetime) -> Verdict:
        if key.service == self.broken:
            raise ArithmeticError("nobody foresaw this")
        return super().verdict(key, now)


async def test_one_service_that_cannot_be_judged_blinds_the_breaker_to_no_other() -> None:
    """It counts as unread; six of the others are a wave all the same."""
    world = World()
    world.sampler = Torn(lambda key: world.store if key == SOURCE else None)
    world.breaker = CircuitBreaker(
        rules=BreakerRules(),
        catalog=world.catalog,
        sampler=world.sampler,
        turns=Turns(SystemClock()),
        telemetry=Telemetry(),
    )
    await world.round()
    Torn.broken = "s7"
    state = await world.steps(12, NAMES)
    Torn.broken = ""
    assert (state.state, state.breached) == (BreakerState.TRIPPED, 7)
