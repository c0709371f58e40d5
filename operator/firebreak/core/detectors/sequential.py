"""Is the share of bad answers above what the objective allows, at a stated rate of false alarms?

A capped, tempered e-detector of Shiryaev-Roberts type on counts per step (Shin, Ramdas, Rinaldo 2022):

    p1_j = min(p0 m_j, (1 + p0)/2),  m = 1.5, 2, 3, 6, 12
    x_tj = min(ln(A)/3, [k_t ln(p1_j/p0) + (n_t - k_t) ln((1 - p1_j)/(1 - p0))] / d)
    M_tj = (M_t-1,j + 1) exp(x_tj);   E_t = mean_j M_tj;   alarm iff E_t >= A

The average run length without a true breach is at least A steps while the conditional mean of bad stays <= p0,
without asymptotics. The cap asks for at least three separate steps of evidence, so that no single burst and no
catch-up after a gap can contain. Steps in which nothing was judged are skipped.
All three tiers are thresholds on the one fold with the one cap (that of the rarest), so tiers are monotone.

The state is held twice: folds begin anew at aligned epochs, and the one that began an epoch earlier is asked. So the
evidence never rests on less than an epoch (where there is as much history), and a rebuild needs at most two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.tempering import Floats, MeanJudged, design_effect, mean_judged
from firebreak.core.verdict import Tier

MULTIPLES = np.array([1.5, 2.0, 3.0, 6.0, 12.0])
EPOCH_STEPS = 1440
SEPARATE_STEPS = 3.0  # at least so many steps of evidence before anything can be Confirmed


def alternatives(allowed: float) -> Floats:
    """The rates of bad that are bet on, for an allowed rate p0."""
    return np.minimum(allowed * MULTIPLES, (1.0 + allowed) / 2.0)


def log_bets(allowed: float, against: Floats) -> tuple[Floats, Floats]:
    """What one bad, and one good, adds to the log likelihood ratio of each of the rates `against` the allowed one."""
    return np.log(against / allowed), np.log((1.0 - against) / (1.0 - allowed))


def tier_of(evidence: float, rule: Sequential) -> Tier:
    if evidence >= rule.confirmed:
        return Tier.CONFIRMED
    if evidence >= rule.suspected:
        return Tier.SUSPECTED
    return Tier.WATCH if evidence >= rule.watch else Tier.NONE


def threshold_of(tier: Tier, rule: Sequential) -> float:
    """What the evidence must reach for a tier; Watch's for NONE."""
    match tier:
        case Tier.CONFIRMED:
            return rule.confirmed
        case Tier.SUSPECTED:
            return rule.suspected
        case Tier.WATCH | Tier.NONE:
            return rule.watch


class SequentialFolds:
    """Many objectives' evidence, advanced by one numpy pass per step.

    A row is an objective. All rows of one object share a grid of steps and are advanced together; `take` and `join`
    let a part be rebuilt apart and put back.
    """

    def __init__(self, rules: Sequence[Sequential]) -> None:
        allowed = [rule.allowed for rule in rules]
        bets = [log_bets(p0, alternatives(p0)) for p0 in allowed]
        shape = (len(MULTIPLES), len(rules))
        # Components come first, so that each numpy operation runs over contiguous rows.
        self._bad = np.array([bad for bad, _ in bets]).reshape(len(rules), -1).T.copy() if rules else np.zeros(shape)
        self._good = np.array([good for _, good in bets]).reshape(len(rules), -1).T.copy() if rules else np.zeros(shape)
        confirmed = np.array([rule.confirmed for rule in rules], dtype=np.float64)
        self._cap = np.log(confirmed) / SEPARATE_STEPS
        # Evidence beyond this changes no verdict, and would only take longer to wear off after the cause is gone.
        self._ceiling = confirmed * len(MULTIPLES)
        self._clustering = np.array([rule.clustering for rule in rules], dtype=np.float64)
        self._elder = np.zeros(shape)
        self._younger = np.zeros(shape)
        self._mean = MeanJudged(len(rules))

    def __len__(self) -> int:
        return len(self._cap)

    def advance(self, step: int, bad: Floats, judged: Floats) -> None:
        """Take in one step's counts of every row; steps must follow each other, and bad <= judged."""
        if step % EPOCH_STEPS == 0:
            self._elder, self._younger = self._younger, np.zeros_like(self._younger)
        discount = design_effect(self._clustering, self._mean.after(step, judged))
        gain = (bad * self._bad + (judged - bad) * self._good) / discount
        factor = np.exp(np.minimum(gain, self._cap))
        some = judged > 0.0
        for evidence in (self._elder, self._younger):
            grown = np.minimum((evidence + 1.0) * factor, self._ceiling)
            np.copyto(evidence, grown, where=some)

    def evidence(self) -> Floats:
        """E of each row."""
        mixture: Floats = self._elder.mean(axis=0)
        return mixture

    def take(self, rows: NDArray[np.intp]) -> "SequentialFolds":
        taken = SequentialFolds(())
        taken._bad, taken._good = self._bad[:, rows].copy(), self._good[:, rows].copy()
        taken._cap, taken._ceiling = self._cap[rows], self._ceiling[rows]
        taken._clustering = self._clustering[rows]
        taken._elder, taken._younger = self._elder[:, rows].copy(), self._younger[:, rows].copy()
        taken._mean = self._mean.take(rows)
        return taken

    def join(self, other: "SequentialFolds") -> "SequentialFolds":
        joined = SequentialFolds(())
        joined._bad = np.concatenate((self._bad, other._bad), axis=1)
        joined._good = np.concatenate((self._good, other._good), axis=1)
        joined._cap = np.concatenate((self._cap, other._cap))
        joined._ceiling = np.concatenate((self._ceiling, other._ceiling))
        joined._clustering = np.concatenate((self._clustering, other._clustering))
        joined._elder = np.concatenate((self._elder, other._elder), axis=1)
        joined._younger = np.concatenate((self._younger, other._younger), axis=1)
        joined._mean = self._mean.join(other._mean)
        return joined

    @property
    def nbytes(self) -> int:
        arrays = (self._bad, self._good, self._cap, self._ceiling, self._clustering, self._elder, self._younger)
        return sum(array.nbytes for array in arrays) + self._mean.nbytes


def gains(rule: Sequential, bad: Floats, judged: Floats) -> Floats:
    """x of each component (first axis) at each of consecutive steps of one objective; 0 where nothing was judged."""
    for_bad, for_good = log_bets(rule.allowed, alternatives(rule.allowed))
    discount = design_effect(rule.clustering, mean_judged(judged))
    gain = (np.outer(for_bad, bad) + np.outer(for_good, judged - bad)) / discount
    capped: Floats = np.minimum(gain, np.log(rule.confirmed) / SEPARATE_STEPS)
    return capped


def fold(rule: Sequential, bad: Floats, judged: Floats) -> Floats:
    """E after each of consecutive steps, begun afresh at the first: the same fold for one objective's history."""
    factors = np.exp(gains(rule, bad, judged))
    evidence = np.zeros(len(MULTIPLES))
    ceiling = rule.confirmed * len(MULTIPLES)
    track = np.zeros(len(judged))
    for at in range(len(judged)):
        if judged[at] > 0.0:
            evidence = np.minimum((evidence + 1.0) * factors[:, at], ceiling)
        track[at] = evidence.mean()
    return track


@dataclass(frozen=True, slots=True, kw_only=True)
class OnsetSteps:
    """Indices of steps: the likeliest first bad one, and the first and last that are nearly as likely."""

    likeliest: int
    earliest: int
    latest: int


def onset(rule: Sequential, bad: Floats, judged: Floats) -> OnsetSteps | None:
    """Where did what is going on now begin? None if nothing speaks for a breach at the last step.

    It is the start of the current run of the component with the largest evidence: its CUSUM's last zero. The log
    likelihood of a change at s is the path's rise from s to now, so the steps that lie less than 2 nats above the
    path's lowest point are an interval of about 95%.
    """
    path = np.cumsum(gains(rule, bad, judged), axis=1)
    if path.shape[1] == 0:
        return None
    before = np.concatenate((np.zeros((len(path), 1)), path[:, :-1]), axis=1)  # the path just before each step
    rise = path[:, -1:] - before
    component = int(np.argmax(rise.max(axis=1)))
    rising = np.where(judged > 0.0, rise[component], -np.inf)
    if not rising.max() > 0.0:
        return None
    near = np.flatnonzero(rising >= rising.max() - 2.0)
    return OnsetSteps(likeliest=int(np.argmax(rising)), earliest=int(near[0]), latest=int(near[-1]))


def expected_delay_steps(rule: Sequential, mean_judged_per_step: float, multiple: float = 4.0) -> float:
    """About how many steps a breach at `multiple` times the allowed rate takes until Confirmed; infinite without data.

    ln(A) d / (n KL(p1 || p0)), and never fewer than the cap allows.
    """
    if mean_judged_per_step <= 0.0:
        return float("inf")
    p0, n = rule.allowed, mean_judged_per_step
    p1 = min(p0 * multiple, (1.0 + p0) / 2.0)
    information = p1 * np.log(p1 / p0) + (1.0 - p1) * np.log((1.0 - p1) / (1.0 - p0))
    d = max(1.0, 1.0 + rule.clustering * n - rule.clustering / 10.0)
    return max(SEPARATE_STEPS + 1.0, float(np.log(rule.confirmed) * d / (n * information)))
