"""What does a backtest answer? From what was lived through to the report that people and programs read.

Asked by app/backtest/session.py; app/backtest/report_shape.py says what each field is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.aiservice import ClusteringBasis
from firebreak.api.v1alpha1.incident import ActionPhase
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.app.backtest.hindsight import Estimate, Hindsight, Span, Truth, by_truth, hindsight, summed
from firebreak.app.backtest.proposal import proposal
from firebreak.app.backtest.replayed import Lived, Replayed, Track
from firebreak.app.backtest.report_shape import (
    ActionReport,
    Between,
    ChangeReport,
    ClusteringReport,
    EntryReport,
    IncidentReport,
    ObjectiveReport,
    ProposalReport,
    RangeReport,
    Report,
    TotalsReport,
    WeightReport,
    WhatIfReport,
)
from firebreak.app.backtest.sampling import sampling_report
from firebreak.app.backtest.simulation import Assume
from firebreak.core.detectors.rules import Sequential
from firebreak.core.judgement import TRAILING_STEPS, tempered_interval
from firebreak.core.objectives import ObjectiveSpec
from firebreak.core.steps import in_words


def report_of(replayed: Replayed, *, assume: Assume, healthy: Sequence[Span], problems: Iterable[str] = ()) -> Report:
    """Everything that is said of a backtest."""
    variant = replayed.declared.variant
    spec = variant.service.spec
    seen = [(i, hindsight(i, variant, replayed, healthy)) for i in replayed.declared.incidents]
    return Report(
        service=variant.service.metadata.name,
        namespace=variant.service.metadata.namespace,
        policy=spec.containment.policy.name,
        assume=assume,
        range=RangeReport(
            start=replayed.range.start,
            end=replayed.range.end,
            warm_up_seconds=replayed.range.warm_up.total_seconds(),
            step_seconds=replayed.step.total_seconds(),
        ),
        revision_at_start=replayed.revision_at_start,
        objectives=tuple(_objective(track, replayed) for track in replayed.tracks),
        revisions=tuple(ChangeReport(at=d.at, revision=d.revision) for d in replayed.deployed),
        healthy=tuple(healthy),
        incidents=tuple(_incident(i, h) for i, h in seen),
        totals=totals_of(replayed.declared, replayed, healthy),
        what_if=tuple(_what_if(one, replayed, healthy) for one in (replayed.declared, *replayed.others))
        if replayed.others
        else (),
        sampling=sampling_report(replayed),
        proposals=_proposals(replayed, seen, healthy),
        problems=tuple(problems),
    )


def totals_of(lived: Lived, replayed: Replayed, healthy: Sequence[Span]) -> TotalsReport:
    """The sums over a variant's incidents."""
    found = [(i, hindsight(i, lived.variant, replayed, healthy)) for i in lived.incidents]
    kinds = by_truth([h for _, h in found])
    false = [(i, h) for i, h in found if h.truth is Truth.FALSE]
    spared = [h.spared_bad for _, h in found if h.spared_bad is not None and h.truth is not Truth.FALSE]
    minutes = sum(
        ((i.status.resolved_at or replayed.range.end) - h.contained_at).total_seconds() / 60.0
        for i, h in false
        if h.contained_at is not None
    )
    return TotalsReport(
        incidents=len(found),
        contained=sum(h.contained_at is not None for _, h in found),
        true=kinds[Truth.TRUE],
        false=kinds[Truth.FALSE],
        unclear=kinds[Truth.UNCLEAR],
        bad_spared=_between(summed(spared)) if spared else None,
        false_answers=sum(h.answers_contained or 0.0 for _, h in false),
        false_minutes=minutes,
        counted="answers" if replayed.answers is not None else "judged answers",
    )


def _what_if(lived: Lived, replayed: Replayed, healthy: Sequence[Span]) -> WhatIfReport:
    found = [hindsight(i, lived.variant, replayed, healthy) for i in lived.incidents]
    onsets = [i.status.onset or i.status.detected_at for i in lived.incidents]
    delays = [
        (h.contained_at - onset).total_seconds()
        for h, onset in zip(found, onsets, strict=True)
        if h.contained_at is not None and onset is not None and h.truth is not Truth.FALSE
    ]
    return WhatIfReport(
        change=lived.variant.name,
        totals=totals_of(lived, replayed, healthy),
        delay_seconds=median(delays) if delays else None,
        judged=lived.judged,
    )


def _proposals(
    replayed: Replayed, seen: Sequence[tuple[AIIncident, Hindsight]], healthy: Sequence[Span]
) -> tuple[ProposalReport, ...]:
    """An hour around what was contained, or opened, for a reason is not healthy."""
    margin = replayed.step * TRAILING_STEPS
    sick = [
        (
            (i.status.onset or _moment(i.status.detected_at)) - margin,
            (h.ended_at or i.status.resolved_at or replayed.range.end) + margin,
        )
        for i, h in seen
        if h.truth is not Truth.FALSE
    ]
    found = [p for track in replayed.tracks if (p := proposal(track, sick, healthy)) is not None]
    return tuple(
        ProposalReport(
            objective=p.objective,
            because=p.because,
            healthy_steps=p.healthy_steps,
            judged=p.judged,
            rate=p.rate,
            interval=(p.interval.low, p.interval.high) if p.interval else None,
            worst_hour=p.worst_hour,
            worst_hour_rate=p.worst_hour_rate,
            clustering=p.clustering,
            target=f"{100.0 * (1.0 - p.allowed):.6g}%" if p.allowed is not None else "",
            allowed=p.allowed,
            highest_evidence=p.highest_evidence,
            delay_seconds=p.delay.total_seconds() if p.delay is not None else None,
        )
        for p in found
    )


def _objective(track: Track, replayed: Replayed) -> ObjectiveReport:
    spec, counts = track.spec, track.counts
    judged, bad = float(counts.judged.sum()), float(counts.bad.sum())
    rule = spec.rule if isinstance(spec.rule, Sequential) else None
    found = tempered_interval(rule, counts) if rule is not None and judged else None
    last = track.verdicts[-1] if track.verdicts else None
    return ObjectiveReport(
        name=spec.key.objective,
        category=spec.category,
        indicator=str(spec.indicator),
        detector=f"{type(spec.rule).__name__}, step {format_duration(spec.step)}",
        allowed=rule.allowed if rule else None,
        judged=judged,
        bad=bad,
        rate=bad / judged if rule and judged else None,
        interval=(found.low, found.high) if found else None,
        highest_evidence=max((v.evidence for v in track.verdicts if v.evidence is not None), default=None),
        thresholds=thresholds_of(spec),
        last_finding=last.finding if last else "",
        because=last.because if last else "nothing was read",
        clustering=_clustering(spec.key.objective, replayed),
    )


def _clustering(name: str, replayed: Replayed) -> ClusteringReport | None:
    told = replayed.clusterings.get(name)
    if told is None:
        return None
    return ClusteringReport(
        clustering=float(told.value),
        basis=told.basis,
        healthy=told.healthy or "0s",
        needed=told.needed,
        changes=tuple(WeightReport(at=w.at, clustering=w.clustering) for w in replayed.weighed if w.objective == name),
    )


def thresholds_of(spec: ObjectiveSpec) -> dict[str, float]:
    """What the evidence of a ratio is compared with, by tier."""
    if not isinstance(spec.rule, Sequential):
        return {}
    return {"Watch": spec.rule.watch, "Suspected": spec.rule.suspected, "Confirmed": spec.rule.confirmed}


def clustering_in_words(told: ClusteringReport) -> str:
    """For the terminal and the page."""
    if told.basis == ClusteringBasis.ASSUMED:
        return f"clustering G {told.clustering:g} was assumed: there were {told.healthy} of {told.needed} of healthy history"
    since = ", ".join(f"{w.clustering:g} from {w.at:%Y-%m-%d %H:%MZ}" for w in told.changes)
    return f"clustering G was measured: {since} (on {told.healthy} of healthy history at the end)"


def _incident(incident: AIIncident, h: Hindsight) -> IncidentReport:
    status = incident.status
    return IncidentReport(
        name=incident.metadata.name,
        severity=str(status.severity or ""),
        category=str(status.category or ""),
        summary=status.summary,
        onset=status.onset,
        detected_at=_moment(status.detected_at),
        contained_at=h.contained_at,
        containment=in_words(h.containment) if h.containment is not None else "",
        resolved_at=status.resolved_at,
        recorded_end=h.ended_at,
        phase=str(status.phase),
        objectives=tuple(o.name for o in status.objectives),
        because=status.timeline[0].message if status.timeline else "",
        suspects=tuple(f"{s.field}: {s.before} -> {s.after}" for s in status.suspects),
        actions=tuple(
            ActionReport(
                at=a.intended_at,
                kind=str(a.kind),
                words=in_words(a),
                phase=str(a.phase),
                outcome=str(a.outcome) if a.phase is not ActionPhase.SKIPPED else "",
                in_force_at=a.in_force_at,
                writes=tuple(f"{w.target.kind} {w.target.name} {w.path}" for w in a.writes),
                because=a.because,
            )
            for a in status.actions
        ),
        truth=str(h.truth or ""),
        truth_because=h.because,
        bad_before=_between(h.served_bad),
        bad_spared=_between(h.spared_bad),
        answers_contained=h.answers_contained,
        timeline=tuple(EntryReport(at=e.at, reason=e.reason, message=e.message) for e in status.timeline),
    )


def _between(estimate: Estimate | None) -> Between | None:
    if estimate is None:
        return None
    return Between(value=estimate.value, low=estimate.low, high=estimate.high)


def _moment(moment: datetime | None) -> datetime:
    assert moment is not None, "an incident of the simulation is detected when it is opened"
    return moment
