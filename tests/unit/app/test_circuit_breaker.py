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

    def start(self) -> None:
        """The process begins, and knows what stands in the cluster."""
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

    def incident(self, name: str, detected_at: datetime) -> AIIncident:
        """An incident that was opened before."""
        objective = {"name": "groundedness", "category": "Hallucination", "tier": "Suspected"}
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
