"""Clustering as it is read from a metrics store."""

from datetime import timedelta

import numpy as np
import pytest
from tests.recorded import RecordedStore

from firebreak.app.clustering import HISTORY_STEPS, RESOLUTION_STEPS, clustering_of
from firebreak.app.grid import Grid
from firebreak.core.detectors.rules import Sequential
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Ratio, SourceKey

STEP = timedelta(seconds=60)
GRID = Grid(STEP * RESOLUTION_STEPS, timedelta(seconds=15))
FIRST = 2_900_000
BLOCKS = HISTORY_STEPS // RESOLUTION_STEPS
SPEC = ObjectiveSpec(
    key=ObjectiveKey("docs", "summarizer", "groundedness"),
    category="Hallucination",
    source=SourceKey("", "default"),
    indicator=Ratio(bad="bad_total", total="judged_total"),
    rule=Sequential(allowed=0.05),
    step=STEP,
    settle=timedelta(seconds=15),
    matchers=(("service", "summarizer"),),
)


def store(blocks: int, correlation: float) -> RecordedStore:
    """Counters that were read each ten minutes; failures keep together for half an hour."""
    rng = np.random.default_rng(1)
    spread = (1 - correlation) / correlation
    share = np.repeat(rng.beta(0.02 * spread, 0.98 * spread, blocks // 3 + 1), 3)[:blocks]
    judged = rng.poisson(200.0, blocks)
    bad = rng.binomial(judged, share)
    found = RecordedStore(GRID)
    for name, counts in (("judged_total", judged), ("bad_total", bad)):
        totals = np.cumsum(counts)
        labels = {"namespace": "docs", "service": "summarizer"}
        found.write(name, labels, {FIRST + BLOCKS - blocks + 1 + i: float(totals[i]) for i in range(blocks)})
    return found


async def test_clustering_is_read_from_two_weeks_of_counters():
    """Correlation times length: .05 in clusters of 30 steps."""
    now = GRID.end(FIRST + BLOCKS) + GRID.settle
    found = await clustering_of(SPEC, store(BLOCKS, 0.05), now)
    assert found.steps == pytest.approx(HISTORY_STEPS, abs=2 * RESOLUTION_STEPS)
    assert 0.8 < found.clustering < 3.0


async def test_a_short_history_and_incidents_are_told_by_the_steps():
    """So that nobody trusts a measurement that rests on a day."""
    now = GRID.end(FIRST + BLOCKS) + GRID.settle
    found = await clustering_of(SPEC, store(144, 0.05), now)
    assert found.steps == 143 * RESOLUTION_STEPS
    incident = (now - timedelta(hours=10), now - timedelta(hours=5))
    cut = await clustering_of(SPEC, store(144, 0.05), now, [incident])
    assert cut.steps == found.steps - 31 * RESOLUTION_STEPS
