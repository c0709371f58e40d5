"""Has the judge stopped judging while answers flow?

Asked for ratios of services that declare `answers`, or whose judge counts its errors. Coverage is judged / answers, or
judged / what the judge tried, over hours of 60 steps. It is lost when
the trailing hour has less than a tenth of the objective's own usual coverage, and back when it has half of it again.
Usual is the lower quartile of the day's hours, so that a raised rate, once given back, does not look like a loss. Hours in
which the judge had stopped altogether are not part of it, or a long silence would become the usual; one that goes on at a
twentieth is taken for a lowered rate after six hours. Of what it tried a judge that is well judges nearly all, so there
less than half is a loss: what a failing judge still judges is no sample.
Little traffic says nothing.
"""

from bisect import insort
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np

from firebreak.core.detectors.tempering import Floats
from firebreak.core.judgement.counts import Counts

BLOCK_STEPS = 60
LOST_BELOW = 0.1  # of the usual coverage
BACK_ABOVE = 0.5  # of the usual coverage
_BLOCKS_NEEDED = 4
_EXPECTED_NEEDED = 30.0  # judged in the trailing hour at the usual coverage: three of them are no chance
_USUAL_QUANTILE = 0.25


class CoverageOf(StrEnum):
    """What is held against what was judged."""

    ANSWERS = "Answers"
    ATTEMPTS = "Attempts"


_LOST_BELOW = {CoverageOf.ANSWERS: LOST_BELOW, CoverageOf.ATTEMPTS: 0.5}
# Of the usual coverage: no rate is lowered so far, but a broken judge is; so such an hour is not part of what is usual.
_NOT_USUAL_BELOW = {CoverageOf.ANSWERS: 0.01, CoverageOf.ATTEMPTS: 0.5}
_BACK_ABOVE = {CoverageOf.ANSWERS: BACK_ABOVE, CoverageOf.ATTEMPTS: 0.8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What was judged in the trailing hour, of how many, and what usually is."""

    of: CoverageOf = CoverageOf.ANSWERS

    judged: float
    answers: float  # or what the judge tried
    usual: float  # judged of each
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
        told = f"{self.judged:.0f} of the last {self.answers:.0f} answers"
        if self.of is CoverageOf.ATTEMPTS:
            told += " that the judge tried"
        return f"{told} were judged, usually {self.usual:.1%} are"


def coverage_of(judged: Counts, answered: Counts, of: CoverageOf = CoverageOf.ANSWERS) -> Coverage | None:
    """Of counts on the same grid of steps; None while it cannot be said."""
    until = min(judged.end, answered.end)
    # Of the same steps: one of the two may have been read a step further.
    n, m = (len(c) - round((c.end - until) / c.step) for c in (judged, answered))
    length = min(n, m)
    blocks = length // BLOCK_STEPS
    if blocks <= _BLOCKS_NEEDED:
        return None
    verdicts, answers = judged.judged[n - length : n], answered.judged[m - length : m]
    usual, first = _usual(verdicts[-blocks * BLOCK_STEPS :], answers[-blocks * BLOCK_STEPS :], of)
    now_judged, now_answers = float(verdicts[-BLOCK_STEPS:].sum()), float(answers[-BLOCK_STEPS:].sum())
    if usual * now_answers < _EXPECTED_NEEDED:
        return None
    lost_since = None
    if _is_lost(verdicts, answers, usual, of):
        # Where the shortfall against what would be enough began to add up: the likeliest change between the two rates.
        shortfall = np.cumsum((_BACK_ABOVE[of] * usual * answers - verdicts)[::-1])
        lost_since = until - judged.step * (int(np.argmax(shortfall)) + 1)
    return Coverage(
        of=of,
        judged=now_judged,
        answers=now_answers,
        usual=usual,
        known_from=until - judged.step * (blocks - first) * BLOCK_STEPS,
        lost_since=lost_since,
    )


def coverage_of_attempts(judged: Counts, errors: Counts) -> Coverage | None:
    """What was judged of what the judge tried; None while it cannot be said."""
    until = min(judged.end, errors.end)
    n, m = (len(c) - round((c.end - until) / c.step) for c in (judged, errors))
    length = max(0, min(n, m))
    verdicts = judged.judged[n - length : n]
    tried = verdicts + errors.judged[m - length : m]
    one, other = (Counts(bad=np.zeros(length), judged=c, end=until, step=judged.step) for c in (verdicts, tried))
    return coverage_of(one, other, CoverageOf.ATTEMPTS)


def _usual(judged: Floats, answers: Floats, of: CoverageOf) -> tuple[float, int]:
    """The usual coverage before the last hour, 0 while it is not known; and the number of the first hour it rests on."""
    by_hour = (len(judged) // BLOCK_STEPS, BLOCK_STEPS)
    judged_of, answers_of = judged.reshape(by_hour).sum(axis=1), answers.reshape(by_hour).sum(axis=1)
    first, shares, usual = 0, list[float](), 0.0
    for hour in range(by_hour[0] - 1):
        expected = usual * answers_of[hour]
        is_silent = expected >= _EXPECTED_NEEDED and judged_of[hour] < _NOT_USUAL_BELOW[of] * expected
        if answers_of[hour] <= 0.0 or is_silent:
            continue
        first = hour if not shares else first
        insort(shares, float(judged_of[hour] / answers_of[hour]))
        if len(shares) >= _BLOCKS_NEEDED:
            at = _USUAL_QUANTILE * (len(shares) - 1)
            below = int(at)
            usual = shares[below] + (at - below) * (shares[below + 1] - shares[below])
    return usual, first


def _is_lost(judged: Floats, answers: Floats, usual: float, of: CoverageOf) -> bool:
    """Once lost it stays so until enough is judged again, or an hour has gone without another loss."""
    recent = slice(-2 * BLOCK_STEPS, None)
    hour = np.ones(BLOCK_STEPS)
    judged_in = np.convolve(judged[recent], hour, mode="valid")[::-1]
    expected_in = usual * np.convolve(answers[recent], hour, mode="valid")[::-1]
    for seen, expected in zip(judged_in, expected_in, strict=True):
        # Sums of a convolution are off by rounding; counts are multiples of 2^-20.
        if expected < _EXPECTED_NEEDED:
            return False
        if seen >= _BACK_ABOVE[of] * expected - 1e-6:
            return False
        if seen < _LOST_BELOW[of] * expected - 1e-6:
            return True
    return False
