"""What may happen to a request on its way to the API server and back? The client of one replica, with its mishaps.

A boundary is a request that changes something: each is numbered over the whole story, in the order in which they are
sent, so that the same seed meets the same boundaries up to the one at which something happens.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import orjson
from bench.faults.api import FakeApi, Place, place_of
from bench.faults.virtual import elapsed

from firebreak.adapters.kube.client import READ_TIMEOUT, Answer, KubeClient, encoded
from firebreak.core.ports import ClusterUnavailable


class Mishap(StrEnum):
    """What happens at a boundary."""

    KILLED_BEFORE = "killed-before"
    """The process is killed before the request arrives."""
    KILLED_AFTER = "killed-after"
    """The process is killed after the request was carried out, before it hears of that."""
    ANSWER_LOST = "answer-lost"
    """The request is carried out, and its answer is lost."""
    CUT_OFF = "cut-off"
    """From here on this replica reaches nothing for half a minute, and lives on."""
    LATE_AND_CUT_OFF = "late-and-cut-off"
    """The request arrives almost four seconds late, and from here on this replica reaches nothing for half a minute."""
    FROZEN = "frozen"
    """The request is carried out, and the process stands still before it hears of that: so long that another has long
    brought everything to its end. Then it goes on in the middle of its turn, as if no time had passed."""
    LEASE_AWAY = "lease-away"
    """The Lease alone can be neither read nor renewed for half a minute: this replica has to stop acting by itself."""
    CONFLICT = "409"
    TOO_MANY = "429"
    FAILED = "500"
    FORBIDDEN = "403"
    INVALID = "422"
    """Answered once, without being carried out."""
    API_AWAY = "api-away"
    """Nobody reaches the API server for up to ten minutes from here on."""
    PROMETHEUS_AWAY = "prometheus-away"
    """Nobody reaches Prometheus for up to ten minutes from here on."""
    CLOCK_AHEAD = "clock-ahead"
    CLOCK_BEHIND = "clock-behind"
    """This replica's clock is an hour wrong from here on, and is set right after up to ten minutes."""


_CODES = {
    Mishap.CONFLICT: 409,
    Mishap.TOO_MANY: 429,
    Mishap.FAILED: 500,
    Mishap.FORBIDDEN: 403,
    Mishap.INVALID: 422,
}
FROZEN_SECONDS = 1200.0
"""Longer than any incident here, and than a sampling rate stays raised."""
LASTING = frozenset({Mishap.API_AWAY, Mishap.PROMETHEUS_AWAY, Mishap.CLOCK_AHEAD, Mishap.CLOCK_BEHIND})
CUT_OFF_SECONDS = 30.0
_LATE_SECONDS = 3.9


class Boundaries:
    """Counts the requests that change something, and says what happens at which."""

    def __init__(self, plan: Mapping[int, Mishap], happens: Callable[[Mishap], None]) -> None:
        self._plan = dict(plan)
        self._happens = happens
        self.passed: list[str] = []
        """What each boundary was."""

    def next(self, asked: str) -> Mishap | None:
        self.passed.append(asked)
        mishap = self._plan.get(len(self.passed) - 1)
        if mishap is not None:
            self._happens(mishap)
        return mishap


class Connection(KubeClient):
    """A replica's client: plain JSON from the server in memory, after a while, or not."""

    def __init__(
        self, api: FakeApi, boundaries: Boundaries, chance: random.Random, kill: Callable[[], None], name: str = ""
    ) -> None:
        """`name` is the replica's, as the Lease names it."""
        self._name = name
        self._server = api
        self._boundaries = boundaries
        self._chance = chance
        self._kill = kill
        self._cut_off_until = 0.0
        self._no_lease_until = 0.0
        self._frozen_until = 0.0
        self._forbidden = ""
        self.is_dead = False
        self.too_late: list[str] = []
        """Requests that changed something, and arrived when another replica had the Lease."""

    @property
    def reaches(self) -> bool:
        """Whether anything gets through now."""
        return not self.is_dead and elapsed() >= max(self._cut_off_until, self._frozen_until)

    def forbid(self, plural: str) -> None:
        """From here on this kind may not be changed."""
        self._forbidden = plural

    def cut_off(self, seconds: float) -> None:
        """Nothing gets through for a while."""
        self._cut_off_until = max(self._cut_off_until, elapsed() + seconds)

    async def close(self) -> None:
        """Nothing to close."""

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
        asked, place = f"{method} {path}", place_of(path)
        sent = None if body is None else orjson.loads(encoded(body))
        is_dry = (query or {}).get("dryRun") == "All"
        mishap = None
        await self._thawed()
        if method != "GET" and not is_dry and place.plural not in ("leases", "events") and self.reaches:
            mishap = self._boundaries.next(asked)
        await asyncio.sleep(self._chance.uniform(0.001, 0.02))
        match mishap:
            case Mishap.KILLED_BEFORE:
                await self._die()
            case Mishap.CUT_OFF:
                self.cut_off(CUT_OFF_SECONDS)
            case Mishap.LEASE_AWAY:
                self._no_lease_until = elapsed() + CUT_OFF_SECONDS
            case Mishap.LATE_AND_CUT_OFF:
                self.cut_off(CUT_OFF_SECONDS)
                await asyncio.sleep(_LATE_SECONDS)
                self._arrives(asked, place, is_dry)
                self._server.handle(method, path, query or {}, sent, content_type)
            case _ if mishap in _CODES:
                code = _CODES[mishap]
                if code in (429, 500):
                    raise ClusterUnavailable(f"{asked}: {code}")
                causes = {"causes": [{"message": "refused for once"}]} if code == 422 else {}
                return Answer(status=code, body={"message": "refused for once", "details": causes})
        if not self.reaches or (place.plural == "leases" and elapsed() < self._no_lease_until):
            # Half of the time nobody answers, else the connection is refused at once.
            await asyncio.sleep(deadline_seconds if self._chance.random() < 0.5 else 0.05)
            raise ClusterUnavailable(f"{asked}: not reached")
        if place.plural == self._forbidden and method == "PATCH" and not is_dry:
            return Answer(status=403, body={"message": f"{place.plural} may not be patched"})
        self._arrives(asked, place, is_dry)
        answered = self._server.handle(method, path, query or {}, sent, content_type)
        if mishap is Mishap.KILLED_AFTER:
            await self._die()
        if mishap is Mishap.FROZEN:
            self._frozen_until = elapsed() + FROZEN_SECONDS
        await asyncio.sleep(self._chance.uniform(0.001, 0.02))
        await self._thawed()
        if mishap is Mishap.ANSWER_LOST or not self.reaches:
            raise ClusterUnavailable(f"{asked}: no answer")
        return Answer(status=answered.status, body=answered.body)

    async def _thawed(self) -> None:
        """A process that stands still neither sends nor hears anything."""
        if elapsed() < self._frozen_until:
            await asyncio.sleep(self._frozen_until - elapsed() + 0.001)

    def _arrives(self, asked: str, place: Place, is_dry: bool) -> None:
        """Only who leads may change anything, at the moment at which it is changed."""
        if asked.startswith("GET") or is_dry or place.plural in ("leases", "events"):
            return
        for lease in self._server.all("leases"):
            if lease["spec"]["holderIdentity"] not in ("", self._name):
                self.too_late.append(f"{self._name}: {asked} arrives while {lease['spec']['holderIdentity']} leads")

    async def _die(self) -> None:
        self.is_dead = True
        self._kill()
        await asyncio.Event().wait()
