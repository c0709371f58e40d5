"""Bad and judged at consecutive steps, with the times they stand for; and how people read them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.tempering import Floats, design_effect, mean_judged
from firebreak.core.estimates import interval
from firebreak.core.verdict import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Bad and judged at consecutive steps, the last one ending at `end`."""

    bad: Floats
    judged: Floats
    end: datetime
    step: timedelta

    def __len__(self) -> int:
        return len(self.judged)

    def starts(self, index: int) -> datetime:
        """When the step began."""
        return self.end - self.step * (len(self) - index)

    def since(self, index: int) -> "Counts":
        return Counts(bad=self.bad[index:], judged=self.judged[index:], end=self.end, step=self.step)


def discount_of(rule: Sequential, counts: Counts) -> float:
    """By how much clustering makes the counts say less, over all of these steps."""
    some = counts.judged > 0.0
    if not some.any():
        return 1.0
    # Weighed by what was judged: a few large steps matter as much as they say.
    effects = design_effect(rule.clustering, mean_judged(counts.judged))[some]
    return float(np.average(effects, weights=counts.judged[some]))


def tempered_interval(rule: Sequential, counts: Counts) -> Interval:
    return interval(float(counts.bad.sum()), float(counts.judged.sum()), discount_of(rule, counts))


def share_needed(allowed: float) -> float:
    """How much must be judged before a rate says anything of an objective: ten bad ones must be possible within it."""
    return 10.0 / allowed


def rate(bad: float, judged: float) -> str:
    return f"{bad:g} of {judged:g} judged ({bad / judged:.1%})" if judged else "0 of 0 judged"


def clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M:%SZ}"


def span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds} s"
