"""How much of an error budget is left, as it is read from a metrics store."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from tests.recorded import RecordedStore

from firebreak.app.budgets import BLOCKS, Budgets, blocks_of, budget_of
from firebreak.app.clock import SystemClock
from firebreak.app.grid import Grid
from firebreak.app.queue import Turns
from firebreak.app.sampler import Sampler
from firebreak.core.detectors.burn_rate import PROPOSED
from firebreak.core.detectors.rules import BurnRate
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Ratio, SourceKey
from firebreak.core.ports_metrics import SourceUnreachable

HOURLY = Grid(timedelta(hours=1), timedelta(seconds=15))
LAST = 490_000
SPEC = ObjectiveSpec(
    key=ObjectiveKey("docs", "summarizer", "budget"),
    category="Hallucination",
    source=SourceKey("", "default"),
    indicator=Ratio(bad="bad_total", total="judged_total"),
    rule=BurnRate(allowed=0.05, windows=PROPOSED),
    step=timedelta(seconds=60),
    settle=timedelta(seconds=15),
    matchers=(("service", "summarizer"),),
)


def store(hours: int, bad: float, judged: float) -> RecordedStore:
    """So many hours up to the last one, each with as much; another service beside it has all of it bad."""
    found = RecordedStore(HOURLY)
    for service, share in (("summarizer", bad), ("chat", judged)):
        for name, each in (("bad_total", share), ("judged_total", judged)):
            labels = {"namespace": "docs", "service": service}
            totals = np.cumsum(np.full(hours, each))
            found.write(name, labels, {LAST - hours + 1 + i: float(totals[i]) for i in range(hours)})
    return found


def due(block: int) -> datetime:
    return HOURLY.end(block) + HOURLY.settle


def test_a_budget_is_counted_in_whole_steps():
    """Some 720 blocks to a period, and none shorter than a minute."""
    assert blocks_of(SPEC) == HOURLY
    week = BurnRate(allowed=0.05, windows=PROPOSED, period=timedelta(days=7))
    assert blocks_of(ObjectiveSpec(**{f: getattr(SPEC, f) for f in SPEC.__slots__} | {"rule": week})).step == timedelta(
        minutes=14
    )


async def test_what_is_left_is_that_of_the_last_thirty_days():
    """What was bad before them is over; of a service that is younger it is what there is."""
    month = store(BLOCKS, 2.0, 100.0)
    budget = await budget_of(SPEC, month, LAST)
    assert budget.left == pytest.approx(0.6)
    older = store(BLOCKS + 300, 2.0, 100.0)
    for series in older.readings["bad_total"].values():
        for step in series:
            series[step] += 5000.0 if step > LAST - BLOCKS - 100 else 0.0
    assert (await budget_of(SPEC, older, LAST)).left == pytest.approx(0.6)
    assert (await budget_of(SPEC, store(10, 5.0, 100.0), LAST)).left == pytest.approx(0.0)
    assert (await budget_of(SPEC, RecordedStore(HOURLY), LAST)).left is None


async def test_it_is_read_once_an_hour_and_the_same_after_a_restart():
    """And a store that is away is asked again in ten minutes."""
    sampled = store(BLOCKS, 2.0, 100.0)
    sampler = Sampler(lambda key: sampled)
    await sampler.sample([SPEC], due(LAST - 1))

    def begun() -> Budgets:
        return Budgets(sampler=sampler, source=lambda key: sampled, turns=Turns(SystemClock()))

    budgets = begun()
    assert budgets.left(SPEC) is None
    assert await budgets.read_next(due(LAST - 1))
    assert not await budgets.read_next(due(LAST) - timedelta(seconds=1))
    sampled.fails = SourceUnreachable("away")
    assert await budgets.read_next(due(LAST))
    assert not await budgets.read_next(due(LAST) + timedelta(minutes=9))
    sampled.fails = None
    assert await budgets.read_next(due(LAST) + timedelta(minutes=10))
    restarted = begun()
    assert await restarted.read_next(due(LAST) + timedelta(minutes=50))
    assert restarted.left(SPEC) == budgets.left(SPEC) is not None
