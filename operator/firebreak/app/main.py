"""How does the process start, run and stop?

One TaskGroup holds every task; Kopf is supervised in its body. When Kopf returns for SIGTERM the others are cancelled;
when another task dies the group ends the process, and the restart resumes from what the cluster says.
"""

import asyncio
import os
import signal
import sys

import structlog

from firebreak.adapters.kube.client import KubeClient
from firebreak.adapters.kube.cluster import KubeCluster
from firebreak.adapters.kube.events import Events
from firebreak.adapters.kube.lease import Lease, LeaseSettings
from firebreak.adapters.kube.objects import FirebreakObjects
from firebreak.adapters.kube.quarantines import Quarantines
from firebreak.adapters.kube.restoring import Restoring
from firebreak.adapters.kube.snapshots import Snapshots
from firebreak.adapters.kube.validations import Validations
from firebreak.app import logs
from firebreak.app.actuator import Actuator
from firebreak.app.breaker import CircuitBreaker
from firebreak.app.breaker_status import BreakerStatus
from firebreak.app.budgets import Budgets
from firebreak.app.catalog import Catalog
from firebreak.app.clock import Clock, SystemClock
from firebreak.app.clustering import ClusteringMeasurements
from firebreak.app.drills import Drills
from firebreak.app.endpoints import Endpoints
from firebreak.app.evaluate import Evaluation
from firebreak.app.handlers import watched_kinds
from firebreak.app.http import Http
from firebreak.app.leading import Leading
from firebreak.app.loop import Loop
from firebreak.app.objectives import Objectives
from firebreak.app.observe import Observer
from firebreak.app.quarantine_guard import QuarantineGuard, guard_forever
from firebreak.app.queue import Turns
from firebreak.app.raising import Raiser
from firebreak.app.rehearsal import Rehearsal
from firebreak.app.relist import relist_forever
from firebreak.app.report import Reporter
from firebreak.app.revisions import Revisions
from firebreak.app.sampler import Sampler
from firebreak.app.settings import Settings, SettingsError
from firebreak.app.slow import read_slowly
from firebreak.app.source_status import SourceStatus
from firebreak.app.sources import Sources
from firebreak.app.telemetry import Telemetry
from firebreak.app.timed import TimedCluster, TimedMetrics
from firebreak.app.watch import watch_forever
from firebreak.core.objectives import SourceKey
from firebreak.core.ports import Cluster
from firebreak.core.ports_metrics import MetricsPort

log = structlog.get_logger()


def main() -> None:
    """Run the operator until SIGTERM."""
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        sys.exit(f"firebreak: {error}")
    logs.configure(settings.log_level)
    asyncio.run(run(settings, SystemClock()))


async def run(settings: Settings, clock: Clock) -> None:
    """Start everything, in the order in which it needs each other."""
    client = await KubeClient.connect()
    try:
        await _run(settings, clock, client)
    finally:
        await client.close()


async def _run(settings: Settings, clock: Clock, client: KubeClient) -> None:
    stop = asyncio.Event()
    lease_stop = asyncio.Event()
    telemetry = Telemetry()
    lease = Lease(client, _lease(settings), now=clock.now, monotonic=clock.monotonic)
    leading = Leading(lease)
    turns = Turns(clock)
    catalog = Catalog(turns.touch)
    kinds = watched_kinds(settings.reach)
    telemetry.watch_incidents(catalog.open_incidents)
    sources = Sources()
    endpoints = Endpoints(client, catalog, sources, settings.namespace)

    def metrics(source: SourceKey) -> MetricsPort | None:
        port = sources(source)
        if port is None:
            return None
        return TimedMetrics(port, telemetry, clock, lambda error: source_status.heard(source, error, clock.now()))

    sampler = Sampler(metrics)
    objectives = Objectives(catalog)
    clusterings = ClusteringMeasurements(catalog=catalog, sampler=sampler, source=metrics, turns=turns)
    budgets = Budgets(sampler=sampler, source=metrics, turns=turns)
    objects = FirebreakObjects(client, fence=lease.fence)
    source_status = SourceStatus(objects, catalog)
    own = KubeCluster(client, fence=lease.fence)
    revisions = Revisions(Snapshots(client, fence=lease.fence), catalog, own.read)
    cluster = TimedCluster(own, telemetry, clock)

    def acting_as(user: str) -> Cluster:
        return TimedCluster(KubeCluster(client, fence=lease.fence, acting_as=user), telemetry, clock)

    events = Events(client, now=clock.now, identity=settings.identity)
    reporter = Reporter(events=events, objects=objects, catalog=catalog, telemetry=telemetry, clock=clock)
    breaker = CircuitBreaker(
        rules=settings.breaker.rules,
        catalog=catalog,
        sampler=sampler,
        turns=turns,
        telemetry=telemetry,
        leads=lease.is_leader,
    )
    breaker_status = BreakerStatus(
        breaker=breaker, objects=objects, events=events, catalog=catalog, telemetry=telemetry
    )
    quarantines = Quarantines(client, fence=lease.fence)
    guard = QuarantineGuard(client=client, quarantines=quarantines, catalog=catalog, turns=turns, settings=settings)
    observer = Observer(
        catalog=catalog,
        cluster=cluster,
        client=client,
        revisions=revisions,
        sampler=sampler,
        objectives=objectives,
        clusterings=clusterings,
        budgets=budgets,
        settings=settings,
        breaker=breaker,
        guard=guard.of,
    )
    actuator = Actuator(cluster, quarantines, clock, Restoring(client, fence=lease.fence), acting_as)
    raiser = Raiser(
        catalog=catalog,
        cluster=cluster,
        actuator=actuator,
        objects=objects,
        sampler=sampler,
        reporter=reporter,
        turns=turns,
        clock=clock,
        most=settings.sampling_max_raises,
    )
    drills = Drills(
        catalog=catalog,
        observer=observer,
        actuator=actuator,
        rehearsal=Rehearsal(cluster=cluster, acting_as=acting_as, client=client, quarantines=quarantines, clock=clock),
        objects=objects,
        revisions=revisions,
        events=events,
        telemetry=telemetry,
        turns=turns,
        clock=clock,
    )
    loop = Loop(
        catalog=catalog,
        observer=observer,
        actuator=actuator,
        objects=objects,
        revisions=revisions,
        raiser=raiser,
        reporter=reporter,
        drills=drills,
        turns=turns,
        may_act=leading.may_act,
        clock=clock,
        validations=Validations(client, fence=lease.fence),
    )
    evaluation = Evaluation(
        catalog=catalog,
        endpoints=endpoints,
        objectives=objectives,
        sampler=sampler,
        breaker=breaker,
        turns=turns,
        telemetry=telemetry,
        clock=clock,
    )
    http = Http(settings, telemetry, is_alive=evaluation.is_alive, is_ready=lambda: catalog.listed)
    try:
        async with asyncio.TaskGroup() as group:
            # Before Kopf: at its end it cancels every task that it did not find at its start.
            tasks = [
                group.create_task(http.serve(), name="http"),
                group.create_task(
                    relist_forever(client, catalog, kinds, telemetry, clock, settings.relist_seconds), name="relist"
                ),
                group.create_task(evaluation.run(), name="evaluation"),
                group.create_task(
                    leading.run(
                        client=client,
                        catalog=catalog,
                        kinds=kinds,
                        revisions=revisions,
                        turns=turns,
                        telemetry=telemetry,
                    ),
                    name="lead",
                ),
                group.create_task(
                    read_slowly(
                        (budgets.read_next, clusterings.measure_next),
                        lambda: lease.is_leader() and catalog.listed,
                        clock,
                    ),
                    name="history",
                ),
                group.create_task(_tell(source_status, endpoints, breaker_status, lease, clock), name="shared status"),
                group.create_task(guard_forever(guard, telemetry, lease), name="quarantine guard"),
                *(group.create_task(loop.work(), name=f"worker {n}") for n in range(settings.workers)),
            ]
            elector = group.create_task(lease.run(lease_stop), name="lease")
            await watch_forever(catalog, kinds, clock, stop, lambda: _on_signals(stop), telemetry.watch_restarted)
            for task in tasks:
                task.cancel()
            lease_stop.set()  # last, so that nothing is written after another may lead
            await elector
    finally:
        await sources.close()


async def _tell(
    sources: SourceStatus, endpoints: Endpoints, breaker: BreakerStatus, lease: Lease, clock: Clock
) -> None:
    """What belongs to no service."""
    while True:
        if lease.is_leader():
            await sources.tell(dict(endpoints.unusable), clock.now())
            await breaker.tell(clock.now())
        await asyncio.sleep(2.0)


def _lease(settings: Settings) -> LeaseSettings:
    return LeaseSettings(
        namespace=settings.namespace,
        identity=settings.identity,
        name=settings.lease_name,
        duration=settings.lease_duration_seconds,
        deadline=settings.lease_renew_deadline_seconds,
        retry=settings.lease_retry_period_seconds,
    )


def _on_signals(stop: asyncio.Event) -> None:
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, stop.set)
