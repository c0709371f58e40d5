"""An answer that is too large to be read hurts those whose series are too many, and nobody else."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.recorded import RecordedStore

from firebreak.app.grid import Grid
from firebreak.app.sampler import Sampler
from firebreak.app.shards import TRY_AGAIN
from firebreak.core.detectors.rules import Sequential, Threshold
from firebreak.core.objectives import Gauge, ObjectiveKey, ObjectiveSpec, Ratio, SourceKey
from firebreak.core.ports_metrics import AnswerTooLarge, Matrix
from firebreak.core.verdict import Finding, VerdictReason

GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
FIRST = 29_000_000
NAMESPACES = tuple(f"team-{number:02}" for number in range(12))
LOUD = "team-08"


@dataclass
class SmallStore(RecordedStore):
    """Reads at most so many series of a moment; asked for what a namespace matcher admits."""

    most: int = 10**9
    most_points: int = 10**9
    sent: list[str] = field(default_factory=list)

    def _matrix(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        self.sent.append(query)
        whole = RecordedStore._matrix(self, query, start, end, step)
        named = re.search(r'namespace=~?"([^"]*)"', query)
        admitted = re.compile(named[1] if named else ".*")
        rows = [i for i, labels in enumerate(whole.labels) if admitted.fullmatch(dict(labels)["namespace"])]
        of_each = whole.present[rows].sum(axis=0)
        if of_each.max(initial=0) > self.most or of_each.sum() > self.most_points:
            raise AnswerTooLarge("the answer is larger than 64 MiB and is not read: narrow the selector")
        labels = [whole.labels[row] for row in rows]
        return Matrix(labels=labels, values=whole.values[rows], present=whole.present[rows])


def objective(namespace: str, **changes: object) -> ObjectiveSpec:
    values = {
        "key": ObjectiveKey(namespace, "summarizer", "groundedness"),
        "category": "Hallucination",
        "source": SourceKey("", "default"),
        "indicator": Ratio(bad="bad_total", total="judged_total"),
        "rule": Sequential(allowed=0.05),
        "step": GRID.step,
        "settle": GRID.settle,
        "matchers": (("service", "summarizer"),),
        **changes,
    }
    return ObjectiveSpec(**values)  # type: ignore[arg-type]


def a_store(steps: int, *, loud_from: int) -> SmallStore:
    """Two pods in each namespace; from a step on one namespace has forty."""
    store = SmallStore(GRID, most=30)
    for namespace in NAMESPACES:
        for pod in range(40 if namespace == LOUD else 2):
            labels = {"namespace": namespace, "service": "summarizer", "pod": str(pod)}
            for metric, grown in (("judged_total", 40.0), ("bad_total", 0.5), ("age", 0.0)):
                began = 0 if pod < 2 else loud_from
                store.write(metric, labels, {FIRST + n: grown * n for n in range(began, steps + 1)})
    return store


def at(step: int) -> datetime:
    return GRID.end(FIRST + step) + GRID.settle


async def findings(sampler: Sampler, store: SmallStore, specs: list[ObjectiveSpec], step: int) -> dict[str, Finding]:
    store.sent.clear()
    await sampler.sample(specs, at(step))
    return {spec.key.namespace: sampler.verdict(spec.key, at(step)).finding for spec in specs}


async def test_too_many_series_of_one_namespace_are_its_own_error():
    """Asked in smaller parts from then on; the others' counts are whole, rebuilt to the bit, and nothing is asked twice."""
    store = a_store(200, loud_from=20)
    specs = [objective(namespace) for namespace in NAMESPACES]
    sampler = Sampler(lambda _: store)
    assert set((await findings(sampler, store, specs, 15)).values()) == {Finding.MET}
    for step in range(16, 20):
        await findings(sampler, store, specs, step)
    assert len(store.sent) == 2
    found = await findings(sampler, store, specs, 20)
    assert {namespace for namespace, finding in found.items() if finding is not Finding.MET} == {LOUD}
    told = sampler.verdict(objective(LOUD).key, at(20))
    assert (told.finding, told.reason) == (Finding.ERROR, VerdictReason.QUERY_REFUSED)
    assert "narrow the selector" in told.because
    assert f"the series of namespace {LOUD} are too many by themselves" in told.because
    for step in range(21, 40):
        await findings(sampler, store, specs, step)
    assert len(store.sent) <= 2 * 5, "halved four times, and what is left out is not asked for"
    others = [spec for spec in specs if spec.key.namespace != LOUD]
    rebuilt = Sampler(lambda _: store)
    while {rebuilt.verdict(s.key, at(39)).finding for s in specs if rebuilt.watches(s.key)} != {
        Finding.MET,
        Finding.ERROR,
    }:
        await rebuilt.sample(specs, at(39))
    assert [rebuilt.verdict(s.key, at(39)) for s in others] == [sampler.verdict(s.key, at(39)) for s in others]
    # Once there are fewer, it is found out within the hour, and what was not read is counted.
    store.most = 1000
    later = 20 + TRY_AGAIN // GRID.step + 1
    for step in range(40, later + 6):
        found = await findings(sampler, store, specs, step)
    assert set(found.values()) == {Finding.MET}


async def test_a_stretch_that_is_too_large_is_had_in_shorter_ones():
    """After a scrape of the operator's was missed too: whoever can read one moment can catch up."""
    store = a_store(60, loud_from=60)
    store.most_points = 30
    specs = [objective(namespace) for namespace in NAMESPACES]
    sampler = Sampler(lambda _: store)
    for step in (*range(30, 40), 43):
        await findings(sampler, store, specs, step)
    for key in (spec.key for spec in specs):
        verdict = sampler.verdict(key, at(43))
        assert (verdict.finding, verdict.judged, verdict.at) == (Finding.MET, 2 * 40.0 * 43, GRID.end(FIRST + 43))


async def test_a_shared_gauge_is_asked_for_by_namespace_then():
    """The same for what has one row for each service."""
    store = a_store(40, loud_from=0)
    age = {"indicator": Gauge(expr="age", per_service=True), "rule": Threshold(above=5.0, lasting=GRID.step)}
    specs = [objective(namespace, **age) for namespace in (*NAMESPACES[:3], LOUD)]
    sampler = Sampler(lambda _: store)
    store.most = 10**9
    await sampler.sample(specs, at(20))
    store.most = 30
    for step in (21, 22):
        found = await findings(sampler, store, specs, step)
    assert {namespace for namespace, finding in found.items() if finding is Finding.MET} == set(NAMESPACES[:3])
