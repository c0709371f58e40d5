"""Each oddity of what is read has the meaning that docs/metrics-contract.md declares, seen through the sampler.

Every test reads step by step and once more from history: what is said is the same.
"""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.recorded import RecordedStore

from firebreak.app.grid import Grid
from firebreak.app.sampler import Sampler
from firebreak.core.counters import FORGET_STEPS
from firebreak.core.detectors.rules import Sequential
from firebreak.core.objectives import ExposureSpec, ObjectiveKey, ObjectiveSpec, Ratio, SourceKey
from firebreak.core.verdict import Finding, RecoveryFinding, Tier, Verdict, VerdictReason
from firebreak.core.writers import LEAPS

GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
FIRST = 29_000_000
GONE = "gone"
LOOKBACK_STEPS = 5  # Prometheus' own, of five minutes
CONTRACT = Path(__file__).parents[3] / "docs" / "metrics-contract.md"
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

Sample = float | str | None
"""What a scrape brought: a value, nothing (it was missed), or the target's end (GONE, a staleness marker)."""


def at(step: int) -> datetime:
    """The moment at which a step has just become due."""
    return GRID.end(FIRST + step) + GRID.settle


class Store(RecordedStore):
    """A Prometheus, whose answer is the last sample of five minutes unless the series was marked stale."""

    def __init__(self) -> None:
        super().__init__(GRID)

    def scraped(self, metric: str, samples: list[Sample], **labels: str) -> None:
        readings: dict[int, float] = {}
        held: tuple[int, float] | None = None
        for step, sample in enumerate(samples):
            if sample == GONE:
                held = None
            elif sample is not None:
                held = (step, float(sample))
            if held is not None and step - held[0] < LOOKBACK_STEPS:
                readings[FIRST + step] = held[1]
        self.write(metric, {"namespace": "docs", "service": "summarizer", **labels}, readings)


def judged(steps: int, rate: float = 40.0, start: float = 0.0) -> list[Sample]:
    return [start + rate * step for step in range(steps)]


def healthy(samples: list[Sample], **labels: str) -> Store:
    """A service that judges as told, and of which one in eighty is bad."""
    store = Store()
    store.scraped("judged_total", samples, **labels)
    bad: list[Sample] = [one if one is None or one == GONE else float(int(float(one) / 80.0)) for one in samples]
    store.scraped("bad_total", bad, **labels)
    return store


async def told(store: RecordedStore, steps: int) -> tuple[Sampler, list[Verdict]]:
    """What was said after each step, by one that read it as it came; another that reads it all at the end agrees."""
    sampler = Sampler(lambda _: store)
    said = []
    for step in range(1, steps):
        await sampler.sample([SPEC], at(step))
        said.append(sampler.verdict(SPEC.key, at(step)))
    rebuilt = Sampler(lambda _: store)
    await rebuilt.sample([SPEC], at(steps - 1))
    assert rebuilt.verdict(SPEC.key, at(steps - 1)) == said[-1]
    assert rebuilt.oddities(SPEC.key) == sampler.oddities(SPEC.key)
    return sampler, said


def counted(sampler: Sampler) -> list[float]:
    counts = sampler.counts(SPEC.key, GRID.end(FIRST))
    assert counts is not None
    return [float(count) for count in counts.judged]


async def test_a_series_that_is_gone_is_inconclusive_after_five_steps():
    """Its target has ended: nothing is counted, and neither health nor a recovery follows from it."""
    sampler, said = await told(healthy([*judged(20), GONE, *[None] * 19]), 40)
    findings = [verdict.finding for verdict in said]
    assert findings[18:24] == [Finding.MET] * 6
    assert findings[24:] == [Finding.INCONCLUSIVE] * 15
    assert said[-1].reason is VerdictReason.NO_SERIES
    assert "the series are gone since" in said[-1].because
    assert sum(counted(sampler)[19:]) == 0.0
    since = at(21)
    assert sampler.recovery(SPEC.key, since, None, 0.2, at(39)).finding is RecoveryFinding.INCONCLUSIVE
    assert not sampler.health(SPEC.key, since, None, at(39)).meets


async def test_old_samples_count_nothing():
    """A store that gives the same sample again and again: silence, which after an hour of it is too little to judge by."""
    store = Store()
    for metric, last in (("judged_total", 1160.0), ("bad_total", 2.0)):
        store.scraped(metric, [last * step / 29 for step in range(30)] + [last] * 70)
    sampler, said = await told(store, 100)
    assert sum(counted(sampler)[29:]) == 0.0
    assert (said[-1].finding, said[-1].reason) == (Finding.INCONCLUSIVE, VerdictReason.TOO_FEW_JUDGED)
    assert {verdict.tier for verdict in said} == {Tier.NONE}


@pytest.mark.parametrize("missed", [1, LOOKBACK_STEPS - 1, LOOKBACK_STEPS + 5, FORGET_STEPS])
async def test_a_gap_is_counted_when_the_series_is_back(missed: int):
    """Shorter than the store looks back it is steps of nothing, longer ones without the series; all of it comes at once."""
    steps = 30 + missed + 10
    samples = judged(steps)
    samples[30 : 30 + missed] = [None] * missed
    sampler, said = await told(healthy(samples), steps)
    found = counted(sampler)
    assert found[29 : 29 + missed] == [0.0] * missed
    assert found[29 + missed] == 40.0 * (missed + 1)
    assert sum(found) == 40.0 * (steps - 1)
    assert said[-1].finding is Finding.MET
    away = {verdict.reason for verdict in said[30 : 29 + missed]} - {VerdictReason.WITHIN_OBJECTIVE}
    assert away == ({VerdictReason.NO_SERIES} if missed >= 2 * LOOKBACK_STEPS else set())


async def test_a_gap_of_more_than_ninety_steps_is_a_new_beginning():
    """Nobody knows what happened in it."""
    missed = FORGET_STEPS + LOOKBACK_STEPS
    samples = judged(30 + missed + 10)
    samples[30 : 30 + missed] = [None] * missed
    sampler, _ = await told(healthy(samples), len(samples))
    assert sum(counted(sampler)[29:]) == 40.0 * 9


async def test_a_late_sample_is_counted_where_it_is_seen():
    """It came after the settle delay: three steps of nothing, and all of it in the fourth. A rebuild finds it in its place."""
    store = healthy(judged(40))
    sampler = Sampler(lambda _: store)
    late = {step: {m: dict(series) for m, series in store.readings.items()} for step in (20, 21, 22)}
    whole = store.readings
    for step in range(1, 40):
        store.readings = whole
        if step in late:
            # What the store holds by then ends at step 19, and it answers with that.
            store.readings = {
                metric: {labels: {**readings, FIRST + step: readings[FIRST + 19]} for labels, readings in held.items()}
                for metric, held in whole.items()
            }
        await sampler.sample([SPEC], at(step))
    assert counted(sampler)[18:24] == [40.0, 0.0, 0.0, 0.0, 160.0, 40.0]
    rebuilt = Sampler(lambda _: store)
    await rebuilt.sample([SPEC], at(39))
    assert counted(rebuilt)[-20:] == [40.0] * 20
    assert sum(counted(rebuilt)[-38:]) == sum(counted(sampler)[-38:])


@pytest.mark.parametrize("skew", [timedelta(seconds=-40), timedelta(seconds=40), timedelta(minutes=3)])
async def test_a_clock_that_is_wrong_delays_and_loses_nothing(skew: timedelta):
    """Behind the store's, verdicts are late by as much; ahead of it, what is not there yet is counted when it is."""
    whole = healthy(judged(60))
    store = Store()
    sampler = Sampler(lambda _: store)
    for step in range(1, 60):
        for metric, held in whole.readings.items():
            for labels, readings in held.items():
                # What a store answers for a moment beyond its last sample is that sample.
                last = {FIRST + n: readings[FIRST + min(n, step)] for n in range(step + 5)}
                store.readings.setdefault(metric, {})[labels] = last
        await sampler.sample([SPEC], at(step) + skew)
    found = counted(sampler)
    behind = 1 if skew < timedelta(0) else 0
    assert sum(found) == 40.0 * (59 - behind)
    assert sampler.verdict(SPEC.key, at(59) + skew).finding is Finding.MET


async def test_the_same_series_twice_counts_once():
    """The larger value, and it is told; replicas of a Prometheus are one series."""
    store = healthy(judged(40), prometheus_replica="a")
    store.scraped("judged_total", [max(0.0, float(n) - 10.0) for n in judged(40)], prometheus_replica="b")
    sampler, said = await told(store, 40)
    assert sum(counted(sampler)) == 40.0 * 39
    assert said[-1].finding is Finding.MET
    assert sampler.oddities(SPEC.key) == ("the same series twice in one answer: deduplicate replicas",)


async def test_series_of_one_service_are_summed_whatever_else_they_carry():
    """Labels that are neither the service's nor a segment tell series apart, and nothing more; another service's are not its."""
    store = healthy(judged(30), pod="a")
    store.scraped("judged_total", judged(30), pod="b")
    store.scraped("judged_total", judged(30, rate=999.0), pod="c", service="summarizer-small")
    store.scraped("judged_total", judged(30, rate=999.0), exported_service="summarizer", service="gateway")
    sampler, _ = await told(store, 30)
    assert counted(sampler)[-29:] == [80.0] * 29
    assert sampler.oddities(SPEC.key) == ()


@pytest.mark.parametrize("reading", [float("nan"), float("inf"), -1.0])
async def test_what_is_no_count_is_as_if_the_series_were_absent(reading: float):
    """It is told, and the difference is counted when the series is right again."""
    samples = judged(40)
    samples[20:22] = [reading] * 2
    store = Store()
    store.scraped("judged_total", samples)
    store.scraped("bad_total", [0.0] * 40)
    sampler, said = await told(store, 40)
    assert counted(sampler)[18:23] == [40.0, 0.0, 0.0, 120.0, 40.0]
    assert said[-1].finding is Finding.MET
    assert sampler.oddities(SPEC.key) == ("NaN, infinite or negative values",)


async def test_a_counter_may_go_up_in_fractions():
    """Weighted verdicts: sums are exact, and say the same in whatever order they come."""
    store = Store()
    for pod in ("a", "b", "c"):
        store.scraped("judged_total", [0.1 * step for step in range(400)], pod=pod)
        store.scraped("bad_total", [0.001 * step for step in range(400)], pod=pod)
    sampler, said = await told(store, 400)
    assert sum(counted(sampler)) == pytest.approx(0.3 * 399, rel=1e-5)
    assert said[-1].finding is Finding.MET


async def test_bad_beyond_judged_waits_one_step_and_is_dropped():
    """Two counters of two scrapes: what runs ahead for longer belongs to nothing that was judged, and is told."""
    store = Store()
    store.scraped("judged_total", judged(60, rate=10.0))
    ahead = [0.0 if step < 20 else 1.0 if step < 30 else 500.0 for step in range(60)]
    store.scraped("bad_total", list(ahead))
    sampler, said = await told(store, 60)
    counts = sampler.counts(SPEC.key, GRID.end(FIRST))
    assert counts is not None
    assert [float(n) for n in counts.bad[-40:-26]] == [1.0, *[0.0] * 9, 10.0, 10.0, 0.0, 0.0]
    assert "more bad than judged: do both count the same verdicts?" in sampler.oddities(SPEC.key)
    assert not any(verdict.reaches(Tier.CONFIRMED) for verdict in said), "two steps are no breach"


async def test_a_series_that_appears_is_a_baseline():
    """Whatever it shows at first: it may have counted for days before it was seen."""
    store = healthy(judged(60))
    for metric in ("judged_total", "bad_total"):
        store.scraped(metric, [None] * 30 + [7e6] * 30, pod="new")
    sampler, said = await told(store, 60)
    assert sum(counted(sampler)) == 40.0 * 59
    assert {verdict.finding for verdict in said[20:]} == {Finding.MET}


async def test_a_process_that_restarts_loses_what_it_had_not_shown():
    """A fall is a restart: what is shown since is counted, and nothing is false by more than one scrape."""
    samples = [*judged(30), *judged(30, start=25.0)]
    sampler, said = await told(healthy(samples), 60)
    assert counted(sampler)[28:31] == [40.0, 25.0, 40.0]
    assert {verdict.finding for verdict in said[20:]} == {Finding.MET}
    assert sampler.oddities(SPEC.key) == ()


async def test_two_processes_that_write_one_series_say_nothing():
    """Each fall from one's count to the other's is no restart: it is found out, named, and nothing is concluded from it."""
    alone, together = judged(30, start=5000.0), 30
    mixed = [(6200.0 if step % 2 else 90.0) + 40.0 * step for step in range(together)]
    after: list[Sample] = judged(90, start=7400.0)
    sampler, said = await told(healthy([*alone, *mixed, *after]), 30 + together + 20)
    found = [at for at, verdict in enumerate(said, start=1) if verdict.reason is VerdictReason.SEVERAL_WRITERS]
    assert found[0] <= 30 + 2 * LEAPS + 1
    assert found == list(range(found[0], 30 + together + 20))
    assert {said[step - 1].finding for step in found} == {Finding.INCONCLUSIVE}
    assert "give each a label of its own, such as pod" in said[found[0] - 1].because
    assert not any(verdict.reaches(Tier.WATCH) for verdict in said)
    now = at(30 + together + 19)
    assert sampler.recovery(SPEC.key, at(30), None, 0.2, now).finding is RecoveryFinding.INCONCLUSIVE
    assert not sampler.health(SPEC.key, at(30), None, now).meets
    # Nor that nobody is answered, where the counter of answers is one that two write: it is no proof of moved traffic.
    exposure = ExposureSpec(
        service=SPEC.key.service_key,
        source=SPEC.source,
        selector="judged_total",
        step=GRID.step,
        settle=GRID.settle,
        matchers=SPEC.matchers,
    )
    await sampler.sample([SPEC, exposure], now)
    assert sampler.answers(SPEC.key.service_key, at(50)) is None
    assert sampler.coverage(SPEC.key) is None
    # It is over an hour after the last sign of it, and what was counted meanwhile is none of either's.
    _, said = await told(healthy([*alone, *mixed, *after]), 30 + together + 90)
    assert said[-1].finding is Finding.MET


def test_every_declared_meaning_has_its_test():
    """The table of the contract names the tests of this module, and leaves none out."""
    table = re.search(r"## What odd readings mean\n(.*?)\n## ", CONTRACT.read_text(), re.DOTALL)
    assert table
    named = set(re.findall(r"`(test_[a-z_]+)`", table[1]))
    here = {name for name in globals() if name.startswith("test_")} - {"test_every_declared_meaning_has_its_test"}
    assert named == here
