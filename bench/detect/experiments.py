"""What is measured, each from a seed: false alarms over service-months, and delays until what is so is said."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from bench.detect.changes import FollowedChanges
from bench.detect.peers import BurnRates, Firebreak, Posterior, RatioInARow, Rule
from bench.detect.weather import DAY, NOISE, Services, Weather
from numpy.typing import NDArray

from firebreak.core.clustering import measure_clustering
from firebreak.core.detectors.rules import CONFIRMED_STEPS, SUSPECTED_STEPS, WATCH_STEPS, Sequential
from firebreak.core.detectors.sequential import SequentialFolds
from firebreak.core.recovery import judge_recovery

ALLOWED, HEALTHY = 0.05, 0.02
MONTH = 30 * DAY
QUIET = 60  # minutes without an alarm before the next one counts as another
NEVER = np.inf

Floats = NDArray[np.float64]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """Evidence on demand: at Watch the judge judges `to` per minute, until E < 20 for an hour."""

    to: float
    in_force_after: int = 1
    below: float = 20.0
    held: int = 60


@dataclass(slots=True, kw_only=True)
class Month:
    """What happened in some service-months, by row."""

    alarms: Floats
    judged: Floats
    first: Floats = field(default_factory=lambda: np.zeros(0))


class _Alarms:
    def __init__(self, rows: int) -> None:
        self.count, self._last = np.zeros(rows), np.full(rows, -QUIET - 1.0)

    def take(self, step: int, alarms: NDArray[np.bool_]) -> None:
        self.count += alarms & (step - self._last > QUIET)
        self._last = np.where(alarms, step, self._last)


def peers(rows: int, clustering: float = 0.1) -> dict[str, Rule]:
    year, month = np.full(rows, CONFIRMED_STEPS), np.full(rows, SUSPECTED_STEPS)
    rule = Sequential(allowed=ALLOWED, clustering=clustering)
    by_month = replace(rule, confirmed=SUSPECTED_STEPS)
    return {
        "ratio > target over 5m, 5 in a row": RatioInARow(rows, ALLOWED),
        "burn rate 14.4x 1h&5m or 6x 6h&30m": BurnRates(rows, ALLOWED, [(14.4, 60, 5), (6.0, 360, 30)]),
        "burn rate 2x 1h&5m or 1.5x 6h&30m": BurnRates(rows, ALLOWED, [(2.0, 60, 5), (1.5, 360, 30)]),
        "Beta posterior > .99 on 30m, each minute": Posterior(rows, ALLOWED),
        "untempered (G = 0), run length 1 year": Firebreak([replace(rule, clustering=0.0)] * rows, year),
        "**Sequential, run length 1 year**": Firebreak([rule] * rows, year),
        "Sequential, run length 1 month": Firebreak([by_month] * rows, month),
    }


def compare_false_alarms(volumes: list[float], months: int, seed: int, said: Progress) -> dict[str, list[list[float]]]:
    """Alarms in each service-month under noise at a healthy rate: rule -> volume -> months."""
    rows = len(volumes) * months
    volume = np.repeat(volumes, months)
    services = Services(NOISE, rows, np.random.default_rng(seed))
    rules = peers(rows)
    counts = {name: _Alarms(rows) for name in rules}
    for step in range(MONTH):
        bad, judged = services.step(HEALTHY, volume)
        for name, rule in rules.items():
            counts[name].take(step, rule.step(step, bad, judged))
        if step % (5 * DAY) == 0:
            said(f"compare: day {step // DAY} of 30")
    return {name: c.count.reshape(len(volumes), months).tolist() for name, c in counts.items()}


def compare_delays(
    volumes: list[float], to: float, runs: int, seed: int, limit: int = 720
) -> dict[str, list[list[float]]]:
    """Minutes from the change to the first alarm: rule -> volume -> runs; infinite beyond the limit."""
    rows = len(volumes) * runs
    volume = np.repeat(volumes, runs)
    rng = np.random.default_rng(seed)
    services, rules = Services(NOISE, rows, rng), peers(rows)
    onset = rng.integers(DAY // 2, DAY, rows)
    first = {name: np.full(rows, NEVER) for name in rules}
    for step in range(DAY + limit):
        bad, judged = services.step(np.where(step >= onset, to, HEALTHY), volume)
        for name, rule in rules.items():
            alarms = rule.step(step, bad, judged) & (step >= onset)
            first[name] = np.where(alarms & np.isinf(first[name]), step - onset + 1.0, first[name])
    return {name: delay.reshape(len(volumes), runs).tolist() for name, delay in first.items()}


def service_months(
    weather: Weather,
    rate: float,
    volumes: list[float],
    months: int,
    seed: int,
    raised: Raise | None,
    measure: bool = False,
    said: Progress = lambda _: None,
    days: int = 30,
    changes: int = 0,
) -> list[Month]:
    """Containments by the default policy at a constant rate, per volume; with G measured over 14 days before.

    Confirmed alarms, and breaches right after one of so many harmless changes of revision.
    """
    rows = len(volumes) * months
    volume = np.repeat(volumes, months)
    services = Services(weather, rows, np.random.default_rng(seed))
    clustering = _measured(services, rate, volume) if measure else np.full(rows, 0.1)
    rules = [Sequential(allowed=ALLOWED, clustering=float(g)) for g in clustering]
    folds, alarms, judged_total = SequentialFolds(rules), _Alarms(rows), np.zeros(rows)
    sampling = _Sampling(raised, volume)
    every = days * DAY // max(1, changes)
    # Not all at the same time of day.
    followed = [FollowedChanges(rows, DAY + at * (every + DAY // 6), clustering) for at in range(changes)]
    for step in range(days * DAY):
        more = raised is not None and any(change.is_fresh(step) for change in followed)
        asked = np.maximum(raised.to, volume) if more and raised is not None else sampling.volume
        bad, judged = services.step(rate, asked)
        folds.advance(step, bad, judged)
        evidence = folds.evidence()
        alarms.take(step, evidence >= CONFIRMED_STEPS)
        for change in followed:
            breaches = change.take(step, bad, judged)
            if breaches is not None:
                alarms.count += breaches
        sampling.after(evidence)
        judged_total += judged
        if step % (5 * DAY) == 0:
            said(f"{weather.name} at {rate:.0%}: day {step // DAY} of {days}")
    counts, totals = alarms.count.reshape(len(volumes), months), judged_total.reshape(len(volumes), months)
    return [Month(alarms=c, judged=j) for c, j in zip(counts, totals, strict=True)]


def delays(
    weather: Weather,
    to: float,
    volume: float,
    runs: int,
    seed: int,
    raised: Raise | None = None,
    measure: bool = False,
    limit: int = 2 * DAY,
) -> Floats:
    """Minutes from the change until Confirmed, of each run."""
    rng = np.random.default_rng(seed)
    services = Services(weather, runs, rng)
    volumes = np.full(runs, volume)
    clustering = _measured(services, HEALTHY, volumes) if measure else np.full(runs, 0.1)
    folds = SequentialFolds([Sequential(allowed=ALLOWED, clustering=float(g)) for g in clustering])
    onset = rng.integers(DAY // 2, DAY, runs)
    sampling, first = _Sampling(raised, volumes), np.full(runs, NEVER)
    for step in range(DAY + limit):
        bad, judged = services.step(np.where(step >= onset, to, HEALTHY), sampling.volume)
        folds.advance(step, bad, judged)
        evidence = folds.evidence()
        sampling.after(evidence)
        alarms = (evidence >= CONFIRMED_STEPS) & (step >= onset) & np.isinf(first)
        first = np.where(alarms, step - onset + 1.0, first)
        if step > DAY and np.isfinite(first).all():
            break
    return first


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoveries:
    """Minutes from the effect until each is said."""

    improved: Floats
    recovered: Floats
    not_helped: Floats


def recoveries(rate: float, volume: float, runs: int, seed: int, minutes: int = DAY // 2) -> Recoveries:
    """After a containment of an incident at 20%, with the true rate since."""
    services = Services(NOISE, runs, np.random.default_rng(seed))
    for _ in range(60):
        services.step(rate, volume)
    counts = np.array([services.step(rate, volume) for _ in range(minutes)])
    rule = Sequential(allowed=ALLOWED)
    found = [judge_recovery(rule, counts[:, 0, run], counts[:, 1, run], 0.2) for run in range(runs)]
    return Recoveries(
        improved=_minutes([f.improved_at for f in found]),
        recovered=_minutes([f.recovered_at for f in found]),
        not_helped=_minutes([f.not_helped_at for f in found]),
    )


def improvements(runs: int, seed: int) -> tuple[int, int]:
    """How many of so many improvements (from 4% to at most 2%) alarmed in the 12 hours after; and were called worse."""
    rng = np.random.default_rng(seed)
    services = Services(NOISE, runs, rng)
    volume, better = rng.choice([1.0, 5.0, 20.0, 100.0], runs), rng.uniform(0.0, 0.02, runs)
    folds = SequentialFolds([Sequential(allowed=ALLOWED)] * runs)
    # Warmed up well below the objective, so that what alarms afterwards is the improvement's.
    for step in range(DAY // 2):
        folds.advance(step, *services.step(0.03, volume))
    alarmed = np.zeros(runs, dtype=bool)
    alarmed_before = folds.evidence() >= CONFIRMED_STEPS
    for step in range(DAY // 2, DAY):
        folds.advance(step, *services.step(better, volume))
        alarmed |= folds.evidence() >= CONFIRMED_STEPS
    return int((alarmed & ~alarmed_before).sum()), int(alarmed_before.sum())


def _minutes(calls: list[int | None]) -> Floats:
    return np.array([NEVER if call is None else call + 1.0 for call in calls])


def _measured(services: Services, rate: float, volume: Floats) -> Floats:
    """G of each row over 14 healthy days, in blocks of 10 minutes as the operator reads them."""
    blocks = []
    for _ in range(14 * DAY // 10):
        counts = np.zeros((2, len(volume)))
        for _ in range(10):
            counts += services.step(rate, volume)
        blocks.append(counts)
    history = np.array(blocks)
    healthy = np.ones(len(history), dtype=bool)
    return np.array(
        [
            measure_clustering(history[:, 0, row], history[:, 1, row], healthy, resolution=10).clustering
            for row in range(len(volume))
        ]
    )


class _Sampling:
    """The volume that is judged, raised on demand."""

    def __init__(self, raised: Raise | None, volume: Floats) -> None:
        self._raise, self._normal, self.volume = raised, volume, volume
        self._up = np.zeros(len(volume), dtype=bool)
        self._calm = np.zeros(len(volume))
        self._coming = [self._up] * (raised.in_force_after if raised else 0)

    def after(self, evidence: Floats) -> None:
        if self._raise is None:
            return
        self._calm = np.where(evidence < self._raise.below, self._calm + 1, 0)
        self._up = (self._up & (self._calm < self._raise.held)) | (evidence >= WATCH_STEPS)
        # Known after this step, in force from the beginning of the one that follows the delay.
        self._coming.append(self._up)
        in_force = self._coming.pop(0)
        self.volume = np.where(in_force, np.maximum(self._raise.to, self._normal), self._normal)
