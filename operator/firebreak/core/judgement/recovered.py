"""Whether a containment helped, on what was counted since its effect."""

from datetime import datetime

import numpy as np

from firebreak.core.detectors.count import judge_count
from firebreak.core.detectors.rules import BurnRate, Count, Sequential, Threshold
from firebreak.core.detectors.tempering import Floats
from firebreak.core.detectors.threshold import is_beyond
from firebreak.core.estimates import interval
from firebreak.core.judgement.counts import Counts, rate, span
from firebreak.core.objectives import ObjectiveSpec
from firebreak.core.recovery import CALLED_AT, judge_recovery
from firebreak.core.verdict import RecoveryFinding, RecoveryVerdict


def recovery_of(spec: ObjectiveSpec, counts: Counts, incident_rate: float | None) -> RecoveryVerdict:
    """On the counts since the effect, for a ratio or a count of events."""
    match spec.rule:
        case Sequential() as rule:
            return _ratio_recovery(spec, rule, counts, incident_rate)
        case BurnRate(allowed=allowed):
            # Whether it is good again is asked of the objective itself, however fast its budget was spent.
            return _ratio_recovery(spec, Sequential(allowed=allowed), counts, incident_rate)
        case Count() as rule:
            return _count_recovery(spec, rule, counts)
        case _:
            raise TypeError(f"{spec.key} is not judged on counts")


def gauge_recovery(spec: ObjectiveSpec, rule: Threshold, values: Floats, end: datetime) -> RecoveryVerdict:
    """On the values since the effect: within the limit for as long as a breach must last, or beyond it so long."""
    finding, because = RecoveryFinding.INCONCLUSIVE, "no value since"
    present = np.flatnonzero(~np.isnan(values))
    if len(present) and present[-1] == len(values) - 1:
        beyond = np.array([is_beyond(rule, float(v)) for v in values[present]])
        last_other = np.flatnonzero(beyond != beyond[-1])
        first = int(present[last_other[-1] + 1]) if len(last_other) else int(present[0])
        lasted = spec.step * (len(values) - 1 - first)
        because = f"{values[-1]:g}, {'beyond' if beyond[-1] else 'within'} the limit for {span(lasted)}"
        if lasted >= rule.lasting:
            finding = RecoveryFinding.NOT_HELPED if beyond[-1] else RecoveryFinding.RECOVERED
    return RecoveryVerdict(objective=spec.key, finding=finding, because=because, at=end, steps=len(present))


def _ratio_recovery(
    spec: ObjectiveSpec, rule: Sequential, counts: Counts, incident_rate: float | None
) -> RecoveryVerdict:
    found = judge_recovery(rule, counts.bad, counts.judged, incident_rate)
    between = interval(found.bad, found.judged, found.design_effect)
    said = {
        RecoveryFinding.RECOVERED: f"e {found.recovered:.3g} for the objective being met",
        RecoveryFinding.IMPROVED: f"e {found.improved:.3g} for less than half of the incident's rate",
        RecoveryFinding.NOT_HELPED: f"e {found.not_helped:.3g} for the objective still being breached",
    }.get(found.finding, f"met {found.recovered:.3g}, breached {found.not_helped:.3g}, {CALLED_AT:g} needed")
    return RecoveryVerdict(
        objective=spec.key,
        finding=found.finding,
        because=f"{rate(found.bad, found.judged)} bad in {found.steps} steps since ({between}), "
        f"{rule.allowed:.2%} allowed; {said}",
        at=counts.end,
        steps=found.steps,
        judged=found.judged,
        bad=found.bad,
        interval=between,
        improved_evidence=found.improved,
        recovered_evidence=found.recovered,
        not_helped_evidence=found.not_helped,
    )


def _count_recovery(spec: ObjectiveSpec, rule: Count, counts: Counts) -> RecoveryVerdict:
    window = max(1, round(rule.within / counts.step))
    events = float(counts.bad.sum())
    recent = judge_count(rule.at_least, window, counts.bad)
    if recent.reached:
        finding = RecoveryFinding.NOT_HELPED
    elif len(counts) >= window and recent.events == 0.0:
        finding = RecoveryFinding.RECOVERED
    else:
        finding = RecoveryFinding.INCONCLUSIVE
    return RecoveryVerdict(
        objective=spec.key,
        finding=finding,
        because=f"{events:g} events in {span(counts.step * len(counts))} since; "
        f"{span(rule.within)} without one is recovered, {rule.at_least:g} within it is not",
        at=counts.end,
        steps=len(counts),
        judged=events,
        bad=events,
    )
