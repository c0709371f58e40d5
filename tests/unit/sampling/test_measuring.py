"""What the measuring says about itself: odd readings, and how long a breach would go unseen."""

from datetime import timedelta

from tests.recorded import RecordedStore

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.app.grid import Grid
from firebreak.app.measuring import expected_delays, oddities
from firebreak.app.sampler import Sampler
from firebreak.core.detectors.rules import Sequential
from firebreak.core.objectives import ExposureSpec, JudgeErrorsSpec, ObjectiveKey, ObjectiveSpec, Ratio, SourceKey
from firebreak.core.verdict import Finding, RecoveryFinding, VerdictReason

GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
FIRST = 29_000_000
END = GRID.end(FIRST + 62) + GRID.settle
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


async def sampled(steps: list[tuple[float, float]], spec: ObjectiveSpec = SPEC) -> Sampler:
    """A sampler that has read so many bad of so many judged, step after step."""
    store = RecordedStore(GRID)
    labels = {"namespace": "docs", "service": "summarizer", "revision": "v1"}
    bad = judged = 0.0
    for step, (more_bad, more_judged) in enumerate([(0.0, 0.0), *steps], start=1):
        bad, judged = bad + more_bad, judged + more_judged
        store.write("bad_total", labels, {FIRST + step: bad})
        store.write("judged_total", labels, {FIRST + step: judged})
    sampler = Sampler(lambda _: store)
    await sampler.sample([spec], GRID.end(FIRST + len(steps) + 1) + GRID.settle)
    return sampler


async def test_more_bad_than_judged_is_odd():
    """The two counters do not count the same verdicts, and the condition says so."""
    sampler = await sampled([(0, 40)] * 10 + [(50, 40), (0, 1)])
    (found,) = oddities(sampler, [SPEC.key])
    assert (found.condition, found.reason) == (ConditionType.INDICATOR_HEALTHY, ConditionReason.INDICATOR_ODD)
    assert found.message.startswith("groundedness: more bad than judged")


async def test_what_was_odd_is_forgotten_after_the_trailing_steps():
    """An hour of sound readings later nothing is said any more."""
    assert oddities(await sampled([(50, 40), (0, 1)] + [(0, 40)] * 62), [SPEC.key]) == ()


async def test_sound_readings_are_not_odd():
    """Some bad among the judged is what the counters are for."""
    assert oddities(await sampled([(2, 40)] * 10), [SPEC.key]) == ()


async def test_the_expected_delay_follows_the_rate_of_judging():
    """Many judged find a breach sooner than few; with none at all it is never found."""
    many, few, none = [await sampled([(0, n)] * 61) for n in (100, 5, 0)]
    delays = [expected_delays(s, [s.verdict(SPEC.key, END)])[SPEC.key.objective] for s in (many, few, none)]
    assert delays[0] is not None
    assert delays[1] is not None
    assert timedelta(minutes=1) < delays[0] < delays[1] < timedelta(days=1)
    assert delays[2] is None


async def test_no_delay_is_told_of_what_cannot_be_read():
    """A source that is away says nothing about how much is judged."""
    sampler = Sampler(lambda _: None)
    await sampler.sample([SPEC], END)
    assert expected_delays(sampler, [sampler.verdict(SPEC.key, END)]) == {}


async def test_a_judge_that_stops_while_answers_flow_is_told():
    """The hour before is held against what is usual; as long as it judges nothing is said."""
    exposure = ExposureSpec(
        service=SPEC.key.service_key,
        source=SPEC.source,
        selector="answers_total",
        step=GRID.step,
        settle=GRID.settle,
        matchers=SPEC.matchers,
    )
    labels = {"namespace": "docs", "service": "summarizer", "revision": "v1"}
    reasons, findings, fresh, soak = [], [], [], []
    for judges_until in (420, 360):
        store = RecordedStore(GRID)
        for step in range(1, 422):
            judged = 5.0 * min(step - 1, judges_until)
            readings = {"bad_total": 0.0, "judged_total": judged, "answers_total": 100.0 * (step - 1)}
            for name, value in readings.items():
                store.write(name, labels, {FIRST + step: value})
        sampler = Sampler(lambda _, store=store: store)
        await sampler.sample([SPEC, exposure], GRID.end(FIRST + 421) + GRID.settle)
        now = GRID.end(FIRST + 421) + GRID.settle
        reasons.append([p.reason for p in oddities(sampler, [SPEC.key])])
        verdict = sampler.verdict(SPEC.key, now)
        findings.append((verdict.finding, verdict.reason))
        fresh.append(sampler.recovery(SPEC.key, GRID.end(FIRST + 100), None, 0.2, now).finding)
        soak.append(sampler.health(SPEC.key, GRID.end(FIRST + 100), None, now).meets)
    assert reasons == [[], [ConditionReason.JUDGE_COVERAGE_LOST]]
    # Neither a breach nor a proof: not of the objective, not of a recovery, not of a revision.
    assert findings == [
        (Finding.MET, VerdictReason.WITHIN_OBJECTIVE),
        (Finding.INCONCLUSIVE, VerdictReason.JUDGE_COVERAGE_LOST),
    ]
    assert fresh == [RecoveryFinding.RECOVERED, RecoveryFinding.INCONCLUSIVE]
    assert soak == [True, False]


async def test_a_judge_that_counts_its_errors_needs_no_answers():
    """When it fails on most of what it tries, nothing is said on the rest; a restart changes nothing."""
    failures = JudgeErrorsSpec(
        key=SPEC.key,
        source=SPEC.source,
        selector="errors_total",
        step=GRID.step,
        settle=GRID.settle,
        matchers=SPEC.matchers,
    )
    labels = {"namespace": "docs", "service": "summarizer", "revision": "v1"}
    store, now = RecordedStore(GRID), GRID.end(FIRST + 421) + GRID.settle
    for step in range(1, 422):
        late = max(0, step - 361)
        readings = {"bad_total": 0.0, "judged_total": 5.0 * (step - 1) - 4.0 * late, "errors_total": 4.0 * late}
        for name, value in readings.items():
            store.write(name, labels, {FIRST + step: value})
    sampler = Sampler(lambda _: store)
    await sampler.sample([SPEC], now)
    assert sampler.verdict(SPEC.key, now).finding is Finding.MET
    await sampler.sample([SPEC, failures], now)
    verdict = sampler.verdict(SPEC.key, now)
    assert (verdict.finding, verdict.reason) == (Finding.INCONCLUSIVE, VerdictReason.JUDGE_COVERAGE_LOST)
    assert "60 of the last 300 answers that the judge tried were judged" in verdict.because
