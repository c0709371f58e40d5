"""How strongly failures cluster is measured in a backtest as it is live, and judged with from then on."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from tests.recorded import RecordedStore
from tests.unit.backtest.histories import GRID, History, as_declared, lived, minute

from firebreak.api.v1alpha1.aiservice import ClusteringBasis
from firebreak.app.backtest.report import report_of
from firebreak.app.backtest.simulation import Assume
from firebreak.app.clustering import clustering_of
from firebreak.app.sampler import Sampler
from firebreak.core.clustering import NEEDED_STEPS
from firebreak.core.detectors.rules import ASSUMED_CLUSTERING, Sequential
from firebreak.core.objectives import ObjectiveSpec
from firebreak.core.ports_metrics import Matrix, QueryRefused

SPEC = next(w for w in as_declared().watched if isinstance(w, ObjectiveSpec))


def clustered(days: float) -> History:
    """A healthy service whose few failures come together, ten minutes at a time."""
    history, chance = History(), np.random.default_rng(3)
    for _ in range(round(days * 144)):
        rate = 0.2 if chance.random() < 0.05 else 0.0
        for bad in chance.binomial(20, rate, 10):
            history.count(float(bad), 20)
    return history


async def measured(history: History, at: datetime) -> float:
    """As the operator measures it at this moment."""
    return (await clustering_of(SPEC, history.store, at)).clustering


async def test_what_was_measured_before_the_range_is_what_its_verdicts_rest_on() -> None:
    """Fourteen days of healthy history: the verdicts are those of a sampler that was given what live would have measured."""
    history = clustered(14.2)
    start = minute(history.minute - 150)
    replayed = await lived(history.store, start=start, end=minute(history.minute))

    (weighed,) = replayed.weighed
    assert weighed.at < start + timedelta(minutes=2)
    assert weighed.clustering > 5 * ASSUMED_CLUSTERING
    expected = await measured(history, weighed.at)
    assert replayed.clusterings["groundedness"].value == f"{expected:.3g}"
    assert isinstance(SPEC.rule, Sequential)
    live = replace(SPEC, rule=replace(SPEC.rule, clustering=weighed.clustering))
    assert replayed.tracks[0].spec == live
    sampler, verdicts = Sampler(lambda _: history.store), []
    for number in range(history.minute - 150, history.minute + 1):
        now = minute(number) + GRID.settle
        await sampler.sample([live], now)
        verdicts.append(sampler.verdict(live.key, now))
    assert replayed.tracks[0].verdicts == verdicts

    (told,) = report_of(replayed, assume=Assume.HELPS, healthy=()).objectives
    assert told.clustering is not None
    assert (told.clustering.basis, [c.clustering for c in told.clustering.changes]) == (
        "Measured",
        [weighed.clustering],
    )


async def test_it_comes_into_force_on_the_day_on_which_there_is_enough() -> None:
    """It is looked at once a day, as live; before that it is assumed, and so are the verdicts' words."""
    history = clustered(14.8)
    start = minute(history.minute - 1500)
    replayed = await lived(history.store, start=start, end=minute(history.minute))

    (weighed,) = replayed.weighed
    assert weighed.at - start > timedelta(hours=23)
    assert minute(NEEDED_STEPS) < weighed.at
    assert replayed.clusterings["groundedness"].basis is ClusteringBasis.MEASURED


class ThreeWeeksAreTooMuch(RecordedStore):
    """A store that refuses ranges of coarse steps, as one with a limit on samples refuses long ones."""

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        if step > GRID.step:
            raise QueryRefused("query processing would load too many samples")
        return await super().range(query, start, end, step)


async def test_what_cannot_be_measured_is_told_and_ends_nothing() -> None:
    """G is assumed then; it is asked again a day later, and not at every step."""
    history = clustered(1.5)
    store = ThreeWeeksAreTooMuch(GRID, history.store.readings)
    replayed = await lived(store, start=minute(100), end=minute(history.minute))
    (problem,) = replayed.problems
    assert "how failures of groundedness cluster could not be measured" in problem
    assert "too many samples" in problem
    assert replayed.weighed == ()
    assert len(replayed.tracks[0].verdicts) > 2000


async def test_a_short_history_measures_nothing() -> None:
    """And the answer says how much there was."""
    history = clustered(1.5)
    replayed = await lived(history.store, start=minute(2000), end=minute(history.minute))
    (told,) = report_of(replayed, assume=Assume.HELPS, healthy=()).objectives
    assert told.clustering is not None
    assert (told.clustering.basis, told.clustering.clustering) == ("Assumed", ASSUMED_CLUSTERING)
    assert told.clustering.healthy.startswith("1d9h")
    assert replayed.weighed == ()
