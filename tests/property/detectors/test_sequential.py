"""What must hold of the sequential detector, whatever is counted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.sequential import (
    EPOCH_STEPS,
    SequentialFolds,
    alternatives,
    fold,
    gains,
    log_bets,
    onset,
    tier_of,
)
from firebreak.core.detectors.tempering import mean_judged
from firebreak.core.verdict import Tier

RULES = st.builds(
    Sequential,
    allowed=st.sampled_from([0.001, 0.01, 0.05, 0.2, 0.7]),
    clustering=st.sampled_from([0.0, 0.1, 1.0, 5.0]),
)


@st.composite
def histories(draw: st.DrawFn, rows: int = 3, min_steps: int = 1, max_steps: int = 70):
    """Counts per step and row: bad <= judged, often nothing, sometimes bursts and fractions."""
    steps = draw(st.integers(min_steps, max_steps))
    counts = st.one_of(st.just(0.0), st.integers(0, 40).map(float), st.integers(0, 4000).map(lambda q: q / 16))
    judged = draw(arrays(np.float64, (steps, rows), elements=counts))
    share = draw(arrays(np.float64, (steps, rows), elements=st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 1.0])))
    return np.floor(judged * share * 16) / 16, judged


def folded(rules: list[Sequential], bad: np.ndarray, judged: np.ndarray, first: int) -> SequentialFolds:
    folds = SequentialFolds(rules)
    for step in range(len(bad)):
        folds.advance(first + step, bad[step], judged[step])
    return folds


@given(st.lists(RULES, min_size=3, max_size=3), histories())
def test_many_at_once_equal_each_alone_to_the_bit(rules, history):
    """An objective's evidence does not depend on which others are folded in the same pass."""
    bad, judged = history
    together = folded(rules, bad, judged, EPOCH_STEPS).evidence()
    alone = [folded([rules[i]], bad[:, [i]], judged[:, [i]], EPOCH_STEPS).evidence()[0] for i in range(3)]
    assert together.tolist() == alone


@given(st.lists(RULES, min_size=3, max_size=3), histories(min_steps=2), st.data())
def test_taken_apart_and_joined_anywhere_changes_nothing(rules, history, data):
    """Rows may be rebuilt apart and put back at any moment without a bit of difference."""
    bad, judged = history
    cut = data.draw(st.integers(1, len(bad) - 1))
    straight = folded(rules, bad, judged, EPOCH_STEPS)
    folds = folded(rules, bad[:cut], judged[:cut], EPOCH_STEPS)
    folds = folds.take(np.array([2])).join(folds.take(np.array([0, 1])))
    for step in range(cut, len(bad)):
        folds.advance(EPOCH_STEPS + step, bad[step][[2, 0, 1]], judged[step][[2, 0, 1]])
    assert folds.evidence().tolist() == straight.evidence()[[2, 0, 1]].tolist()


@given(RULES, histories(rows=1))
def test_one_go_equals_step_by_step(rule, history):
    """The fold over a stretch of history gives, at each step, what advancing step by step gives."""
    bad, judged = history
    folds, track = SequentialFolds([rule]), []
    for step in range(len(bad)):
        folds.advance(EPOCH_STEPS + step, bad[step], judged[step])
        track.append(folds._younger.mean())
    np.testing.assert_allclose(fold(rule, bad[:, 0], judged[:, 0]), track, rtol=1e-9)


@given(RULES, histories(rows=1), st.integers(0, 69))
def test_good_evidence_never_raises_the_evidence_of_a_breach(rule, history, at):
    """Where one more of the judged answers had been good, the evidence at every later step is no greater."""
    bad, judged = history[0][:, 0], history[1][:, 0]
    at %= len(bad)
    better = bad.copy()
    better[at] = max(0.0, better[at] - 1.0)
    assert np.all(fold(rule, better, judged) <= fold(rule, bad, judged) * (1 + 1e-12))


@given(RULES, histories(rows=1))
def test_what_meets_the_objective_in_every_step_never_reaches_a_tier(rule, history):
    """Steps whose share of bad is far below what is allowed never sum to a breach."""
    judged = history[1][:, 0]
    track = fold(rule, judged * rule.allowed / 4.0, judged)
    assert tier_of(float(track.max()), rule) is Tier.NONE


@given(RULES, st.floats(0.0, 1e9))
def test_tiers_are_monotone(rule, evidence):
    """More evidence never means a lower tier, and each tier includes those below it."""
    assert tier_of(evidence, rule) <= tier_of(evidence * 2.0 + 1.0, rule)


@given(RULES, histories(rows=1), st.sampled_from([2.0, 8.0, 64.0]))
def test_more_of_the_same_says_more_but_never_more_than_its_clusters(rule, history, factor):
    """Scaling the counts strengthens each step's say, up to that of one independent answer in G steps' worth."""
    bad, judged = history[0][:, 0], history[1][:, 0]
    endless = replace(rule, confirmed=1e200)  # so that the cap does not hide the scaling
    plain = np.abs(gains(endless, bad, judged))
    scaled = np.abs(gains(endless, bad * factor, judged * factor))
    for_bad, for_good = log_bets(rule.allowed, alternatives(rule.allowed))
    unclustered = np.abs(np.outer(for_bad, bad) + np.outer(for_good, judged - bad))
    some = judged > 0.0
    assert np.all(scaled >= plain * (1 - 1e-9))
    if rule.clustering > 0.0:
        bound = unclustered[:, some] / (rule.clustering * mean_judged(judged)[some])
        assert np.all(scaled[:, some] <= bound * (1 + 1e-9))


@given(RULES)
def test_no_two_steps_confirm(rule):
    """However bad and however many: at least three separate steps are needed for Confirmed."""
    judged = np.full(2, 1e6)
    assert tier_of(float(fold(rule, judged, judged)[-1]), rule) < Tier.CONFIRMED


@pytest.mark.parametrize("change", [30, 100, 500])
def test_the_onset_is_found_within_its_interval(change):
    """The interval holds the step in which the rate jumped."""
    rule = Sequential(allowed=0.05)
    rng = np.random.default_rng(change)
    judged = np.full(change + 12, 40.0)
    bad = rng.binomial(40, np.where(np.arange(change + 12) < change, 0.02, 0.4)).astype(float)
    found = onset(rule, bad, judged)
    assert found is not None
    assert found.earliest <= change <= found.latest + 1
    assert found.earliest <= found.likeliest <= found.latest


def test_a_silence_says_nothing():
    """Steps without a judged answer leave the evidence as it was."""
    rule = Sequential(allowed=0.05)
    judged = np.array([40.0, 0.0, 0.0])
    bad = np.array([20.0, 0.0, 0.0])
    track = fold(rule, bad, judged)
    assert track[0] == track[1] == track[2] > 1.0
