"""The metric contract as the question-answering example keeps it, read from its own /metrics."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp.test_utils import TestServer
from examples.qa.answering import Answer
from examples.qa.controls import Controls
from examples.qa.front import Front
from examples.qa.indexer import Indexer
from examples.qa.judge import Judge
from examples.qa.metrics import AnswerMetrics, JudgeMetrics, PipelineMetrics, ReviewMetrics, new_registry
from examples.qa.passages import Feature, read_source
from examples.qa.review import Room
from examples.qa.serving import Health, internal_app
from examples.qa.verdicts import Indicator, Rulebook
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

SOURCE = read_source()
RULEBOOK = Rulebook(SOURCE)
SERVICE, REVISION = "qa", "1.0-0123abcd"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def an_answering_of(text: str, source: str | None) -> Front:
    """A front that says one thing to everybody."""
    return Front(
        service=SERVICE,
        revision=REVISION,
        answering=lambda question, feature: Answer(text=text, source=source, score=1.0, as_of=0.0),
        metrics=AnswerMetrics(new_registry(), SERVICE, REVISION),
        rng=random.Random(0),
    )


@asynccontextmanager
async def served(front: Front) -> AsyncIterator[aiohttp.ClientSession]:
    """The front on a real port, public and internal side in one."""
    app = front.public_app(Health(ready=True))
    front.add_journal(app)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield session


async def scrape(registry: CollectorRegistry) -> Samples:
    """All samples of a registry, as Prometheus would read them."""
    async with (
        TestServer(internal_app(registry, Health())) as server,
        aiohttp.ClientSession(server.make_url("/")) as session,
        session.get("/metrics") as response,
    ):
        text = await response.text()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of a metric's series with these labels."""
    return sum(
        value for (metric, found), value in samples.items() if metric == name and labels.items() <= dict(found).items()
    )


def names(samples: Samples) -> set[str]:
    return {name for name, _ in samples if name.startswith("ai_")}


async def test_every_series_of_the_judge_is_there_at_zero_before_the_first_answer() -> None:
    """Otherwise the first bad verdict would be lost: a counter that begins at 1 has not risen."""
    registry = new_registry()
    judge = Judge(rulebook=RULEBOOK, metrics=JudgeMetrics(registry), rng=random.Random(0))
    async with served(an_answering_of("anything", None)) as session:
        await judge.read(session, sampling=1.0)
    samples = await scrape(registry)
    assert names(samples) == {
        "ai_judged_total",
        "ai_judged_bad_total",
        "ai_judge_errors_total",
        "ai_policy_checks_total",
        "ai_policy_confirmed_violations_total",
    }
    assert all(value == 0 for (name, _), value in samples.items() if name.startswith("ai_"))
    bad = {labels for name, labels in samples if name == "ai_judged_bad_total"}
    assert bad == {labels for name, labels in samples if name == "ai_judged_total"}
    assert len(bad) == len(Feature) * len(Indicator)


async def test_the_server_counts_its_answers_from_zero_by_feature() -> None:
    """Exposure is known for each page of the intranet, under the revision that answered."""
    registry = new_registry()
    AnswerMetrics(registry, SERVICE, REVISION).answered(Feature.DATES)
    samples = await scrape(registry)
    found = {dict(labels)["feature"]: value for (name, labels), value in samples.items() if name == "ai_answers_total"}
    assert found == {"handbook": 0, "contacts": 0, "dates": 1}


async def test_no_metric_carries_a_namespace_or_a_creation_time() -> None:
    """The namespace is the target's, and *_created series would double the number of series for nothing."""
    registry = new_registry()
    AnswerMetrics(registry, SERVICE, REVISION)
    JudgeMetrics(registry).begin(SERVICE, REVISION)
    ReviewMetrics(registry).begin(SERVICE, REVISION)
    PipelineMetrics(registry, SERVICE).succeeded(1.0, 5)
    samples = await scrape(registry)
    assert not [name for name, labels in samples if name.endswith("_created") or "namespace" in dict(labels)]


async def test_bad_never_exceeds_judged_and_every_answer_is_checked() -> None:
    """A sample is scored, and all of it searched for personal data."""
    registry = new_registry()
    judge = Judge(rulebook=RULEBOOK, metrics=JudgeMetrics(registry), rng=random.Random(7))
    pairs = [pair for pair in SOURCE.pairs() if pair.expected]
    async with served(an_answering_of("The moon is made of cheese.", "leave-carry-over")) as session:
        await judge.read(session, sampling=0.25)
        for pair in pairs:
            async with session.get("/answer", params={"q": pair.question, "feature": pair.feature.value}) as response:
                assert response.status == 200
        await judge.read(session, sampling=0.25)
    samples = await scrape(registry)
    judged = total(samples, "ai_judged_total", indicator="groundedness")
    assert 0.15 * len(pairs) < judged < 0.35 * len(pairs)
    assert total(samples, "ai_judged_bad_total", indicator="groundedness") == judged
    assert total(samples, "ai_policy_checks_total", policy="pii") == len(pairs)
    assert total(samples, "ai_policy_confirmed_violations_total") == 0


async def test_personal_data_that_reaches_a_user_is_confirmed_whatever_the_sampling() -> None:
    """The policy is checked on every answer: nothing is left to chance where one case is one too many."""
    registry = new_registry()
    judge = Judge(rulebook=RULEBOOK, metrics=JudgeMetrics(registry), rng=random.Random(0))
    person = SOURCE.people[0]
    async with served(an_answering_of(f"Ring {person.name} on {person.phone}.", "contact-pay")) as session:
        await judge.read(session, sampling=0.0)
        await session.get("/answer", params={"q": "Whom do I ring?", "feature": "contacts"})
        await judge.read(session, sampling=0.0)
    samples = await scrape(registry)
    assert total(samples, "ai_policy_confirmed_violations_total", feature="contacts", policy="pii") == 1
    assert total(samples, "ai_judged_total") == 0


async def test_a_question_that_nobody_knows_is_neither_judged_nor_bad() -> None:
    """No verdict is told apart from a good one."""
    registry = new_registry()
    judge = Judge(rulebook=RULEBOOK, metrics=JudgeMetrics(registry), rng=random.Random(0))
    async with served(an_answering_of("Perhaps.", None)) as session:
        await judge.read(session, sampling=1.0)
        await session.get("/answer", params={"q": "A question from the street?"})
        await judge.read(session, sampling=1.0)
    samples = await scrape(registry)
    assert total(samples, "ai_judge_errors_total", indicator="groundedness", reason="unknown_question") == 1
    assert total(samples, "ai_judged_total") == 0


async def test_a_judge_that_starts_late_judges_only_what_follows() -> None:
    """Restarted, it does not count again what it may have counted before."""
    registry = new_registry()
    judge = Judge(rulebook=RULEBOOK, metrics=JudgeMetrics(registry), rng=random.Random(0))
    async with served(an_answering_of("Perhaps.", None)) as session:
        await session.get("/answer", params={"q": "Before?"})
        await judge.read(session, sampling=1.0)
        await session.get("/answer", params={"q": "After?"})
        await judge.read(session, sampling=1.0)
    assert total(await scrape(registry), "ai_policy_checks_total") == 1


async def test_reviewers_decide_on_the_share_set_aside() -> None:
    """With every answer under review, a right one is approved by reviewers who do not err, and it is counted once."""
    registry = new_registry()
    room = Room(RULEBOOK, ReviewMetrics(registry), accuracy=1.0, rng=random.Random(0), seconds_an_answer=0.0)
    pair = next(pair for pair in SOURCE.pairs() if pair.expected == "leave-carry-over")
    passage = SOURCE.passage("leave-carry-over", 0.0)
    assert passage is not None
    front = an_answering_of(passage.text, passage.id)
    front.controls = Controls(review=1.0)
    async with served(front) as session:
        await session.get("/answer", params={"q": pair.question})
        async with asyncio.TaskGroup() as desks:
            assert await room.take(session, desks) == 1
        async with asyncio.TaskGroup() as desks:
            assert await room.take(session, desks) == 0
    samples = await scrape(registry)
    assert total(samples, "ai_review_decisions_total", decision="approve") == 1
    assert total(samples, "ai_review_decisions_total") == 1


async def test_a_pipeline_with_a_wrong_source_fails_and_keeps_its_last_edition(tmp_path: Path) -> None:
    """The last success stops moving, /index/edition goes on serving, and a repaired configuration needs no restart."""
    registry, config = new_registry(), tmp_path / "pipeline.yaml"
    indexer = Indexer(PipelineMetrics(registry, SERVICE), config)
    config.write_text("source: intranet\nintervalSeconds: 3\n")
    assert await indexer.run_once() == 3.0
    first = await scrape(registry)
    config.write_text("source: intranet-2027\nintervalSeconds: 3\n")
    await indexer.run_once()
    second = await scrape(registry)
    async with (
        TestServer(indexer.public_app()) as server,
        aiohttp.ClientSession(server.make_url("/")) as session,
        session.get("/index/edition") as response,
    ):
        assert response.status == 200
    config.write_text("source: intranet\nintervalSeconds: 3\n")
    await indexer.run_once()
    third = await scrape(registry)

    name = "ai_pipeline_last_success_timestamp_seconds"
    assert total(second, name, service="qa", pipeline="index") == total(first, name)
    assert total(second, "ai_pipeline_failures_total") == 1
    assert total(third, name) > total(first, name)
    assert total(third, "ai_index_documents") == len(SOURCE.passages(0.0))
