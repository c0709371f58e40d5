"""Which replica acts, and until when may it be sure of that?

A Lease that is renewed by compare-and-swap; no wall clock is compared with another's. A standby takes over when the
Lease has not changed for its duration by the standby's own monotonic clock. The leader counts its right to act from the
*start* of its last successful renewal, and for less long than the Lease lasts, so a request that hangs, an event loop
that stalls or a renewal whose answer is lost end it in time.

Why not kubernetes.aio.leaderelection: there a network error ends the renewals while the leader acts on, and a request
that hangs (5 minutes by default) keeps it acting with no deadline.
"""

import asyncio
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from firebreak.adapters.kube.client import WRITE_TIMEOUT, Answer, ClusterDenied, KubeClient
from firebreak.adapters.kube.kinds import LEASE, path_of
from firebreak.core.ports import ClusterError

log = structlog.get_logger()


class NotLeader(ClusterError):
    """Another replica may be acting by the time this write arrives: leave it to that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettings:
    """Who competes for which Lease; all times in seconds."""

    namespace: str
    identity: str
    name: str = "firebreak"
    duration: float = 15.0
    """How long a Lease that nobody renews keeps others out; whole seconds in the object, rounded up."""
    deadline: float = 10.0
    """How long after a renewal its holder may act."""
    retry: float = 3.0
    jitter: float = 1.0
    timeout: float = 3.0
    """Of one request to the Lease."""
    write_timeout: float = WRITE_TIMEOUT
    """How long a write that the fence lets pass may be under way."""

    def __post_init__(self) -> None:
        if not self.deadline < self.duration:
            raise ValueError(f"deadline {self.deadline:g} s must be below duration {self.duration:g} s")
        if not self.retry + self.jitter + self.write_timeout < self.deadline:
            raise ValueError(
                f"retry {self.retry:g} s + jitter {self.jitter:g} s + write_timeout {self.write_timeout:g} s must be below "
                f"deadline {self.deadline:g} s, or a healthy leader would be fenced between two renewals"
            )


class Lease:
    """One competitor for the Lease."""

    def __init__(
        self,
        client: KubeClient,
        settings: LeaseSettings,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._client = client
        self._settings = settings
        self._now = now
        self._monotonic = monotonic
        self._url = path_of(LEASE.key(settings.namespace, settings.name))
        self._mine: Mapping[str, Any] | None = None
        self._valid_until = float("-inf")
        self._seen_version = ""
        self._seen_at = float("-inf")
        self._was_leader = False
        self.epoch = 0
        """The Lease's number of transitions when it was last won: greater with each leader."""
        self.changed = asyncio.Event()
        """Set whenever leadership was won or lost; whoever waits for it clears it."""

    def is_leader(self) -> bool:
        """Whether this replica may act now."""
        return self._monotonic() < self._valid_until

    def fence(self) -> None:
        """Let a write pass that will be over before the right to act ends; raises NotLeader."""
        left = self._valid_until - self._monotonic()
        if left <= self._settings.write_timeout:
            if left <= 0:
                raise NotLeader(f"{self._settings.identity} does not hold Lease {self._settings.name}")
            raise NotLeader(
                f"{self._settings.identity} is sure of Lease {self._settings.name} for {left:.1f} s only; "
                f"a write may take {self._settings.write_timeout:g} s"
            )

    async def run(self, stop: asyncio.Event) -> None:
        """Compete until `stop`, then give the Lease back so that another takes over at once."""
        while not stop.is_set():
            pause = self._settings.retry + random.uniform(0, self._settings.jitter)
            try:
                await self._compete()
            except ClusterError as error:
                log.warning("lease_request_failed", leader=self.is_leader(), error=str(error))
                pause /= 2
            self._tell()
            await _wait(stop, pause)
        await self._release()
        self._tell()

    async def _compete(self) -> None:
        started = self._monotonic()
        if self._mine is not None and self._won(await self._put(self._mine, self._renewed(self._mine)), started):
            return
        # Not ours yet, or written since we did: by somebody else, or by a renewal of ours whose answer was lost.
        started = self._monotonic()
        answer = await self._client.request("GET", self._url, deadline_seconds=self._settings.timeout)
        if answer.status == 404:
            self._lost()
            self._won(await self._create(), started)
            return
        if not answer.ok:
            raise ClusterDenied(f"Lease {self._settings.name}: {answer.status} {answer.message}")
        lease = answer.body
        if self._is_mine(lease):
            self._won(await self._put(lease, self._renewed(lease)), started)
            return
        self._lost()
        if not self._is_free(lease):
            return
        transitions = int((lease.get("spec") or {}).get("leaseTransitions") or 0) + 1
        self._won(await self._put(lease, self._spec(transitions=transitions) | {"acquireTime": self._stamp()}), started)

    def _is_mine(self, lease: Mapping[str, Any]) -> bool:
        """Held under this name *and* in the epoch that this process won: a name may be used twice by mistake."""
        spec = lease.get("spec") or {}
        return (
            self._mine is not None
            and spec.get("holderIdentity") == self._settings.identity
            and int(spec.get("leaseTransitions") or 0) == self.epoch
        )

    def _is_free(self, lease: Mapping[str, Any]) -> bool:
        """Given back, or not changed for its duration while this process was looking."""
        spec, version = lease.get("spec") or {}, lease["metadata"]["resourceVersion"]
        if version != self._seen_version:
            self._seen_version, self._seen_at = version, self._monotonic()
        lasts = float(spec.get("leaseDurationSeconds") or self._settings.duration)
        return not spec.get("holderIdentity") or self._monotonic() - self._seen_at >= lasts

    async def _create(self) -> Answer:
        return await self._client.request(
            "POST",
            LEASE.collection(self._settings.namespace),
            body={
                "apiVersion": LEASE.api_version,
                "kind": LEASE.kind,
                "metadata": {"name": self._settings.name, "namespace": self._settings.namespace},
                "spec": self._spec(transitions=0) | {"acquireTime": self._stamp()},
            },
            deadline_seconds=self._settings.timeout,
        )

    async def _put(self, lease: Mapping[str, Any], spec: Mapping[str, Any]) -> Answer:
        # The resourceVersion stays in: a PUT over a Lease that anybody has written since is a 409.
        body = {**lease, "spec": {**(lease.get("spec") or {}), **spec}}
        return await self._client.request("PUT", self._url, body=body, deadline_seconds=self._settings.timeout)

    def _won(self, answer: Answer, started: float) -> bool:
        if answer.ok:
            self._mine = answer.body
            self._valid_until = started + self._settings.deadline
            self.epoch = int(answer.body["spec"].get("leaseTransitions") or 0)
        elif answer.status not in (404, 409):
            raise ClusterDenied(f"Lease {self._settings.name}: {answer.status} {answer.message}")
        return answer.ok

    def _lost(self) -> None:
        self._mine = None
        self._valid_until = float("-inf")

    async def _release(self) -> None:
        mine = self._mine
        self._lost()  # first: from here on no write passes the fence, whatever becomes of the rest
        if mine is not None:
            try:
                await self._put(mine, {"holderIdentity": "", "renewTime": self._stamp()})
            except ClusterError as error:
                log.info("lease_not_released", error=str(error))  # it runs out by itself

    def _renewed(self, lease: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._spec(transitions=int(lease["spec"].get("leaseTransitions") or 0))

    def _spec(self, *, transitions: int) -> dict[str, Any]:
        return {
            "holderIdentity": self._settings.identity,
            "leaseDurationSeconds": math.ceil(self._settings.duration),
            "renewTime": self._stamp(),
            "leaseTransitions": transitions,
        }

    def _stamp(self) -> str:
        return self._now().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def _tell(self) -> None:
        if self.is_leader() != self._was_leader:
            self._was_leader = self.is_leader()
            log.info("leadership_won" if self._was_leader else "leadership_lost", epoch=self.epoch)
            self.changed.set()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
