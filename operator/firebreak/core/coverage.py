"""Has the judge stopped judging while answers flow?

Asked for ratios of services that declare `answers`. Coverage is judged / answers, over hours of 60 steps. It is lost when
the trailing hour has less than a tenth of the objective's own usual coverage, and back when it has half of it again.
Usual is the lower quartile of the day's hours, so that a raised rate, once given back, does not look like a loss. Hours in
which the judge had stopped altogether are not part of it, or a long silence would become the usual; one that goes on at a
twentieth is taken for a lowered rate after six hours.
Little traffic says nothing.
"""

from bisect import insort
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from firebreak.core.detectors.tempering import Floats
from firebreak.core.judgement.counts import Counts

BLOCK_STEPS = 60
LOST_BELOW = 0.1  # of the usual coverage
BACK_ABOVE = 0.5  # of the usual coverage
_BLOCKS_NEEDED = 4
_EXPECTED_NEEDED = 30.0  # judged in the trailing hour at the usual coverage: three of them are no chance
_USUAL_QUANTILE = 0.25
_SILENT_BELOW = 0.01  # of the usual coverage: no rate is lowered so far, but a broken judge is


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What was judged of the trailing hour's answers, and what usually is."""

    judged: float
    answers: float
    usual: float  # judged per answer
    known_from: datetime  # what is usual was seen from then on
    lost_since: datetime | None  # the likeliest beginning; None while it is not lost

    @property
    def is_lost(self) -> bool:
        """So little is judged that nothing may be concluded from it."""
        return self.lost_since is not None

    @property
    def of_usual(self) -> float:
        """1 is as usual."""
        return self.judged / (self.usual * self.answers)

    def __str__(self) -> str:
        return f"{self.judged:.0f} of the last {self.answers:.0f} answers were judged, usually {self.usual:.1%} are"


def coverage_of(judged: Counts, answered: Counts) -> Coverage | None:
    """Of counts on the same grid of steps; None while it cannot be said."""
    until = min(judged.end, answered.end)
    # Of the same steps: one of the two may have been read a step further.
    n, m = (len(c) - round((c.end - until) / c.step) for c in (judged, answered))
    length = min(n, m)
    blocks = length // BLOCK_STEPS
    if blocks <= _BLOCKS_NEEDED:
        return None
    verdicts, answers = judged.judged[n - length : n], answered.judged[m - length : m]
    usual, first = _usual(verdicts[-blocks * BLOCK_STEPS :], answers[-blocks * BLOCK_STEPS :])
    now_judged, now_answers = float(verdicts[-BLOCK_STEPS:].sum()), float(answers[-BLOCK_STEPS:].sum())
    if usual * now_answers < _EXPECTED_NEEDED:
        return None
    lost_since = None
    if _is_lost(verdicts, answers, usual):
        # Where the shortfall against half of the usual began to add up: the likeliest change between the two rates.
        shortfall = np.cumsum((BACK_ABOVE * usual * answers - verdicts)[::-1])
        lost_since = until - judged.step * (int(np.argmax(shortfall)) + 1)
    return Coverage(
        judged=now_judged,
        answers=now_answers,
        usual=usual,
        known_from=until - judged.step * (blocks - first) * BLOCK_STEPS,
        lost_since=lost_since,
    )


def _usual(judged: Floats, answers: Floats) -> tuple[float, int]:
    """The usual coverage before the last hour, 0 while it is not known; and the number of the first hour it rests on."""
    by_hour = (len(judged) // BLOCK_STEPS, BLOCK_STEPS)
    judged_of, answers_of = judged.reshape(by_hour).sum(axis=1), answers.reshape(by_hour).sum(axis=1)
    first, shares, usual = 0, list[float](), 0.0
    for hour in range(by_hour[0] - 1):
        expected = usual * answers_of[hour]
        is_silent = expected >= _EXPECTED_NEEDED and judged_of[hour] < _SILENT_BELOW * expected
        if answers_of[hour] <= 0.0 or is_silent:
            continue
        first = hour if not shares else first
        insort(shares, float(judged_of[hour] / answers_of[hour]))
        if len(shares) >= _BLOCKS_NEEDED:
            at = _USUAL_QUANTILE * (len(shares) - 1)
            below = int(at)
            usual = shares[below] + (at - below) * (shares[below + 1] - shares[below])
    return usual, first


def _is_lost(judged: Floats, answers: Floats, usual: float) -> bool:
    """Once lost it stays so until half of the usual is judged again, or an hour has gone without another loss."""
    recent = slice(-2 * BLOCK_STEPS, None)
    hour = np.ones(BLOCK_STEPS)
    judged_in = np.convolve(judged[recent], hour, mode="valid")[::-1]
    expected_in = usual * np.convolve(answers[recent], hour, mode="valid")[::-1]
    for seen, expected in zip(judged_in, expected_in, strict=True):
        # Sums of a convolution are off by rounding; counts are multiples of 2^-20.
        if expected < _EXPECTED_NEEDED:
            return False
        if seen >= BACK_ABOVE * expected - 1e-6:
            return False
        if seen < LOST_BELOW * expected - 1e-6:
            return True
    return False
