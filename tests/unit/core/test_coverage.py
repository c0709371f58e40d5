"""A judge that stops is told of, and what only looks like it is not."""

import numpy as np

from firebreak.core.coverage import coverage_lost

HOURS = 12


def counts(*hours: float) -> np.ndarray:
    """So much in each step of each hour."""
    return np.repeat(np.array(hours, dtype=np.float64), 60)


ANSWERS = counts(*[100] * HOURS)


def test_a_judge_that_stops_while_answers_flow_is_told():
    """With what was judged and what usually is."""
    found = coverage_lost(counts(*[5] * (HOURS - 1), 0), ANSWERS)
    assert found is not None
    assert (found.judged, found.answers, found.usual) == (0.0, 6000.0, 0.05)
    assert "0 of the last 6000 answers were judged, usually 5.0% are" in str(found)


def test_a_tenth_of_the_usual_is_still_enough():
    """Sampling may be lowered; below a tenth it counts as lost."""
    assert coverage_lost(counts(*[5] * (HOURS - 1), 0.5), ANSWERS) is None
    assert coverage_lost(counts(*[5] * (HOURS - 1), 0.4), ANSWERS) is not None


def test_silence_is_no_loss():
    """Nobody was answered, so nothing was to be judged."""
    assert coverage_lost(counts(*[5] * (HOURS - 1), 0), counts(*[100] * (HOURS - 1), 0)) is None


def test_a_raised_review_rate_that_is_given_back_is_no_loss():
    """Half of the day everything was judged; what was usual before is usual again."""
    assert coverage_lost(counts(*[5] * 5, *[100] * 6, 5), ANSWERS) is None


def test_little_is_expected_of_little_traffic():
    """Where three judged answers could be missing by chance nothing is said."""
    assert coverage_lost(counts(*[0.4] * (HOURS - 1), 0), counts(*[8] * HOURS)) is None


def test_too_short_a_past_says_nothing():
    """What is usual has to be known first."""
    assert coverage_lost(counts(5, 5, 0), counts(100, 100, 100)) is None
