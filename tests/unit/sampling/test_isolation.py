"""What one source or one objective does stays with it: the others are measured as ever."""

from datetime import datetime, timedelta

import pytest
from tests.recorded import RecordedStore

from firebreak.app.clock import SystemClock
from firebreak.app.grid import Grid
from firebreak.app.sampler import Sampler
from firebreak.app.telemetry import Telemetry
from firebreak.app.timed import TimedMetrics
from firebreak.core.counting import MAX_REVISIONS
from firebreak.core.detectors.rules import Sequential, Threshold
from firebreak.core.objectives import Gauge, ObjectiveKey, ObjectiveSpec, Ratio, SourceKey
from firebreak.core.ports_metrics import Matrix, MetricsError, Vector
from firebreak.core.verdict import Finding, RecoveryFinding, VerdictReason

GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
FIRST = 29_000_000
END = GRID.end(FIRST + 40) + GRID.settle
GOOD, ODD = SourceKey("", "default"), SourceKey("elsewhere", "odd")


def a_ratio(source: SourceKey = GOOD) -> ObjectiveSpec:
    return ObjectiveSpec(
        key=ObjectiveKey(source.namespace or "docs", "summarizer", "groundedness"),
        category="Hallucination",
        source=source,
        indicator=Ratio(bad="bad_total", total="judged_total"),
        rule=Sequential(allowed=0.05),
        step=GRID.step,
        settle=GRID.settle,
        matchers=(("service", "summarizer"),),
    )


def a_store() -> RecordedStore:
    """A healthy service's forty minutes."""
    store = RecordedStore(GRID)
    labels = {"namespace": "docs", "service": "summarizer"}
    for name, rate in (("bad_total", 1.0), ("judged_total", 40.0)):
        store.write(name, labels, {FIRST + step: rate * step for step in range(41)})
    return store


class OddStore:
    """A source whose client fails as nobody foresaw."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def instant(self, query: str, at: datetime) -> Vector:
        raise self.error

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        raise self.error


@pytest.mark.parametrize("error", [ValueError("s3cret"), TypeError("s3cret"), KeyError("s3cret"), OverflowError()])
async def test_whatever_one_source_does_is_its_own_error(error: Exception) -> None:
    """Of its objectives and its condition; nothing of what was sent stands in the words."""
    heard: list[MetricsError | None] = []
    odd = TimedMetrics(OddStore(error), Telemetry(), SystemClock(), heard.append)
    stores = {GOOD: a_store(), ODD: odd}
    sampler = Sampler(stores.get)

    await sampler.sample([a_ratio(ODD), a_ratio()], END)

    told = sampler.verdict(a_ratio(ODD).key, END)
    assert (told.finding, told.reason) == (Finding.ERROR, VerdictReason.SOURCE_UNREACHABLE)
    assert type(error).__name__ in told.because
    assert all(type(error).__name__ in str(said) for said in heard)
    assert "s3cret" not in told.because + "".join(map(str, heard))
    assert sampler.verdict(a_ratio().key, END).finding is Finding.MET


async def test_an_objective_that_cannot_be_read_is_its_own_error() -> None:
    """Its steps reach back to before there were years; the others of the same source are judged."""
    endless = ObjectiveSpec(
        key=ObjectiveKey("docs", "archive", "freshness"),
        category="Pipeline",
        source=GOOD,
        indicator=Gauge(expr="age"),
        rule=Threshold(above=1.0, lasting=timedelta(minutes=9_999_999)),
        step=timedelta(minutes=9_999_999),
        settle=GRID.settle,
        matchers=(),
    )
    store = a_store()
    sampler = Sampler(lambda _: store)

    await sampler.sample([endless, a_ratio()], END)

    assert sampler.verdict(endless.key, END).finding is Finding.ERROR
    assert "OverflowError" in sampler.verdict(endless.key, END).because
    assert sampler.verdict(a_ratio().key, END).finding is Finding.MET


async def test_a_revision_that_is_not_kept_apart_is_neither_blamed_nor_cleared() -> None:
    """Too many values of the label: the service is judged as ever, the revision is not, and people are told why."""
    store = RecordedStore(GRID)
    for number in range(MAX_REVISIONS + 10):
        labels = {"namespace": "docs", "service": "summarizer", "revision": f"build-{number:04}"}
        for name, rate in (("bad_total", 0.1), ("judged_total", 10.0)):
            store.write(name, labels, {FIRST + step: rate * step for step in range(20, 41)})
    sampler = Sampler(lambda _: store)
    key, since = a_ratio().key, GRID.end(FIRST + 20)

    await sampler.sample([a_ratio()], END)

    assert sampler.verdict(key, END).judged == 20 * 10.0 * (MAX_REVISIONS + 10)
    apart, lumped = "build-0000", f"build-{MAX_REVISIONS:04}"
    assert sampler.health(key, since, apart, END).judged == 200.0
    assert sampler.health(key, since, lumped, END).judged == 0.0
    assert not sampler.health(key, since, lumped, END).meets
    assert sampler.recovery(key, since, lumped, 0.5, END).finding is RecoveryFinding.INCONCLUSIVE
    (told,) = sampler.oddities(key)
    assert f"over {MAX_REVISIONS} values of the revision label" in told

    # Named as the one that serves, or that is known to be good, it is kept apart, and after a restart from the beginning.
    named = {key.service_key: frozenset({lumped})}
    restarted = Sampler(lambda _: store)
    for each, judged in ((sampler, 10.0), (restarted, 210.0)):
        for step in (0, 1):
            store.write(
                "judged_total",
                {"namespace": "docs", "service": "summarizer", "revision": lumped},
                {FIRST + 41: 410.0},
            )
            await each.sample([a_ratio()], END + step * GRID.step, apart=named)
        assert each.health(key, since, lumped, END + GRID.step).judged == judged
