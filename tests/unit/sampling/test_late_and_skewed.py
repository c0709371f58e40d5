"""Samples that come late, and an operator whose clock is not the store's: counts are delayed, never lost or doubled."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pytest
from tests.recorded import RecordedStore

from firebreak.app.grid import Grid
from firebreak.app.sampler import Sampler
from firebreak.core.detectors.rules import Sequential
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Ratio, SourceKey
from firebreak.core.ports_metrics import Matrix
from firebreak.core.verdict import Finding

GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
FIRST = 29_000_000
SPEC = ObjectiveSpec(
    key=ObjectiveKey("docs", "summarizer", "groundedness"),
    category="Hallucination",
    source=SourceKey("", "default"),
    indicator=Ratio(bad="bad_total", total="judged_total"),
    rule=Sequential(allowed=0.05),
    step=GRID.step,
    settle=GRID.settle,
    matchers=(("service", "summarizer"),),
)


@dataclass
class LookingBack(RecordedStore):
    """Holds samples up to a moment; asked about a later one it answers with the last it has, as Prometheus does."""

    holds_until: int = 0

    def _matrix(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        whole = RecordedStore._matrix(self, query, start, end, step)
        first = round((start - self.grid.end(0)) / step)
        known = self.holds_until - first
        columns = np.minimum(np.arange(whole.values.shape[1]), known)
        if known < 0:
            return RecordedStore._matrix(
                self, query, self.grid.end(self.holds_until), self.grid.end(self.holds_until), step
            )
        return Matrix(labels=whole.labels, values=whole.values[:, columns], present=whole.present[:, columns])


def a_store(steps: int) -> LookingBack:
    """40 judged in each step, one of them bad in every other."""
    store = LookingBack(GRID)
    labels = {"namespace": "docs", "service": "summarizer", "revision": "v1"}
    store.write("judged_total", labels, {FIRST + n: 40.0 * n for n in range(steps + 1)})
    store.write("bad_total", labels, {FIRST + n: float(n // 2) for n in range(steps + 1)})
    return store


@pytest.mark.parametrize(
    "skew", [timedelta(minutes=-5), timedelta(seconds=-20), timedelta(seconds=20), timedelta(minutes=2)]
)
async def test_a_clock_that_is_wrong_loses_nothing(skew: timedelta):
    """Ahead, the last sample is read before its time, and what comes is counted a step later; behind, all is later."""
    store = a_store(60)
    sampler = Sampler(lambda _: store)
    findings = []
    for step in range(1, 61):
        store.holds_until = FIRST + step
        now = GRID.end(FIRST + step) + GRID.settle + skew
        await sampler.sample([SPEC], now)
        findings.append(sampler.verdict(SPEC.key, now).finding)
    assert set(findings) <= {Finding.MET, Finding.INCONCLUSIVE}
    verdict = sampler.verdict(SPEC.key, now)
    behind = max(0, -(skew // timedelta(minutes=1)))
    assert verdict.judged is not None
    assert verdict.judged >= 40.0 * (60 - behind - 3)
    assert verdict.judged <= 40.0 * 60


async def test_a_late_sample_is_counted_in_the_step_in_which_it_is_seen():
    """The store lags for three steps: their counts come in the fourth, once."""
    store = a_store(40)
    sampler = Sampler(lambda _: store)
    for step in range(1, 41):
        store.holds_until = FIRST + (20 if 20 <= step < 24 else step)
        await sampler.sample([SPEC], GRID.end(FIRST + step) + GRID.settle)
    verdict = sampler.verdict(SPEC.key, GRID.end(FIRST + 40) + GRID.settle)
    assert (verdict.finding, verdict.judged, verdict.bad) == (Finding.MET, 40 * 40.0, 20.0)
