"""What do people do in a story, and when is it over? One course for each kind of story.

In most of them a bad revision is deployed, contained, and fixed; in one a drill is executed, and in one it is bad for so
short a time that only the judge's sampling rate is raised.
"""

import asyncio
from typing import TYPE_CHECKING, Protocol

from bench.faults.api import Doc
from bench.faults.manifests import AIS, DRILL, RAISE, SERVICE, STEP
from bench.faults.virtual import elapsed

if TYPE_CHECKING:
    from bench.faults.story import Stage

DEPLOYED_AT = 40.0
FIXED_AFTER = 30.0
"""Seconds from when it is contained until a person deploys the fix."""
_FALTERS_AT, _FALTERS_FOR, _FALTERS_UNTIL = 46.0, 10.0, 900.0
"""Seconds: bad answers in every second step."""


class Course(Protocol):
    """A kind of story."""

    async def people(self, stage: "Stage") -> None:
        """What people do."""
        ...

    def is_over(self, stage: "Stage") -> bool:
        """Whether everything has happened that was to."""
        ...


class Contained:
    """A pipeline deploys v2, which is bad; when it is contained a person deploys v3, the fix."""

    def __init__(self) -> None:
        self._is_fixed = False

    async def people(self, stage: "Stage") -> None:
        await asyncio.sleep(DEPLOYED_AT)
        stage.deploy("v2")
        while not _is_time_for_the_fix(stage):  # noqa: ASYNC110 -- the API server in memory has no event for it
            await asyncio.sleep(1.0)
        await asyncio.sleep(FIXED_AFTER)
        stage.deploy("v3")
        self._is_fixed = True

    def is_over(self, stage: "Stage") -> bool:
        # Somebody may have ended it before Firebreak saw enough: then there is no incident.
        return self._is_fixed and stage.phase() in ("Resolved", "")


def _is_time_for_the_fix(stage: "Stage") -> bool:
    if elapsed() > stage.plan.fixed_by:
        return True
    status = (stage.incident() or {}).get("status", {})
    if stage.plan.story == "RaiseHumanReview":  # which contains nothing
        return any(a["phase"] == "InForce" for a in status.get("actions", ()))
    return bool(status.get("phase") == "Contained")


class Drilled:
    """Nothing is wrong, and somebody asks for a drill of the whole ladder that is executed and given back."""

    async def people(self, stage: "Stage") -> None:
        await asyncio.sleep(DEPLOYED_AT)
        spec = {"service": SERVICE.name, "mode": "Execute", "allowExecution": True}
        stage.api.seed(DRILL, {"kind": "ContainmentDrill", "metadata": _named(DRILL.name), "spec": spec})

    def is_over(self, stage: "Stage") -> bool:
        drill = stage.api.read(DRILL) or {}
        run = (drill.get("status") or {}).get("run") or {}
        return bool(run.get("endedAt")) and not drill["metadata"].get("finalizers")


class Raised:
    """Answers are bad for some seconds, again and again: enough for tier Watch, and for no incident.

    That ends when the rate is raised, or, where that is refused, after a while.
    """

    def __init__(self) -> None:
        self._is_past = False

    async def people(self, stage: "Stage") -> None:
        await asyncio.sleep(_FALTERS_AT)
        while elapsed() < _FALTERS_UNTIL and self._phase(stage) != "Raised":
            stage.cluster.falter(True)
            await asyncio.sleep(_FALTERS_FOR)
            stage.cluster.falter(False)
            await asyncio.sleep(2 * STEP - _FALTERS_FOR)
        self._is_past = True

    def _phase(self, stage: "Stage") -> str:
        return str(((stage.api.read(RAISE) or {}).get("status") or {}).get("phase") or "Normal")

    def is_over(self, stage: "Stage") -> bool:
        held = ((stage.api.read(RAISE) or {}).get("metadata") or {}).get("finalizers")
        told = ((stage.api.read(AIS) or {}).get("status") or {}).get("sampling") or {}
        is_normal = self._phase(stage) == "Normal" and told.get("state", "Normal") == "Normal"
        return self._is_past and is_normal and not held


def _named(name: str) -> Doc:
    return {"name": name, "namespace": SERVICE.namespace}


def course_of(story: str) -> Course:
    """The course of this story."""
    match story:
        case "Drill":
            return Drilled()
        case "SamplingRaise":
            return Raised()
        case _:
            return Contained()
