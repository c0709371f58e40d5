"""Just changed: is the new revision worse than the known-good one? At an error rate per change, not per year.

Far fewer samples are needed than against the objective: 10% is four times as far from a known 2% as from an allowed 5%.
Two ways:
- before/after: against U, the Clopper-Pearson upper bound at alpha/2 of what the known-good revision did before (its
  counts divided by d, step by step, since the judge may have been asked for more at times); a one-sided betting mixture
  begins once, at the change, and rejects at 2/alpha;
- side by side, where both serve at once: a two-sample e-process per step with plug-ins from earlier steps only
  (Turner, Ly, Gruenwald 2024), separate against pooled rates, counted where the new one is expected to be worse; it
  rejects at 1/alpha. Concurrent control cancels the time of day, so it is preferred.
Both are capped and tempered as in sequential.py. Inconclusive says how many answers more it takes.

That it was called a regression stays so: the error is per change. Whether it is one still is read off the evidence at
the last step, which grows no further than to the square of the threshold, so that it wears off when the cause is gone.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from firebreak.core.detectors.sequential import SEPARATE_STEPS, alternatives, log_bets
from firebreak.core.detectors.tempering import TRAILING, Floats, design_effect, mean_judged
from firebreak.core.estimates import lower_bound, upper_bound

ERROR_PER_CHANGE = 0.03
BOUND_ERROR = 0.1
"""Of the bounds of the new rate that are held against the objective."""
_REVERSE_CALLED_AT = 20.0
_LOWER = np.array([0.1, 0.3, 0.5, 0.7])
_PRIOR = 0.18  # pseudo-counts of each outcome before anything is seen, as in Turner, Ly, Gruenwald


class RegressionFinding(StrEnum):
    REGRESSION = "Regression"
    NO_REGRESSION = "NoRegression"  # not even twice as bad as the known-good revision may be
    INCONCLUSIVE = "Inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    finding: RegressionFinding
    evidence: float  # of the new revision being worse, at its highest
    evidence_now: float  # and at the last step
    threshold: float
    against: float  # the rate that the new one is held against: U, or the other's rate at the same time
    judged: float
    bad: float
    at_least: float  # the new revision's rate, by its Clopper-Pearson lower bound at BOUND_ERROR
    lately_at_most: float  # its rate of the last hour (60 steps), by the upper bound; 0 where nothing was judged
    steps: int
    called_at: int | None  # index of the step in which it was called a regression
    judged_needed: float | None  # about so many more, if it is twice as bad; None once something is found

    @property
    def lasts(self) -> bool:
        """It was called a regression, and what has been counted since speaks for one still."""
        return self.finding is RegressionFinding.REGRESSION and self.evidence_now >= self.threshold

    def is_beyond(self, allowed: float) -> bool:
        """It lasts, and the new rate lies above what is allowed, by its lower bound; and not shown to be over since.

        The rate by itself will not do: it is looked at when it was just called, so it is too high by chance. Of
        revisions at 4% that were 1% before it would take two in five for one beyond 5%, the bound one in ten.
        """
        return self.lasts and self.at_least > allowed and self.lately_at_most > allowed


def before_after(
    known_bad: Floats,
    known_judged: Floats,
    bad: Floats,
    judged: Floats,
    clustering: float,
    error: float = ERROR_PER_CHANGE,
) -> Regression:
    """Counts per step of the known-good revision (its last 24 h), and of the new one since the change."""
    bound = upper_bound(*_tempered(known_bad, known_judged, clustering), error / 2.0)
    threshold = 2.0 / error
    if bound >= 1.0:
        return _unknown(bad, judged, clustering, threshold, bound)
    track = _single_start(bound, alternatives(bound), bad, judged, clustering, np.log(threshold) / SEPARATE_STEPS)
    twice = min(2.0 * bound, (1.0 + bound) / 2.0)
    reverse = _single_start(twice, twice * _LOWER, bad, judged, clustering, np.log(_REVERSE_CALLED_AT) / SEPARATE_STEPS)
    return _found(track, reverse, threshold, bound, bad, judged, clustering)


def may_be_beyond(allowed: float, bad: Floats, judged: Floats, clustering: float) -> bool:
    """Whether `is_beyond` can be true of a comparison with these counts of the new one; cheap, asked of a fleet."""
    tempered_bad, tempered_judged = _tempered(bad, judged, clustering)
    return tempered_bad > allowed * tempered_judged


def side_by_side(
    known_bad: Floats,
    known_judged: Floats,
    bad: Floats,
    judged: Floats,
    clustering: float,
    error: float = ERROR_PER_CHANGE,
) -> Regression:
    """Counts per step of both, over the same steps."""
    threshold = 1.0 / error
    both = (known_judged > 0.0) & (judged > 0.0)
    discount = design_effect(clustering, mean_judged(known_judged + judged))
    known_rate, rate = _plug_in(known_bad, known_judged), _plug_in(bad, judged)
    pooled = np.divide(
        known_judged * known_rate + judged * rate,
        known_judged + judged,
        out=np.full(len(judged), 0.5),
        where=known_judged + judged > 0.0,
    )
    separate = _log_likelihood(known_bad, known_judged, known_rate) + _log_likelihood(bad, judged, rate)
    together = _log_likelihood(known_bad, known_judged, pooled) + _log_likelihood(bad, judged, pooled)
    gain = np.where(both & (rate > known_rate), (separate - together) / discount, 0.0)
    track = np.exp(_wealth(np.minimum(gain, np.log(threshold) / SEPARATE_STEPS), 2.0 * np.log(threshold)))
    total = float(known_judged.sum())
    against = float(known_bad.sum()) / total if total else 1.0
    twice = min(2.0 * against, (1.0 + against) / 2.0)
    reverse = (
        _single_start(twice, twice * _LOWER, bad, judged, clustering, np.log(_REVERSE_CALLED_AT) / SEPARATE_STEPS)
        if 0.0 < twice < 1.0
        else np.zeros(len(judged))
    )
    return _found(track, reverse, threshold, against, bad, judged, clustering)


def _single_start(p0: float, against: Floats, bad: Floats, judged: Floats, clustering: float, cap: float) -> Floats:
    for_bad, for_good = log_bets(p0, against)
    gain = (np.outer(for_bad, bad) + np.outer(for_good, judged - bad)) / design_effect(clustering, mean_judged(judged))
    gain = np.where(judged > 0.0, np.minimum(gain, cap), 0.0)
    track: Floats = np.exp(_wealth(gain, 2.0 * SEPARATE_STEPS * cap)).mean(axis=0)
    return track


def _wealth(gain: Floats, ceiling: float) -> Floats:
    """The running sum over the last axis, held down to the ceiling: what is above it is lost, as in a Lindley recursion."""
    total = np.cumsum(gain, axis=-1)
    lost: Floats = np.maximum.accumulate(np.maximum(total - ceiling, 0.0), axis=-1)
    return total - lost


def _tempered(bad: Floats, judged: Floats, clustering: float) -> tuple[float, float]:
    """Bad and judged, each step discounted by itself: what was judged more for a while says less than it counts."""
    discount = design_effect(clustering, mean_judged(judged))
    return float((bad / discount).sum()), float((judged / discount).sum())


def _plug_in(bad: Floats, judged: Floats) -> Floats:
    """The rate as it looked before each step."""
    seen_bad = np.concatenate(([0.0], np.cumsum(bad)[:-1])) if len(bad) else np.zeros(0)
    seen = np.concatenate(([0.0], np.cumsum(judged)[:-1])) if len(judged) else np.zeros(0)
    return (seen_bad + _PRIOR) / (seen + 2.0 * _PRIOR)


def _log_likelihood(bad: Floats, judged: Floats, rate: Floats) -> Floats:
    likelihood: Floats = bad * np.log(rate) + (judged - bad) * np.log1p(-rate)
    return likelihood


def _found(
    track: Floats,
    reverse: Floats,
    threshold: float,
    against: float,
    bad: Floats,
    judged: Floats,
    clustering: float,
) -> Regression:
    called = np.flatnonzero(track >= threshold)
    cleared = np.flatnonzero(reverse >= _REVERSE_CALLED_AT)
    if len(called):
        finding = RegressionFinding.REGRESSION
    elif len(cleared):
        finding = RegressionFinding.NO_REGRESSION
    else:
        finding = RegressionFinding.INCONCLUSIVE
    needed = None
    if finding is RegressionFinding.INCONCLUSIVE and 0.0 < against < 1.0:
        worse = min(2.0 * against, (1.0 + against) / 2.0)
        information = worse * np.log(worse / against) + (1 - worse) * np.log((1 - worse) / (1 - against))
        mean = float(mean_judged(judged)[-1]) if len(judged) else 1.0
        last = float(track[-1]) if len(track) else 1.0
        discount = float(design_effect(clustering, np.array([mean]))[0])
        needed = max(0.0, float(np.log(threshold / max(last, 1e-9)))) * discount / float(information)
    return Regression(
        finding=finding,
        evidence=float(track.max()) if len(track) else 1.0,
        evidence_now=float(track[-1]) if len(track) else 1.0,
        threshold=threshold,
        against=against,
        judged=float(judged.sum()),
        bad=float(bad.sum()),
        at_least=lower_bound(*_tempered(bad, judged, clustering), BOUND_ERROR),
        lately_at_most=_lately_at_most(bad[-TRAILING:], judged[-TRAILING:], clustering),
        steps=int((judged > 0.0).sum()),
        called_at=int(called[0]) if len(called) else None,
        judged_needed=needed,
    )


def _lately_at_most(bad: Floats, judged: Floats, clustering: float) -> float:
    """Zero where nothing was judged: a revision that answers nobody any more harms nobody."""
    if not judged.sum():
        return 0.0
    return upper_bound(*_tempered(bad, judged, clustering), BOUND_ERROR)


def _unknown(bad: Floats, judged: Floats, clustering: float, threshold: float, bound: float) -> Regression:
    return Regression(
        finding=RegressionFinding.INCONCLUSIVE,
        evidence=1.0,
        evidence_now=1.0,
        threshold=threshold,
        against=bound,
        judged=float(judged.sum()),
        bad=float(bad.sum()),
        at_least=lower_bound(*_tempered(bad, judged, clustering), BOUND_ERROR),
        lately_at_most=_lately_at_most(bad[-TRAILING:], judged[-TRAILING:], clustering),
        steps=int((judged > 0.0).sum()),
        called_at=None,
        judged_needed=None,
    )
