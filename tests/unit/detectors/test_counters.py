"""What each oddity of a counter means."""

import numpy as np
import pytest

from firebreak.core.counters import FORGET_STEPS, CounterMemory


def read(*readings: tuple[int, float | None]) -> list[float]:
    """The increments that one series gives for readings (step, value); a value of None is no reading."""
    memory = CounterMemory()
    memory.grow(1)
    grown = []
    for step, value in readings:
        series = np.array([] if value is None else [0], dtype=np.intp)
        values = np.array([] if value is None else [value])
        increments = memory.read(step, series, values)
        grown.append(float(increments.values.sum()))
    return grown


def test_the_first_sight_is_a_baseline():
    """A counter that is first seen at 7 has counted nothing yet, as far as we know."""
    assert read((1, 7.0), (2, 9.0)) == [0.0, 2.0]


def test_a_fall_is_a_restart_from_zero():
    """After a restart the new value is what was counted since; what was lost before it is not made up."""
    assert read((1, 100.0), (2, 3.0), (3, 5.0)) == [0.0, 3.0, 2.0]


def test_a_gap_is_caught_up_in_the_step_in_which_the_series_is_back():
    """Missed scrapes delay counts, and lose none."""
    assert read((1, 10.0), (2, None), (3, None), (4, 25.0)) == [0.0, 0.0, 0.0, 15.0]


def test_after_a_long_absence_a_series_is_new():
    """Beyond the steps that a rebuild looks back, a series is seen as for the first time."""
    assert read((1, 10.0), (1 + FORGET_STEPS, 12.0)) == [0.0, 2.0]
    assert read((1, 10.0), (2 + FORGET_STEPS, 12.0)) == [0.0, 0.0]


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), -1.0])
def test_a_value_that_no_counter_has_is_no_reading(odd):
    """It is as if the series had been absent; the next good reading is differenced with the last good one."""
    assert read((1, 10.0), (2, odd), (3, 13.0)) == [0.0, 0.0, 3.0]


def test_an_odd_value_is_reported():
    """So that a broken exporter is not taken for a quiet one."""
    memory = CounterMemory()
    memory.grow(2)
    assert memory.read(1, np.array([0, 1]), np.array([1.0, float("nan")])).invalid == 1


def test_the_same_series_twice_counts_once():
    """Of two replicas' readings the larger is taken, and the oddity is reported."""
    memory = CounterMemory()
    memory.grow(1)
    memory.read(1, np.array([0, 0]), np.array([10.0, 9.0]))
    increments = memory.read(2, np.array([0, 0]), np.array([11.0, 14.0]))
    assert increments.values.tolist() == [4.0]
    assert increments.duplicates == 1


def test_fractions_add_up_to_the_same_in_any_order():
    """Scores in fractions are rounded so finely that sums are exact."""
    memory = CounterMemory()
    memory.grow(1000)
    rng = np.random.default_rng(3)
    memory.read(1, np.arange(1000), np.zeros(1000))
    values = memory.read(2, np.arange(1000), rng.random(1000)).values
    assert values.sum() == rng.permutation(values).sum() == sum(values.tolist())
