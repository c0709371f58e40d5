"""Services under simulated conditions: what is judged and found bad in each minute.

Many services at once, a step at a time, since a detector may change the sampling rate of what comes next.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

DAY = 1440

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Conditions; the default is none at all: Poisson arrivals, independent outcomes."""

    name: str = "clean"
    daily_swing: float = 0.0  # of the volume, as a share
    weekly_dip: float = 0.0  # of the volume on two days of seven
    burst_shape: float = 0.0  # gamma shape of the volume's bursts in 10-minute blocks; 0 is none
    correlation: float = 0.0  # rho: intra-class correlation of failures ...
    block: int = 10  # ... within blocks of so many minutes
    batches_per_day: float = 0.0  # of about 5 answers with the same outcome
    resets_per_day: float = 0.0  # a minute's counts are lost
    missed_scrapes: float = 0.0  # share of minutes whose counts come a minute later
    gaps_per_day: float = 0.0  # of 20 to 60 minutes, caught up at their end
    drift: float = 0.0  # added to the rate of bad over a month
    outages_per_day: float = 0.0  # of the judge, 60 minutes: it judges one in ten, mostly the bad ones
    label_delay: int = 0  # minutes from an answer to its verdict


NOISE = Weather(
    name="noise",
    daily_swing=0.7,
    burst_shape=4.0,
    correlation=0.01,
    batches_per_day=2.0,
    resets_per_day=1.0,
    missed_scrapes=0.02,
    gaps_per_day=1 / 3,
)
CLEAN = Weather()
HARSH = replace(NOISE, name="harsh", correlation=0.03, block=30)
DRIFT = replace(NOISE, name="drift 2→4%", drift=0.02)
WEEKLY = replace(NOISE, name="weekly cycle", weekly_dip=0.6)
OUTAGE = replace(NOISE, name="judge outage", outages_per_day=1 / 7)
DELAYED = replace(NOISE, name="label delay 30 min", label_delay=30)


class Services:
    """Rows of services; `rate` of bad and `volume` per minute are given at each step, per row."""

    def __init__(self, weather: Weather, rows: int, rng: np.random.Generator) -> None:
        self._weather, self._rows, self._rng = weather, rows, rng
        self._phase = rng.random(rows) * 2.0 * np.pi
        self._minute = rng.integers(0, 7 * DAY, rows)  # of the week
        self._burst = np.ones(rows)
        self._shift = np.full(rows, 0.5)  # quantile of the block's rate of bad
        self._held = np.zeros((2, rows))  # counts that no scrape has shown yet
        self._gap = np.zeros(rows)
        self._outage = np.zeros(rows)
        self._delayed = [np.zeros((2, rows)) for _ in range(weather.label_delay)]
        self._step = 0

    def step(self, rate: Floats | float, volume: Floats | float) -> tuple[Floats, Floats]:
        """Bad and judged of each row in the next minute."""
        w, rng, rows = self._weather, self._rng, self._rows
        if self._step % 10 == 0 and w.burst_shape:
            self._burst = rng.gamma(w.burst_shape, 1.0 / w.burst_shape, rows)
        minute = self._minute + self._step
        mean = volume * self._burst * (1.0 + w.daily_swing * np.sin(2.0 * np.pi * minute / DAY + self._phase))
        if w.weekly_dip:
            mean = np.where((minute // DAY) % 7 >= 5, mean * (1.0 - w.weekly_dip), mean)
        share = np.broadcast_to(np.asarray(rate, dtype=np.float64), rows) + w.drift * self._step / (30 * DAY)
        share = self._clustered(share)
        judged = rng.poisson(mean).astype(np.float64)
        bad = rng.binomial(judged.astype(np.int64), share).astype(np.float64)
        if w.batches_per_day:
            batch = (rng.random(rows) < w.batches_per_day / DAY) * rng.poisson(5.0, rows)
            judged += batch
            bad += batch * (rng.random(rows) < share)
        if w.outages_per_day:
            self._outage = np.where(rng.random(rows) < w.outages_per_day / DAY, 60.0, np.maximum(self._outage - 1, 0.0))
            out = self._outage > 0.0
            good = rng.binomial((judged - bad).astype(np.int64), 0.1)
            seen = rng.binomial(bad.astype(np.int64), 0.3)  # the bad ones are three times likelier to be judged
            bad, judged = np.where(out, seen, bad), np.where(out, seen + good, judged)
        counts = np.stack((bad, judged))
        if w.label_delay:
            self._delayed.append(counts)
            counts = self._delayed.pop(0)
        counts = self._scraped(counts)
        self._step += 1
        return counts[0], counts[1]

    def _clustered(self, share: Floats) -> Floats:
        w = self._weather
        if not w.correlation:
            return share
        if self._step % w.block == 0:
            # One draw per block, for whatever rate holds in it: gammas with the rate's own shape.
            spread = (1.0 - w.correlation) / w.correlation
            self._block_rate = share.copy()
            self._drawn = self._rng.beta(share * spread, (1.0 - share) * spread)
        changed = share != self._block_rate
        if changed.any() and not w.drift:
            spread = (1.0 - w.correlation) / w.correlation
            self._drawn = np.where(changed, self._rng.beta(share * spread, (1.0 - share) * spread), self._drawn)
            self._block_rate = share.copy()
        return self._drawn

    def _scraped(self, counts: Floats) -> Floats:
        w, rng, rows = self._weather, self._rng, self._rows
        if not (w.missed_scrapes or w.gaps_per_day or w.resets_per_day):
            return counts
        self._held += counts
        starts = rng.random(rows) < w.gaps_per_day / DAY
        self._gap = np.where(starts, rng.integers(20, 61, rows), np.maximum(self._gap - 1, 0))
        missed = (self._gap > 0) | (rng.random(rows) < w.missed_scrapes)
        reset = rng.random(rows) < w.resets_per_day / DAY
        self._held[:, reset] = 0.0
        shown = np.where(missed, 0.0, self._held)
        self._held = np.where(missed, self._held, 0.0)
        return shown
