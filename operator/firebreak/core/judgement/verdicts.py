"""The verdict on an objective now, by its rule."""

from datetime import datetime
from typing import NamedTuple

from firebreak.core.counting import Sanity
from firebreak.core.detectors.count import judge_count
from firebreak.core.detectors.rules import Absence, Count, Sequential, Threshold
from firebreak.core.detectors.sequential import onset, threshold_of, tier_of
from firebreak.core.detectors.tempering import Floats
from firebreak.core.detectors.threshold import judge_threshold
from firebreak.core.judgement.counts import Counts, clock, rate, span, tempered_interval
from firebreak.core.objectives import ObjectiveSpec
from firebreak.core.verdict import Finding, Onset, Tier, Verdict, VerdictReason

TRAILING_STEPS = 60
LEAST_JUDGED = 10.0  # in the trailing steps; below that not even the absence of a breach means anything
ABSENT_AFTER_STEPS = 5  # a scrape may be missed


class Kind(NamedTuple):
    """What is new when it changes; numbers alone are not."""

    finding: Finding
    reason: VerdictReason
    tier: Tier


def sequential_kind(rule: Sequential, evidence: float, recent: Counts, sanity: Sanity) -> Kind:
    """What kind of verdict it is; `recent` are the counts of the trailing steps. Cheap, for it is asked of a fleet."""
    if sanity.seen is None or sanity.seen > ABSENT_AFTER_STEPS:
        return Kind(Finding.INCONCLUSIVE, VerdictReason.NO_SERIES, Tier.NONE)
    judged, bad = float(recent.judged.sum()), float(recent.bad.sum())
    tier = tier_of(evidence, rule)
    if judged <= 0.0 or (judged < LEAST_JUDGED and tier is Tier.NONE):
        return Kind(Finding.INCONCLUSIVE, VerdictReason.TOO_FEW_JUDGED, Tier.NONE)
    if tier is not Tier.NONE:
        return Kind(Finding.BREACHED, VerdictReason.EVIDENCE_OF_BREACH, tier)
    # Within the objective by the rate alone, no interval can lie above it.
    if bad > rule.allowed * judged and tempered_interval(rule, recent).low > rule.allowed:
        return Kind(Finding.INCONCLUSIVE, VerdictReason.ABOVE_BUT_UNPROVEN, Tier.NONE)
    return Kind(Finding.MET, VerdictReason.WITHIN_OBJECTIVE, Tier.NONE)


def sequential_verdict(
    spec: ObjectiveSpec, rule: Sequential, evidence: float, counts: Counts, sanity: Sanity
) -> Verdict:
    """`counts` hold the trailing history, of which the evidence is a fold."""
    recent = counts.since(max(0, len(counts) - TRAILING_STEPS))
    kind = sequential_kind(rule, evidence, recent, sanity)
    tier, threshold = kind.tier, threshold_of(kind.tier, rule)
    judged, bad = float(recent.judged.sum()), float(recent.bad.sum())
    length = span(counts.step * TRAILING_STEPS)
    absent = _absent(spec, counts, sanity)
    if absent is not None:
        return absent
    if kind.reason is VerdictReason.TOO_FEW_JUDGED:
        told = f"{judged:g} judged in the last {length}"
        return _inconclusive(spec, VerdictReason.TOO_FEW_JUDGED, told, counts.end, judged, bad)
    if tier is Tier.NONE:
        between = tempered_interval(rule, recent)
        return Verdict(
            objective=spec.key,
            finding=kind.finding,
            reason=kind.reason,
            because=f"{rate(bad, judged)} bad in the last {length} ({between}), {rule.allowed:.2%} allowed; "
            f"evidence {evidence:.3g} of {threshold:g}",
            at=counts.end,
            query=str(spec.indicator),
            judged=judged,
            bad=bad,
            estimate=bad / judged,
            interval=between,
            evidence=evidence,
            threshold=threshold,
        )
    began = onset(rule, counts.bad, counts.judged)
    since = counts.since(began.likeliest) if began else recent
    judged, bad = float(since.judged.sum()), float(since.bad.sum())
    between = tempered_interval(rule, since)
    when = (
        Onset(
            at=counts.starts(began.likeliest),
            earliest=counts.starts(began.earliest),
            latest=counts.starts(began.latest) + counts.step,
        )
        if began
        else None
    )
    return Verdict(
        objective=spec.key,
        finding=Finding.BREACHED,
        reason=VerdictReason.EVIDENCE_OF_BREACH,
        because=f"{rate(bad, judged)} bad since {clock(when.at) if when else 'long ago'} ({between}), "
        f"{rule.allowed:.2%} allowed; evidence {evidence:.3g} reaches {tier.label} ({threshold:g}: "
        f"without a breach once in {span(counts.step * int(threshold))})",
        at=counts.end,
        query=str(spec.indicator),
        tier=tier,
        judged=judged,
        bad=bad,
        estimate=bad / judged if judged else None,
        interval=between,
        evidence=evidence,
        threshold=threshold,
        onset=when,
    )


def count_verdict(spec: ObjectiveSpec, rule: Count, counts: Counts, sanity: Sanity) -> Verdict:
    """`counts.bad` are the events."""
    window = max(1, round(rule.within / counts.step))
    state = judge_count(rule.at_least, window, counts.bad)
    length = span(rule.within)
    if not state.reached:
        # Events that were counted stay counted; it is their absence that needs a series which is there.
        absent = _absent(spec, counts, sanity)
        if absent is not None:
            return absent
    started = counts.starts(state.since) if state.since is not None else None
    return Verdict(
        objective=spec.key,
        finding=Finding.BREACHED if state.reached else Finding.MET,
        reason=VerdictReason.COUNT_REACHED if state.reached else VerdictReason.WITHIN_OBJECTIVE,
        because=f"{state.events:g} in the last {length}, {rule.at_least:g} breach"
        + (f"; the first after {clock(started)}" if started and state.reached else ""),
        at=counts.end,
        query=str(spec.indicator),
        tier=Tier.CONFIRMED if state.reached else Tier.NONE,
        bad=state.events,
        evidence=state.events,
        threshold=rule.at_least,
        onset=Onset(at=started, earliest=started, latest=started + counts.step)
        if started is not None and state.reached
        else None,
    )


def threshold_verdict(
    spec: ObjectiveSpec, rule: Threshold, values: Floats, end: datetime, invalid: bool = False
) -> Verdict:
    """`values` at consecutive moments (NaN: none), the last one at `end`; `invalid` if that one was NaN or infinite."""
    state = judge_threshold(rule, values)
    wanted = f"above {rule.above:g}" if rule.above is not None else f"below {rule.below:g}"
    limit = rule.above if rule.above is not None else rule.below
    if state.value is None and (invalid or not (rule.absent is Absence.BREACH and state.beyond)):
        reason = VerdictReason.INVALID_VALUES if invalid else VerdictReason.NO_SERIES
        told = "the value is NaN or infinite" if invalid else "no value"
        return _inconclusive(spec, reason, f"{told} at {clock(end)}", end)
    missing = " or no value" if rule.absent is Absence.BREACH else ""
    shown = "no value" if state.value is None else f"{state.value:g}"
    run = spec.step * state.run_steps
    reached = state.beyond and run >= rule.lasting
    if not state.beyond:
        finding, reason = Finding.MET, VerdictReason.WITHIN_OBJECTIVE
    elif reached:
        finding = Finding.BREACHED
        reason = VerdictReason.ABSENT if state.value is None else VerdictReason.BEYOND_THRESHOLD
    else:
        finding, reason = Finding.INCONCLUSIVE, VerdictReason.NOT_LONG_ENOUGH
    started = end - spec.step * (len(values) - 1 - state.run_from) if state.run_from is not None else None
    # The value was seen within the limit one step before at the latest, or at the last such sight.
    before = (
        end - spec.step * (len(values) - 1 - state.last_within)
        if state.last_within is not None
        else (started - spec.step if started else None)
    )
    return Verdict(
        objective=spec.key,
        finding=finding,
        reason=reason,
        because=f"{shown}; a breach is {wanted}{missing} for {span(rule.lasting)}"
        + (f"; so for {span(run)} since {clock(started)}" if started else ""),
        at=end,
        query=str(spec.indicator),
        tier=Tier.CONFIRMED if reached else Tier.NONE,
        estimate=state.value,
        evidence=run.total_seconds(),
        threshold=limit,
        onset=Onset(at=started, earliest=before or started, latest=started) if started and reached else None,
    )


def error_verdict(spec: ObjectiveSpec, reason: VerdictReason, because: str, at: datetime) -> Verdict:
    return Verdict(
        objective=spec.key, finding=Finding.ERROR, reason=reason, because=because, at=at, query=str(spec.indicator)
    )


def inconclusive_verdict(spec: ObjectiveSpec, reason: VerdictReason, because: str, at: datetime) -> Verdict:
    return _inconclusive(spec, reason, because, at)


def absent_verdict(spec: ObjectiveSpec, counts: Counts, sanity: Sanity) -> Verdict | None:
    """What is said where the series are not there; None where they are."""
    return _absent(spec, counts, sanity)


def _absent(spec: ObjectiveSpec, counts: Counts, sanity: Sanity) -> Verdict | None:
    """What is said where the series are not there; None where they are."""
    if sanity.seen is None:
        owner = ", ".join(f'{name}="{value}"' for name, value in spec.matchers)
        return _inconclusive(
            spec,
            VerdictReason.NO_SERIES,
            f"no series of {spec.indicator} with {spec.labels.namespace}={spec.key.namespace!r} and {owner or 'any label'}",
            counts.end,
        )
    if sanity.seen > ABSENT_AFTER_STEPS:
        gone = counts.end - counts.step * sanity.seen
        return _inconclusive(spec, VerdictReason.NO_SERIES, f"the series are gone since {clock(gone)}", counts.end)
    return None


def _inconclusive(
    spec: ObjectiveSpec,
    reason: VerdictReason,
    because: str,
    at: datetime,
    judged: float | None = None,
    bad: float | None = None,
) -> Verdict:
    return Verdict(
        objective=spec.key,
        finding=Finding.INCONCLUSIVE,
        reason=reason,
        because=because,
        at=at,
        query=str(spec.indicator),
        judged=judged,
        bad=bad,
    )
