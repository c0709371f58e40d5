"""Whether a containment helped."""

import numpy as np
import pytest

from firebreak.core.detectors.rules import Sequential
from firebreak.core.recovery import judge_recovery
from firebreak.core.verdict import RecoveryFinding

RULE = Sequential(allowed=0.05)


def judged_at(rate: float, steps: int, per_step: int = 40, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.binomial(per_step, rate, steps).astype(float), np.full(steps, float(per_step))


def finding(rate: float, steps: int, incident_rate: float | None = 0.5, seed: int = 1) -> RecoveryFinding:
    return judge_recovery(RULE, *judged_at(rate, steps, seed=seed), incident_rate).finding


def test_back_to_good_is_first_improved_and_then_recovered():
    """Less than half of the incident's rate is told long before the objective is proven to be met."""
    assert finding(0.01, 2) is RecoveryFinding.INCONCLUSIVE
    assert finding(0.01, 7) is RecoveryFinding.IMPROVED
    assert finding(0.01, 60) is RecoveryFinding.RECOVERED


def test_recovered_needs_ten_steps_however_many_are_judged():
    """One good minute of a busy service proves nothing about the next."""
    bad, judged = np.zeros(9), np.full(9, 1e5)
    assert judge_recovery(RULE, bad, judged, None).finding is RecoveryFinding.INCONCLUSIVE
    assert judge_recovery(RULE, np.zeros(11), np.full(11, 1e5), None).finding is RecoveryFinding.RECOVERED


def test_as_bad_as_before_is_not_helped():
    """The forward mixture speaks when the breach goes on."""
    assert finding(0.5, 10) is RecoveryFinding.NOT_HELPED


@pytest.mark.parametrize("seed", range(20))
def test_still_above_the_objective_is_never_recovered(seed):
    """At 8% against 5% nothing ever says that it is well."""
    assert finding(0.08, 700, seed=seed) is not RecoveryFinding.RECOVERED


def test_what_is_judged_last_counts():
    """A fix that holds for an hour and then breaks is not helped any more; one that takes time has recovered."""
    good, bad = judged_at(0.01, 60), judged_at(0.5, 60)
    relapse = [np.concatenate(pair) for pair in zip(good, bad, strict=True)]
    slow = [np.concatenate(pair) for pair in zip((bad[0][:8], bad[1][:8]), judged_at(0.005, 400), strict=True)]
    assert judge_recovery(RULE, relapse[0], relapse[1], 0.5).recovered < 1.0
    assert judge_recovery(RULE, slow[0], slow[1], 0.5).finding is RecoveryFinding.RECOVERED


def test_without_the_incidents_rate_improved_is_not_said():
    """Nothing is compared with a guess."""
    assert finding(0.01, 7, incident_rate=None) is RecoveryFinding.INCONCLUSIVE


def test_nothing_judged_is_inconclusive():
    """No traffic proves nothing."""
    found = judge_recovery(RULE, np.zeros(50), np.zeros(50), 0.5)
    assert found.finding is RecoveryFinding.INCONCLUSIVE
    assert found.steps == 0
