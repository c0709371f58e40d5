"""What a real Prometheus says of histograms: the counts are those that the service made, before a restart and after."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from firebreak.adapters.prometheus import Endpoint, Prometheus
from firebreak.api.v1alpha1.references import HistogramRef
from firebreak.app.sampler import Sampler
from firebreak.core.histograms import ratio_of
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Sequential, SourceKey
from firebreak.core.verdict import Finding, Verdict, VerdictReason

pytestmark = pytest.mark.lab

STEP = timedelta(seconds=2)


def slow(name: str, metric: str = "answer_seconds", **said: object) -> ObjectiveSpec:
    histogram = HistogramRef.model_validate({"selector": f'{metric}{{service="summarizer"}}', **said})
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


# A third of the answers takes longer than two and a half seconds, in each of the three ways to store them.
COUNTED = (
    slow("slow", above=2.5),
    slow("slow-custom", "custom_seconds", above=2.5, buckets="Custom"),
    slow("slow-native", "native_seconds", above=4, buckets="Native"),
    slow("fast", atMost=2.5),
    slow("fast-custom", "custom_seconds", atMost=2.5, buckets="Custom"),
    slow("fast-native", "native_seconds", atMost=4, buckets="Native"),
)
NO_BOUND = (
    slow("no-bound", above=3),
    slow("no-bound-custom", "custom_seconds", above=3, buckets="Custom"),
    slow("no-bound-native", "native_seconds", above=2.0**1.125, buckets="Native"),
)
ALL = (*COUNTED, *NO_BOUND)


@pytest.fixture
async def live(prometheus) -> AsyncIterator[Prometheus]:
    client = Prometheus(Endpoint(url=prometheus.url, timeout=timedelta(seconds=2)))
    yield client
    await client.close()


def exposed(metric: str, bounds: Mapping[str, int]) -> dict[str, float]:
    """A classic histogram of the summarizer's."""
    total = bounds["+Inf"]
    lines: dict[str, float] = {f'{metric}_bucket{{service="summarizer",le="{b}"}}': n for b, n in bounds.items()}
    return lines | {
        f'{metric}_sum{{service="summarizer"}}': 2.0 * total,
        f'{metric}_count{{service="summarizer"}}': total,
    }


async def push(url: str, *, scale: int, offset: int, counts: Sequence[int]) -> None:
    """An exponential histogram as OpenTelemetry sends it, which Prometheus keeps as a native one."""
    labels = [
        {"key": name, "value": {"stringValue": value}}
        for name, value in (("namespace", "docs"), ("service", "summarizer"))
    ]
    point = {
        "attributes": labels,
        "timeUnixNano": str(time.time_ns()),
        "count": str(sum(counts) + 3),
        "sum": 1.0,
        "scale": scale,
        "zeroCount": "3",
        "positive": {"offset": offset, "bucketCounts": [str(n) for n in counts]},
    }
    metric = {
        "name": "native",
        "unit": "s",
        "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [point]},
    }
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/v1/otlp/v1/metrics", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def test_slow_answers_are_counted_from_buckets_of_every_kind(prometheus, service, live):
    """A third is slow, before a restart and after, at a finer and at a coarser resolution, and to the bit from history.

    A limit that is no bound is an error with the nearest that are, never a guess.
    """
    counted = {"1.0": 0, "2.5": 0, "10.0": 0, "+Inf": 0}

    def answer_some() -> None:
        for bound, more in (("1.0", 12), ("2.5", 20), ("10.0", 29), ("+Inf", 30)):
            counted[bound] += more
        service.counters = exposed("answer_seconds", counted)
        custom = exposed("custom_seconds", counted)
        service.classic = "# TYPE custom_seconds histogram\n" + "".join(f"{s} {n}\n" for s, n in custom.items())

    service.before_scrape = answer_some
    sampler = Sampler(lambda _: live)

    async def verdicts(scrapes: int, *, scale: int) -> dict[str, Verdict]:
        for _ in range(scrapes):
            await service.scrapes()
            fast, late = counted["2.5"], counted["+Inf"] - counted["2.5"]
            # From 2 to 4 and from 4 to 8; at the finer one, the last quarter of one and the first of the other.
            await push(prometheus.url, scale=scale, offset=7 if scale else 1, counts=(fast, late))
            await sampler.sample(ALL, datetime.now(UTC))
        now = datetime.now(UTC)
        return {spec.key.objective: sampler.verdict(spec.key, now) for spec in ALL}

    found = await verdicts(8, scale=2)
    found |= {f"{name} coarser": verdict for name, verdict in (await verdicts(3, scale=0)).items()}
    counted.update(dict.fromkeys(counted, 0))
    found |= {f"{name} later": verdict for name, verdict in (await verdicts(5, scale=2)).items()}
    for when in ("", " coarser", " later"):
        for spec in COUNTED:
            verdict = found[spec.key.objective + when]
            # The native one has three answers of no time at all at its start.
            share = 1 / 3 if spec.key.objective.startswith("slow") else 2 / 3
            assert verdict.estimate == pytest.approx(share, abs=5e-3), (when, verdict)
        for spec, nearest in zip(NO_BOUND, ("", "the nearest are 2.5 and 10", "the nearest are 2 and "), strict=True):
            verdict = found[spec.key.objective + when]
            assert (verdict.finding, verdict.reason) == (Finding.ERROR, VerdictReason.NO_SUCH_BUCKET), verdict
            assert nearest in verdict.because
    # Read from history the counts are the same.
    rebuilt, now = Sampler(lambda _: live), datetime.now(UTC)
    for each in (sampler, rebuilt):
        await each.sample(ALL, now)
    assert [rebuilt.verdict(s.key, now) for s in ALL] == [sampler.verdict(s.key, now) for s in ALL]
