"""A judge that stops is told of, and what only looks like it is not."""

from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import T0

from firebreak.core.coverage import Coverage, CoverageOf, coverage_of, coverage_of_attempts
from firebreak.core.judgement.counts import Counts
from firebreak.core.sampling_time import CEILING_STEPS

HOURS = 12
STEP = timedelta(minutes=1)


def hours(*rates: float) -> list[float]:
    """So much in each step of each hour."""
    return [rate for rate in rates for _ in range(60)]


def seen(judged: list[float], answers: list[float]) -> Coverage | None:
    """Of these counts, the last one at T0."""
    told, given = (Counts(bad=np.zeros(len(c)), judged=np.array(c), end=T0, step=STEP) for c in (judged, answers))
    return coverage_of(told, given)


def is_lost(judged: list[float], answers: list[float]) -> bool:
    found = seen(judged, answers)
    return found is not None and found.is_lost


ANSWERS = hours(*[100] * HOURS)


def test_a_judge_that_stops_while_answers_flow_is_told():
    """With what was judged, what usually is, and since when."""
    found = seen(hours(*[5] * (HOURS - 1), 0), ANSWERS)
    assert found is not None
    assert (found.judged, found.answers, found.usual) == (0.0, 6000.0, 0.05)
    assert (found.known_from, found.lost_since) == (T0 - timedelta(hours=HOURS), T0 - timedelta(hours=1))
    assert "0 of the last 6000 answers were judged, usually 5.0% are" in str(found)


def test_a_tenth_of_the_usual_is_still_enough():
    """Sampling may be lowered; below a tenth it counts as lost."""
    assert not is_lost(hours(*[5] * (HOURS - 1), 0.5), ANSWERS)
    assert is_lost(hours(*[5] * (HOURS - 1), 0.4), ANSWERS)


def test_silence_does_not_become_the_usual():
    """Half a day later it is lost still, since the same moment."""
    found = seen(hours(*[5] * 8, *[0] * 12), hours(*[100] * 20))
    assert found is not None
    assert found.lost_since == T0 - timedelta(hours=12)


def test_a_judge_is_back_when_half_of_the_usual_is_judged_again():
    """The first few verdicts after a loss are no sample yet."""
    gone = hours(*[5] * 8, 0)
    assert is_lost(gone + [5.0] * 25, hours(*[100] * 9) + [100.0] * 25)
    found = seen(gone + [5.0] * 35, hours(*[100] * 9) + [100.0] * 35)
    assert found is not None
    assert not found.is_lost
    assert 0.5 < found.of_usual < 0.8


def test_silence_is_no_loss():
    """Nobody was answered, so nothing was to be judged."""
    assert seen(hours(*[5] * (HOURS - 1), 0), hours(*[100] * (HOURS - 1), 0)) is None


def test_a_raised_review_rate_that_is_given_back_is_no_loss():
    """Whenever it was that everything was judged; what was usual before is usual again."""
    for before, raised, after in ((9, 12, 1), (1, 6, 16), (0, 5, 18)):
        rates = [5.0] * before + [100.0] * raised + [5.0] * after
        assert not is_lost(hours(*rates), hours(*[100] * len(rates)))


@given(
    runs=st.lists(st.integers(60, CEILING_STEPS), min_size=1, max_size=8),
    pauses=st.lists(st.integers(0, 200), min_size=8, max_size=8),
    times=st.sampled_from([10, 50]),
)
def test_a_rate_that_was_raised_for_as_long_as_it_may_be_is_no_loss_when_it_is_given_back(
    runs: list[int], pauses: list[int], times: int
) -> None:
    """At no moment of the next hours: the bound on all raises is the one that what is usual allows."""
    kept = [r for n, r in enumerate(runs) if sum(runs[: n + 1]) + 60 * n <= CEILING_STEPS]
    runs = kept or [CEILING_STEPS]
    raised = [rate for n, p in zip(runs, pauses, strict=False) for rate in [2.0] * p + [2.0 * times] * n]
    before = [2.0] * max(0, 24 * 60 - len(raised))
    for after in (60, 90, 200, 400, 800):
        rates = np.array([*before, *raised, *[2.0] * after])[-25 * 60 :]
        assert not is_lost(list(rates), [100.0] * len(rates)), after


def test_what_the_bound_on_raises_forbids_would_look_like_a_loss() -> None:
    """Fourteen hours in as many pieces leave no hour as usual: so each piece counts for more than it lasts."""
    raised = [rate for _ in range(14) for rate in [2.0] * 40 + [100.0] * 60]
    rates = [*[2.0] * 1500, *raised, *[2.0] * 90][-1500:]
    assert is_lost(rates, [100.0] * len(rates))


def test_a_rate_that_is_lowered_for_good_becomes_the_usual():
    """It is held against the day before at first, and not for ever."""
    assert is_lost(hours(*[100] * 20, 5), hours(*[100] * 21))
    assert not is_lost(hours(*[100] * 17, *[5] * 8), hours(*[100] * 25))


def test_little_is_expected_of_little_traffic():
    """Where three judged answers could be missing by chance nothing is said."""
    assert seen(hours(*[0.4] * (HOURS - 1), 0), hours(*[8] * HOURS)) is None


def test_too_short_a_past_says_nothing():
    """What is usual has to be known first."""
    assert seen(hours(5, 5, 0), hours(100, 100, 100)) is None


def test_only_steps_that_both_were_read_at_are_compared():
    """One of the two counters may have been read a step further."""
    judged, given = (
        Counts(bad=np.zeros(601), judged=np.array([*hours(*([n] * 10)), n]), end=T0, step=STEP) for n in (5.0, 100.0)
    )
    behind = Counts(bad=given.bad[:-1], judged=given.judged[:-1], end=T0 - STEP, step=STEP)
    found = coverage_of(judged, behind)
    assert found is not None
    assert (found.judged, found.answers) == (300.0, 6000.0)


def tried(judged: list[float], errors: list[float]) -> Coverage | None:
    """Of a judge that counts its errors."""
    told, failed = (Counts(bad=np.zeros(len(c)), judged=np.array(c), end=T0, step=STEP) for c in (judged, errors))
    return coverage_of_attempts(told, failed)


def test_a_judge_that_fails_on_most_of_what_it_tries_is_told():
    """However many answers there are; what it still judges is no sample."""
    found = tried(hours(*[5] * (HOURS - 1), 2), hours(*[0.1] * (HOURS - 1), 3.1))
    assert found is not None
    assert (found.of, found.is_lost) == (CoverageOf.ATTEMPTS, True)
    assert "120 of the last 306 answers that the judge tried were judged, usually 98.0% are" in str(found)


def test_a_judge_that_fails_now_and_then_is_as_usual():
    """A few refusals and timeouts are part of it, and so is a rate that is raised or lowered."""
    assert not tried(hours(*[5] * (HOURS - 1), 3), hours(*[0.1] * (HOURS - 1), 2)).is_lost
    assert not tried(hours(*[5] * (HOURS - 1), 0.6), hours(*[0.1] * (HOURS - 1), 0.01)).is_lost


def test_failing_does_not_become_the_usual():
    """Half a day later it is still what it was."""
    assert tried(hours(*[5] * 8, *[1] * 12), hours(*[0] * 8, *[4] * 12)).is_lost
