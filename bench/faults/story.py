"""One story from a good day to the next, with whatever goes wrong on the way.

v1 serves and is proven; what happens then is the story's course (bench/faults/courses.py). What it comes to is plain data
(`Ending`), which bench/faults/check.py compares.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bench.faults.api import Doc, FakeApi
from bench.faults.check import Ending, Witness
from bench.faults.cluster import SimulatedCluster
from bench.faults.connection import FROZEN_SECONDS, LASTING, Boundaries, Mishap
from bench.faults.courses import course_of
from bench.faults.manifests import IMAGE_FIELD, PROMPT, PROMPT_FIELD, SPOTS, WORKLOAD, revision, set_up
from bench.faults.replica import Replica
from bench.faults.virtual import WorldClock, elapsed, run

from firebreak.adapters.kube.client import FIELD_MANAGER

RESTARTED_AFTER = 2.0
LONGEST = 2 * 3600.0
"""Virtual seconds after which a story that has not ended counts as one that never does."""
QUIET = 120.0
"""Seconds without a change of anything that matters, after it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What happens in a story."""

    story: str
    seed: int = 0
    replicas: int = 1
    fixed_by: float = float("inf")
    """When people deploy the fix although nothing is contained."""
    forbidden: str = ""
    """A kind that Firebreak may never change: RBAC that was forgotten."""
    mishaps: Mapping[int, Mishap] = field(default_factory=dict)
    also: tuple[Callable[["Stage"], Awaitable[None]], ...] = ()
    """What else goes on beside it."""


class Stage:
    """Everything that lives in one story."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.course = course_of(plan.story, plan.fixed_by)
        self.chance = random.Random(plan.seed)
        random.seed(plan.seed)  # the Lease's jitter
        self.api = FakeApi(now=WorldClock().now, elapsed=elapsed)
        set_up(self.api, plan.story)
        self.cluster = SimulatedCluster(self.api, feature_is_cause=plan.story == "DisableFeature")
        self.boundaries = Boundaries(plan.mishaps, self._happens)
        self.witness = Witness(self.api, elapsed)
        self.replicas: list[Replica] = []
        self._gone: list[Replica] = []
        self.failures: list[str] = []
        self._started = 0
        self.last_disturbed = 0.0
        self.api_away_until = 0.0
        self.prometheus_away = False
        self.commit: Callable[[str], None] | None = None
        """How a revision is deployed where Git says what stands in the cluster."""

    def start_replica(self) -> Replica:
        """Another process, with a name of its own."""
        self._started += 1
        made = Replica(f"replica-{self._started}", self.api, self.cluster, self.boundaries, self.chance, self.failures)
        made.connection.cut_off(self.api_away_until - elapsed())
        made.connection.forbid(self.plan.forbidden)
        made.prometheus_is_away(self.prometheus_away)
        self.replicas.append(made)
        made.start()
        return made

    def _happens(self, mishap: Mishap) -> None:
        """What strikes everybody, or lasts."""
        self.last_disturbed = elapsed()
        later = asyncio.get_running_loop().call_later
        lasts = self.chance.choice((10.0, 60.0, 300.0, 600.0))
        if mishap in LASTING:
            self.last_disturbed = elapsed() + lasts
        match mishap:
            case Mishap.FROZEN:
                self.last_disturbed = elapsed() + FROZEN_SECONDS
            case Mishap.API_AWAY:
                self.api_away_until = elapsed() + lasts
                for replica in self.replicas:
                    replica.connection.cut_off(lasts)
            case Mishap.PROMETHEUS_AWAY:
                self._prometheus_is_away(True)
                later(lasts, self._prometheus_is_away, False)
            case Mishap.CLOCK_AHEAD | Mishap.CLOCK_BEHIND:
                # Of the one that acts; the others' clocks are right.
                wrong = timedelta(hours=1 if mishap is Mishap.CLOCK_AHEAD else -1)
                acting = next(r for r in self.replicas if r.lease.is_leader())
                acting.clock.wrong_by = wrong
                later(lasts, acting.set_right)

    @property
    def too_late(self) -> list[str]:
        """What replicas changed that had been deposed."""
        return [told for replica in (*self._gone, *self.replicas) for told in replica.connection.too_late]

    def _prometheus_is_away(self, away: bool) -> None:
        self.prometheus_away = away
        for replica in self.replicas:
            replica.prometheus_is_away(away)

    def incident(self) -> Doc | None:
        """The youngest incident."""
        found = self.api.all("aiincidents")
        return found[-1] if found else None

    def phase(self) -> str:
        incident = self.incident()
        return str((incident or {}).get("status", {}).get("phase", ""))

    def deploy(self, name: str, by: str = "pipeline") -> None:
        """Somebody deploys a revision: the prompt first, as a chart's apply would; through Git, where there is a loop."""
        if self.commit is not None:
            self.commit(name)
            return
        values = revision(name)
        self.api.edit(PROMPT, by, {PROMPT_FIELD: values["prompt"]})
        self.api.edit(WORKLOAD, by, {IMAGE_FIELD: values["model"]})

    async def keep_alive(self) -> None:
        """What a Deployment does: a process that was killed is started again, under another name."""
        while True:
            await asyncio.sleep(0.5)
            for replica in [r for r in self.replicas if not r.is_alive]:
                self.replicas.remove(replica)
                self._gone.append(replica)
                self.last_disturbed = elapsed()
                # With a second replica that one takes over, so the first may take its time.
                asyncio.get_running_loop().call_later(
                    RESTARTED_AFTER if self.plan.replicas == 1 else 45.0, self.start_replica
                )

    async def until_over(self) -> bool:
        """Wait until the incident is over and nothing moves any more; False when it never is."""
        while elapsed() < LONGEST:
            await asyncio.sleep(5.0)
            if self.failures:
                return False
            if not self.course.is_over(self):
                continue
            last = max(
                (c.at for c in self.api.changes if c.by == FIELD_MANAGER and c.place.plural != "leases"), default=0.0
            )
            if elapsed() - max(last, self.last_disturbed) > QUIET and not self.api.all("quarantines"):
                return True
        return False


def play(plan: Plan) -> Ending:
    """Let a story happen."""
    return run(_play(plan))


async def _play(plan: Plan) -> Ending:
    stage = Stage(plan)
    for _ in range(plan.replicas):
        stage.start_replica()
    beside = [asyncio.create_task(stage.keep_alive()), asyncio.create_task(stage.course.people(stage))]
    beside += [asyncio.ensure_future(other(stage)) for other in plan.also]
    is_over = await stage.until_over()
    for task in beside:
        if task.done() and not task.cancelled() and task.exception() is not None:
            raise RuntimeError("the bench itself failed") from task.exception()
        task.cancel()
    for replica in stage.replicas:
        replica.kill()
    await asyncio.sleep(1.0)
    return _ending(stage, is_over)


def _ending(stage: Stage, is_over: bool) -> Ending:
    api = stage.api
    owned = tuple(
        o["metadata"]["name"]
        for plural in ("deployments", "configmaps", "httproutes")
        for o in api.all(plural)
        if any(e["manager"] == "firebreak" for e in o["metadata"]["managedFields"])
    )
    return Ending(
        is_over=is_over,
        took=elapsed(),
        values={name: stage.cluster.value(name) for name in SPOTS},
        owned=owned,
        incidents=tuple(api.all("aiincidents")),
        drills=tuple(api.all("containmentdrills")),
        raises=tuple(api.all("samplingraises")),
        quarantines=tuple(q["metadata"]["name"] for q in api.all("quarantines")),
        snapshots=tuple(sorted(c["metadata"]["name"] for c in api.all("controllerrevisions"))),
        written=tuple(stage.witness.written),
        boundaries=tuple(stage.boundaries.passed),
        failures=tuple(stage.failures),
        wrong=(*stage.witness.wrong, *stage.too_late),
        settings=tuple(stage.witness.settings),
        wanted=frozenset(stage.witness.wanted),
        changes=tuple(api.changes),
        events=tuple(api.events),
    )
