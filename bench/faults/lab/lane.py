"""One namespace with its operators, in which one story follows the other, each with what goes wrong in it.

Everything is real but the doors: the processes, the control plane, the workloads' pods, their traffic and metrics.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from bench.faults.api import Doc
from bench.faults.check import Ending
from bench.faults.lab.mishaps import BEFORE_THE_DEPLOYMENT, LEASE_SECONDS, Mishap, Neighbour
from bench.faults.lab.neighbours import beside
from bench.faults.lab.process import OperatorProcess
from bench.faults.lab.proxy import Proxy
from bench.faults.lab.stories import FIRST, Revision, Story, declared, deployed, index, named, revisions
from bench.faults.lab.traffic import Behind, Traffic, place_of
from bench.faults.lab.witness import SPOTS
from bench.faults.lab.world import World
from tests.integration.operator.place import Place, actions, owned_by_firebreak
from tests.integration.operator.watching import NotSo

CONTAINED_WITHIN = 180.0
SETTLED_WITHIN = 120.0
QUIET_SECONDS = 2.0
_KINDS = {"deployments": "deployment", "configmaps": "configmap", "httproutes": "httproute"}


class Lived(NamedTuple):
    """What a story came to."""

    ending: Ending
    is_reached: bool
    """Whether the boundary at which something was to happen was met."""
    told: tuple[str, ...]
    """The operators' logs, of the story alone."""


class Lane:
    """A namespace with one service, and its operators."""

    def __init__(self, world: World, name: str, story: Story, replicas: int) -> None:
        self.story = story
        self.replicas = replicas
        self.name = name
        self._world = world
        self._place = Place(lab=world.lab, reader=world.reader, namespace=name)
        self._traffic = Traffic(name, restart_etcd=world.restart_etcd)
        self._processes: list[OperatorProcess] = []
        self._number = 0
        self._good = FIRST
        self._stack = contextlib.AsyncExitStack()

    @contextlib.contextmanager
    def open(self) -> Iterator["Lane"]:
        """Set up the namespace, start the operators, and wait until the revision that serves is proven."""
        try:
            url = self._world.call(self._serve())
            self._world.let_route_name_the_responder(self.name)
            self._place.set_up()
            self._place.apply(*declared(self.story, url))
            self._until_ready()
            yield self
        finally:
            self._world.call(self._close())
            self._world.lab.kubectl("delete", "namespace", self.name, "--wait=false", "--ignore-not-found")

    async def _serve(self) -> str:
        traffic, world = self._traffic, self._world
        metrics = Proxy(world.lab.prometheus_url, decide=traffic.metrics)
        await self._stack.enter_async_context(metrics.serving())
        for number in range(1, self.replicas + 1):
            await self._stack.enter_async_context(self._operator(number))
        return metrics.url

    @contextlib.asynccontextmanager
    async def _operator(self, number: int) -> Any:
        behind: list[Behind] = []
        world = self._world
        door = Proxy(
            world.lab.api_url,
            decide=lambda asked: self._traffic.decide(behind[0], asked),
            seen=self._traffic.seen,
            tls=world.tls,
        )
        async with door.serving():
            process = OperatorProcess(
                f"{self.name}-{number}",
                door=door,
                environ={
                    **world.environ,
                    "FIREBREAK_LEASE_NAME": self.name,
                    "FIREBREAK_LEASE_DURATION_SECONDS": f"{LEASE_SECONDS:g}",
                    "FIREBREAK_LEASE_RENEW_DEADLINE_SECONDS": f"{LEASE_SECONDS - 1:g}",
                    "FIREBREAK_LEASE_RETRY_PERIOD_SECONDS": "1",
                },
                token=world.token,
                folder=world.folder,
                # With a second replica that one takes over, so the first may take its time.
                again=0.5 if self.replicas == 1 else 2 * LEASE_SECONDS,
            )
            behind.append(process)
            self._processes.append(process)
            self._traffic.doors.append(process)
            process.start()
            alive = asyncio.create_task(process.keep_alive())
            try:
                yield process
            finally:
                alive.cancel()
                process.end()

    async def _close(self) -> None:
        await self._stack.aclose()

    def _until_ready(self) -> None:
        """The revision that serves is proven, and the service is at rest."""

        def is_ready(found: Doc) -> bool:
            status = found.get("status") or {}
            revision = status.get("revision") or {}
            ready = {c["type"]: c["status"] for c in status.get("conditions", ())}
            return (
                bool(revision.get("knownGood"))
                and revision.get("knownGood") == revision.get("current")
                and ready.get("ContainmentReady") == "True"
                and ready.get("ObjectivesMet") == "True"
                and not status.get("activeIncident")
            )

        self._place.until("ais", "shop", "a revision is proven and nothing is open", is_ready, CONTAINED_WITHIN)

    def play(self, boundary: str = "", mishap: Mishap | None = None, neighbour: Neighbour | None = None) -> Lived:
        """Live through a story; NotSo is an ending, too."""
        self._number += 1
        bad, fix = revisions(self.story, self._number)
        if mishap is Mishap.STALE_LISTS:
            self._keep_lists()
        said = [len(p.told()) for p in self._processes]
        failed = [len(p.failures()) for p in self._processes]
        began = time.monotonic()
        self._traffic.begin(boundary, mishap)
        is_over, why = True, ""
        if boundary == BEFORE_THE_DEPLOYMENT:
            self._world.loop.call_soon_threadsafe(self._traffic.strike)
        with beside(neighbour, self._place, self._good) as git:
            try:
                self._deploy(bad, git)
                self._until_contained()
                self._deploy(fix, git)
                self._until_settled()
            except NotSo as not_so:
                is_over, why = False, str(not_so).splitlines()[0]
                for process in self._processes:
                    process.dump()
        ending = self._ending(bad, fix, is_over, time.monotonic() - began, failed, why)
        for process in self._processes:
            process.ended.clear()
        told = [f"{p.name}: {line}" for p, n in zip(self._processes, said, strict=True) for line in p.told()[n:]]
        self._good = replace(fix, name="good")
        return Lived(ending, self._traffic.is_reached, tuple(told))

    def is_ready_again(self) -> bool:
        """Whether the next story can begin here."""
        try:
            self._until_ready()
        except NotSo:
            return False
        return True

    def _deploy(self, revision: Revision, git: Any) -> None:
        if self.story.by_pipeline:
            self._place.apply(index(revision))
            return
        manifests = deployed(self._place.workload("shop:one"), revision)
        if git is not None:
            git.commit(manifests)
        else:
            self._place.apply(*manifests)

    @property
    def _incident(self) -> str:
        return f"shop-{self._number}"

    def _until_contained(self) -> None:
        def is_so(found: Doc) -> bool:
            if self.story.is_contained:
                return bool((found.get("status") or {}).get("phase") == "Contained")
            return any(a["phase"] == "InForce" for a in actions(found))

        self._place.until("aii", self._incident, "it is contained", is_so, CONTAINED_WITHIN)

    def _until_settled(self) -> None:
        """It is over, nothing of Firebreak is left, and nothing moves any more."""
        place = self._place
        place.until(
            "aii",
            self._incident,
            "it is resolved, and no finalizer holds it",
            lambda o: (o.get("status") or {}).get("phase") == "Resolved" and not o["metadata"].get("finalizers"),
            CONTAINED_WITHIN,
        )
        deadline = time.monotonic() + SETTLED_WITHIN
        while time.monotonic() < deadline:
            is_quiet = time.monotonic() - self._traffic.last_change > QUIET_SECONDS
            if is_quiet and not place.list("quarantine") and not owned_by_firebreak(place):
                return
            time.sleep(0.3)
        # What is left is told by the check.

    def _ending(self, bad: Revision, fix: Revision, is_over: bool, took: float, failed: list[int], why: str) -> Ending:
        place, witness = self._place, self._traffic.witness

        def name(value: Any) -> Any:
            return named(value, self._good, bad, fix)

        values = {s: spot.value(place.get(_KINDS[spot.plural], spot.name)) for s, spot in SPOTS.items()}
        incidents = [i for i in place.list("aii") if int(i["metadata"]["name"].rpartition("-")[2]) >= self._number]
        return Ending(
            is_over=is_over,
            took=took,
            # Also a pipeline's deployment restarts; that it was by us is seen in what was written.
            values={s: name(v) for s, v in values.items() if s != "restarted"},
            owned=tuple(owned_by_firebreak(place)),
            incidents=tuple(self._renumbered(i) for i in incidents),
            quarantines=tuple(q["metadata"]["name"] for q in place.list("quarantine")),
            snapshots=(),
            drills=(),
            raises=(),
            written=tuple((s, "now" if s == "restarted" else name(v)) for s, v in witness.written),
            boundaries=tuple(self._traffic.passed),
            failures=tuple(f for p, n in zip(self._processes, failed, strict=True) for f in p.failures()[n:]),
            wrong=(*witness.wrong, *(e for p in self._processes for e in p.ended), *filter(None, (why,))),
            settings=(),
            wanted=frozenset(),
            changes=(),
            events=(),
        )

    def _renumbered(self, incident: Doc) -> Doc:
        """As if it were the namespace's first story."""
        number = int(incident["metadata"]["name"].rpartition("-")[2]) - self._number + 1
        renamed = incident["metadata"] | {"name": f"shop-{number}"}
        return incident | {"metadata": renamed}

    def _keep_lists(self) -> None:
        for path in self._world.watched_paths:
            found = place_of(path)
            assert found is not None
            head, _, plural = path.rpartition("/")
            body = self._world.lab.kubectl("get", "--raw", f"{head}/namespaces/{self.name}/{plural}")
            self._traffic.keep_list(found.plural, body.encode())
