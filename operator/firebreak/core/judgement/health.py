"""Whether an objective was met over a span, for known-good: on the upper bound, not on the rate."""

from dataclasses import replace

import numpy as np

from firebreak.core.detectors.rules import BurnRate, Count, Sequential, Threshold
from firebreak.core.detectors.sequential import expected_delay_steps
from firebreak.core.detectors.tempering import Floats, design_effect
from firebreak.core.detectors.threshold import judge_threshold
from firebreak.core.estimates import upper_bound
from firebreak.core.judgement.counts import Counts, rate, span
from firebreak.core.objectives import ObjectiveSpec
from firebreak.core.verdict import Health


def health_of(spec: ObjectiveSpec, counts: Counts) -> Health:
    """On the counts of a revision over a span."""
    covered = counts.step * len(counts)
    judged, bad = float(counts.judged.sum()), float(counts.bad.sum())
    match spec.rule:
        case Sequential() as rule:
            per_step = judged / len(counts) if len(counts) else 0.0
            discount = float(design_effect(rule.clustering, np.array([per_step]))[0])
            upper = upper_bound(bad / discount, judged / discount, 0.05)
            delay = expected_delay_steps(rule, per_step)
            return Health(
                meets=upper <= rule.allowed,
                because=f"{rate(bad, judged)} bad, at most {upper:.2%} (95%), {rule.allowed:.2%} allowed",
                judged=judged,
                bad=bad,
                upper_bound=upper,
                expected_delay=counts.step * delay if np.isfinite(delay) else None,
                span=covered,
            )
        case BurnRate(allowed=allowed):
            return health_of(replace(spec, rule=Sequential(allowed=allowed)), counts)
        case Count() as rule:
            window = max(1, round(rule.within / counts.step))
            sums = np.convolve(counts.bad, np.ones(window)) if len(counts) else np.zeros(1)
            return Health(
                meets=bool(len(counts)) and float(sums.max()) < rule.at_least,
                because=f"{bad:g} events in {span(covered)}",
                judged=judged,
                bad=bad,
                upper_bound=None,
                expected_delay=counts.step,
                span=covered,
            )
        case _:
            raise TypeError(f"{spec.key} is not judged on counts")


def gauge_health(spec: ObjectiveSpec, rule: Threshold, values: Floats) -> Health:
    """On a gauge's values over a span: never beyond the limit for as long as a breach must last, and there now."""
    breached = any(
        s.beyond and spec.step * s.run_steps >= rule.lasting
        for s in (judge_threshold(rule, values[: end + 1]) for end in range(len(values)))
    )
    there = bool(len(values)) and not np.isnan(values[-1])
    return Health(
        meets=there and not breached,
        because="no value" if not there else ("beyond its limit meanwhile" if breached else "within its limit"),
        judged=0.0,
        bad=0.0,
        upper_bound=None,
        expected_delay=rule.lasting + spec.step,
        span=spec.step * len(values),
    )
