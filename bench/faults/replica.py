"""One replica of the operator: its real parts, put together as app/main.py does, on a simulated connection.

What is not the real thing is outside of the process (the API server, its watch, Prometheus) or has no part in acting
(Kopf, the health endpoints).
"""

import asyncio
import random
import traceback
from datetime import timedelta

from bench.faults.api import Doc, FakeApi, Place
from bench.faults.cluster import SimulatedCluster
from bench.faults.connection import Boundaries, Connection
from bench.faults.evidence import ScriptedSampler
from bench.faults.manifests import RESPONDER, SERVICE, SPOTS
from bench.faults.virtual import T0, OwnClock, elapsed

from firebreak.adapters.kube.cluster import KubeCluster
from firebreak.adapters.kube.events import Events
from firebreak.adapters.kube.lease import Lease, LeaseSettings
from firebreak.adapters.kube.objects import FirebreakObjects
from firebreak.adapters.kube.quarantines import Quarantines
from firebreak.adapters.kube.snapshots import Snapshots
from firebreak.app.actuator import Actuator
from firebreak.app.breaker import CircuitBreaker
from firebreak.app.budgets import Budgets
from firebreak.app.catalog import Catalog, key_of
from firebreak.app.clustering import ClusteringMeasurements
from firebreak.app.drills import Drills
from firebreak.app.handlers import watched_kinds
from firebreak.app.leading import Leading
from firebreak.app.loop import Loop
from firebreak.app.objectives import Objectives
from firebreak.app.observe import Observer
from firebreak.app.queue import Turns
from firebreak.app.raising import Raiser
from firebreak.app.rehearsal import Rehearsal
from firebreak.app.relist import relist_forever
from firebreak.app.report import Reporter
from firebreak.app.revisions import Revisions
from firebreak.app.settings import AllowedKind, Reach, Settings
from firebreak.app.telemetry import Telemetry

SETTINGS = Settings(
    namespace="firebreak",
    identity="set-by-replica",
    service_account="system:serviceaccount:firebreak:firebreak",
    responder={"namespace": "docs", "name": RESPONDER},
    reach=Reach(
        kinds=tuple(
            AllowedKind(api_version=api_version, kind=kind, paths=tuple(s.path for s in SPOTS.values()))
            for api_version, kind in (
                ("apps/v1", "Deployment"),
                ("v1", "ConfigMap"),
                ("gateway.networking.k8s.io/v1", "HTTPRoute"),
            )
        )
    ),
)
_KINDS = watched_kinds(SETTINGS.reach)
_WATCHED = {(k.api_version, k.plural) for k in _KINDS}


class _Telling(Reporter):
    """The reporter; what fails within a turn is kept, since it is a mistake of ours."""

    failures: list[str]

    def failed(self) -> None:
        self.failures.append(traceback.format_exc())
        super().failed()


class Replica:
    """A process that lives until it is killed."""

    def __init__(
        self,
        name: str,
        api: FakeApi,
        cluster: SimulatedCluster,
        boundaries: Boundaries,
        chance: random.Random,
        failures: list[str],
    ) -> None:
        self.name = name
        self.clock = OwnClock()
        self.connection = Connection(api, boundaries, chance, self.kill, name)
        self.failures = failures
        self.is_deaf = False
        """Whether its watch is silent: nothing is heard, and nothing says so."""
        self._api = api
        self._chance = chance
        self._task: asyncio.Task[None] | None = None
        client, clock = self.connection, self.clock
        telemetry = Telemetry()
        lease = self.lease = Lease(
            client, LeaseSettings(namespace="firebreak", identity=name), now=clock.now, monotonic=clock.monotonic
        )
        self._telemetry, self._turns = telemetry, Turns(clock)
        self._catalog = Catalog(self._turns.touch)
        self._sampler = ScriptedSampler(
            cluster, world_now=elapsed, own_now=lambda: (clock.now() - T0) / timedelta(seconds=1)
        )
        objects = FirebreakObjects(client, fence=lease.fence)
        self._revisions = Revisions(Snapshots(client, fence=lease.fence), self._catalog)
        writer = KubeCluster(client, fence=lease.fence)
        reporter = _Telling(
            events=Events(client, now=clock.now, identity=name),
            objects=objects,
            catalog=self._catalog,
            telemetry=telemetry,
            clock=clock,
        )
        reporter.failures = self.failures
        observer = Observer(
            catalog=self._catalog,
            cluster=writer,
            client=client,
            revisions=self._revisions,
            sampler=self._sampler,
            objectives=Objectives(self._catalog),
            clusterings=ClusteringMeasurements(
                catalog=self._catalog, sampler=self._sampler, source=lambda _: None, turns=self._turns
            ),
            budgets=Budgets(sampler=self._sampler, source=lambda _: None, turns=self._turns),
            settings=SETTINGS,
            breaker=CircuitBreaker(
                rules=SETTINGS.breaker.rules,
                catalog=self._catalog,
                sampler=self._sampler,
                turns=self._turns,
                telemetry=telemetry,
            ),
        )
        self._leading = Leading(lease)
        quarantines = Quarantines(client, fence=lease.fence)
        actuator = Actuator(writer, quarantines, clock)
        events = Events(client, now=clock.now, identity=name)
        raiser = Raiser(
            catalog=self._catalog,
            cluster=writer,
            actuator=actuator,
            objects=objects,
            sampler=self._sampler,
            reporter=reporter,
            turns=self._turns,
            clock=clock,
            most=SETTINGS.sampling_max_raises,
        )
        drills = Drills(
            catalog=self._catalog,
            observer=observer,
            actuator=actuator,
            rehearsal=Rehearsal(cluster=writer, acting_as=None, client=client, quarantines=quarantines, clock=clock),
            objects=objects,
            revisions=self._revisions,
            events=events,
            telemetry=telemetry,
            turns=self._turns,
            clock=clock,
        )
        self._loop = Loop(
            catalog=self._catalog,
            observer=observer,
            actuator=actuator,
            objects=objects,
            revisions=self._revisions,
            raiser=raiser,
            reporter=reporter,
            drills=drills,
            turns=self._turns,
            may_act=self._leading.may_act,
            clock=clock,
        )

    @property
    def is_alive(self) -> bool:
        return self._task is not None and not self._task.done() and not self.connection.is_dead

    def start(self) -> None:
        """Start the process."""
        self._api.watchers.append(self._heard)
        self._task = asyncio.create_task(self._run(), name=self.name)

    def kill(self) -> None:
        """End it, whatever it is doing: nothing that it had begun reaches anybody from here on."""
        self.connection.is_dead = True
        if self._heard in self._api.watchers:
            self._api.watchers.remove(self._heard)
        if self._task is not None:
            asyncio.get_running_loop().call_soon(self._task.cancel)

    def prometheus_is_away(self, away: bool) -> None:
        """Whether the metrics can be read."""
        self._sampler.is_away = away

    def set_right(self) -> None:
        """The clock is set right."""
        self.clock.wrong_by = timedelta(0)
        self._turns.touch(SERVICE)

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    relist_forever(self.connection, self._catalog, _KINDS, self._telemetry, self.clock, 90.0)
                )
                group.create_task(
                    self._leading.run(
                        client=self.connection,
                        catalog=self._catalog,
                        kinds=_KINDS,
                        revisions=self._revisions,
                        turns=self._turns,
                        telemetry=self._telemetry,
                    )
                )
                group.create_task(self._sample())
                group.create_task(self._loop.work())
                group.create_task(self.lease.run(asyncio.Event()))
        except* Exception as group_failed:
            self.failures += [traceback.format_exc(), repr(group_failed)]

    async def _sample(self) -> None:
        while True:
            if self._sampler.read():
                self._turns.touch(SERVICE)
            await asyncio.sleep(1.0)

    def _heard(self, event: str, place: Place, object_: Doc) -> None:
        """The watch: quick, not always in order, and lost while nothing gets through."""
        if (place.api_version, place.plural) not in _WATCHED:
            return
        asyncio.get_running_loop().call_later(self._chance.uniform(0.01, 0.4), self._see, event, object_)

    def _see(self, event: str, object_: Doc) -> None:
        if self.is_deaf or not self.connection.reaches:
            return
        if event == "DELETED":
            self._catalog.forget(key_of(object_), object_["metadata"]["resourceVersion"])
        else:
            self._catalog.see(object_)
