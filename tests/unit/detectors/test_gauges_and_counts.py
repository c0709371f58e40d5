"""When a gauge has been beyond its limit for long enough, and when there were too many events."""

from datetime import timedelta

import numpy as np
import pytest

from firebreak.core.detectors.count import judge_count
from firebreak.core.detectors.rules import Absence, Threshold
from firebreak.core.detectors.threshold import TOLERATED_GAP_STEPS, judge_threshold

NONE = float("nan")
STALE = Threshold(above=10.0, lasting=timedelta(minutes=2))
HEARTBEAT = Threshold(above=10.0, absent=Absence.BREACH)


def test_a_run_begins_with_the_first_value_beyond_and_ends_with_the_first_within():
    """Its length is counted between readings: one reading alone lasts no time."""
    assert judge_threshold(STALE, np.array([5.0, 11.0])).run_steps == 0
    state = judge_threshold(STALE, np.array([5.0, 11.0, 12.0, 13.0]))
    assert (state.beyond, state.run_from, state.run_steps, state.last_within) == (True, 1, 2, 0)
    assert not judge_threshold(STALE, np.array([11.0, 12.0, 9.0])).beyond


def test_the_limit_itself_is_within():
    """Above means above."""
    assert not judge_threshold(STALE, np.array([10.0])).beyond
    assert not judge_threshold(Threshold(below=10.0), np.array([10.0])).beyond
    assert judge_threshold(Threshold(below=10.0), np.array([9.9])).beyond


def test_a_short_gap_neither_ends_nor_confirms_a_run():
    """A missed scrape says nothing; the value after it speaks for the time between."""
    gap = [NONE] * TOLERATED_GAP_STEPS
    assert not judge_threshold(STALE, np.array([11.0, *gap])).beyond
    assert judge_threshold(STALE, np.array([11.0, *gap, 11.0])).run_from == 0


def test_a_long_gap_ends_a_run():
    """What is not seen for long is not assumed to have gone on."""
    gap = [NONE] * (TOLERATED_GAP_STEPS + 1)
    assert judge_threshold(STALE, np.array([11.0, *gap, 11.0])).run_from == len(gap) + 1


def test_absence_is_no_breach_unless_it_is_a_heartbeat():
    """Only who says so is breached by silence."""
    assert not judge_threshold(STALE, np.array([5.0, NONE, NONE])).beyond
    state = judge_threshold(HEARTBEAT, np.array([5.0, NONE, NONE]))
    assert state.beyond
    assert state.value is None


def test_a_heartbeat_that_was_never_there_is_not_missed():
    """Its name may be wrong; nothing is done about that."""
    assert not judge_threshold(HEARTBEAT, np.array([NONE, NONE, NONE])).beyond


def test_a_heartbeat_is_missed_from_the_first_step_without_it():
    """And is back with the first value within the limit."""
    assert judge_threshold(HEARTBEAT, np.array([5.0, NONE, NONE, NONE])).run_steps == 2
    assert not judge_threshold(HEARTBEAT, np.array([5.0, NONE, NONE, 6.0])).beyond


@pytest.mark.parametrize(("events", "reached"), [([1, 0, 0], True), ([1, 0, 0, 0], False), ([0, 0, 0.4], False)])
def test_events_within_the_window_are_counted(events, reached):
    """The window is the trailing steps; what is older has left it."""
    assert judge_count(1, 3, np.array(events, dtype=float)).reached is reached


def test_the_first_event_in_the_window_is_when_it_began():
    """Counted from the history's first step."""
    state = judge_count(2, 4, np.array([9.0, 0.0, 0.0, 1.0, 1.0]))
    assert (state.since, state.events) == (3, 2.0)
