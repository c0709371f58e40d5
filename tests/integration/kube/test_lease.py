"""Which replica acts: two electors and one Lease, on a real API server."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.integration.kube.forwarder import forwarder_to
from tests.integration.kube.kubeplace import Place, a_deployment

from firebreak.adapters.kube.client import KubeClient
from firebreak.adapters.kube.cluster import KubeCluster
from firebreak.adapters.kube.kinds import DEPLOYMENT, LEASE, path_of
from firebreak.adapters.kube.lease import Lease, LeaseSettings, NotLeader
from firebreak.core.ports import Landed

pytestmark = pytest.mark.lab


@dataclass
class Clock:
    """A monotonic clock that can be moved on."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def elector(
    place: Place, identity: str, *, client: KubeClient | None = None, clock: Callable[[], float] = time.monotonic
) -> Lease:
    """An elector on a short Lease: it can be watched losing it."""
    return Lease(
        client or place.client,
        LeaseSettings(
            namespace=place.namespace,
            identity=identity,
            duration=2.0,
            deadline=1.5,
            retry=0.2,
            jitter=0.1,
            timeout=0.4,
            write_timeout=0.4,
        ),
        now=lambda: datetime.now(UTC),
        monotonic=clock,
    )


async def until(said: Callable[[], bool], *, always: Callable[[], bool] = lambda: True, within: float = 10) -> None:
    """Wait until it is so; `always` must hold all the while."""
    async with asyncio.timeout(within):
        while not said():
            assert always()
            await asyncio.sleep(0.01)


async def lease_of(place: Place) -> dict[str, Any]:
    lease = await place.client.get(path_of(place.key(LEASE, "firebreak")))
    assert lease is not None
    return dict(lease["spec"])


async def test_one_leads_and_the_other_takes_over_at_once_when_it_stops(place: Place):
    """A leader that stops gives the Lease back; the next one has a greater epoch."""
    one, other = elector(place, "one"), elector(place, "other")
    one_stops, other_stops = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(one.run(one_stops))
        await until(one.is_leader)
        group.create_task(other.run(other_stops))
        before = await lease_of(place)
        one_stops.set()
        await until(other.is_leader, always=lambda: not (one.is_leader() and other.is_leader()), within=1.5)
        after = await lease_of(place)
        other_stops.set()
    assert (before["holderIdentity"], after["holderIdentity"]) == ("one", "other")
    assert after["leaseTransitions"] == before["leaseTransitions"] + 1 == other.epoch
    assert not one.is_leader()
    assert (await lease_of(place))["holderIdentity"] == ""


async def test_a_leader_that_hears_nothing_stops_before_another_begins(place: Place, lab: Any, tmp_path: Path):
    """Its requests hang: it ceases to act by its own clock, the other waits longer than that, and it joins again."""
    async with forwarder_to(Path(lab.kubeconfig), tmp_path) as (forwarder, through):
        far = await KubeClient.connect(through)
        one, other, stop = elector(place, "one", client=far), elector(place, "other"), asyncio.Event()
        never_both = lambda: not (one.is_leader() and other.is_leader())  # noqa: E731
        async with asyncio.TaskGroup() as group:
            group.create_task(one.run(stop))
            await until(one.is_leader)
            group.create_task(other.run(stop))
            forwarder.silence()
            await until(lambda: not one.is_leader(), always=lambda: not other.is_leader())
            await until(other.is_leader, always=never_both)
            forwarder.heal()
            seen = (await lease_of(place))["renewTime"]
            async with asyncio.timeout(10):
                while (await lease_of(place))["renewTime"] == seen:
                    assert never_both()
            assert other.is_leader()
            assert not one.is_leader()
            stop.set()
        await far.close()
    assert other.epoch > one.epoch


async def test_a_write_that_might_outlast_the_right_to_act_is_fenced(place: Place):
    """A deposed leader writes nothing, and neither does one that is about to be."""
    clock = Clock()
    one, stop = elector(place, "one", clock=clock), asyncio.Event()
    await place.apply(a_deployment(), manager="owner")
    cluster, key = KubeCluster(place.client, fence=one.fence), place.key(DEPLOYMENT, "web")
    with pytest.raises(NotLeader):
        one.fence()
    async with asyncio.TaskGroup() as group:
        group.create_task(one.run(stop))
        await until(one.is_leader)
        assert isinstance(await cluster.set_field(key, "$.spec.replicas", expected=(2,), desired=3), Landed)
        clock.ahead += 1.2  # of 1.5 s, while a write may take 0.4 s
        assert one.is_leader()
        with pytest.raises(NotLeader, match="a write may take"):
            one.fence()
        clock.ahead += 0.4
        assert not one.is_leader()
        with pytest.raises(NotLeader, match="does not hold"):
            await cluster.set_field(key, "$.spec.replicas", expected=(3,), desired=4)
        stop.set()
    assert (await place.get(DEPLOYMENT, "web"))["spec"]["replicas"] == 3


async def test_a_leader_goes_on_after_a_stall_when_nobody_has_taken_the_lease(place: Place):
    """It renews in the same epoch: nobody else has acted in between."""
    clock = Clock()
    one, stop = elector(place, "one", clock=clock), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(one.run(stop))
        await until(one.is_leader)
        epoch = one.epoch
        clock.ahead += 60
        assert not one.is_leader()
        await until(one.is_leader)
        stop.set()
    assert one.epoch == epoch


async def test_two_processes_under_one_name_never_both_lead(place: Place):
    """A name given twice by mistake is not taken for one's own: the epoch tells them apart."""
    one, twin, stop = elector(place, "same"), elector(place, "same"), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(one.run(stop))
        await until(one.is_leader)
        group.create_task(twin.run(stop))
        started = time.monotonic()
        await until(lambda: time.monotonic() > started + 3, always=lambda: not twin.is_leader())
        assert one.is_leader()
        stop.set()


async def test_a_lease_that_is_deleted_is_made_again_by_one(place: Place):
    """Someone tidied up; exactly one leads afterwards."""
    one, other, stop = elector(place, "one"), elector(place, "other"), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(one.run(stop))
        group.create_task(other.run(stop))
        await until(lambda: one.is_leader() or other.is_leader())
        await place.client.request("DELETE", path_of(place.key(LEASE, "firebreak")))
        async with asyncio.timeout(10):
            while await place.client.get(path_of(place.key(LEASE, "firebreak"))) is None:
                pass
        await until(lambda: one.is_leader() != other.is_leader())
        stop.set()


@pytest.mark.parametrize(
    "wrong", [{"deadline": 15.0}, {"retry": 6.0}, {"write_timeout": 6.5}], ids=["deadline", "retry", "write"]
)
def test_times_that_do_not_fit_each_other_are_refused(wrong: dict[str, float]):
    """A Lease whose times contradict each other would give two leaders, or none."""
    with pytest.raises(ValueError, match="must be below"):
        LeaseSettings(namespace="firebreak", identity="one", **wrong)
