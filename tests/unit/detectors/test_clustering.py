"""How strongly failures cluster, measured from history."""

import numpy as np
import pytest

from firebreak.core.clustering import DAY_STEPS, NEEDED_STEPS, healthy_history, measure_clustering
from firebreak.core.detectors.rules import ASSUMED_CLUSTERING

DAYS = 14 * 1440


def history(correlation: float, block: int, per_step: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two weeks with a daily swing of the volume and clustered failures at 2%."""
    rng = np.random.default_rng(seed)
    steps = np.arange(DAYS)
    judged = rng.poisson(per_step * (1 + 0.7 * np.sin(2 * np.pi * steps / 1440))).astype(float)
    share = np.full(DAYS, 0.02)
    if correlation:
        spread = (1 - correlation) / correlation
        share = np.repeat(rng.beta(0.02 * spread, 0.98 * spread, DAYS // block), block)
    return rng.binomial(judged.astype(int), share).astype(float), judged


@pytest.mark.parametrize("seed", range(5))
def test_independent_failures_are_found_hardly_to_cluster(seed):
    """Never below what is assumed without measuring."""
    found = measure_clustering(*history(0.0, 10, 20, seed), np.ones(DAYS, dtype=bool))
    assert ASSUMED_CLUSTERING <= found.clustering < 0.35


@pytest.mark.parametrize(("correlation", "block"), [(0.03, 30), (0.1, 10), (0.05, 60)])
@pytest.mark.parametrize("seed", [1, 2])
def test_clustered_failures_are_measured_as_such(correlation, block, seed):
    """G is about the correlation times the length of the clusters."""
    found = measure_clustering(*history(correlation, block, 20, seed), np.ones(DAYS, dtype=bool))
    assert 0.5 < found.clustering / (correlation * block) < 2.0


def test_incidents_are_cut_out():
    """An incident is not clustering: what is known to be one is not looked at."""
    bad, judged = history(0.0, 10, 20, 3)
    bad[5000:5600] = judged[5000:5600] * 0.5
    healthy = np.ones(DAYS, dtype=bool)
    with_incident = measure_clustering(bad, judged, healthy).clustering
    healthy[4990:5610] = False
    assert measure_clustering(bad, judged, healthy).clustering < 0.35 < with_incident
    assert measure_clustering(bad, judged, healthy).steps == DAYS - 620


def test_counts_of_ten_steps_give_the_same_as_counts_of_each():
    """The operator reads history at a tenth of the resolution."""
    bad, judged = history(0.05, 30, 20, 4)
    fine = measure_clustering(bad, judged, np.ones(DAYS, dtype=bool))
    tens = [part.reshape(-1, 10).sum(axis=1) for part in (bad, judged)]
    coarse = measure_clustering(*tens, np.ones(DAYS // 10, dtype=bool), resolution=10)
    assert coarse.clustering == pytest.approx(fine.clustering)
    assert coarse.steps == fine.steps


@pytest.mark.parametrize("bad_share", [0.0, 1.0])
def test_without_both_outcomes_the_assumed_value_stands(bad_share):
    """Nothing can be measured from answers that are all alike, or from none."""
    judged = np.full(DAYS, 5.0)
    found = measure_clustering(judged * bad_share, judged, np.ones(DAYS, dtype=bool))
    assert found.clustering == ASSUMED_CLUSTERING
    assert measure_clustering(np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool)).judged == 0.0


def test_the_last_fourteen_healthy_days_are_taken():
    """Of three weeks with an incident, a night of silence each day and an outage of two days."""
    blocks = 21 * DAY_STEPS // 10
    judged = np.where(np.arange(blocks) % 144 < 40, 0.0, 50.0)
    judged[10 * 144 : 12 * 144] = 0.0
    cut = np.zeros(blocks, dtype=bool)
    cut[15 * 144 : 16 * 144] = True
    healthy = healthy_history(judged, cut, 10)
    assert healthy.sum() * 10 == NEEDED_STEPS
    assert healthy[16 * 144 :].all(), "a night is no gap"
    assert not healthy[15 * 144 : 16 * 144].any(), "an incident is cut out"
    assert 143 <= healthy[10 * 144 : 12 * 144].sum() < 144 + 40, "a day of silence may be one of the service"
    assert not healthy[:144].any(), "what is older is not needed"


def test_nothing_before_the_first_answer_is_history():
    """A service that is two days old has two days."""
    judged = np.zeros(21 * 144)
    judged[-288:] = 5.0
    assert healthy_history(judged, np.zeros(len(judged), dtype=bool), 10).sum() == 288
    assert not healthy_history(np.zeros(300), np.zeros(300, dtype=bool), 10).any()
