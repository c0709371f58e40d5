"""Right after a change: does being worse than the known-good revision make an objective breached?

Only together with the objective itself. Worse than the known-good one and within the objective is told (condition
NoRegression) and opens no incident: what the team has promised is kept. Worse, and worse than the objective allows, is a
breach as sure as Confirmed: the error is that of the comparison, a stated one per change, and going back is the cure.
What has no evidence of its own now stays what it is: missing, thin and unreadable are never a breach.
"""

from dataclasses import replace

from firebreak.core.comparison import Comparison
from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.sequential import onset
from firebreak.core.judgement.counts import Counts, clock, rate, tempered_interval
from firebreak.core.judgement.verdicts import Kind
from firebreak.core.just_changed import Change
from firebreak.core.verdict import Finding, Onset, Tier, Verdict, VerdictReason

_SPEAKS = (
    VerdictReason.WITHIN_OBJECTIVE,
    VerdictReason.ABOVE_BUT_UNPROVEN,
    VerdictReason.EVIDENCE_OF_BREACH,
)


def kind_after_change(kind: Kind, comparison: Comparison) -> Kind:
    """The kind of `verdict_after_change`."""
    if kind.reason not in _SPEAKS or kind.tier is Tier.CONFIRMED or not comparison.is_breach:
        return kind
    return Kind(Finding.BREACHED, VerdictReason.WORSE_THAN_KNOWN_GOOD, Tier.CONFIRMED)


def verdict_after_change(
    rule: Sequential, verdict: Verdict, comparison: Comparison, change: Change, after: Counts
) -> Verdict:
    """What Sequential says, unless the comparison is the surer; `after` are the new revision's counts since the change."""
    kind = kind_after_change(Kind(verdict.finding, verdict.reason, verdict.tier), comparison)
    if kind.reason is not VerdictReason.WORSE_THAN_KNOWN_GOOD:
        return verdict
    found = comparison.found
    between = tempered_interval(rule, after)
    alone = f"{verdict.evidence:.3g} of {rule.confirmed:g}" if verdict.evidence is not None else "none"
    whose = "the known-good revision" if comparison.labelled else "what served"
    when = "at the same time" if comparison.side_by_side else "before the change"
    known = rate(comparison.known_bad, comparison.known_judged)
    return replace(
        verdict,
        finding=kind.finding,
        reason=kind.reason,
        tier=kind.tier,
        because=f"{change.revision} is worse than the known-good {change.known_good} and than the objective: "
        f"{rate(found.bad, found.judged)} bad since the change at {clock(change.since)} ({between}), "
        f"at least {found.at_least:.2%} (90%), {rule.allowed:.2%} allowed; {known} of {whose} {when} ({comparison.known_interval}); "
        f"evidence {found.evidence:.3g} ({found.threshold:.3g}: without a regression in at most "
        f"{_error(comparison):.0%} of changes); by the objective alone {alone}",
        judged=found.judged,
        bad=found.bad,
        estimate=found.bad / found.judged,
        interval=between,
        onset=_onset(rule, comparison, after),
    )


def _error(comparison: Comparison) -> float:
    return (1.0 if comparison.side_by_side else 2.0) / comparison.found.threshold


def _onset(rule: Sequential, comparison: Comparison, after: Counts) -> Onset | None:
    """Where it began to be worse than the known-good one; never before the change."""
    against = comparison.found.against
    began = onset(replace(rule, allowed=against), after.bad, after.judged) if 0.0 < against < 1.0 else None
    if began is None:
        return Onset(at=after.starts(0), earliest=after.starts(0), latest=after.end)
    return Onset(
        at=after.starts(began.likeliest),
        earliest=after.starts(began.earliest),
        latest=after.starts(began.latest) + after.step,
    )
