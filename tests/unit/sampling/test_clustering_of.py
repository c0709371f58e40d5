"""Clustering as it is read from a metrics store."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from tests.builders import a_service
from tests.recorded import RecordedStore

from firebreak.api.v1alpha1.aiservice import AIServiceStatus, ObjectiveStatus
from firebreak.app.catalog import Catalog
from firebreak.app.clock import SystemClock
from firebreak.app.clustering import LOOKBACK_STEPS, RESOLUTION_STEPS, ClusteringMeasurements, clustering_of
from firebreak.app.grid import Grid
from firebreak.app.queue import Turns
from firebreak.app.sampler import Sampler
from firebreak.core.clustering import NEEDED_STEPS
from firebreak.core.clustering_in_force import adopted
from firebreak.core.detectors.rules import Sequential
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Ratio, ServiceKey, SourceKey

STEP = timedelta(seconds=60)
GRID = Grid(STEP * RESOLUTION_STEPS, timedelta(seconds=15))
FIRST = 2_900_000
BLOCKS = LOOKBACK_STEPS // RESOLUTION_STEPS
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
    assert found.steps == pytest.approx(NEEDED_STEPS)
    assert 0.8 < found.clustering < 3.0


async def test_a_short_history_and_incidents_are_told_by_the_steps():
    """So that nobody trusts a measurement that rests on a day."""
    now = GRID.end(FIRST + BLOCKS) + GRID.settle
    found = await clustering_of(SPEC, store(144, 0.05), now)
    assert found.steps == 143 * RESOLUTION_STEPS
    incident = (now - timedelta(hours=10), now - timedelta(hours=5))
    cut = await clustering_of(SPEC, store(144, 0.05), now, [incident])
    assert cut.steps == found.steps - 31 * RESOLUTION_STEPS


async def test_each_objective_is_measured_once_a_day_and_its_service_is_told():
    """On what the status records; while an incident is open nothing is weighed anew."""
    told: list[ServiceKey] = []
    catalog, sampled = Catalog(told.append), store(BLOCKS, 0.05)
    turns = Turns(SystemClock())
    sampler = Sampler(lambda key: sampled)
    now = GRID.end(FIRST + BLOCKS) + GRID.settle
    await sampler.sample([SPEC], now)
    measurements = ClusteringMeasurements(catalog=catalog, sampler=sampler, source=lambda key: sampled, turns=turns)
    assert measurements.found(SPEC) is None
    assert await measurements.measure_next(now)
    measured = measurements.found(SPEC)
    assert measured is not None
    assert (measured.at, measured.found.steps) == (now, NEEDED_STEPS)
    assert await turns.take() == SPEC.key.service_key
    assert not await measurements.measure_next(now + timedelta(minutes=59))

    # Another operator has recorded it: nothing is due until tomorrow.
    recorded = ObjectiveStatus(name="groundedness", finding="Met", clustering=adopted(None, measured, SPEC))
    status = AIServiceStatus(objectives=(recorded,))
    catalog.see(an_object("AIService", "summarizer", spec=a_service().spec.dump(), status=status.dump()))
    assert not await measurements.measure_next(now + timedelta(hours=23))
    incident = an_object("AIIncident", "summarizer-1", spec={"service": "summarizer"})
    catalog.see(incident)
    assert not await measurements.measure_next(now + timedelta(hours=25))
    catalog.see(
        incident | {"status": {"phase": "Resolved"}, "metadata": incident["metadata"] | {"resourceVersion": "2"}}
    )
    assert await measurements.measure_next(now + timedelta(hours=25))


def an_object(kind: str, name: str, **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "docs", "resourceVersion": "1"}
    return {"apiVersion": "firebreak.dev/v1alpha1", "kind": kind, "metadata": metadata} | rest
