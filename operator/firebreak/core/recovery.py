"""Did a containment help? Judged on what happened since its effect was observed, and on nothing older.

Three one-sided e-processes on the counts since then, tempered and capped as in detection, each started once:
- Improved: against half of the incident's rate (at least 3 steps);
- Recovered: against the objective, betting on rates well below it (at least 10 steps);
- NotHelped: the forward mixture, betting on rates above the objective.
Each is called at e >= 20, i.e. wrongly with a probability of at most 5%, however often one looks.
"A number of answers, and a rate below target" is not enough: at a true 8% against 5% it says recovered in 32-41% of
cases. Where Recovered and NotHelped have both been called, the later one is what is so now.
"""

from dataclasses import dataclass

import numpy as np

from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.sequential import alternatives, log_bets
from firebreak.core.detectors.tempering import Floats, design_effect, mean_judged
from firebreak.core.verdict import RecoveryFinding

CALLED_AT = 20.0
LEAST_STEPS_IMPROVED = 3
LEAST_STEPS_RECOVERED = 10
LOWER = np.array([0.1, 0.3, 0.5, 0.7])
_CAP = np.log(CALLED_AT) / 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What the counts say, with the evidence now (a call stays called when its evidence falls again)."""

    finding: RecoveryFinding
    steps: int
    judged: float
    bad: float
    design_effect: float
    improved: float
    recovered: float
    not_helped: float
    improved_at: int | None  # index of the step in which each was first called
    recovered_at: int | None
    not_helped_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    last: float
    called: int | None  # index of the step


def judge_recovery(rule: Sequential, bad: Floats, judged: Floats, incident_rate: float | None) -> Recovery:
    """Fold the counts per step since the effect; without the incident's rate, Improved is never said."""
    some = judged > 0.0
    steps = np.flatnonzero(some)
    discounts = design_effect(rule.clustering, mean_judged(judged))[some]
    bad, judged = bad[some], judged[some]
    p0 = rule.allowed
    recovered = _process(p0, p0 * LOWER, bad, judged, discounts, least=LEAST_STEPS_RECOVERED)
    not_helped = _process(p0, alternatives(p0), bad, judged, discounts, least=1)
    half = (incident_rate or 0.0) / 2.0
    improved = (
        _process(half, half * LOWER, bad, judged, discounts, least=LEAST_STEPS_IMPROVED)
        if 0.0 < half < 1.0
        else _Process(last=0.0, called=None)
    )
    return Recovery(
        finding=_finding(improved.called, recovered.called, not_helped.called),
        steps=len(judged),
        judged=float(judged.sum()),
        bad=float(bad.sum()),
        design_effect=float(discounts[-1]) if len(discounts) else 1.0,
        improved=improved.last,
        recovered=recovered.last,
        not_helped=not_helped.last,
        improved_at=None if improved.called is None else int(steps[improved.called]),
        recovered_at=None if recovered.called is None else int(steps[recovered.called]),
        not_helped_at=None if not_helped.called is None else int(steps[not_helped.called]),
    )


def _process(p0: float, against: Floats, bad: Floats, judged: Floats, discounts: Floats, *, least: int) -> _Process:
    """An e-process: the mean of the products of the bets; exact since a test martingale starts once."""
    if not len(judged):
        return _Process(last=1.0, called=None)
    for_bad, for_good = log_bets(p0, against)
    gain = np.minimum((np.outer(for_bad, bad) + np.outer(for_good, judged - bad)) / discounts, _CAP)
    track = np.exp(np.minimum(np.cumsum(gain, axis=1), 500.0)).mean(axis=0)
    called = np.flatnonzero(track[least - 1 :] >= CALLED_AT)
    return _Process(last=float(track[-1]), called=int(called[0]) + least - 1 if len(called) else None)


def _finding(improved: int | None, recovered: int | None, not_helped: int | None) -> RecoveryFinding:
    if not_helped is not None and (recovered is None or not_helped > recovered):
        return RecoveryFinding.NOT_HELPED
    if recovered is not None:
        return RecoveryFinding.RECOVERED
    return RecoveryFinding.INCONCLUSIVE if improved is None else RecoveryFinding.IMPROVED
