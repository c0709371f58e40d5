"""Has the judge stopped judging while answers flow?

Asked for ratio objectives of services that declare `answers`. Coverage is judged / answers. It is lost when the trailing
hour (60 steps) has less than a tenth of the objective's own usual coverage: the lower quartile of the hours before, so
that a raised review rate, once given back, does not look like a loss. Little traffic says nothing.
"""

from dataclasses import dataclass

import numpy as np

from firebreak.core.detectors.tempering import Floats

BLOCK_STEPS = 60
LOST_BELOW = 0.1  # of the usual coverage
_BLOCKS_NEEDED = 4
_EXPECTED_NEEDED = 30.0  # judged in the trailing hour at the usual coverage: three of them are no chance


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageLost:
    """What was judged of the trailing hour's answers, and what usually is."""

    judged: float
    answers: float
    usual: float

    def __str__(self) -> str:
        return (
            f"{self.judged:.0f} of the last {self.answers:.0f} answers were judged, usually {self.usual:.1%} are: "
            f"is the judge running?"
        )


def coverage_lost(judged: Floats, answers: Floats) -> CoverageLost | None:
    """Of counts at the same consecutive steps, the last one last; None while it is as usual, or cannot be said."""
    length = min(len(judged), len(answers))
    blocks = length // BLOCK_STEPS
    if blocks <= _BLOCKS_NEEDED:
        return None
    shape = (blocks, BLOCK_STEPS)
    judged_of = judged[-blocks * BLOCK_STEPS :].reshape(shape).sum(axis=1)
    answers_of = answers[-blocks * BLOCK_STEPS :].reshape(shape).sum(axis=1)
    some = answers_of[:-1] > 0.0
    if some.sum() < _BLOCKS_NEEDED:
        return None
    usual = float(np.quantile(judged_of[:-1][some] / answers_of[:-1][some], 0.25))
    now_judged, now_answers = float(judged_of[-1]), float(answers_of[-1])
    expected = usual * now_answers
    if expected < _EXPECTED_NEEDED or now_judged >= LOST_BELOW * expected:
        return None
    return CoverageLost(judged=now_judged, answers=now_answers, usual=usual)
