"""Whether the error budget burns too fast, as a verdict.

For tickets: it reaches tier Watch and no higher, so that it opens no incident and contains nothing. A loose objective burns
twice too fast on a healthy service about once in two months at five judged answers a minute (docs/detection.md).
"""

from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.counting import Sanity
from firebreak.core.detectors.burn_rate import judge_burn_rate
from firebreak.core.detectors.rules import BurnRate
from firebreak.core.estimates import interval
from firebreak.core.judgement.counts import Counts, rate, share_needed
from firebreak.core.judgement.verdicts import absent_verdict, inconclusive_verdict
from firebreak.core.objectives import ObjectiveSpec
from firebreak.core.verdict import Finding, Tier, Verdict, VerdictReason


def burn_rate_verdict(spec: ObjectiveSpec, rule: BurnRate, counts: Counts, sanity: Sanity) -> Verdict:
    """`counts` hold at least the longest window, as far as there is history."""
    absent = absent_verdict(spec, counts, sanity)
    if absent is not None:
        return absent
    found = judge_burn_rate(rule, counts.bad, counts.judged, counts.step)
    if found.window is None or found.factor is None or (not found.burns and not found.enough_judged):
        told = f"{share_needed(rule.allowed):g} judged answers are needed in each short window, and were not there"
        return inconclusive_verdict(spec, VerdictReason.TOO_FEW_JUDGED, told, counts.end)
    window = found.window
    long, short = format_duration(window.long), format_duration(window.short)
    return Verdict(
        objective=spec.key,
        finding=Finding.BREACHED if found.burns else Finding.MET,
        reason=VerdictReason.BUDGET_BURNING if found.burns else VerdictReason.WITHIN_OBJECTIVE,
        because=f"{rate(found.bad, found.judged)} bad in the last {long}: the budget burns {found.factor:.2g} times too fast "
        f"over it and {found.short_factor:.2g} times over {short}; {window.factor:g} times over both is a breach",
        at=counts.end,
        query=str(spec.indicator),
        tier=Tier.WATCH if found.burns else Tier.NONE,
        judged=found.judged,
        bad=found.bad,
        estimate=found.bad / found.judged if found.judged else None,
        interval=interval(found.bad, found.judged, 1.0),
        evidence=found.factor,
        threshold=window.factor,
    )
