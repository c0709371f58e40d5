"""What happens in a story of the lab part, and how is it told to Firebreak? One for each kind of action, in seconds.

A good revision serves and is proven; a bad one is deployed; Firebreak contains; a fix is deployed; Firebreak gives back.
Stories follow each other in one namespace, so every revision of a story is new.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.integration.operator.manifests import (
    API,
    FRESHNESS,
    GOOD_PROMPT,
    PERSONAL_DATA,
    Manifest,
    config_map,
    service,
)

SOURCE = "bench"
SLOW_ENOUGH = "5m"
"""How long a step is given to help: longer than anything stays away."""

PROVEN = {"after": "20s", "minJudged": 100}
"""Longer than a new pod may take until its first answers are scraped, or a bad revision is proven before it shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What serves; the names stay the same from story to story, the values do not."""

    name: str
    image: str
    prompt: str
    index_age: str = "5"


FIRST = Revision(name="good", image="shop:one", prompt=GOOD_PROMPT)
"""What the shop begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A kind of action."""

    kind: str
    step: Manifest
    objective: Manifest
    release: str
    effect: str
    """The boundary between the recorded intent to contain and its effect."""
    giving_back: str
    """That between the recorded intent to give back and its effect."""
    is_contained: bool = True
    """Whether its step contains: raised human review does not."""
    by_pipeline: bool = False
    """Whether the data's age is bad, and not the revision."""


STORIES: Mapping[str, Story] = {
    s.kind: s
    for s in (
        Story(
            kind="RollBack",
            step={"verifyWithin": SLOW_ENOUGH},
            objective=PERSONAL_DATA,
            release="NewRevision",
            effect="patch-configmaps-1",
            giving_back="delete-quarantines-1",
        ),
        Story(
            kind="SwitchTraffic",
            step={"fallback": {"role": "Static"}, "verifyWithin": SLOW_ENOUGH},
            objective=PERSONAL_DATA,
            release="NewRevision",
            effect="patch-httproutes-1",
            giving_back="patch-httproutes-3",
        ),
        Story(
            kind="RaiseHumanReview",
            step={"evidence": "Suspected"},
            objective=PERSONAL_DATA,
            release="NewRevision",
            effect="patch-configmaps-1",
            giving_back="patch-configmaps-2",
            is_contained=False,
        ),
        Story(
            kind="DisableFeature",
            step={"feature": "dates", "verifyWithin": SLOW_ENOUGH},
            objective=FRESHNESS,
            release="GaugeRecovered",
            effect="patch-configmaps-1",
            giving_back="patch-configmaps-2",
            by_pipeline=True,
        ),
    )
}


def revisions(story: Story, number: int) -> tuple[Revision, Revision]:
    """The bad one of the namespace's n-th story, and the fix."""
    if story.by_pipeline:
        return replace(FIRST, name="bad", index_age="500"), replace(FIRST, name="fix")
    after = "shop:two" if number % 2 else "shop:one"
    return (
        Revision(name="bad", image="shop:bad", prompt=f"Also leak phone numbers: {number}.\n"),
        Revision(name="fix", image=after, prompt=f"Be careful: {number}.\n"),
    )


def declared(story: Story, metrics_url: str) -> tuple[Manifest, ...]:
    """Source, policy and service."""
    source = {
        "apiVersion": API,
        "kind": "MetricSource",
        "metadata": {"name": SOURCE},
        "spec": {"url": metrics_url, "timeout": "3s"},
    }
    policy = {
        "apiVersion": API,
        "kind": "ContainmentPolicy",
        "metadata": {"name": "shop"},
        "spec": {
            "ladders": [{"steps": [{"action": story.kind} | story.step]}],
            "guardrails": {"cooldown": "0s", "maxContainments": {"count": 100, "per": "1h"}},
            "release": {"when": story.release, "stableFor": "3s", "ramp": [30, 100]},
        },
    }
    metrics = {"source": {"kind": "MetricSource", "name": SOURCE}, "labels": {"service": "shop"}}
    revision = service()["spec"]["revision"] | {"knownGood": PROVEN}
    return source, policy, service(metrics=metrics, objectives=[story.objective], revision=revision)


def deployed(place_manifest: Manifest, revision: Revision) -> tuple[Manifest, ...]:
    """What a pipeline applies for a revision: the prompt, then the workload that reads it."""
    workload = json.loads(json.dumps(place_manifest))
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = revision.image
    return config_map("shop-prompt", {"system.txt": revision.prompt}), workload


def index(revision: Revision) -> Manifest:
    """The index that the pods read."""
    return config_map("shop-index", {"age": revision.index_age})


def named(value: Any, good: Revision, bad: Revision, fix: Revision) -> Any:
    """A value by the name of the revision that it belongs to, so that stories can be compared."""
    for revision in (good, bad, fix):
        if value == revision.image:
            return f"image of {revision.name}"
        if value == revision.prompt:
            return f"prompt of {revision.name}"
    return value
