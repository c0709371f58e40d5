"""Who else writes to the same objects? A person, a horizontal autoscaler, and a GitOps loop, each with a mind of its own.

None of them knows of Firebreak. They are chosen by a story's seed, and act at moments that it chooses.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bench.faults.api import Doc, Place
from bench.faults.documents import Path, leaves, with_leaf
from bench.faults.manifests import IMAGE_FIELD, PROMPT, PROMPT_FIELD, REVIEW, ROUTE, SPOTS, SWITCHES, WORKLOAD, revision
from bench.faults.story import Stage
from bench.faults.virtual import elapsed


class Sync(StrEnum):
    """How a GitOps loop applies."""

    NONE = "none"
    SERVER_SIDE = "server-side"
    CLIENT_SIDE = "client-side"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Who is there in one story, and what they do."""

    sync: Sync
    heals: bool
    """Whether the loop also puts back what differs from Git, not only what is new in Git."""
    ignores: bool
    """Whether it leaves alone what Firebreak moves for the length of an incident, as docs/gitops.md asks."""
    scales_review: bool
    scales_workload: bool
    meddles: int
    """How often somebody sets a place just as Firebreak is about to."""
    edits: tuple[tuple[float, str, Any], ...]
    """What a person sets when: seconds from the beginning, which place, the value."""


_EDITS: Mapping[str, tuple[Any, ...]] = {
    "primary": (0, 50, 100),
    "small": (0, 25, 100),
    "rate": ("2%", "30%", "100%"),
    "dates": ("true", "false"),
    "replicas": (1, 4, 9),
    "annotation": ("a note", "another note"),
    "sidecar": ("envoy:1", "envoy:2"),
    "review-image": ("registry/review:2",),
}


def neighbours_of(seed: int) -> Neighbours:
    """Who is there in the story of this seed."""
    chance = random.Random(seed)
    edits = []
    for _ in range(chance.choice((0, 1, 2, 3, 5))):
        spot = chance.choice(tuple(_EDITS))
        edits.append((chance.uniform(5.0, 400.0), spot, chance.choice(_EDITS[spot])))
    return Neighbours(
        sync=chance.choice(tuple(Sync)),
        heals=chance.random() < 0.6,
        ignores=chance.random() < 0.6,
        scales_review=chance.random() < 0.4,
        scales_workload=chance.random() < 0.4,
        meddles=chance.choice((0, 0, 1, 2)),
        edits=tuple(sorted(edits)),
    )


FIELDS: Mapping[str, tuple[Place, Path]] = {
    "image": (WORKLOAD, IMAGE_FIELD),
    "prompt": (PROMPT, PROMPT_FIELD),
    "rate": (SWITCHES, ("data", "review-rate")),
    "dates": (SWITCHES, ("data", "dates")),
    "replicas": (REVIEW, ("spec", "replicas")),
    "annotation": (WORKLOAD, ("metadata", "annotations", "note")),
    "sidecar": (WORKLOAD, ("spec", "template", "spec", "containers", "[proxy]", "image")),
    "review-image": (REVIEW, ("spec", "template", "spec", "containers", "[server]", "image")),
}


_MEDDLED = {k: _EDITS[k] for k in ("primary", "small", "rate", "dates", "replicas")} | {
    "image": ("registry/summarizer:v2-hotfix",),
    "prompt": ("prompt v2, mended",),
}


@dataclass
class Git:
    """What stands in Git; the pipeline of the story commits here when there is a loop."""

    wanted: dict[Place, dict[Path, Any]] = field(default_factory=dict)
    new: bool = True
    """Whether something was committed that has not been applied."""


def _git_of(stage: Stage) -> Git:
    """The repository as it is when the story begins: everything that the service declares, but no replicas of an HPA."""
    wanted: dict[Place, dict[Path, Any]] = {}
    for place in (WORKLOAD, PROMPT, ROUTE):
        live = stage.api.read(place)
        assert live is not None
        wanted[place] = {f: v for f, v in leaves(live) if f[0] in ("spec", "data")}
    return Git(wanted=wanted)


class GitOps:
    """A loop that makes the cluster what Git says."""

    def __init__(self, stage: Stage, who: Neighbours) -> None:
        self._stage = stage
        self._who = who
        self.git = _git_of(stage)
        if who.scales_workload:
            del self.git.wanted[WORKLOAD]["spec", "replicas"]
        self.refused = 0

    def commit(self, name: str) -> None:
        """Somebody commits a revision."""
        values = revision(name)
        self.git.wanted[PROMPT][PROMPT_FIELD] = values["prompt"]
        self.git.wanted[WORKLOAD][IMAGE_FIELD] = values["model"]
        self.git.new = True

    async def run(self, stage: Stage) -> None:
        """Sync what is new in Git, and heal what differs if it does that."""
        while True:
            await asyncio.sleep(stage.chance.uniform(1.0, 4.0))
            if self.git.new or (self._who.heals and self._differs()):
                self.git.new = not self._sync()

    def _wanted(self, place: Place) -> dict[Path, Any]:
        wanted = dict(self.git.wanted[place])
        if self._who.ignores and place == ROUTE:
            # Argo CD with RespectIgnoreDifferences sends what stands there instead of what Git has.
            live = dict(leaves(self._stage.api.read(place) or {}))
            wanted[("spec", "rules")] = live["spec", "rules"]
        return wanted

    def _differs(self) -> bool:
        for place in self.git.wanted:
            live = dict(leaves(self._stage.api.read(place) or {}))
            if any(live.get(f) != v for f, v in self._wanted(place).items()):
                return True
        return False

    def _sync(self) -> bool:
        done = True
        for place in sorted(self.git.wanted, key=lambda p: p.plural != "configmaps"):
            if self._who.sync is Sync.SERVER_SIDE:
                document: Doc = {}
                for field_, value in self._wanted(place).items():
                    with_leaf(document, field_, value)
                answered = self._stage.api.apply(place, "argocd-controller", document)
            else:
                answered = self._stage.api.edit(place, "argocd-controller", self._wanted(place))
            if answered.status >= 400:
                self.refused += 1
                done = False
        return done


async def autoscaler(stage: Stage, place: Place) -> None:
    """An HPA that changes its mind now and then, on /scale."""
    while True:
        await asyncio.sleep(stage.chance.uniform(15.0, 90.0))
        stage.api.edit(
            place, "kube-controller-manager", {("spec", "replicas"): stage.chance.randint(2, 9)}, part="scale"
        )


async def person(stage: Stage, who: Neighbours) -> None:
    """Sets what a person thinks best."""
    for at, spot, value in who.edits:
        await asyncio.sleep(max(0.0, at - elapsed()))
        set_by_hand(stage, spot, value)


async def meddler(stage: Stage, who: Neighbours) -> None:
    """Sets a place of a step within two seconds of the moment at which Firebreak has said that it will."""
    left = who.meddles

    def heard(_: str, place: Place, incident: Doc) -> None:
        nonlocal left
        if place.plural != "aiincidents" or not left or stage.chance.random() < 0.4:
            return
        owed = [
            name
            for action in (incident.get("status") or {}).get("actions", ())
            for write in action["writes"]
            if not write.get("landed") and not write.get("left")
            for name, spot in SPOTS.items()
            if (spot.place.name, spot.path) == (write["target"]["name"], write["path"]) and name in _MEDDLED
        ]
        if owed:
            left -= 1
            spot = stage.chance.choice(owed)
            later = stage.chance.uniform(0.0, 2.0)
            asyncio.get_running_loop().call_later(later, set_by_hand, stage, spot, stage.chance.choice(_MEDDLED[spot]))

    stage.api.watchers.append(heard)
    await asyncio.Event().wait()


def set_by_hand(stage: Stage, spot: str, value: Any) -> None:
    """Somebody sets one place, whatever it holds."""
    if spot not in ("primary", "small"):
        place, field_ = FIELDS[spot]
        stage.api.edit(place, "kubectl-edit", {field_: value})
        return
    live = stage.api.read(ROUTE)
    assert live is not None
    rules = [dict(rule) for rule in live["spec"]["rules"]]
    name = {"primary": "summarizer", "small": "summarizer-small"}[spot]
    rules[0]["backendRefs"] = [b | {"weight": value} if b["name"] == name else b for b in rules[0]["backendRefs"]]
    stage.api.edit(ROUTE, "kubectl-edit", {("spec", "rules"): rules})
