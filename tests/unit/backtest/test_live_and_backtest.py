"""Live and backtest are one: the same samples give the same verdicts, to the bit."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.backtest.histories import GRID, START, History, as_declared, lived, minute

from firebreak.adapters.openmetrics import OpenMetricsFile
from firebreak.app.sampler import Sampler
from firebreak.core.objectives import ObjectiveSpec
from firebreak.core.verdict import Finding, Verdict

WATCHED = as_declared().watched
OBJECTIVE = next(w.key for w in WATCHED if isinstance(w, ObjectiveSpec))


async def live(history: History) -> list[Verdict]:
    """The verdicts of an operator that was there: it asks the store at each step as it comes due."""
    sampler = Sampler(lambda _: history.store)
    found = []
    for step in range(history.minute + 1):
        now = minute(step) + GRID.settle
        await sampler.sample(WATCHED, now)
        found.append(sampler.verdict(OBJECTIVE, now))
    return found


MINUTES = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.integers(0, 6), st.integers(0, 30), st.integers(1, 12)),
        st.tuples(st.just("silent"), st.just(0), st.just(0), st.integers(1, 12)),
    ),
    min_size=1,
    max_size=12,
)


@given(MINUTES)
@settings(max_examples=8, deadline=None)
async def test_a_backtest_gives_the_verdicts_that_were_given_live(told: list[tuple[str, int, int, int]]) -> None:
    """Whatever was counted, and with gaps: every verdict, with its numbers and words, is that of the live sampler."""
    history = History()
    history.count(0, 5)
    for what, bad, judged, minutes in told:
        if what == "count":
            history.count(min(bad, judged), judged, minutes=minutes)
        else:
            history.silent(minutes)
    history.count(1, 5)
    replayed = await lived(history.store, end=minute(history.minute))
    assert replayed.tracks[0].verdicts == await live(history)


async def test_a_file_gives_the_verdicts_that_its_store_gives(tmp_path: Path) -> None:
    """OpenMetrics text and a store that holds the same samples are the same history."""
    history = History().count(0, 10, minutes=60).count(4, 10, revision="v2", minutes=40).count(0, 10, minutes=20)
    file = OpenMetricsFile.read(history.as_file(tmp_path / "history.om"))
    from_file = await lived(file, end=minute(history.minute))
    from_store = await lived(history.store, end=minute(history.minute))
    assert from_file.tracks[0].verdicts == from_store.tracks[0].verdicts
    assert from_file.declared.incidents == from_store.declared.incidents
    assert any(v.finding is Finding.BREACHED for v in from_file.tracks[0].verdicts)


@pytest.mark.parametrize("later", [60, 180, 310])
async def test_where_the_range_begins_changes_no_verdict_in_it(later: int) -> None:
    """Detectors are rebuilt from what was before the range, so they stand where they would have stood."""
    history = History().count(0, 10, minutes=300).count(3, 10, revision="v2", minutes=60)
    whole = await lived(history.store, end=minute(history.minute))
    part = await lived(history.store, start=START + timedelta(minutes=later), end=minute(history.minute))
    assert part.tracks[0].verdicts == whole.tracks[0].verdicts[later:]
