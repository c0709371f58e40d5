"""What a real Prometheus says of histograms: the counts are those that the service made, before a restart and after."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from firebreak.adapters.prometheus import Endpoint, Prometheus
from firebreak.api.v1alpha1.references import HistogramRef
from firebreak.app.sampler import Sampler
from firebreak.core.histograms import ratio_of
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Sequential, SourceKey
from firebreak.core.verdict import Finding, Verdict, VerdictReason

pytestmark = pytest.mark.lab

STEP = timedelta(seconds=2)


def slow(name: str, **said: object) -> ObjectiveSpec:
    histogram = HistogramRef.model_validate({"selector": 'answer_seconds{service="summarizer"}', **said})
    return ObjectiveSpec(
        key=ObjectiveKey("docs", "summarizer", name),
        category="QualityDegradation",
        source=SourceKey("", "default"),
        indicator=ratio_of(histogram),
        rule=Sequential(allowed=0.5),
        step=STEP,
        settle=timedelta(seconds=1),
        matchers=(("service", "summarizer"),),
    )


SLOW, FAST, NO_BOUND = slow("slow", above=2.5), slow("fast", atMost=2.5), slow("no-bound", above=3)
ALL = (SLOW, FAST, NO_BOUND)


@pytest.fixture
async def live(prometheus) -> AsyncIterator[Prometheus]:
    client = Prometheus(Endpoint(url=prometheus.url, timeout=timedelta(seconds=2)))
    yield client
    await client.close()


async def test_slow_answers_are_counted_from_buckets(service, live):
    """A third is slow, before and after a restart; a limit that is no bound is an error, never a guess."""
    counted = {"1.0": 0, "2.5": 0, "10.0": 0, "+Inf": 0}

    def answer_some() -> None:
        for bound, more in (("1.0", 12), ("2.5", 20), ("10.0", 29), ("+Inf", 30)):
            counted[bound] += more
        service.counters = {
            f'answer_seconds_bucket{{service="summarizer",le="{bound}"}}': n for bound, n in counted.items()
        }
        service.counters['answer_seconds_count{service="summarizer"}'] = counted["+Inf"]
        service.counters['answer_seconds_sum{service="summarizer"}'] = counted["+Inf"] * 2.0

    service.before_scrape = answer_some
    sampler = Sampler(lambda _: live)

    async def verdicts(scrapes: int) -> dict[str, Verdict]:
        for _ in range(scrapes):
            await service.scrapes()
            await sampler.sample(ALL, datetime.now(UTC))
        now = datetime.now(UTC)
        return {spec.key.objective: sampler.verdict(spec.key, now) for spec in ALL}

    found = await verdicts(10)
    counted.update(dict.fromkeys(counted, 0))
    found |= {f"{name} later": verdict for name, verdict in (await verdicts(6)).items()}
    for name, share in (("slow", 1 / 3), ("fast", 2 / 3)):
        for when in ("", " later"):
            assert found[name + when].estimate == pytest.approx(share, abs=1e-3), found[name + when]
    for verdict in (found["no-bound"], found["no-bound later"]):
        assert (verdict.finding, verdict.reason) == (Finding.ERROR, VerdictReason.NO_SUCH_BUCKET), verdict
    # Read from history the counts are the same.
    rebuilt, now = Sampler(lambda _: live), datetime.now(UTC)
    for each in (sampler, rebuilt):
        await each.sample(ALL, now)
    assert [rebuilt.verdict(s.key, now) for s in ALL] == [sampler.verdict(s.key, now) for s in ALL]
