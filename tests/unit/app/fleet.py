"""Many services whose judges may be asked for more, and the replicas that look after them, in virtual time.

The raiser, its records, the actuator, the Lease and the client are the real ones; the API server is the bench's, and what
the detectors say is given.
"""

import asyncio
import random
from collections.abc import Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
from bench.faults.api import Doc, FakeApi, Place
from bench.faults.connection import Boundaries, Connection, Mishap
from bench.faults.virtual import OwnClock, elapsed
from tests.builders import a_ratio, a_service, a_situation, a_verdict

from firebreak.adapters.kube.client import READ_TIMEOUT, Answer, encoded
from firebreak.adapters.kube.cluster import KubeCluster
from firebreak.adapters.kube.events import Events
from firebreak.adapters.kube.kinds import CONFIG_MAP, FIREBREAK
from firebreak.adapters.kube.lease import Lease, LeaseSettings
from firebreak.adapters.kube.objects import FirebreakObjects
from firebreak.adapters.kube.quarantines import Quarantines
from firebreak.adapters.kube.snapshots import Snapshots
from firebreak.api.v1alpha1 import AIService
from firebreak.app.actuator import Actuator
from firebreak.app.catalog import Catalog, key_of
from firebreak.app.handlers import watched_kinds
from firebreak.app.leading import Leading
from firebreak.app.observe import Seen
from firebreak.app.queue import Stale, Turns
from firebreak.app.raising import Raiser
from firebreak.app.report import Reporter
from firebreak.app.revisions import Revisions
from firebreak.app.sampler import Sampler
from firebreak.app.settings import AllowedKind, Reach
from firebreak.app.telemetry import Telemetry
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.ports import ClusterError, ClusterUnavailable
from firebreak.core.situation import Hold
from firebreak.core.verdict import Tier

_KINDS = watched_kinds(
    Reach(kinds=(AllowedKind(api_version=CONFIG_MAP.api_version, kind=CONFIG_MAP.kind, paths=("$.data.*",)),))
)
_WATCHED = {(k.api_version, k.plural) for k in _KINDS}
RAISES = FIREBREAK["SamplingRaise"]


@dataclass
class World:
    """What is outside of the replicas."""

    api: FakeApi
    tier: Tier = Tier.NONE
    """What the detectors say of every service."""
    mishaps: Mapping[int, Mishap] | None = None
    refuses: str = ""
    """A kind of which nothing may be created."""
    holds: tuple[Hold, ...] = ()
    """What forbids to change anything."""
    late: float = 0.0
    """The next write to a place arrives so many seconds later, and nobody hears of it; from its sending on `then` holds."""
    then: tuple[Hold, ...] = ()
    account: str = ""
    """What the services name as the account to write with."""

    def add(self, count: int) -> None:
        """So many services, each with a ConfigMap for its rate."""
        for n in range(count):
            name = f"service-{n}"
            metadata = {"name": name, "namespace": "docs"}
            self.api.seed(place(CONFIG_MAP.api_version, "configmaps", name), _object("v1", "ConfigMap", metadata, "2%"))
            judge = {"samplingRate": {"target": _target(name), "path": "$.data.rate", "raised": "20%"}}
            spec = a_service(a_ratio(), judge=judge).spec.dump()
            if self.account:
                spec["containment"]["serviceAccountName"] = self.account
            kind = FIREBREAK["AIService"]
            self.api.seed(
                place(kind.api_version, kind.plural, name),
                {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": dict(metadata), "spec": spec},
            )

    def rates(self) -> list[str]:
        """What stands in every place."""
        return [c["data"]["rate"] for c in self.api.all("configmaps")]

    def held(self) -> int:
        """How many records are not Normal."""
        return sum(r.get("status", {}).get("phase", "Normal") != "Normal" for r in self.api.all(RAISES.plural))


def place(api_version: str, plural: str, name: str) -> Place:
    return Place(api_version, plural, "docs", name)


def _target(name: str) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name}


def _object(api_version: str, kind: str, metadata: dict[str, Any], rate: str) -> Doc:
    return {"apiVersion": api_version, "kind": kind, "metadata": dict(metadata), "data": {"rate": rate}}


class Client(Connection):
    """A connection that remembers with whose rights was written, and is refused what the world refuses."""

    world: World
    written_as: list[tuple[str, str]]
    creations: int = 0

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        acting_as: str = "",
        deadline_seconds: float = READ_TIMEOUT,
    ) -> Answer:
        if "/configmaps/" in path and method != "GET":
            self.written_as.append((path.rpartition("/")[2], acting_as))
        if method == "POST" and self.world.refuses and path.endswith(f"/{self.world.refuses}"):
            self.creations += 1
            return Answer(status=403, body={"message": "exceeded quota"})
        if method == "PATCH" and "/configmaps/" in path and self.world.late:
            arrives, self.world.late, self.world.holds = self.world.late, 0.0, self.world.then
            sent = orjson.loads(encoded(body))
            handle = partial(self.world.api.handle, method, path, query or {}, sent, content_type)
            asyncio.get_running_loop().call_later(arrives, handle)
            raise ClusterUnavailable(f"{method} {path}: no answer")
        return await super().request(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
            acting_as=acting_as,
            deadline_seconds=deadline_seconds,
        )


class _Evidence(Sampler):
    """That the evidence is anything but weak."""

    def is_sequential(self, key: ObjectiveKey) -> bool:
        return True

    def quiet_steps(self, keys: Collection[ObjectiveKey], below: float, now: datetime) -> int | None:
        return 0


class FleetReplica:
    """One process with six workers, until it is killed."""

    def __init__(self, name: str, world: World, boundaries: Boundaries, most: int) -> None:
        self.world, self.clock, self._chance = world, OwnClock(), random.Random(1)
        client = self.client = Client(world.api, boundaries, self._chance, self.kill)
        client.world, client.written_as = world, []
        self.told: dict[ServiceKey, str] = {}
        clock = self.clock
        self.lease = Lease(
            client, LeaseSettings(namespace="firebreak", identity=name), now=clock.now, monotonic=clock.monotonic
        )
        fence = self.lease.fence
        self.turns = Turns(clock)
        self.catalog = Catalog(self.turns.touch)
        self._telemetry = Telemetry()
        objects = FirebreakObjects(client, fence=fence)
        cluster = KubeCluster(client, fence=fence)
        self._revisions = Revisions(Snapshots(client, fence=fence), self.catalog)
        self._leading = Leading(self.lease)
        self._raiser = Raiser(
            catalog=self.catalog,
            cluster=cluster,
            actuator=Actuator(
                cluster,
                Quarantines(client, fence=fence),
                clock,
                acting_as=lambda user: KubeCluster(client, fence=fence, acting_as=user),
            ),
            objects=objects,
            sampler=_Evidence(lambda _: None),
            reporter=Reporter(
                events=Events(client, now=clock.now, identity=name),
                objects=objects,
                catalog=self.catalog,
                telemetry=self._telemetry,
                clock=clock,
            ),
            turns=self.turns,
            clock=clock,
            most=most,
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the process."""
        self.world.api.watchers.append(self._heard)
        leading = self._leading.run(
            client=self.client,
            catalog=self.catalog,
            kinds=_KINDS,
            revisions=self._revisions,
            turns=self.turns,
            telemetry=self._telemetry,
        )
        parts = [self.lease.run(asyncio.Event()), leading, *(self._work() for _ in range(6))]
        self._task = asyncio.get_running_loop().create_task(_together(parts))

    @property
    def failed(self) -> BaseException | None:
        """What ended it, if nobody has killed it."""
        task = self._task
        return task.exception() if task is not None and task.done() and not task.cancelled() else None

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self.client.is_dead = True
        if self._heard in self.world.api.watchers:
            self.world.api.watchers.remove(self._heard)
        if self._task is not None:
            asyncio.get_running_loop().call_soon(self._task.cancel)

    async def _work(self) -> None:
        while True:
            key = await self.turns.take()
            try:
                service = self.catalog.service(key)
                if not self._leading.may_act():
                    continue
                if isinstance(service, AIService):
                    self.told[key] = (await self._raiser.look_after(self._seen(key, service))).message
                else:
                    await self._raiser.abandon(key)
            except Stale:
                self.turns.touch(key)
            except ClusterError:
                self.turns.wake(key, self.clock.now() + timedelta(seconds=2))
            finally:
                self.turns.done(key)

    def _seen(self, key: ServiceKey, service: AIService) -> Seen:
        situation = replace(
            a_situation(a_verdict(tier=self.world.tier), service=service, holds=self.world.holds), service=key
        )
        return Seen(
            service=service,
            situation=situation,
            health={},
            problems=(),
            expected_delays={},
            clusterings={},
            budgets={},
            awaits_effect=False,
        )

    def _heard(self, event: str, at: Place, object_: Doc) -> None:
        if (at.api_version, at.plural) in _WATCHED:
            asyncio.get_running_loop().call_later(self._chance.uniform(0.01, 0.4), self._see, event, object_)

    def _see(self, event: str, object_: Doc) -> None:
        if not self.client.reaches:
            return
        if event == "DELETED":
            self.catalog.forget(key_of(object_), object_["metadata"]["resourceVersion"])
        else:
            self.catalog.see(object_)


async def _together(parts: Iterable[Coroutine[None, None, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(part)


async def until(seconds: float) -> None:
    """Wait until so many virtual seconds have passed since the beginning."""
    await asyncio.sleep(max(0.0, seconds - elapsed()))
