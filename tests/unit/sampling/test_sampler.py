"""What the sampler reads, and what it answers."""

from datetime import datetime, timedelta

import pytest
from tests.recorded import RecordedStore

from firebreak.app.grid import Grid
from firebreak.app.sampler import Sampler
from firebreak.core.detectors.burn_rate import PROPOSED
from firebreak.core.detectors.rules import BurnRate, Count, Sequential, Threshold
from firebreak.core.objectives import (
    CountOf,
    ExposureSpec,
    Gauge,
    ObjectiveKey,
    ObjectiveSpec,
    Ratio,
    ServiceKey,
    SourceKey,
    Watched,
)
from firebreak.core.ports_metrics import QueryRefused, SourceUnreachable
from firebreak.core.verdict import Finding, RecoveryFinding, Tier, VerdictReason

GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
FIRST = 29_000_000
SOURCE = SourceKey("", "default")
COMMON = {"source": SOURCE, "step": GRID.step, "settle": GRID.settle}


def at(step: int) -> datetime:
    """The moment at which a step has just become due."""
    return GRID.end(FIRST + step) + GRID.settle


def ratio(service: str = "summarizer", **changes: object) -> ObjectiveSpec:
    values = {
        "key": ObjectiveKey("docs", service, "groundedness"),
        "category": "Hallucination",
        "indicator": Ratio(bad="bad_total", total="judged_total"),
        "rule": Sequential(allowed=0.05),
        "matchers": (("service", service),),
        "segments": ("feature",),
        **COMMON,
        **changes,
    }
    return ObjectiveSpec(**values)  # type: ignore[arg-type]


GAUGE = ratio(
    key=ObjectiveKey("docs", "summarizer", "freshness"),
    indicator=Gauge(expr="age"),
    rule=Threshold(above=100.0, lasting=timedelta(minutes=2)),
)
VIOLATIONS = ratio(
    key=ObjectiveKey("docs", "summarizer", "violations"),
    indicator=CountOf(selector="violations_total"),
    rule=Count(at_least=2, within=timedelta(minutes=5)),
)
EXPOSURE = ExposureSpec(
    service=ServiceKey("docs", "summarizer"),
    selector="answers_total",
    matchers=(("service", "summarizer"),),
    **COMMON,  # type: ignore[arg-type]
)


class Story:
    """A service whose every step is told."""

    def __init__(self, **labels: str) -> None:
        self.store = RecordedStore(GRID)
        self.step = 0
        self._totals: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self.count(0, 0, **labels)

    def count(self, bad: float, judged: float, **labels: str) -> None:
        """One step in which so much was judged."""
        self.step += 1
        mine = {"namespace": "docs", "service": "summarizer", "revision": "v1", "feature": "dates", **labels}
        grown = {"bad_total": bad, "judged_total": judged, "answers_total": judged * 10}
        for name, value in grown.items():
            key = (name, tuple(sorted(mine.items())))
            self._totals[key] = self._totals.get(key, 0.0) + value
        for (name, series), total in self._totals.items():
            self.store.write(name, dict(series), {FIRST + self.step: total})

    async def told_to(self, sampler: Sampler, *watched: Watched) -> set[ServiceKey]:
        return await sampler.sample(watched, at(self.step))

    def sampler(self) -> Sampler:
        return Sampler(lambda key: self.store if key == SOURCE else None)


async def breached(story: Story, *watched: Watched) -> Sampler:
    """A sampler that has seen 30 good steps of v1 and 12 bad ones of v2."""
    sampler = story.sampler()
    for _ in range(30):
        story.count(0, 40)
    story.count(0, 0, revision="v2")
    for _ in range(12):
        story.count(20, 40, revision="v2")
    await story.told_to(sampler, *watched)
    return sampler


async def test_a_healthy_service_meets_its_objective():
    """With the counts of the last hour and an interval."""
    story = Story()
    sampler = story.sampler()
    for step in range(30):
        story.count(step % 2, 40)
    await story.told_to(sampler, ratio())
    verdict = sampler.verdict(ratio().key, at(story.step))
    assert (verdict.finding, verdict.tier) == (Finding.MET, Tier.NONE)
    assert (verdict.judged, verdict.bad) == (1200.0, 15.0)
    assert verdict.interval is not None
    assert verdict.interval.low < 15 / 1200 < verdict.interval.high


async def test_a_breach_is_confirmed_with_its_onset():
    """The words carry the numbers; the onset is where the rate jumped."""
    story = Story()
    sampler = await breached(story, ratio(), EXPOSURE)
    verdict = sampler.verdict(ratio().key, at(story.step))
    assert verdict.reaches(Tier.CONFIRMED)
    assert verdict.onset is not None
    assert verdict.onset.earliest <= GRID.end(FIRST + 32) <= verdict.onset.latest
    assert "240 of 480 judged (50.0%)" in verdict.because
    assert sampler.revisions_seen(ratio().key, verdict.onset.at) == {"v2": 480.0}
    served = sampler.bad_served(ratio().key, verdict.onset.at)
    assert served is not None
    assert served.low < served.bad == 2400.0 < served.high


async def test_recovery_is_judged_on_the_given_revision_since_the_effect():
    """The bad revision's stragglers do not blame the good one."""
    story = Story()
    sampler = await breached(story, ratio())
    effect = at(story.step)
    for _ in range(25):
        story.count(0, 40)
        story.count(9, 10, revision="v2")
    await story.told_to(sampler, ratio())
    now = at(story.step)
    assert sampler.recovery(ratio().key, effect, "v1", 0.5, now).finding is RecoveryFinding.RECOVERED
    assert sampler.recovery(ratio().key, effect, "v2", 0.9, now).finding is RecoveryFinding.NOT_HELPED
    assert sampler.health(ratio().key, effect, "v1", now).meets
    assert not sampler.health(ratio().key, effect, "v2", now).meets


async def test_only_the_affected_segment_is_called_worse():
    """Scope is told by segment."""
    story = Story()
    sampler = story.sampler()
    story.count(0, 0, feature="names")
    for _ in range(20):
        story.count(0, 40)
        story.count(20, 40, feature="names")
    await story.told_to(sampler, ratio())
    segments = sampler.segments(ratio().key, GRID.end(FIRST))
    assert [(s.name, s.worse) for s in segments] == [("feature=names", True), ("feature=dates", False)]


async def test_who_judges_is_known_since_when():
    """After a restart too."""
    story = Story()
    sampler = story.sampler()
    for _ in range(5):
        story.count(0, 40, judge="llm-1")
    for _ in range(5):
        story.count(0, 40, judge="llm-2")
        await story.told_to(sampler, ratio())
    rebuilt = story.sampler()
    await story.told_to(rebuilt, ratio())
    expected = {"llm-1": GRID.end(FIRST + 2), "llm-2": GRID.end(FIRST + 7)}
    assert sampler.judges_seen(ratio().key) == rebuilt.judges_seen(ratio().key) == expected


async def test_services_that_share_an_indicator_are_read_by_the_same_two_queries():
    """Cost grows with the number of indicators."""
    story = Story()
    sampler = story.sampler()
    services = [ratio(f"s{i}") for i in range(50)]
    await story.told_to(sampler, *services)
    story.count(0, 1)
    story.store.instants.clear()
    await story.told_to(sampler, *services)
    assert sorted(story.store.instants) == ['bad_total{namespace="docs"}', 'judged_total{namespace="docs"}']


async def test_a_source_that_cannot_be_read_is_an_error_of_its_objectives_alone():
    """The others are judged as ever; nothing is raised; what was missed is caught up."""
    story, broken = Story(), Story()
    elsewhere = ratio("elsewhere", source=SourceKey("docs", "other"))
    sampler = Sampler(lambda key: story.store if key == SOURCE else broken.store)
    for each in (story, broken):
        for _ in range(20):
            each.count(0, 40)
    await story.told_to(sampler, ratio(), elsewhere)
    broken.store.fails = SourceUnreachable("http://other: no answer within 10s")
    for _ in range(3):
        story.count(0, 40)
        await story.told_to(sampler, ratio(), elsewhere)
    verdict = sampler.verdict(elsewhere.key, at(story.step))
    assert (verdict.finding, verdict.reason) == (Finding.ERROR, VerdictReason.SOURCE_UNREACHABLE)
    assert "no answer within 10s" in verdict.because
    assert sampler.verdict(ratio().key, at(story.step)).finding is Finding.MET
    broken.store.fails = None
    await story.told_to(sampler, ratio(), elsewhere)
    assert sampler.verdict(elsewhere.key, at(story.step)).finding is not Finding.ERROR


async def test_a_source_that_is_not_declared_is_an_error():
    """Which names it."""
    story = Story()
    sampler = story.sampler()
    spec = ratio(source=SourceKey("docs", "nowhere"))
    await story.told_to(sampler, spec)
    verdict = sampler.verdict(spec.key, at(story.step))
    assert (verdict.finding, verdict.reason) == (Finding.ERROR, VerdictReason.QUERY_REFUSED)
    assert "docs/nowhere" in verdict.because


async def test_old_evidence_is_inconclusive():
    """A sampler that was not run does not speak of now."""
    story = Story()
    sampler = await breached(story, ratio())
    verdict = sampler.verdict(ratio().key, at(story.step + 5))
    assert (verdict.finding, verdict.reason) == (Finding.INCONCLUSIVE, VerdictReason.STALE)


async def test_series_that_are_gone_are_inconclusive_even_after_a_breach():
    """Missing evidence is never a breach."""
    story = Story()
    sampler = await breached(story, ratio())
    for step in range(story.step + 1, story.step + 10):
        await sampler.sample([ratio()], at(step))
    verdict = sampler.verdict(ratio().key, at(step))
    assert (verdict.finding, verdict.reason) == (Finding.INCONCLUSIVE, VerdictReason.NO_SERIES)


async def test_the_change_of_a_verdict_is_told_once():
    """So that the loop looks at services for which something is new."""
    story = Story()
    sampler = story.sampler()
    assert await story.told_to(sampler, ratio()) == {ServiceKey("docs", "summarizer")}
    for _ in range(5):
        story.count(0, 40)
    assert await story.told_to(sampler, ratio()) == {ServiceKey("docs", "summarizer")}
    story.count(0, 40)
    assert await story.told_to(sampler, ratio()) == set()


async def test_violations_within_the_window_breach_and_then_leave_it():
    """Count says so in the step in which they are seen."""
    story = Story()
    sampler = story.sampler()
    labels = {"namespace": "docs", "service": "summarizer"}
    for step, total in enumerate([0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2], start=1):
        story.store.write("violations_total", labels, {FIRST + step: total})
    found = []
    for step in range(2, 11):
        await sampler.sample([VIOLATIONS], at(step))
        found.append(sampler.verdict(VIOLATIONS.key, at(step)).tier)
    assert found == [Tier.NONE] * 2 + [Tier.CONFIRMED] * 4 + [Tier.NONE] * 3


async def test_a_gauge_beyond_its_limit_breaches_after_its_time_and_recovers_after_it():
    """With the value, and since when."""
    story = Story()
    sampler = story.sampler()
    for step, value in enumerate([5.0, 5.0, 150.0, 160.0, 170.0, 6.0, 7.0, 8.0], start=1):
        story.store.write("age", {}, {FIRST + step: value})
    found = {}
    for step in range(2, 9):
        await sampler.sample([GAUGE], at(step))
        found[step] = sampler.verdict(GAUGE.key, at(step))
    assert [found[s].finding for s in (2, 3, 4, 5, 6)] == [
        Finding.MET,
        Finding.INCONCLUSIVE,
        Finding.INCONCLUSIVE,
        Finding.BREACHED,
        Finding.MET,
    ]
    assert found[5].onset is not None
    assert found[5].onset.at == GRID.end(FIRST + 3)
    recovery = sampler.recovery(GAUGE.key, at(4), None, None, at(8))
    assert recovery.finding is RecoveryFinding.RECOVERED


async def test_a_gauge_without_a_value_is_inconclusive():
    """Stale is not fresh, and not a breach."""
    story = Story()
    sampler = story.sampler()
    await story.told_to(sampler, GAUGE)
    verdict = sampler.verdict(GAUGE.key, at(story.step))
    assert (verdict.finding, verdict.reason) == (Finding.INCONCLUSIVE, VerdictReason.NO_SERIES)


async def test_answers_show_whether_traffic_moved():
    """Per step, after a moment; unknown without a declared counter."""
    story = Story()
    sampler = story.sampler()
    for _ in range(5):
        story.count(0, 40)
    moved = at(story.step)
    for _ in range(4):
        story.count(0, 0)
    await story.told_to(sampler, ratio(), EXPOSURE)
    service = ServiceKey("docs", "summarizer")
    before = sampler.answers(service, GRID.end(FIRST + 2))
    after = sampler.answers(service, moved)
    assert before is not None
    assert after is not None
    assert sum(step.answers for step in before) == 1600.0
    assert [step.answers for step in after] == [0.0, 0.0, 0.0]
    assert sampler.answers(ServiceKey("docs", "other"), moved) is None


@pytest.mark.parametrize("refusal", [QueryRefused("too many samples"), SourceUnreachable("gone")])
async def test_a_recovery_is_never_judged_on_a_broken_source(refusal):
    """A broken judge must not walk a service down its ladder."""
    story = Story()
    sampler = await breached(story, ratio())
    effect = at(story.step)
    story.store.fails = refusal
    for step in range(story.step + 1, story.step + 5):
        await sampler.sample([ratio()], at(step))
    verdict = sampler.recovery(ratio().key, effect, None, 0.5, at(step))
    assert verdict.finding is RecoveryFinding.ERROR


async def test_answers_that_cannot_be_seen_are_no_proof_that_nobody_was_answered():
    """When the counter's series are away, the steps without them are not told as zero."""
    story = Story()
    sampler = story.sampler()
    for _ in range(5):
        story.count(0, 40)
    for step in range(story.step + 1, story.step + 4):
        await sampler.sample([ratio(), EXPOSURE], at(step))
    answered = sampler.answers(ServiceKey("docs", "summarizer"), at(story.step))
    assert answered == ()


async def test_a_changed_objective_is_judged_anew():
    """Another target is another question, asked of the same history."""
    story = Story()
    sampler = story.sampler()
    for step in range(40):
        story.count(4 if step % 2 else 2, 40)
    await story.told_to(sampler, ratio(rule=Sequential(allowed=0.2)))
    assert sampler.verdict(ratio().key, at(story.step)).finding is Finding.MET
    changed = await story.told_to(sampler, ratio(rule=Sequential(allowed=0.01)))
    assert changed == {ServiceKey("docs", "summarizer")}
    assert sampler.verdict(ratio().key, at(story.step)).reaches(Tier.CONFIRMED)


async def test_how_long_the_evidence_has_been_weak_is_the_same_after_a_restart():
    """It ends a raise of the sampling rate, so an operator that was killed must not begin to count anew."""
    story = Story()
    steady = await breached(story, ratio())
    key = ratio().key
    assert steady.quiet_steps([key], 20.0, at(story.step)) == 0
    quiet = []
    for step in range(400):
        story.count(step % 50 == 0, 40, revision="v3")
        await story.told_to(steady, ratio())
        quiet.append(steady.quiet_steps([key], 20.0, at(story.step)))
    restarted = story.sampler()
    await story.told_to(restarted, ratio())
    assert restarted.quiet_steps([key], 20.0, at(story.step)) == quiet[-1]
    began = quiet.count(0)
    assert quiet == [0] * began + list(range(1, 401 - began)), "once weak, it is so for one step more with each"
    assert steady.quiet_steps([key], 20.0, at(story.step + 9)) is None, "what is stale is not weak"
    assert steady.quiet_steps([], 20.0, at(story.step)) is None


BURNING = ratio(
    key=ObjectiveKey("docs", "summarizer", "budget"),
    rule=BurnRate(allowed=0.05, windows=PROPOSED),
    segments=(),
)


async def test_a_budget_that_burns_is_for_a_ticket():
    """Both windows burn, which is Watch and no more; a restart says the same, and so does everything else asked of it."""
    story = Story()
    steady = story.sampler()
    for step in range(400):
        story.count(8 if step > 330 else 0, 60)
        if step % 7 == 0 or step > 390:
            await story.told_to(steady, BURNING)
    verdict = steady.verdict(BURNING.key, at(story.step))
    assert (verdict.finding, verdict.tier, verdict.reason) == (
        Finding.BREACHED,
        Tier.WATCH,
        VerdictReason.BUDGET_BURNING,
    )
    assert "480 of 3600 judged (13.3%) bad in the last 1h: the budget burns 2.7 times too fast" in verdict.because
    assert not verdict.reaches(Tier.SUSPECTED), "so it opens no incident and contains nothing"
    restarted = story.sampler()
    await story.told_to(restarted, BURNING)
    assert restarted.verdict(BURNING.key, at(story.step)) == verdict

    assert steady.expected_delay(BURNING.key) == timedelta(minutes=30)
    assert steady.recovery(BURNING.key, at(340), None, 0.2, at(story.step)).finding is RecoveryFinding.NOT_HELPED
    assert not steady.health(BURNING.key, at(340), None, at(story.step)).meets
    assert steady.quiet_steps([BURNING.key], 20.0, at(story.step)) is None


async def test_a_budget_is_inconclusive_while_too_little_is_judged():
    """Ten bad answers must be possible within the objective in the short window: 200 of them at 95%."""
    story = Story()
    sampler = story.sampler()
    for _ in range(90):
        story.count(3, 6)
    await story.told_to(sampler, BURNING)
    verdict = sampler.verdict(BURNING.key, at(story.step))
    assert (verdict.finding, verdict.reason) == (Finding.INCONCLUSIVE, VerdictReason.TOO_FEW_JUDGED)
    assert "200 judged answers are needed in each short window" in verdict.because
    for _ in range(400):
        story.count(1, 60)
    await story.told_to(sampler, BURNING)
    assert sampler.verdict(BURNING.key, at(story.step)).finding is Finding.MET
