"""What do people do in a story, and when is it over? One course for each kind of story.

In most of them a bad revision is deployed, contained, and fixed; in one a drill is executed, and in one it is bad for so
short a time that only the judge's sampling rate is raised.
"""

import asyncio
from typing import Protocol

from bench.faults.api import Doc, FakeApi
from bench.faults.cluster import SimulatedCluster
from bench.faults.manifests import AIS, DRILL, RAISE, SERVICE, STEP
from bench.faults.virtual import elapsed

DEPLOYED_AT = 40.0
FIXED_AFTER = 30.0
"""Seconds from when it is contained until a person deploys the fix."""
_FALTERS_AT, _FALTERS_FOR, _FALTERS_UNTIL = 46.0, 10.0, 900.0
"""Seconds: bad answers in every second step."""


class Scene(Protocol):
    """What people see of a story, and can do in it."""

    api: FakeApi
    cluster: SimulatedCluster

    def incident(self) -> Doc | None: ...

    def phase(self) -> str: ...

    def deploy(self, name: str) -> None: ...


class Course(Protocol):
    """A kind of story."""

    async def people(self, scene: Scene) -> None:
        """What people do."""
        ...

    def is_over(self, scene: Scene) -> bool:
        """Whether everything has happened that was to."""
        ...


class Contained:
    """A pipeline deploys v2, which is bad; when it is contained a person deploys v3, the fix."""

    def __init__(self, story: str, fixed_by: float) -> None:
        self._story, self._fixed_by = story, fixed_by
        self._is_fixed = False

    async def people(self, scene: Scene) -> None:
        await asyncio.sleep(DEPLOYED_AT)
        scene.deploy("v2")
        while not self._is_time_for_the_fix(scene):  # noqa: ASYNC110 -- the API server in memory has no event for it
            await asyncio.sleep(1.0)
        await asyncio.sleep(FIXED_AFTER)
        scene.deploy("v3")
        self._is_fixed = True

    def is_over(self, scene: Scene) -> bool:
        # Somebody may have ended it before Firebreak saw enough: then there is no incident.
        return self._is_fixed and scene.phase() in ("Resolved", "")

    def _is_time_for_the_fix(self, scene: Scene) -> bool:
        if elapsed() > self._fixed_by:
            return True
        status = (scene.incident() or {}).get("status", {})
        if self._story == "RaiseHumanReview":  # which contains nothing
            return any(a["phase"] == "InForce" for a in status.get("actions", ()))
        return bool(status.get("phase") == "Contained")


class Drilled:
    """Nothing is wrong, and somebody asks for a drill of the whole ladder that is executed and given back."""

    async def people(self, scene: Scene) -> None:
        await asyncio.sleep(DEPLOYED_AT)
        spec = {"service": SERVICE.name, "mode": "Execute", "allowExecution": True}
        scene.api.seed(DRILL, {"kind": "ContainmentDrill", "metadata": _named(DRILL.name), "spec": spec})

    def is_over(self, scene: Scene) -> bool:
        drill = scene.api.read(DRILL) or {}
        run = (drill.get("status") or {}).get("run") or {}
        return bool(run.get("endedAt")) and not drill["metadata"].get("finalizers")


class Raised:
    """Answers are bad for some seconds, again and again: enough for tier Watch, and for no incident.

    That ends when the rate is raised, or, where that is refused, after a while.
    """

    def __init__(self) -> None:
        self._is_past = False

    async def people(self, scene: Scene) -> None:
        await asyncio.sleep(_FALTERS_AT)
        while elapsed() < _FALTERS_UNTIL and self._phase(scene) != "Raised":
            scene.cluster.falter(True)
            await asyncio.sleep(_FALTERS_FOR)
            scene.cluster.falter(False)
            await asyncio.sleep(2 * STEP - _FALTERS_FOR)
        self._is_past = True

    def _phase(self, scene: Scene) -> str:
        return str(((scene.api.read(RAISE) or {}).get("status") or {}).get("phase") or "Normal")

    def is_over(self, scene: Scene) -> bool:
        held = ((scene.api.read(RAISE) or {}).get("metadata") or {}).get("finalizers")
        told = ((scene.api.read(AIS) or {}).get("status") or {}).get("sampling") or {}
        is_normal = self._phase(scene) == "Normal" and told.get("state", "Normal") == "Normal"
        return self._is_past and is_normal and not held


def _named(name: str) -> Doc:
    return {"name": name, "namespace": SERVICE.namespace}


def course_of(story: str, fixed_by: float) -> Course:
    """The course of this story; people deploy the fix by then, though nothing be contained."""
    match story:
        case "Drill":
            return Drilled()
        case "SamplingRaise":
            return Raised()
        case _:
            return Contained(story, fixed_by)
