"""What a real Prometheus answers, and what becomes of verdicts when it is killed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from firebreak.adapters.prometheus import Endpoint, Prometheus, PrometheusHistory
from firebreak.app.sampler import Sampler
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Ratio, Sequential, SourceKey
from firebreak.core.ports_metrics import MetricsPort, QueryRefused
from firebreak.core.verdict import Finding, Tier, Verdict

pytestmark = pytest.mark.lab

STEP = timedelta(seconds=2)
SPEC = ObjectiveSpec(
    key=ObjectiveKey("docs", "summarizer", "groundedness"),
    category="Hallucination",
    source=SourceKey("", "default"),
    indicator=Ratio(bad="ai_judged_bad_total", total="ai_judged_total"),
    rule=Sequential(allowed=0.05),
    step=STEP,
    settle=timedelta(seconds=1),
    matchers=(("service", "summarizer"),),
)
JUDGED = 'ai_judged_total{service="summarizer"}'
BAD = 'ai_judged_bad_total{service="summarizer"}'
IRRELEVANT = 'ai_irrelevant_total{service="summarizer"}'


@pytest.fixture
async def live(prometheus) -> AsyncIterator[Prometheus]:
    client = Prometheus(Endpoint(url=prometheus.url, timeout=timedelta(seconds=2)))
    yield client
    await client.close()


def now() -> datetime:
    return datetime.now(UTC)


async def test_both_adapters_mean_the_same_by_an_answer(prometheus, service, live):
    """The live path and prometheus-api-client read the same counters at the same moments."""
    service.counters = {'a_total{x="1"}': 7, 'a_total{x="2"}': float("nan")}
    await service.scrapes(4)
    end = now().replace(microsecond=0)
    ports: list[MetricsPort] = [live, PrometheusHistory(Endpoint(url=prometheus.url))]
    ranges = [await port.range("a_total", end - timedelta(seconds=6), end, timedelta(seconds=1)) for port in ports]
    instants = [await port.instant("a_total", end) for port in ports]
    assert ranges[0].labels == ranges[1].labels
    np.testing.assert_array_equal(ranges[0].values, ranges[1].values)
    np.testing.assert_array_equal(ranges[0].present, ranges[1].present)
    assert ranges[0].present[:, -1].all()
    assert instants[0].labels == instants[1].labels == ranges[0].labels
    np.testing.assert_array_equal(instants[0].values, ranges[0].at(6).values)


async def test_scalars_and_refusals_are_told_apart(live):
    """An expression may be a number; one that is no PromQL is the user's to change."""
    assert (await live.instant("time() - 1", now())).values.shape == (1,)
    with pytest.raises(QueryRefused, match="parse error"):
        await live.instant("sum(", now())
    with pytest.raises(QueryRefused, match="string"):
        await live.instant('"text"', now())


BREACHED = replace(
    SPEC,
    key=ObjectiveKey("docs", "summarizer", "relevance"),
    indicator=Ratio(bad="ai_irrelevant_total", total="ai_judged_total"),
)


async def test_faults_change_no_verdict_but_to_inconclusive_or_error(prometheus, service, live):
    """Prometheus killed and restarted, a scrape lost, a pod restarted: what was met stays so, and what was breached.

    Nothing is counted that was not judged, and of what was judged no more is missing than the pod had not shown.
    """
    sampler = Sampler(lambda _: live)
    judged = 0

    def judge_some() -> None:
        nonlocal judged
        judged += 40
        service.counters[JUDGED] += 40
        service.counters[BAD] += 1
        service.counters[IRRELEVANT] += 20

    def start() -> None:
        service.counters = {JUDGED: 0.0, BAD: 0.0, IRRELEVANT: 0.0}

    start()
    service.before_scrape = judge_some
    told: list[tuple[Verdict, Verdict]] = []

    async def ask(moment: datetime) -> tuple[Finding, Finding]:
        await sampler.sample([SPEC, BREACHED], moment)
        told.append((sampler.verdict(SPEC.key, moment), sampler.verdict(BREACHED.key, moment)))
        return told[-1][0].finding, told[-1][1].finding

    async def watch(scrapes: int) -> tuple[Finding, Finding]:
        for _ in range(scrapes):
            await service.scrapes()
            await ask(now())
        return told[-1][0].finding, told[-1][1].finding

    as_it_is = (Finding.MET, Finding.BREACHED)
    assert await watch(11) == as_it_is
    known = len(told)
    service.fails = True  # a scrape is lost
    await watch(1)
    service.fails = False
    assert await watch(2) == as_it_is
    start()  # a pod restarts
    assert await watch(5) == as_it_is
    prometheus.kill()
    assert await ask(now() + 3 * STEP) == (Finding.ERROR, Finding.ERROR)
    await prometheus.start()
    assert await watch(6) == as_it_is
    for met, breached in told[known:]:
        assert met.finding in (Finding.MET, Finding.INCONCLUSIVE, Finding.ERROR), met
        assert breached.finding in (Finding.BREACHED, Finding.INCONCLUSIVE, Finding.ERROR), breached
        assert met.tier is Tier.NONE
    restarted = Sampler(lambda _: live)
    moment = now()
    for each in (sampler, restarted):
        await each.sample([SPEC, BREACHED], moment)
    for spec in (SPEC, BREACHED):
        assert restarted.verdict(spec.key, moment) == sampler.verdict(spec.key, moment)
    counts = sampler.counts(SPEC.key, moment - timedelta(hours=1))
    assert counts is not None
    # The first scrape is a baseline, one lies behind the restart unseen, and the last ones have not been read yet.
    assert judged - 40 * 6 <= counts.judged.sum() <= judged
