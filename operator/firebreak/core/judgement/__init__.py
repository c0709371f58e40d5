"""What do counts and values say about an objective, in words with the numbers they rest on?

From what detectors found to a `Verdict`, a `RecoveryVerdict` or a `Health`. Asked by app/sampler.py for live verdicts
and by the backtest for past ones; holds nothing, reads no clock.
"""

from firebreak.core.judgement.burning import burn_rate_verdict
from firebreak.core.judgement.changed import kind_after_change, verdict_after_change
from firebreak.core.judgement.counts import Counts, tempered_interval
from firebreak.core.judgement.health import gauge_health, health_of
from firebreak.core.judgement.recovered import gauge_recovery, recovery_of
from firebreak.core.judgement.scope import SegmentCounts, worse_segments
from firebreak.core.judgement.verdicts import (
    ABSENT_AFTER_STEPS,
    TRAILING_STEPS,
    Kind,
    count_verdict,
    error_verdict,
    inconclusive_verdict,
    sequential_kind,
    sequential_verdict,
    threshold_verdict,
)

__all__ = [
    "ABSENT_AFTER_STEPS",
    "TRAILING_STEPS",
    "Counts",
    "Kind",
    "SegmentCounts",
    "burn_rate_verdict",
    "count_verdict",
    "error_verdict",
    "gauge_health",
    "gauge_recovery",
    "health_of",
    "inconclusive_verdict",
    "kind_after_change",
    "recovery_of",
    "sequential_kind",
    "sequential_verdict",
    "tempered_interval",
    "threshold_verdict",
    "verdict_after_change",
    "worse_segments",
]
