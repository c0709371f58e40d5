"""What the sampler answers of heartbeats, of gauges that services share, and of histograms."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from tests.recorded import RecordedStore

from firebreak.app.grid import Grid
from firebreak.app.sampler import Sampler
from firebreak.core.detectors.rules import Absence, Sequential, Threshold
from firebreak.core.native_histograms import NativeLimit
from firebreak.core.objectives import Gauge, NativeRatio, ObjectiveKey, ObjectiveSpec, Ratio, SourceKey
from firebreak.core.ports_metrics import Buckets, SourceUnreachable
from firebreak.core.verdict import Finding, RecoveryFinding, VerdictReason

GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
FIRST = 29_000_000


def at(step: int) -> datetime:
    """The moment at which a step has just become due."""
    return GRID.end(FIRST + step) + GRID.settle


def declared(service: str = "summarizer", namespace: str = "docs", **changes: object) -> ObjectiveSpec:
    values = {
        "key": ObjectiveKey(namespace, service, "freshness"),
        "category": "Pipeline",
        "source": SourceKey("", "default"),
        "indicator": Gauge(expr="age"),
        "rule": Threshold(above=100.0, lasting=timedelta(minutes=2)),
        "step": GRID.step,
        "settle": GRID.settle,
        "matchers": (("service", service),),
        **changes,
    }
    return ObjectiveSpec(**values)  # type: ignore[arg-type]


HEARTBEAT = declared(rule=Threshold(above=100.0, lasting=timedelta(minutes=2), absent=Absence.BREACH))
SCORES = declared(
    indicator=Ratio(bad="score_bucket", total="score_count", bound='score_bucket with le="0.7"'),
    rule=Sequential(allowed=0.05),
)


def store_of(metric: str, values: list[float | None], **labels: str) -> RecordedStore:
    """One series, with a reading in each step that has one."""
    store = RecordedStore(GRID)
    readings = {FIRST + step: value for step, value in enumerate(values, start=1) if value is not None}
    store.write(metric, {"namespace": "docs", "service": "summarizer", **labels}, readings)
    return store


async def told(store: RecordedStore, steps: int, spec: ObjectiveSpec) -> tuple[Finding, VerdictReason]:
    """What is said after so many steps, by one that has read each of them as it came."""
    sampler = Sampler(lambda _: store)
    for step in range(1, steps + 1):
        await sampler.sample([spec], at(step))
    verdict = sampler.verdict(spec.key, at(steps))
    rebuilt = Sampler(lambda _: store)
    await rebuilt.sample([spec], at(steps))
    assert rebuilt.verdict(spec.key, at(steps)) == verdict, "a restart changes no verdict"
    return verdict.finding, verdict.reason


@pytest.mark.parametrize(
    ("spec", "values", "finding", "reason"),
    [
        (declared(), [5, 5, None, None, None], Finding.INCONCLUSIVE, VerdictReason.NO_SERIES),
        (HEARTBEAT, [5, 5, None, None], Finding.INCONCLUSIVE, VerdictReason.NOT_LONG_ENOUGH),
        (HEARTBEAT, [5, 5, None, None, None], Finding.BREACHED, VerdictReason.ABSENT),
        (HEARTBEAT, [5, 5, None, None, None, 5], Finding.MET, VerdictReason.WITHIN_OBJECTIVE),
        (HEARTBEAT, [None] * 9, Finding.INCONCLUSIVE, VerdictReason.NO_SERIES),
        (HEARTBEAT, [5, None, None, None, float("nan")], Finding.INCONCLUSIVE, VerdictReason.INVALID_VALUES),
    ],
)
async def test_silence_is_a_breach_of_a_heartbeat_alone(spec, values, finding, reason):
    """One that was seen, and is away for as long as a breach must last."""
    assert await told(store_of("age", values), len(values), spec) == (finding, reason)


async def test_a_store_that_is_away_is_no_missing_heartbeat():
    """Nothing was asked, so nothing is known to be absent."""
    store = store_of("age", [5.0] * 5)
    sampler = Sampler(lambda _: store)
    await sampler.sample([HEARTBEAT], at(5))
    store.fails = SourceUnreachable("http://prometheus: no answer within 10s")
    for step in range(6, 12):
        await sampler.sample([HEARTBEAT], at(step))
    assert sampler.verdict(HEARTBEAT.key, at(11)).finding is Finding.ERROR


async def test_a_shared_gauge_is_read_once_for_all_its_services():
    """Each takes its own row, whatever the others' say."""
    shared = Gauge(expr="age", per_service=True)
    specs = [declared(f"s{i}", namespace, indicator=shared) for i in range(20) for namespace in ("docs", "shop")]
    store = RecordedStore(GRID)
    for spec in specs:
        age = 500.0 if spec.key.service == "s3" else 5.0
        labels = {"namespace": spec.key.namespace, "service": spec.key.service}
        store.write("age", labels, {FIRST + step: age for step in range(1, 7)})
    sampler = Sampler(lambda _: store)
    await sampler.sample(specs, at(5))
    store.instants.clear()
    await sampler.sample(specs, at(6))
    assert store.instants == ['age{namespace=~"docs|shop"}']
    breached = {k.service for k in (s.key for s in specs) if sampler.verdict(k, at(6)).finding is Finding.BREACHED}
    assert breached == {"s3"}


async def test_a_store_that_fails_is_asked_once_for_a_shared_gauge():
    """Or it would be waited for once per service."""
    specs = [declared(f"s{i}", indicator=Gauge(expr="age", per_service=True)) for i in range(20)]
    store = store_of("age", [5.0] * 5)
    sampler = Sampler(lambda _: store)
    await sampler.sample(specs, at(5))
    store.instants.clear()
    store.fails = SourceUnreachable("http://prometheus: no answer within 10s")
    await sampler.sample(specs, at(6))
    assert len(store.instants) == 1


async def test_low_scores_are_counted_from_the_bucket_that_ends_there():
    """As bad of all observations."""
    store = store_of("score_count", [40.0 * n for n in range(21)])
    store.write("score_bucket", {"namespace": "docs", "service": "summarizer", "le": "0.7"}, {})
    readings = {FIRST + 1 + n: 20.0 * n for n in range(21)}
    store.write("score_bucket", {"namespace": "docs", "service": "summarizer", "le": "0.7"}, readings)
    assert await told(store, 21, SCORES) == (Finding.BREACHED, VerdictReason.EVIDENCE_OF_BREACH)


async def test_a_limit_that_is_no_bound_is_an_error():
    """It says which bucket is missing; it is neither met nor breached, and proves no recovery."""
    store = store_of("score_count", [40.0 * n for n in range(21)])
    assert await told(store, 21, SCORES) == (Finding.ERROR, VerdictReason.NO_SUCH_BUCKET)
    sampler = Sampler(lambda _: store)
    await sampler.sample([SCORES], at(21))
    assert 'there is no score_bucket with le="0.7"' in sampler.verdict(SCORES.key, at(21)).because
    fresh = sampler.recovery(SCORES.key, at(5), None, 0.5, at(21))
    assert fresh.finding is RecoveryFinding.ERROR


NATIVE = declared(
    indicator=NativeRatio(
        bad="score",
        total="score",
        bound="bucket of score that ends at 0.5",
        limit=NativeLimit(limit=0.5, above=False),
    ),
    rule=Sequential(allowed=0.05),
)


def scored(*buckets: tuple[float, float, float]) -> RecordedStore:
    """A store of one native histogram, that in each of twenty steps grows by so much."""
    store = RecordedStore(GRID)
    shape = np.array(buckets).T
    readings = {FIRST + 1 + n: Buckets(rows=np.vstack((shape[:2], shape[2] * n))) for n in range(21)}
    store.write_histograms("score", {"namespace": "docs", "service": "summarizer"}, readings)
    return store


@pytest.mark.parametrize(
    ("buckets", "finding", "reason"),
    [
        ([(0.25, 0.5, 20.0), (0.5, 1.0, 20.0)], Finding.BREACHED, VerdictReason.EVIDENCE_OF_BREACH),
        ([(0.25, 0.5, 0.5), (0.5, 1.0, 39.5)], Finding.MET, VerdictReason.WITHIN_OBJECTIVE),
        ([(0.25, 1.0, 20.0), (1.0, 4.0, 20.0)], Finding.ERROR, VerdictReason.NO_SUCH_BUCKET),
    ],
)
async def test_low_scores_are_counted_from_native_buckets(buckets, finding, reason):
    """By one query, read as it comes or by range."""
    store = scored(*buckets)
    assert await told(store, 21, NATIVE) == (finding, reason)
    assert set(store.instants) == set(store.ranges) == {'score{namespace="docs"}'}
    sampler = Sampler(lambda _: store)
    await sampler.sample([NATIVE], at(21))
    because = sampler.verdict(NATIVE.key, at(21)).because
    assert ("the nearest are 0.25 and 1" in because) == (reason is VerdictReason.NO_SUCH_BUCKET)


async def test_a_counter_that_is_a_native_histogram_is_refused():
    """In words that say how to declare it; the gauge beside it is told as well, and neither is guessed at."""
    store = scored((0.25, 0.5, 20.0))
    counters = declared(indicator=Ratio(bad="score", total="score"), rule=Sequential(allowed=0.05))
    for spec in (counters, declared(indicator=Gauge(expr="score"))):
        sampler = Sampler(lambda _: store)
        await sampler.sample([spec], at(21))
        verdict = sampler.verdict(spec.key, at(21))
        assert (verdict.finding, verdict.reason) == (Finding.ERROR, VerdictReason.QUERY_REFUSED)
        assert "native histograms" in verdict.because


async def test_a_histogram_that_is_not_there_is_no_error():
    """It may come yet."""
    assert (await told(RecordedStore(GRID), 9, SCORES))[0] is Finding.INCONCLUSIVE
