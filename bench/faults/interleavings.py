"""What becomes of it when others write to the same objects, at moments that nobody chose? One story for each seed.

A person, an autoscaler and a GitOps loop are there or not, as the seed says, and in every third story something goes
wrong with the operator as well. There is no undisturbed ending to compare with: what must hold is said of the ending
itself.
"""

import asyncio
import random

from bench.faults.api import Place
from bench.faults.check import Ending, Setting, half_done
from bench.faults.connection import Mishap
from bench.faults.manifests import LADDERS, REVIEW, SPOTS, WORKLOAD, revision
from bench.faults.neighbours import GitOps, Sync, autoscaler, meddler, neighbours_of, person
from bench.faults.story import Plan, Stage, play

from firebreak.adapters.kube.client import FIELD_MANAGER

FIXED_BY = 420.0
ENDED_BY = 1500.0
"""Seconds after which the person on call ends an incident that is still open."""
_BOUNDARIES = 45
_MISHAPS = tuple(m for m in Mishap if m is not Mishap.FROZEN)
"""Who stands still for twenty minutes would miss the others altogether."""
_INCIDENTS = "aiincidents"


def plan_of(seed: int) -> Plan:
    """The story of this seed."""
    chance = random.Random(f"plan {seed}")
    mishaps = {}
    if chance.random() < 1 / 3:
        mishaps[chance.randrange(_BOUNDARIES)] = chance.choice(_MISHAPS)
    return Plan(
        story=chance.choice(tuple(LADDERS)),
        seed=seed,
        replicas=chance.choice((1, 1, 2)),
        mishaps=mishaps,
        fixed_by=FIXED_BY,
        also=(_others, _on_call),
    )


async def _others(stage: Stage) -> None:
    who = neighbours_of(stage.plan.seed)
    async with asyncio.TaskGroup() as group:
        if who.sync is not Sync.NONE:
            loop = GitOps(stage, who)
            stage.commit = loop.commit
            group.create_task(loop.run(stage))
        if who.scales_review:
            group.create_task(autoscaler(stage, REVIEW))
        if who.scales_workload:
            group.create_task(autoscaler(stage, WORKLOAD))
        group.create_task(person(stage, who))
        group.create_task(meddler(stage, who))


async def _on_call(stage: Stage) -> None:
    """In the end somebody closes what Firebreak would not: v3 serves, and it is good."""
    await asyncio.sleep(ENDED_BY)
    while True:
        for incident in stage.api.all(_INCIDENTS):
            if incident.get("status", {}).get("phase") != "Resolved":
                meta = incident["metadata"]
                where = Place(incident["apiVersion"], _INCIDENTS, meta["namespace"], meta["name"])
                stage.api.edit(where, "kubectl-edit", {("spec", "resolution"): "KnownGoodAccepted"})
        await asyncio.sleep(60.0)


def wrong_with(seed: int) -> list[str]:
    """What the story of this seed came to that it should not have."""
    return judged(play(plan_of(seed)))


def judged(ending: Ending) -> list[str]:
    """What is wrong with how a story among others ended."""
    wrong = half_done(ending)
    for spot in SPOTS:
        theirs = [s for s in ending.settings if s.spot == spot and s.by != FIELD_MANAGER]
        if spot == "restarted" or not theirs or _is_as_wanted(theirs[-1], ending):
            continue
        if ending.values[spot] != theirs[-1].after:
            wrong.append(f"{spot} holds {ending.values[spot]!r}; {theirs[-1].by} had set it to {theirs[-1].after!r}")
    for incident in ending.incidents:
        status = incident.get("status", {})
        told = " ".join(e["message"] for e in status.get("timeline", ()))
        for action in status.get("actions", ()):
            for write in action["writes"]:
                if write.get("left") and write["path"] not in f"{action.get('message', '')} {told}":
                    wrong.append(f"{write['path']} was left as somebody set it, and nobody was told")
    return wrong


def _is_as_wanted(last: Setting, ending: Ending) -> bool:
    """Whether somebody set what Firebreak wanted there anyway: nobody can tell whose it is then."""
    return (SPOTS[last.spot].path, last.after) in ending.wanted and last.after not in revision("v3").values()
