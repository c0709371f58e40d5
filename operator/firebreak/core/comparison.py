"""Is what serves since a change worse than the known-good revision, and by which numbers?

Made by app/just_changed.py, read by core/attribution.py and core/judgement/changed.py. What must stay true: thin
knowledge decides nothing. A known-good revision counts as bad itself only when it is told apart by label and the whole
interval of its rate lies above what the objective allows.
"""

from dataclasses import dataclass

from firebreak.core.detectors.regression import Regression, RegressionFinding
from firebreak.core.verdict import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One objective, the revision that serves held against the known-good one."""

    found: Regression
    labelled: bool  # the counts are of these two revisions alone; else of whatever served before and since
    side_by_side: bool  # the known-good one at the same time; else before the change
    known_judged: float
    known_bad: float
    known_interval: Interval  # 95%, widened for clustering
    allowed: float
    incomparable: str = ""  # why the numbers say nothing of the change: another judge, or both have become worse

    @property
    def is_regression(self) -> bool:
        """It was called worse, at the stated rate of error per change; whatever the objective allows."""
        return self.found.finding is RegressionFinding.REGRESSION and not self.incomparable

    @property
    def is_breach(self) -> bool:
        """It is worse still, and worse than the objective allows: what users get now is what the change has done."""
        return self.is_regression and self.found.is_beyond(self.allowed)

    @property
    def is_no_worse(self) -> bool:
        """It is not twice as bad, and the known-good revision itself did not meet the objective: going back is no cure.

        Of a known-good revision that met its objective nothing is concluded: less than twice as bad may be a breach.
        """
        is_no_worse = self.found.finding is RegressionFinding.NO_REGRESSION and not self.incomparable
        return is_no_worse and self.labelled and self.known_interval.low > self.allowed

    @property
    def because(self) -> str:
        """The numbers."""
        when = "at the same time" if self.side_by_side else "before the change"
        rate = self.found.bad / self.found.judged if self.found.judged else 0.0
        whose = "the known-good revision" if self.labelled else "what served"
        known = self.known_bad / self.known_judged if self.known_judged else 0.0
        return (
            f"{self.found.bad:.0f} of {self.found.judged:.0f} judged ({rate:.1%}) bad since the change, "
            f"{self.known_bad:.0f} of {self.known_judged:.0f} ({known:.1%}, {self.known_interval}) of {whose} "
            f"{when}; evidence {self.found.evidence:.3g}, {self.found.threshold:.3g} is called a regression"
            + (f"; {self.incomparable}" if self.incomparable else "")
        )
