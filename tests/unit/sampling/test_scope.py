"""Whom an incident touches, from what the sampler has counted since its onset."""

from tests.builders import an_incident
from tests.unit.sampling.test_sampler import EXPOSURE, FIRST, GRID, Story, ratio

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.incident import AIIncidentStatus, BreachedObjective, Exposure
from firebreak.app.scope import exposure_of

LONG = "x" * 300


def breached() -> AIIncident:
    """It began before anything was counted."""
    objective = BreachedObjective(name="groundedness", category="Hallucination", tier="Confirmed")
    return an_incident(AIIncidentStatus(objectives=(objective,), onset=GRID.end(FIRST)))


async def told(*features: tuple[str, float]) -> Exposure:
    """After twenty steps in each of which 40 answers of every feature were judged, so many of them bad."""
    story = Story()
    sampler = story.sampler()
    for feature, _ in features:
        story.count(0, 0, feature=feature)
    for _ in range(20):
        story.step -= len(features) - 1
        for feature, bad in features:
            story.count(bad, 40, feature=feature)
    await story.told_to(sampler, ratio(), EXPOSURE)
    return exposure_of(sampler, breached())


async def test_segments_are_told_apart_with_their_share():
    """What is bad, what was shown to be well, and about how many bad answers users got."""
    seen = await told(("names", 20), ("places", 0))
    assert (seen.segments, seen.unaffected_segments, seen.affected_share) == (
        ("feature=names",),
        ("feature=places",),
        "50%",
    )
    assert seen.bad_answers is not None
    assert seen.bad_answers_low is not None
    assert seen.bad_answers_high is not None
    assert seen.bad_answers_low < seen.bad_answers < seen.bad_answers_high


async def test_a_segment_of_long_labels_is_cut():
    """The record holds 256 characters of it."""
    assert [len(name) for name in (await told((LONG, 20), ("names", 0))).segments] == [256]


async def test_an_incident_without_an_onset_touches_nobody_that_is_known():
    """One that a person declared a moment ago."""
    assert exposure_of(Story().sampler(), an_incident()) == Exposure()
