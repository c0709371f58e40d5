"""How many users an incident touches: bad answers served, segments affected and not, and what changed around it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from tests.builders import (
    T0,
    a_policy,
    a_situation,
    a_verdict,
    at,
    carried_out,
    contained_by_rollback,
    opened,
    status_of,
)

from firebreak.api.v1alpha1.incident import Exposure
from firebreak.core.decide import EXPOSURE_EVERY, decide
from firebreak.core.detectors.rules import Sequential
from firebreak.core.exposure import bad_served
from firebreak.core.judgement import Counts, worse_segments
from firebreak.core.situation import Situation
from firebreak.core.suspects import NEW_DEVICE, JudgeSeen
from firebreak.core.verdict import Onset

RULE = Sequential(allowed=0.05)
CLEAN = Sequential(allowed=0.05, clustering=0.0)
SEEN = Exposure(bad_answers=340, bad_answers_low=210, bad_answers_high=480, answers=9000, segments=("feature=dates",))


def counts(bad: list[float], judged: list[float]) -> Counts:
    return Counts(bad=np.array(bad), judged=np.array(judged), end=T0, step=timedelta(minutes=1))


def test_a_raised_rate_of_judging_does_not_thin_what_was_bad_before():
    """An hour at 20% of which little was judged, then an hour at 2% of which all was."""
    judged = counts([1.0] * 60 + [2.0] * 60, [5.0] * 60 + [100.0] * 60)
    found = bad_served(RULE, judged, np.full(120, 100.0))
    assert found is not None
    assert found.answers == 12_000
    assert found.bad == pytest.approx(6000 * 0.2 + 6000 * 0.02)
    assert found.low < found.bad < found.high


def test_nothing_is_estimated_of_nothing():
    """Without a verdict there is no rate, and without answers nobody was touched."""
    assert bad_served(RULE, counts([0.0], [0.0]), np.array([100.0])) is None
    assert bad_served(RULE, counts([1.0], [5.0]), np.array([0.0])) is None


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Over 400 incidents whose rate falls half way, judged at 5 a minute and then at 50."""
    rng = np.random.default_rng(11)
    rates = np.repeat([0.2, 0.05], 60)
    judged = np.repeat([5.0, 50.0], 60)
    truth = float((rates * 100.0).sum())
    held = 0
    for _ in range(400):
        bad = rng.binomial(judged.astype(int), rates).astype(float)
        found = bad_served(CLEAN, counts(bad.tolist(), judged.tolist()), np.full(120, 100.0))
        assert found is not None
        held += found.low <= truth <= found.high
    assert held >= 0.92 * 400


def test_of_many_segments_none_is_called_by_chance():
    """Twenty that are just as good as the objective allows: hardly ever is any called worse, or any fine."""
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(200):
        found = worse_segments(CLEAN, [(f"s{i}", float(rng.binomial(400, 0.05)), 400.0) for i in range(20)], 60)
        called += any(s.worse or s.fine for s in found)
    assert called <= 0.12 * 200  # 5% for each of the two questions


def test_what_is_affected_and_what_is_not_are_both_shown():
    """Of what lies between nothing is said."""
    found = worse_segments(RULE, [("dates", 90.0, 300.0), ("names", 2.0, 900.0), ("rare", 1.0, 12.0)], 60)
    assert [(s.name, s.worse, s.fine) for s in found] == [
        ("dates", True, False),
        ("rare", False, False),
        ("names", False, True),
    ]


def test_the_record_says_how_many_it_touches_and_keeps_it_up_to_date():
    """At once, then every five minutes, without a word in the timeline."""
    s = replace(opened(), exposure=SEEN)
    s = carried_out(s, decide(s, T0), T0)
    assert status_of(s).exposure == SEEN.model_copy(update={"as_of": T0})
    lines = len(status_of(s).timeline)
    more = replace(s, exposure=SEEN.model_copy(update={"bad_answers": 700}))
    assert exposure_after(more, at(minutes=4)).bad_answers == 340
    later = exposure_after(more, T0 + EXPOSURE_EVERY)
    assert (later.bad_answers, later.as_of) == (700, T0 + EXPOSURE_EVERY)
    assert len(status_of(s).timeline) == lines


def exposure_after(s: Situation, now: object) -> Exposure:
    """After the turn's moves, of which nothing is carried out."""
    for _ in range(5):
        decision = decide(s, now)  # type: ignore[arg-type]
        if not decision.commands:
            break
        s = carried_out(s, decision, now)  # type: ignore[arg-type]
    return status_of(s).exposure


def test_what_is_contained_keeps_the_number_it_had():
    """What users get is good again, and what they got does not become less."""
    s = contained_by_rollback()
    s = replace(s, exposure=SEEN)
    s = carried_out(s, decide(s, at(minutes=11)), at(minutes=11))
    s = replace(s, exposure=SEEN.model_copy(update={"bad_answers": 9}))
    assert exposure_after(s, at(hours=3)).bad_answers == 340


def test_what_cannot_be_estimated_any_more_stays_as_it_was():
    """The beginning is forgotten after a day of steps."""
    s = replace(opened(), exposure=SEEN)
    s = carried_out(s, decide(s, T0), T0)
    s = replace(s, exposure=Exposure(segments=("feature=names",)))
    assert exposure_after(s, at(hours=30)).bad_answers == 340


def test_the_onset_has_an_interval():
    """The first one is kept."""
    verdict = replace(a_verdict(), onset=Onset(at=T0, earliest=at(minutes=-4), latest=at(minutes=1)))
    (told,) = status_of(opened(verdict)).objectives
    assert (told.onset_earliest, told.onset, told.onset_latest) == (at(minutes=-4), T0, at(minutes=1))


@pytest.mark.parametrize(
    ("judges", "is_suspect"),
    [
        ({"llm-1": at(hours=-20), "llm-2": at(minutes=-3)}, True),
        ({"llm-1": at(hours=-20)}, False),
        ({"llm-1": at(minutes=-30), "llm-2": at(minutes=-3)}, False),
        ({"llm-1": at(hours=-20), "llm-2": at(hours=-9)}, False),
        ({"llm-1": at(hours=-20), "llm-2": at(minutes=5)}, False),
    ],
    ids=["came with it", "the same one", "nothing before it", "long before", "after it"],
)
def test_a_judge_that_came_with_the_onset_is_suspect(judges: dict, is_suspect: bool):
    """It is a change of the measuring device, and the record says so."""
    seen = tuple(JudgeSeen(objective="groundedness", judge=name, since=since) for name, since in judges.items())
    s = a_situation(a_verdict(), judges=seen, policy=a_policy())
    s = carried_out(s, decide(s, T0), T0)
    found = [x for x in status_of(s).suspects if x.field == "judge of groundedness"]
    assert [(x.before, x.after, x.note) for x in found] == ([("llm-1", "llm-2", NEW_DEVICE)] if is_suspect else [])
