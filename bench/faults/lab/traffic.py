"""What passes between the operators of one namespace and the servers, and what becomes of it at the point that is tried?

A boundary is a request by which Firebreak changes something in the namespace: a record, a finalizer, a quarantine, a
field, the removal of its name. It is named by what is asked and counted within a story: `patch-deployments-1` is the
first patch of a Deployment. The operators see the one namespace alone, so many can share a control plane.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from bench.faults.lab.mishaps import (
    ANSWERS,
    API_AWAY,
    CUT_OFF_SECONDS,
    LATE_SECONDS,
    PROMETHEUS_AWAY,
    TOO_OLD_SECONDS,
    Mishap,
)
from bench.faults.lab.proxy import PASS, Asked, Fault, status
from bench.faults.lab.witness import Witness

from firebreak.adapters.kube.kinds import CONFIG_MAP, DEPLOYMENT, FIREBREAK, HORIZONTAL_POD_AUTOSCALER, HTTP_ROUTE

NARROWED = tuple(
    k for k in (*FIREBREAK.values(), CONFIG_MAP, DEPLOYMENT, HTTP_ROUTE, HORIZONTAL_POD_AUTOSCALER) if k.namespaced
)
"""The kinds of which an operator sees those of its namespace."""
_NARROWED = {kind.plural for kind in NARROWED}
_STALE_SECONDS = 5.0
_GONE = status(410, "Expired", "too old resource version: 1 (2)")
_LOST = Fault(times=0, is_lost=True)


class Behind(Protocol):
    """The process behind a door."""

    cut_off_until: float

    def kill(self) -> None: ...
    def cut(self) -> None: ...
    def silence(self) -> None: ...


class Place(NamedTuple):
    """Where a request goes; `name` is empty for a collection."""

    namespace: str
    plural: str
    name: str
    part: str


def place_of(path: str) -> Place | None:
    """Read a path of the API server; None for what is not about objects."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    return Place(namespace, *(*rest, "", "")[:3]) if rest else None


class Traffic:
    """The traffic of one namespace's operators."""

    def __init__(self, namespace: str, *, restart_etcd: Callable[[], None]) -> None:
        self._namespace = namespace
        self._restart_etcd = restart_etcd
        self.witness = Witness()
        self.doors: list[Behind] = []
        self._lists: dict[str, bytes] = {}
        self.begin("", None)
        self.api_away_until = self.prometheus_away_until = 0.0
        self.last_change = 0.0

    def begin(self, boundary: str, mishap: Mishap | None) -> None:
        """A new story, with what happens at which boundary."""
        self.passed: list[str] = []
        """What each boundary was."""
        self.is_reached = False
        self._counted: Counter[str] = Counter()
        self._boundary, self._mishap = boundary, mishap
        self._stale_until = self._gone_until = 0.0
        self._gone_once: set[str] | None = None
        self.witness.begin()

    def strike(self) -> None:
        """Let it happen now, and not at a boundary."""
        if self._mishap is not None:
            self.is_reached = True
            self._fault(self._mishap, self.doors[0])

    def metrics(self, _: Asked) -> Fault:
        """What becomes of a query of Prometheus."""
        return _LOST if time.monotonic() < self.prometheus_away_until else PASS

    def decide(self, door: Behind, asked: Asked) -> Fault:
        """What becomes of a request to the API server."""
        now, place = time.monotonic(), place_of(asked.path)
        if now < self.api_away_until:
            return _LOST
        if now < door.cut_off_until:
            return Fault(times=0, is_lost=True, delay=LATE_SECONDS)
        if place is None:
            return PASS
        is_change = asked.method != "GET" and asked.query.get("dryRun") is None
        if is_change and place.namespace == self._namespace and place.plural not in ("leases", "events"):
            self.last_change = now
            kind = ".".join(filter(None, (place.plural, place.part)))
            verb = f"{asked.method.lower()}-{kind}"
            self._counted[verb] += 1
            self.passed.append(f"{verb}-{self._counted[verb]}")
            if self.passed[-1] == self._boundary and not self.is_reached and self._mishap is not None:
                self.is_reached = True
                return self._fault(self._mishap, door)
        if asked.method == "GET" and not place.name:
            return self._list(place, asked, now)
        return PASS

    def _list(self, place: Place, asked: Asked, now: float) -> Fault:
        if now < self._gone_until:
            return Fault(answer=(410, _GONE))
        if asked.is_watch and self._gone_once is not None and place.plural not in self._gone_once:
            self._gone_once.add(place.plural)
            return Fault(answer=(200, json.dumps({"type": "ERROR", "object": json.loads(_GONE)}).encode() + b"\n"))
        if place.namespace or place.plural not in _NARROWED:
            return PASS
        if not asked.is_watch and now < self._stale_until and place.plural in self._lists:
            return Fault(answer=(200, self._lists[place.plural]))
        head, _, plural = asked.path.rpartition("/")
        return Fault(path=f"{head}/namespaces/{self._namespace}/{plural}")

    def seen(self, asked: Asked, code: int, body: bytes) -> None:
        """An answer of the API server."""
        place = place_of(asked.path)
        if place is None:
            return
        if place.name and place.namespace == self._namespace:
            self.witness.sees(asked, place.plural, place.name, code, body)

    def keep_list(self, plural: str, body: bytes) -> None:
        """What a list was before the story: what a stale one shows."""
        self._lists[plural] = body

    def _fault(self, mishap: Mishap, door: Behind) -> Fault:
        now = time.monotonic()
        if mishap in ANSWERS:
            code, reason = ANSWERS[mishap]
            return Fault(answer=(code, status(code, reason, "refused for once")))
        if mishap in API_AWAY:
            self.api_away_until = now + API_AWAY[mishap]
            self._each(lambda d: d.cut())
            return _LOST
        if mishap in PROMETHEUS_AWAY:
            self.prometheus_away_until = now + PROMETHEUS_AWAY[mishap]
            return PASS
        match mishap:
            case Mishap.KILLED_BEFORE:
                return Fault(before=door.kill, times=0, is_lost=True)
            case Mishap.KILLED_AFTER:
                return Fault(after=door.kill, is_lost=True)
            case Mishap.STALE_LISTS:
                self._stale_until = now + _STALE_SECONDS + 3.0  # a start takes some of it
                return Fault(after=door.kill, is_lost=True)
            case Mishap.ANSWER_LOST:
                return Fault(is_lost=True)
            case Mishap.LATE:
                return Fault(delay=LATE_SECONDS, is_lost=True)
            case Mishap.DOUBLED:
                return Fault(times=2)
            case Mishap.CUT_OFF:
                door.cut_off_until = now + CUT_OFF_SECONDS
                door.cut()
                return _LOST
            case Mishap.WATCHES_SILENT:
                self._each(lambda d: d.silence())
            case Mishap.WATCHES_TOO_OLD:
                self._gone_once = set()
                self._each(lambda d: d.cut())
            case Mishap.LISTS_TOO_OLD:
                self._gone_until = now + TOO_OLD_SECONDS
                self._each(lambda d: d.cut())
            case Mishap.ETCD_RESTARTED:
                self._restart_etcd()
        return PASS

    def _each(self, act: Callable[[Behind], None]) -> None:
        for door in self.doors:
            act(door)
