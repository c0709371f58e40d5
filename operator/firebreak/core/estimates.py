"""Which rates are compatible with k bad of n judged?

Clopper-Pearson, by the incomplete beta function, for counts that need not be whole (tempered counts are not).
Asked for the intervals that people read, for known-good, and for before/after comparisons.
"""

import math

from firebreak.core.verdict import Interval

_TINY = 1e-300


def upper_bound(bad: float, judged: float, alpha: float) -> float:
    """The rate above which k or fewer bad would come with probability below `alpha`; 1 without evidence."""
    if judged <= 0.0 or bad >= judged:
        return 1.0
    return _beta_quantile(1.0 - alpha, bad + 1.0, judged - bad)


def lower_bound(bad: float, judged: float, alpha: float) -> float:
    """The rate below which k or more bad would come with probability below `alpha`; 0 without evidence."""
    if judged <= 0.0 or bad <= 0.0:
        return 0.0
    return _beta_quantile(alpha, bad, max(judged - bad, 0.0) + 1.0)


def interval(bad: float, judged: float, design_effect: float = 1.0) -> Interval:
    """95% for the rate, the counts divided by `design_effect` first."""
    bad, judged = bad / design_effect, judged / design_effect
    return Interval(low=lower_bound(bad, judged, 0.025), high=upper_bound(bad, judged, 0.025))


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """Where the cdf reaches `probability`: regula falsi (Illinois), which keeps a bracket and needs about ten steps."""
    low, high = 0.0, 1.0
    below, above = -probability, 1.0 - probability
    mean = a / (a + b)
    middle, side = min(max(mean, 1e-12), 1.0 - 1e-12), 0
    for _ in range(200):
        value = beta_cdf(middle, a, b) - probability
        if value < 0.0:
            low, below = middle, value
            above = above / 2.0 if side < 0 else above
            side = -1
        else:
            high, above = middle, value
            below = below / 2.0 if side > 0 else below
            side = 1
        if high - low <= 1e-12 or abs(value) < 1e-10:
            break
        middle = (low * above - high * below) / (above - below)
    return middle


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22, Lentz's method)."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    value, c, d = 1.0, 1.0, 0.0
    for i in range(1000):
        m = i // 2
        if i == 0:
            numerator = 1.0
        elif i % 2 == 0:
            numerator = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        else:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        d = 1.0 + numerator * d
        d = 1.0 / (d if abs(d) > _TINY else _TINY)
        c = 1.0 + numerator / (c if abs(c) > _TINY else _TINY)
        value *= c * d
        if abs(1.0 - c * d) < 1e-14:
            break
    return front * (value - 1.0) / a
