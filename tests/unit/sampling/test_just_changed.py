"""Right after a change of revision: what is said of the new one, by which numbers, and when that is a breach."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.unit.sampling.test_sampler import FIRST, GRID, Story, at, breached, ratio

from firebreak.app.sampler import Sampler
from firebreak.core.just_changed import Change
from firebreak.core.verdict import Finding, Tier, Verdict, VerdictReason

KEY = ratio().key
MOST = at(10**6)


def change(step: int, **others: object) -> Change:
    """From v1 to v2 at the end of this step of the story."""
    moment = GRID.end(FIRST + step)
    values = {
        "since": moment,
        "left_known_good": moment,
        "known_good": "v1",
        "revision": "v2",
        "labelled": True,
        "decides_until": MOST,
        **others,
    }
    return Change(**values)  # type: ignore[arg-type]


class Changed(Story):
    """v1 was good for five hours, and v2 serves since."""

    def __init__(self, **labels: str) -> None:
        super().__init__(**labels)
        for step in range(300):
            self.count(step % 5 == 0, 20, **labels)
        self.count(0, 0, **{"revision": "v2", **labels})
        self.changed_at = self.step

    def serve(self, steps: int, every: int, **labels: str) -> None:
        """Two bad ones in so many steps of 20 judged: 5% is every second one."""
        for step in range(steps):
            self.count(2 * (step % every == 0), 20, **{"revision": "v2", **labels})

    async def told(self, **others: object) -> Sampler:
        """A sampler that has seen it all, and was told of the change before its last round."""
        sampler = self.sampler()
        await self.told_to(sampler, ratio())
        sampler.compare(KEY, change(self.changed_at, **others))
        await self.told_to(sampler, ratio())
        return sampler

    def now(self) -> datetime:
        return at(self.step)


async def said(story: Changed, **others: object) -> Verdict:
    return (await story.told(**others)).verdict(KEY, story.now())


async def test_worse_than_the_known_good_one_and_than_the_objective_is_a_breach():
    """Long before the objective by itself could tell; the words name both revisions and both rates."""
    story = Changed()
    story.serve(30, 1)
    alone = story.sampler()
    await story.told_to(alone, ratio())
    assert not alone.verdict(KEY, story.now()).reaches(Tier.SUSPECTED)
    verdict = await said(story)
    assert verdict.reaches(Tier.CONFIRMED)
    assert verdict.reason is VerdictReason.WORSE_THAN_KNOWN_GOOD
    assert "v2 is worse than the known-good v1 and than the objective: 60 of 600 judged (10.0%)" in verdict.because
    assert "5.00% allowed; 60 of 6000 judged (1.0%) of the known-good revision before the change" in verdict.because
    assert "in at most 3% of changes" in verdict.because
    assert verdict.onset is not None
    assert GRID.end(FIRST + story.changed_at) <= verdict.onset.earliest <= verdict.onset.at <= verdict.onset.latest
    own = alone.verdict(KEY, story.now())
    assert (verdict.evidence, verdict.threshold) == (own.evidence, own.threshold)


async def test_worse_within_the_objective_is_told_and_is_no_breach():
    """Four times as bad as the known-good one, and what was promised is kept."""
    story = Changed()
    story.serve(400, 3)
    sampler = await story.told()
    found = sampler.comparison(KEY, story.now())
    assert found is not None
    assert (found.is_regression, found.is_breach) == (True, False)
    assert sampler.verdict(KEY, story.now()).finding is Finding.MET


async def test_a_change_is_judged_from_the_next_round_on_and_never_after_it_is_over():
    """The round that sees it calls for a turn, so the circuit breaker knows of it before anybody acts."""
    story = Changed()
    story.serve(30, 1)
    sampler = story.sampler()
    await story.told_to(sampler, ratio())
    sampler.compare(KEY, change(story.changed_at))
    assert not sampler.verdict(KEY, story.now()).reaches(Tier.CONFIRMED)
    assert await story.told_to(sampler, ratio()) == {KEY.service_key}
    assert sampler.verdict(KEY, story.now()).reaches(Tier.CONFIRMED)
    sampler.compare(KEY, change(story.changed_at, decides_until=MOST + timedelta(days=1)))
    assert sampler.verdict(KEY, story.now()).reaches(Tier.CONFIRMED), "the same change: an incident was opened"
    sampler.compare(KEY, change(story.changed_at - 1, revision="v3"))
    assert not sampler.verdict(KEY, story.now()).reaches(Tier.CONFIRMED), "another one"
    sampler.compare(KEY, None)
    assert not sampler.verdict(KEY, story.now()).reaches(Tier.CONFIRMED)
    assert sampler.comparison(KEY, story.now()) is None


async def test_what_is_found_long_after_a_change_is_not_put_down_to_it():
    """It still tells an open incident whether the change may be the cause."""
    story = Changed()
    story.serve(30, 1)
    sampler = await story.told(decides_until=story.now())
    assert not sampler.verdict(KEY, story.now()).reaches(Tier.CONFIRMED)
    found = sampler.comparison(KEY, story.now())
    assert found is not None
    assert found.is_regression


@pytest.mark.parametrize("labelled", [True, False])
async def test_a_restart_finds_the_same(labelled):
    """Step by step, and from history in one go."""
    story = Changed()
    steady = await story.told(labelled=labelled)
    for _ in range(30):
        story.serve(1, 1)
        await story.told_to(steady, ratio())
    restarted = await story.told(labelled=labelled)
    assert steady.verdict(KEY, story.now()) == restarted.verdict(KEY, story.now())
    assert steady.verdict(KEY, story.now()).reason is VerdictReason.WORSE_THAN_KNOWN_GOOD


async def test_by_time_alone_where_the_metrics_name_no_revision():
    """What served before, whoever it was: then the words say so."""
    story = Changed(revision="")
    story.serve(30, 1, revision="")
    verdict = await said(story)
    assert verdict.reaches(Tier.CONFIRMED)
    assert "of what served before the change" in verdict.because


async def test_another_judge_makes_no_regression():
    """The measuring device has changed, so that it reads more says nothing of the revision."""
    story = Changed(judge="old")
    story.count(0, 0, revision="v2", judge="new")
    story.serve(30, 1, judge="new")
    sampler = await story.told()
    assert not sampler.verdict(KEY, story.now()).reaches(Tier.CONFIRMED)
    found = sampler.comparison(KEY, story.now())
    assert found is not None
    assert not found.is_regression
    assert not found.is_no_worse
    assert "another judge has come meanwhile (new at" in found.because


async def test_the_same_judge_for_a_new_revision_is_no_other_judge():
    """Its series are new, it is not."""
    story = Changed(judge="old")
    story.serve(30, 1, judge="old")
    assert (await said(story)).reaches(Tier.CONFIRMED)


async def test_both_worse_together_is_no_regression():
    """The known-good one still answers a little, and is as bad since: the cause is upstream of both."""
    story = Changed()
    for step in range(60):
        story.serve(1, 1)
        if step % 3 == 0:
            story.step -= 1  # in the same step
            story.count(2, 10)
    sampler = await story.told()
    found = sampler.comparison(KEY, story.now())
    assert found is not None
    assert not found.side_by_side
    assert not found.is_regression
    assert "upstream" in found.because
    assert sampler.verdict(KEY, story.now()).reason is VerdictReason.EVIDENCE_OF_BREACH, "what the objective says stays"


async def test_without_counts_of_the_known_good_one_there_is_nothing_to_compare():
    """A pinned revision that never served here is no measure."""
    story = Changed()
    story.serve(30, 1)
    verdict = await said(story, known_good="v0")
    assert not verdict.reaches(Tier.CONFIRMED)


async def test_series_that_are_gone_are_no_regression():
    """Whatever was counted before: what cannot be seen now is Inconclusive."""
    story = Changed()
    story.serve(30, 1)
    sampler = await story.told()
    for step in range(story.step + 1, story.step + 8):
        await sampler.sample([ratio()], at(step))
    assert sampler.verdict(KEY, at(story.step + 7)).finding is Finding.INCONCLUSIVE


async def test_what_has_passed_is_no_breach_any_more():
    """A cold cache after the change: it was one, and is none once the cause is gone."""
    story = Changed()
    story.serve(30, 1)
    assert (await said(story)).reaches(Tier.CONFIRMED)
    story.serve(120, 100)
    sampler = await story.told()
    assert sampler.verdict(KEY, story.now()).finding is Finding.MET
    found = sampler.comparison(KEY, story.now())
    assert found is not None
    assert found.is_regression


async def test_a_breach_is_held_against_the_revision_before():
    """By label: what v2 does since it came, against what v1 did before."""
    story = Story()
    sampler = await breached(story, ratio())
    sampler.compare(KEY, change(32))
    found = sampler.comparison(KEY, at(story.step))
    assert found is not None
    assert found.is_regression
    assert not found.is_no_worse
    assert (found.labelled, found.side_by_side) == (True, False)
    assert (found.known_bad, found.known_judged) == (0.0, 1200.0)
    assert (found.found.bad, found.found.judged) == (240.0, 480.0)
    verdict = sampler.verdict(KEY, at(story.step))
    assert verdict.reason is VerdictReason.EVIDENCE_OF_BREACH, "by itself it is as sure already"


async def test_a_revision_between_is_not_what_one_compares_with():
    """Without labels the known-good one is what served before it was left, not the bad one that came between."""
    story = Changed(revision="")
    left = GRID.end(FIRST + story.changed_at)
    story.serve(30, 1, revision="")
    since = GRID.end(FIRST + story.step)
    story.serve(30, 1, revision="")
    sampler = await story.told(since=since, left_known_good=left, labelled=False)
    found = sampler.comparison(KEY, story.now())
    assert found is not None
    assert found.is_regression
    assert found.known_bad == 60.0


async def test_both_revisions_bad_at_once_are_held_side_by_side():
    """The known-good one is seen to be as bad at the same time: the cause is upstream."""
    story = Story()
    sampler = story.sampler()
    story.count(0, 0, revision="v2")
    changed = story.step
    for _ in range(120):
        story.count(10, 40)
        story.step -= 1  # in the same step
        story.count(10, 40, revision="v2")
    await story.told_to(sampler, ratio())
    sampler.compare(KEY, change(changed))
    found = sampler.comparison(KEY, at(story.step))
    assert found is not None
    assert found.side_by_side
    assert found.is_no_worse


async def test_another_rule_is_another_comparison():
    """A measured clustering weighs the counts anew."""
    story = Changed()
    story.serve(30, 1)
    sampler = await story.told()
    before = sampler.comparison(KEY, story.now())
    heavier = ratio(rule=replace(ratio().rule, clustering=2.0))  # type: ignore[type-var]
    await story.told_to(sampler, heavier)
    after = sampler.comparison(KEY, story.now())
    assert before is not None
    assert after is not None
    assert after.found.evidence < before.found.evidence


async def test_who_deploys_in_an_outage_is_not_blamed_for_it():
    """What served before had become worse itself, though its whole day looks good still."""
    story = Story()
    for step in range(300):
        story.count(step % 5 == 0, 20)
    for _ in range(30):
        story.count(2, 20)
    story.count(0, 0, revision="v2")
    changed_at = story.step
    for _ in range(30):
        story.count(2, 20, revision="v2")
    sampler = story.sampler()
    for _ in range(2):
        await story.told_to(sampler, ratio())
        sampler.compare(KEY, change(changed_at))
    await story.told_to(sampler, ratio())
    found = sampler.comparison(KEY, at(story.step))
    assert found is not None
    assert "had become worse itself" in found.incomparable
    assert sampler.verdict(KEY, at(story.step)).reason is not VerdictReason.WORSE_THAN_KNOWN_GOOD


async def test_a_revision_that_answers_nobody_any_more_is_no_breach():
    """Its traffic was moved back to the revision before an hour ago: what it did then is nothing to act on now."""
    story = Changed()
    story.serve(60, 1)
    assert (await said(story)).reaches(Tier.CONFIRMED)
    for step in range(70):
        story.count(step % 5 == 0, 20)
    assert (await said(story)).reason is not VerdictReason.WORSE_THAN_KNOWN_GOOD
