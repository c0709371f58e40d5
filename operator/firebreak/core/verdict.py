"""What has been found out about an objective, and about a containment: the one vocabulary of every detector.

Detectors answer with a `Verdict`; `decide`, status, events, `explain` and the backtest read nothing else.
What must stay true: missing or thin evidence is INCONCLUSIVE, a source that cannot be read is ERROR, and neither of
the two is ever a breach. `because` is written for someone woken at night and carries the numbers it rests on.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from firebreak.core.objectives import ObjectiveKey


class Finding(StrEnum):
    MET = "Met"
    BREACHED = "Breached"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


class Tier(IntEnum):
    """How rare a false alarm as strong as this one is; an action names the tier that it needs."""

    NONE = 0
    WATCH = 1
    SUSPECTED = 2
    CONFIRMED = 3

    @property
    def label(self) -> str:
        return self.name.capitalize()


class VerdictReason(StrEnum):
    WITHIN_OBJECTIVE = "WithinObjective"
    EVIDENCE_OF_BREACH = "EvidenceOfBreach"  # Sequential: the evidence reached the threshold of a tier
    WORSE_THAN_KNOWN_GOOD = "WorseThanKnownGood"  # just changed: worse than the known-good revision, and than allowed
    BUDGET_BURNING = "BudgetBurning"  # BurnRate: both windows burn faster than allowed
    COUNT_REACHED = "CountReached"  # Count: k events within the window
    BEYOND_THRESHOLD = "BeyondThreshold"  # Threshold: beyond the limit for long enough
    ABSENT = "Absent"  # Threshold with `absent: Breach`: the heartbeat is gone
    NOT_SAMPLED_YET = "NotSampledYet"  # nothing has been read since the objective was declared
    NO_SERIES = "NoSeries"  # the selectors match nothing that carries the service's labels
    TOO_FEW_JUDGED = "TooFewJudged"  # series exist, but hardly anything was counted lately
    ABOVE_BUT_UNPROVEN = "AboveButUnproven"  # the rate looks too high, the evidence is short of the first tier
    NOT_LONG_ENOUGH = "NotLongEnough"  # Threshold: beyond the limit, not yet for the declared time
    STALE = "Stale"  # the last evidence is too old to speak of now
    JUDGE_COVERAGE_LOST = "JudgeCoverageLost"  # answers flow, and hardly any is judged
    NO_SUCH_BUCKET = "NoSuchBucket"  # a histogram has no bucket that ends at the declared limit
    SEVERAL_WRITERS = "SeveralWriters"  # several processes write one series, and each takes away from the other's count
    INVALID_VALUES = "InvalidValues"  # NaN or infinite
    SOURCE_UNREACHABLE = "SourceUnreachable"
    QUERY_REFUSED = "QueryRefused"
    PARTIAL_RESPONSE = "PartialResponse"
    SPEC_REFUSED = "SpecRefused"  # a selector that Firebreak will not send


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95% interval for a rate, widened for clustering (counts divided by the tempering factor)."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.2%}–{self.high:.2%}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Onset:
    """When it began: the likeliest moment, and between which moments it lies with about 95% confidence."""

    at: datetime
    earliest: datetime
    latest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known about one objective at one moment.

    `judged` and `bad` are the counts the sentence speaks of: since the onset for a breach, else of the trailing hour
    (60 steps). For a Threshold `estimate` is the gauge's value and the counts are None. `threshold` is what `evidence`
    is compared with; for Sequential it is that of the highest tier reached, or of Watch if none is;
    both are the objective's own, also where a comparison right after a change is what makes it a breach.
    """

    objective: ObjectiveKey
    finding: Finding
    reason: VerdictReason
    because: str
    at: datetime  # the end of the last step that the verdict rests on
    query: str
    tier: Tier = Tier.NONE
    judged: float | None = None
    bad: float | None = None
    estimate: float | None = None
    interval: Interval | None = None
    evidence: float | None = None
    threshold: float | None = None
    onset: Onset | None = None

    def reaches(self, tier: Tier) -> bool:
        """Is this a breach at least as sure as `tier`?"""
        return self.finding is Finding.BREACHED and self.tier >= tier


class RecoveryFinding(StrEnum):
    RECOVERED = "Recovered"
    IMPROVED = "Improved"
    NOT_HELPED = "NotHelped"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryVerdict:
    """Whether a containment helped, judged on evidence from after it took effect only."""

    objective: ObjectiveKey
    finding: RecoveryFinding
    because: str
    at: datetime
    steps: int = 0  # with something judged, since the effect
    judged: float = 0.0
    bad: float = 0.0
    interval: Interval | None = None
    improved_evidence: float | None = None  # each is compared with 20, i.e. an error of at most 5%
    recovered_evidence: float | None = None
    not_helped_evidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether an objective was met over a span, for known-good: on the upper bound, not on the rate."""

    meets: bool
    because: str
    judged: float
    bad: float
    upper_bound: float | None  # 95%, tempered; None for gauges and counts of events
    expected_delay: timedelta | None  # until a breach at 4x the allowed rate is Confirmed, at the observed volume
    span: timedelta  # how much of the asked span is known
