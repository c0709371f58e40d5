"""About how many bad answers did users get?

Answers times the judged rate, in stretches of at least 20 judged: the share that is judged is raised during an incident,
and one rate over all of it would weigh the time after by how closely it was looked at. Asked by app/sampler.py.
"""

from dataclasses import dataclass

import numpy as np

from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.tempering import Floats
from firebreak.core.estimates import interval
from firebreak.core.judgement.counts import Counts, discount_of

_JUDGED_PER_STRETCH = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BadServed:
    """About how many bad answers users got, with a 95% interval widened for clustering."""

    answers: float
    bad: float
    low: float
    high: float


def bad_served(rule: Sequential, counts: Counts, answers: Floats) -> BadServed | None:
    """Of judged counts, and the answers given in each of their steps; None when nothing was judged or answered."""
    given, judged_in_all = float(answers.sum()), float(counts.judged.sum())
    if given <= 0.0 or judged_in_all <= 0.0:
        return None
    starts = _stretches(counts.judged)
    bad, judged, share = (np.add.reduceat(values, starts) for values in (counts.bad, counts.judged, answers))
    estimate = float((share * bad / judged).sum())
    discount = discount_of(rule, counts)
    # As much is known as from so many independent verdicts on one rate: the variance of the sum says how many.
    smoothed = (bad + 0.5) / (judged + 1.0)
    variance = float((share**2 * smoothed * (1.0 - smoothed) / judged).sum()) * discount
    rate = estimate / given
    equivalent = rate * (1.0 - rate) * given**2 / variance if 0.0 < rate < 1.0 else judged_in_all / discount
    between = interval(rate * equivalent, equivalent)
    return BadServed(answers=given, bad=estimate, low=given * between.low, high=given * between.high)


def _stretches(judged: Floats) -> list[int]:
    """Where each stretch begins; what is left at the end belongs to the last one."""
    starts, held = [0], 0.0
    left = float(judged.sum())
    for at, count in enumerate(judged):
        if held >= _JUDGED_PER_STRETCH and left >= _JUDGED_PER_STRETCH:
            starts.append(at)
            held = 0.0
        held += float(count)
        left -= float(count)
    return starts
