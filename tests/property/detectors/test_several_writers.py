"""Two processes that write one series are found out, and one that restarts never is taken for two."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebreak.core.counters import CounterMemory
from firebreak.core.writers import LEAPS, LEAST_COUNT, WITHIN_STEPS

GROWTH = st.one_of(st.integers(0, 3), st.integers(0, 100_000), st.integers(0, 12).map(lambda n: n / 4))


def contested(readings: list[float | None]) -> list[bool]:
    """Of each step, whether several writers are seen; None is a step without the series."""
    memory = CounterMemory()
    memory.grow(1)
    found = []
    for step, reading in enumerate(readings):
        index = np.zeros(int(reading is not None), dtype=np.intp)
        values = np.array([] if reading is None else [reading], dtype=np.float64)
        grown = memory.read(step, index, values)
        assert not (len(grown.contested) and grown.values[0]), "what cannot be told counts for nothing"
        found.append(bool(len(grown.contested)))
    return found


@given(
    st.lists(st.tuples(st.integers(WITHIN_STEPS, 40), st.lists(GROWTH, min_size=1, max_size=50)), max_size=8), st.data()
)
def test_a_process_that_restarts_is_never_taken_for_two(lives: list[tuple[int, list[float]]], data: st.DataObject):
    """Whatever it counts in each step of its lives, and whichever scrapes are missed."""
    readings: list[float | None] = []
    for steps, growth in lives:
        count = 0.0
        for step in range(steps):
            count += growth[step % len(growth)]
            readings.append(count)
    missed = data.draw(st.sets(st.integers(0, max(0, len(readings) - 1)), max_size=10))
    assert not any(contested([None if at in missed else reading for at, reading in enumerate(readings)]))


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=9).filter(lambda counts: sum(counts) < LEAST_COUNT)))
def test_a_process_that_counts_next_to_nothing_is_never_taken_for_two(lives: list[list[int]]):
    """A counter of bad answers that goes from one to none and back to one, as often as it likes."""
    assert not any(contested([float(total) for growth in lives for total in np.cumsum(growth)]))


@given(st.lists(st.tuples(st.integers(8, 15), st.integers(1, 1000)), min_size=3, max_size=12), st.data())
def test_a_crash_loop_is_no_second_process(lives: list[tuple[int, int]], data: st.DataObject):
    """A restart every eight steps, at a rate that varies by half within a life."""
    readings: list[float | None] = []
    for steps, rate in lives:
        growth = data.draw(st.lists(st.integers(2 * rate, 3 * rate), min_size=steps, max_size=steps))
        readings += [float(total) for total in np.cumsum(growth)]
    rates = [rate for _, rate in lives]
    if max(rates) < 2 * min(rates):
        assert not any(contested(readings))


STEADY = st.integers(0, 80).map(lambda n: n / 4)


@given(st.lists(st.tuples(STEADY, STEADY), min_size=2, max_size=80), *(st.integers(320, 10**6) for _ in range(2)))
def test_two_that_alternate_are_found_at_the_third_leap(growth: list[tuple[float, float]], first: int, second: int):
    """However close their counts are: as soon as three falls within 20 steps have each been followed by a reading."""
    totals = np.cumsum(np.array(growth), axis=0) + np.array([first, second])
    readings = [float(totals[step, step % 2]) for step in range(len(growth))]
    falls = [step for step, (before, after) in enumerate(pairwise(readings), start=1) if after < before]
    found = contested(readings)
    for third in range(LEAPS - 1, len(falls)):
        since, leap = falls[third - LEAPS + 1] + 1, falls[third] + 1
        if leap < len(found) and leap - since <= WITHIN_STEPS:
            assert found[leap]


@pytest.mark.parametrize(("first", "second"), [(1000.0, 0.0), (0.0, 5000.0), (40.0, 0.0)])
@pytest.mark.parametrize("pattern", ["ab", "aab", "abbb", "aaabbb", "abbababbbaabab", "abc"])
def test_whichever_comes_last_in_a_step_they_are_found_within_thirty(first: float, second: float, pattern: str):
    """Both count alike, and one has done so for longer; they are told as long as that goes on, and not long after."""
    start = {"a": first + 40.0, "b": second, "c": 20.0}
    readings: list[float | None] = [start[pattern[step % len(pattern)]] + step for step in range(80)]
    readings += [first + 1000.0 + step for step in range(40)]
    found = contested(readings)
    began = found.index(True)
    assert began < 30
    assert all(found[began:80])
    assert not any(found[80 + WITHIN_STEPS + 1 :])
