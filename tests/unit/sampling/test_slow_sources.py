"""A source that answers late, or by half, costs its own services their evidence, and the others nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from tests.recorded import RecordedStore

from firebreak.app.feeds import ReadId
from firebreak.app.grid import Grid
from firebreak.app.reads import Reads
from firebreak.app.sampler import Sampler
from firebreak.core.detectors.rules import Sequential
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Ratio, SourceKey
from firebreak.core.ports_metrics import Matrix, Vector
from firebreak.core.verdict import Finding, VerdictReason

GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
FIRST = 29_000_000
PATIENCE_SECONDS = 0.2
QUICK, SLOW = SourceKey("", "default"), SourceKey("", "slow")


def at(step: int) -> datetime:
    """The moment at which a step has just become due."""
    return GRID.end(FIRST + step) + GRID.settle


def a_ratio(service: str, source: SourceKey = QUICK) -> ObjectiveSpec:
    return ObjectiveSpec(
        key=ObjectiveKey("docs", service, "groundedness"),
        category="Hallucination",
        source=source,
        indicator=Ratio(bad="bad_total", total="judged_total"),
        rule=Sequential(allowed=0.05),
        step=GRID.step,
        settle=GRID.settle,
        matchers=(("service", service),),
    )


class GatedStore(RecordedStore):
    """Two healthy services; whoever asks waits while a gate is closed."""

    def __init__(self) -> None:
        super().__init__(GRID)
        self.instant_gate, self.range_gate = asyncio.Event(), asyncio.Event()
        self.open()
        for service in ("summarizer", "search"):
            for name, rate in (("bad_total", 1.0), ("judged_total", 40.0)):
                labels = {"namespace": "docs", "service": service}
                self.write(name, labels, {FIRST + step: rate * step for step in range(60)})

    def open(self) -> None:
        self.instant_gate.set()
        self.range_gate.set()

    async def instant(self, query: str, at: datetime) -> Vector:
        await self.instant_gate.wait()
        return await super().instant(query, at)

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        await self.range_gate.wait()
        return await super().range(query, start, end, step)


@asynccontextmanager
async def beside_the_rounds() -> AsyncIterator[Reads[ReadId]]:
    """What is read beside the rounds; what still is at the end is given up."""
    async with asyncio.TaskGroup() as group:
        before = asyncio.all_tasks()
        yield Reads(group, asyncio.get_running_loop().time, PATIENCE_SECONDS)
        for task in asyncio.all_tasks() - before:
            task.cancel()


async def until_read(sampler: Sampler, specs: list[ObjectiveSpec], now: datetime, reads: Reads[ReadId]) -> None:
    """Rounds until everything has been read up to now."""
    async with asyncio.timeout(30):
        await sampler.sample(specs, now, reads)
        while any(sampler.verdict(spec.key, now).finding is not Finding.MET for spec in specs):
            await sampler.sample(specs, now, reads)


async def test_a_source_that_does_not_answer_holds_up_no_other() -> None:
    """Its services have not been sampled, then are stale; the others are judged at every step."""
    async with beside_the_rounds() as reads:
        quick, slow = GatedStore(), GatedStore()
        sampler = Sampler({QUICK: quick, SLOW: slow}.get)
        ours, theirs = a_ratio("summarizer"), a_ratio("search", SLOW)
        slow.instant_gate.clear()
        await sampler.sample([ours, theirs], at(20), reads)
        async with asyncio.timeout(30):
            while sampler.verdict(ours.key, at(20)).finding is not Finding.MET:
                await sampler.sample([ours, theirs], at(20), reads)
        assert sampler.verdict(theirs.key, at(20)).reason is VerdictReason.NOT_SAMPLED_YET

        slow.open()
        await until_read(sampler, [ours, theirs], at(21), reads)
        slow.instant_gate.clear()
        changed = set()
        for step in range(22, 26):
            changed |= await sampler.sample([ours, theirs], at(step), reads)
            assert sampler.verdict(ours.key, at(step)).at == GRID.end(FIRST + step)
        assert sampler.verdict(theirs.key, at(25)).reason is VerdictReason.STALE
        assert changed == {theirs.key.service_key}

        slow.open()
        await until_read(sampler, [ours, theirs], at(25), reads)


async def test_a_service_that_is_rebuilt_holds_up_no_other_of_its_indicator() -> None:
    """What is known is read on, step by step, however long the history of a new service takes."""
    async with beside_the_rounds() as reads:
        store = GatedStore()
        sampler = Sampler(lambda _: store)
        old, new = a_ratio("summarizer"), a_ratio("search")
        await until_read(sampler, [old], at(20), reads)
        store.range_gate.clear()
        for step in range(21, 26):
            await sampler.sample([old, new], at(step), reads)
            assert sampler.verdict(old.key, at(step)).at == GRID.end(FIRST + step)
            assert sampler.verdict(new.key, at(step)).reason is VerdictReason.NOT_SAMPLED_YET

        store.open()
        await until_read(sampler, [old, new], at(25), reads)

        whole = Sampler(lambda _: store)
        await whole.sample([old, new], at(25))
        assert [sampler.verdict(s.key, at(25)) for s in (old, new)] == [
            whole.verdict(s.key, at(25)) for s in (old, new)
        ]


async def test_what_was_slow_once_is_waited_for_no_more() -> None:
    """A source that answers late every time costs the others one wait; until it has been quick again."""
    loop, gate = asyncio.get_running_loop(), asyncio.Event()
    key = ReadId(ObjectiveKey("docs", "summarizer", "groundedness"))

    async def read() -> bool:
        return await gate.wait()

    async with beside_the_rounds() as reads:
        reads.begin(key, read)
        assert await reads.ended() == {}
        gate.set()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=30)
        assert await reads.ended() == {key: True}
        gate.clear()
        reads.begin(key, read)
        began = loop.time()
        assert await reads.ended() == {}
        assert loop.time() - began < PATIENCE_SECONDS
        assert reads.under_way == {key}
