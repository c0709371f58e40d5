"""What do controllers, pods and users do while a story goes on? A small model of rollout, gateway and answers.

A Deployment rolls out some seconds after its template changes, and its pods serve the image and the prompt as they
stand then. A gateway takes up weights after a second. Who got bad answers when follows from both, and is remembered:
that is what the counters would say.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from bench.faults.api import Doc, FakeApi, Place
from bench.faults.manifests import ROUTE, SPOTS, STEP, WORKLOAD, revision
from bench.faults.virtual import elapsed

from firebreak.core.field_paths import FieldPath, find
from firebreak.core.ports import ABSENT, Unmatched

ROLLOUT_SECONDS = 6.0
GATEWAY_SECONDS = 1.0
SUSPECTED_AFTER, CONFIRMED_AFTER, MET_AFTER = 2, 3, 3
"""Steps in a row."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What users get from a moment on."""

    since: float
    bad: bool
    share: float
    """Of the traffic, on the primary: 0 to 1."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the counters say after one step, seen from its end."""

    bad_in_a_row: int
    onset: float
    """When the present run of bad answers began."""
    share: float
    bad: bool
    holds: bool
    """Whether a detector goes on holding a breach: it was Confirmed, and has not been cleared."""


class SimulatedCluster:
    """Reacts to what changes at the API server."""

    def __init__(self, api: FakeApi, *, feature_is_cause: bool) -> None:
        self._api = api
        self._feature_is_cause = feature_is_cause
        self._pods = (revision("v1")["model"], revision("v1")["prompt"])
        self._falters = False
        self._weights = (100, 100)
        self.served = [Serving(since=-3600.0, bad=False, share=1.0)]
        self.readings: list[Reading] = []
        api.watchers.append(self._heard)
        self._take_up(ROUTE)

    def value(self, spot: str) -> Any:
        """What a place holds now; None when nothing stands there."""
        where = SPOTS[spot]
        live = self._api.read(where.place)
        if live is None:
            return None
        found = find(live, FieldPath.parse(where.path))
        return None if isinstance(found, Unmatched) or found.value is ABSENT else found.value

    def falter(self, falters: bool) -> None:
        """What serves answers badly for a while, whichever revision it is."""
        self._falters = falters
        self._serve()

    def _heard(self, kind: str, place: Place, object_: Doc) -> None:
        loop = asyncio.get_running_loop()
        if kind == "DELETED":
            return
        generation = object_["metadata"].get("generation", 0)
        if place.plural == "deployments" and object_["status"].get("observedGeneration") != generation:
            loop.call_later(ROLLOUT_SECONDS, self._roll_out, place, generation)
        elif place == ROUTE:
            loop.call_later(GATEWAY_SECONDS, self._take_up, place)
        elif place.plural == "configmaps":
            self._serve()

    def _roll_out(self, place: Place, generation: int) -> None:
        live = self._api.read(place)
        if live is None or live["metadata"]["generation"] != generation:
            return  # a later change rolls out by itself
        wanted = live["spec"]["replicas"]
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        status = {("status", name): wanted for name in counts} | {("status", "observedGeneration"): generation}
        self._api.edit(place, "kube-controller-manager", status, part="status")
        if place == WORKLOAD:
            self._pods = (self.value("image"), self.value("prompt"))
            self._serve()

    def _take_up(self, place: Place) -> None:
        live = self._api.read(place)
        assert live is not None
        generation = live["metadata"]["generation"]
        conditions = [
            {"type": t, "status": "True", "reason": t, "observedGeneration": generation}
            for t in ("Accepted", "ResolvedRefs")
        ]
        parents = [{"parentRef": ref, "conditions": conditions} for ref in live["spec"]["parentRefs"]]
        self._api.edit(place, "gateway", {("status", "parents"): parents}, part="status")
        refs = live["spec"]["rules"][0]["backendRefs"]
        self._weights = (refs[0].get("weight", 1), sum(r.get("weight", 1) for r in refs))
        self._serve()

    def _serve(self) -> None:
        is_v2 = revision("v2")["model"] == self._pods[0] or revision("v2")["prompt"] == self._pods[1]
        bad = self._falters or (is_v2 and not (self._feature_is_cause and self.value("dates") == "false"))
        share = self._weights[0] / self._weights[1] if self._weights[1] else 0.0
        last = self.served[-1]
        if (last.bad, last.share) != (bad, share):
            self.served.append(Serving(since=elapsed(), bad=bad, share=share))

    # --- what the counters say

    def reading(self, step: int) -> Reading | None:
        """After this step (from 0), which must be over; None before the first."""
        while len(self.readings) <= step:
            self.readings.append(self._read(len(self.readings)))
        return self.readings[step] if step >= 0 else None

    def _read(self, step: int) -> Reading:
        begin, end = step * STEP, (step + 1) * STEP
        within = [
            s
            for s, until in zip(self.served, [*(s.since for s in self.served[1:]), float("inf")], strict=True)
            if s.since < end and until > begin
        ]
        share = max(s.share for s in within)
        bad = any(s.bad and s.share > 0 for s in within)
        before = self.readings[-1] if self.readings else Reading(0, 0.0, 1.0, False, False)
        if share == 0.0:
            return Reading(before.bad_in_a_row, before.onset, 0.0, False, before.holds)
        row = before.bad_in_a_row
        row = (row + 1 if row > 0 else 1) if bad else row - 1 if row <= 0 else 0
        onset = begin if row == 1 and not before.holds else before.onset
        holds = row >= CONFIRMED_AFTER or (before.holds and row > -MET_AFTER)
        return Reading(row, onset, share, bad, holds)
