"""What is rebuilt from Prometheus equals what was folded as it came."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np
import pytest
from tests.recorded import RecordedStore

from firebreak.app.counter_feed import LEAD_STEPS, CounterFeed, feed_key, subject_of
from firebreak.app.grid import Grid
from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.sequential import EPOCH_STEPS
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Ratio, SourceKey
from firebreak.core.ports_metrics import Matrix, SourceUnreachable, Vector

Answer = TypeVar("Answer")
GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
FIRST = EPOCH_STEPS * 20_000


def objective(service: str, allowed: float = 0.05) -> ObjectiveSpec:
    return ObjectiveSpec(
        key=ObjectiveKey("docs", service, f"groundedness-{allowed}"),
        category="Hallucination",
        source=SourceKey("", "default"),
        indicator=Ratio(bad="bad_total", total="judged_total"),
        rule=Sequential(allowed=allowed),
        step=GRID.step,
        settle=GRID.settle,
        matchers=(("service", service),),
    )


def busy_store(seed: int, steps: int) -> RecordedStore:
    """Series that come and go, reset, pause for minutes or hours, and count in fractions; bad may run ahead.

    One has a second process that writes it now and then.
    """
    rng = np.random.default_rng(seed)
    store = RecordedStore(GRID)
    for service in ("a", "b"):
        for pod in range(4):
            labels = {"namespace": "docs", "service": service, "pod": str(pod), "revision": f"v{pod % 2}"}
            rate, share = rng.choice([0.02, 1.0, 20.0]), rng.choice([0.02, 0.05, 0.08])
            present = np.ones(steps, dtype=bool)
            for _ in range(6):
                start = int(rng.integers(0, steps))
                present[start : start + int(rng.choice([1, 5, 60, 89, 90, 91, 92, 300]))] = False
            judged = np.floor(rng.poisson(rate, steps) * rng.choice([1.0, 0.1]) * 1000) / 1000
            bad = np.where(rng.random(steps) < share * 3, judged / 3, 0.0)
            late = np.roll(judged, 1) if pod == 3 else judged
            for name, grown in (("judged_total", late), ("bad_total", bad)):
                values = np.cumsum(grown)
                for reset in rng.integers(0, steps, 3):
                    values[reset:] -= values[reset]
                for start in rng.integers(0, steps, 8) if pod == 2 else ():
                    beside = start + np.flatnonzero(rng.random(min(50, steps - start)) < 0.5)
                    values[beside] += 5000.0
                store.write(name, labels, {FIRST + i: float(values[i]) for i in np.flatnonzero(present)})
    return store


def state_of(feed: CounterFeed, specs: list[ObjectiveSpec]) -> list[object]:
    counting = feed.counting
    last = counting.last_step or 0
    histories = [
        [part.tolist() for part in counting.history.window(counting.rows(subject), last - 700, last)]
        for subject in (counting.index(subject_of(spec)) for spec in specs)
    ]
    return [[feed.evidence(spec) for spec in specs], histories]


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_restart_at_any_moment_changes_nothing_to_the_bit(seed):
    """Evidence and history after a rebuild are those of a process that was never interrupted."""
    steps = 2 * EPOCH_STEPS + LEAD_STEPS + 700
    store = busy_store(seed, steps)
    specs = [objective("a"), objective("b"), objective("a", allowed=0.01)]
    key = feed_key(specs[0])
    assert key is not None
    live = CounterFeed(key)
    live.want(specs)
    await live.bring_up_to(FIRST + 3, store)
    rng = np.random.default_rng(seed)
    around_an_epoch = [EPOCH_STEPS - 1, EPOCH_STEPS, EPOCH_STEPS + 1]
    stops = sorted(
        {*(2 * EPOCH_STEPS + i - EPOCH_STEPS for i in around_an_epoch), *rng.integers(1000, steps, 3).tolist()}
    )
    at = FIRST + 3
    for stop in stops:
        # Sometimes step by step, sometimes after an outage: by range.
        for step in range(at + 1, FIRST + stop + 1):
            if rng.random() < 0.9 or step == FIRST + stop:
                await live.bring_up_to(step, store)
        at = FIRST + stop
        restarted = CounterFeed(key)
        restarted.want(specs)
        await restarted.bring_up_to(at, store)
        assert state_of(restarted, specs) == state_of(live, specs), f"restarted at step {stop}"


async def test_an_objective_that_joins_later_is_as_if_it_had_always_been_there():
    """Rebuilt apart and joined to a feed in service, it disturbs nothing and lacks nothing."""
    store = busy_store(3, 900)
    specs = [objective("a"), objective("b")]
    key = feed_key(specs[0])
    assert key is not None
    always, later = CounterFeed(key), CounterFeed(key)
    always.want(specs)
    later.want(specs[:1])
    for step in range(FIRST + 3, FIRST + 890):
        if step == FIRST + 500:
            later.want(specs)
        await always.bring_up_to(step, store)
        await later.bring_up_to(step, store)
    assert state_of(later, specs) == state_of(always, specs)


class FailingStore:
    """Fails every so often, in the middle of whatever is being read, or where too long a range is asked for."""

    def __init__(self, store: RecordedStore, every: int = 10**9, longest: int = 10**9) -> None:
        self._store, self._every, self._longest, self.asked = store, every, longest, 0

    async def _answer(self, moments: float, answer: Callable[[], Awaitable[Answer]]) -> Answer:
        await asyncio.sleep(0)
        self.asked += 1
        if self.asked % self._every == 0 or moments > self._longest:
            raise SourceUnreachable("no answer within 10s")
        return await answer()

    async def instant(self, query: str, at: datetime) -> Vector:
        return await self._answer(1, lambda: self._store.instant(query, at))

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        return await self._answer((end - start) / step + 1, lambda: self._store.range(query, start, end, step))


async def test_a_rebuild_that_fails_on_the_way_goes_on_from_there():
    """A source that is too slow for a long range is read all the same, in smaller bites, and to the same bit."""
    steps = EPOCH_STEPS + LEAD_STEPS + 300
    store = busy_store(5, steps)
    specs = [objective("a"), objective("b")]
    key = feed_key(specs[0])
    assert key is not None
    at_once, piecemeal = CounterFeed(key), CounterFeed(key)
    failing = FailingStore(store, longest=40)
    at_once.want(specs)
    piecemeal.want(specs)
    await at_once.bring_up_to(FIRST + steps - 2, store)
    failures = 0
    while not piecemeal.knows(specs[0]):
        try:
            await piecemeal.bring_up_to(FIRST + steps - 2, failing)
        except SourceUnreachable:
            failures += 1
    assert 3 < failures < 30
    assert failing.asked < 300
    assert state_of(piecemeal, specs) == state_of(at_once, specs)


async def test_what_is_rebuilt_beside_what_is_in_service_is_the_same_to_the_bit():
    """Whatever fails, joins or lags meanwhile: at the end all that is known is as if it had always been there."""
    rng = np.random.default_rng(6)
    store = busy_store(6, 500)
    specs = [objective("a"), objective("b"), objective("a", allowed=0.01)]
    key = feed_key(specs[0])
    assert key is not None
    always, live = CounterFeed(key), CounterFeed(key)
    failing = FailingStore(store, every=11)
    always.want(specs)
    live.want(specs[:1])
    join = sorted(int(step) for step in rng.integers(100, 300, 2))
    rebuilding: asyncio.Task[bool] | None = None
    async with asyncio.TaskGroup() as group:
        for step in range(3, 490):
            await always.bring_up_to(FIRST + step, store)
            if step in join:
                live.want(specs[: 2 + join.index(step)])
            if live.lacks_some and rebuilding is None:
                rebuilding = group.create_task(quietly(live.rebuild(FIRST + step, failing)))
            for _ in range(int(rng.integers(0, 4))):
                await asyncio.sleep(0)
            if rng.random() < 0.7:
                await quietly(live.advance(FIRST + step, failing))
            if rebuilding is not None and rebuilding.done():
                rebuilding = None
    while live.counting.last_step != FIRST + 489 or live.lacks_some:
        await quietly(live.bring_up_to(FIRST + 489, failing))
    assert state_of(live, specs) == state_of(always, specs)


async def quietly(read: Awaitable[bool]) -> bool:
    """As app/feeds.py takes a failure: the next read goes on."""
    try:
        return await read
    except SourceUnreachable:
        return False


async def test_an_objective_that_leaves_disturbs_no_other():
    """Its rows go; the evidence of the others stays as it is."""
    store = busy_store(4, 600)
    specs = [objective("a"), objective("b")]
    key = feed_key(specs[0])
    assert key is not None
    alone, together = CounterFeed(key), CounterFeed(key)
    alone.want(specs[1:])
    together.want(specs)
    for step in range(FIRST + 3, FIRST + 590):
        if step == FIRST + 300:
            together.want(specs[1:])
        await alone.bring_up_to(step, store)
        await together.bring_up_to(step, store)
    assert state_of(alone, specs[1:]) == state_of(together, specs[1:])


@pytest.mark.parametrize("changed_at", [40, EPOCH_STEPS - 1, EPOCH_STEPS, EPOCH_STEPS + 200])
async def test_a_measured_clustering_is_as_if_it_had_always_been_in_force(changed_at):
    """Adopted while it runs, it gives to the bit what a restart with it gives, then and later."""
    store = busy_store(5, 2 * EPOCH_STEPS + 30)
    assumed, other = objective("a"), objective("b")
    measured = replace(assumed, rule=replace(assumed.rule, clustering=0.731))
    key = feed_key(assumed)
    assert key is not None
    live = CounterFeed(key)
    live.want([assumed, other])
    await live.bring_up_to(FIRST + EPOCH_STEPS + changed_at - 1, store)
    live.want([measured, other])
    for stop in (changed_at, changed_at + 1, changed_at + 90):
        await live.bring_up_to(FIRST + EPOCH_STEPS + stop, store)
        restarted = CounterFeed(key)
        restarted.want([measured, other])
        await restarted.bring_up_to(FIRST + EPOCH_STEPS + stop, store)
        assert state_of(live, [measured, other]) == state_of(restarted, [measured, other])


@pytest.mark.parametrize("gap", [0, 60, 85, 89, 90, 91])
async def test_what_counts_before_an_epoch_say_about_the_steps_after_it_survives(gap):
    """The hardest case: all evidence lies right after an epoch's beginning, and rests on means from before it."""
    store, boundary = RecordedStore(GRID), FIRST + EPOCH_STEPS
    labels = {"namespace": "docs", "service": "a"}
    judged, bad = 0.0, 0.0
    for step in range(boundary - 400, boundary + EPOCH_STEPS + 20):
        if step < boundary + 5:
            judged, bad = judged + 40.0, bad + 4.0
        if not boundary - 2 - gap < step <= boundary - 2:
            store.write("judged_total", labels, {step: judged})
            store.write("bad_total", labels, {step: bad})
    spec = objective("a")
    key = feed_key(spec)
    assert key is not None
    live, restarted = CounterFeed(key), CounterFeed(key)
    live.want([spec])
    for step in range(boundary - 399, boundary + EPOCH_STEPS + 10):
        await live.bring_up_to(step, store)
    restarted.want([spec])
    await restarted.bring_up_to(boundary + EPOCH_STEPS + 9, store)
    assert live.evidence(spec) > 1.0
    assert restarted.evidence(spec) == live.evidence(spec)


@pytest.mark.parametrize("outage", [2, 10, 80, 200])
async def test_a_gap_that_is_read_by_range_is_still_a_gap(outage):
    """Steps in which nothing was there count as such, whether they were read as they came or after an outage."""
    store = RecordedStore(GRID)
    labels = {"namespace": "docs", "service": "a"}
    for step in range(600):
        if not 300 <= step < 350:
            store.write("judged_total", labels, {FIRST + step: 40.0 * step})
            store.write("bad_total", labels, {FIRST + step: 3.0 * step})
    spec = objective("a")
    key = feed_key(spec)
    assert key is not None
    steadily, late = CounterFeed(key), CounterFeed(key)
    for feed in (steadily, late):
        feed.want([spec])
    for step in range(1, 599):
        await steadily.bring_up_to(FIRST + step, store)
        if not 310 <= step < 310 + outage:
            await late.bring_up_to(FIRST + step, store)
    assert state_of(late, [spec]) == state_of(steadily, [spec])
