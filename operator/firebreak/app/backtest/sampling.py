"""What would the raises of the judge's sampling rate have cost?

Asked by app/backtest/report.py. How often, how long and why is played (app/backtest/raises.py); how many more answers
would have been judged follows from the answers that were given and the raised rate, where both are known.
"""

from datetime import timedelta

from firebreak.api.v1alpha1.aiservice import SamplingRate
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.app.backtest.raises import Raise
from firebreak.app.backtest.replayed import Replayed, Track, between
from firebreak.app.backtest.report_shape import RaiseReport, SamplingReport
from firebreak.core.detectors.rules import Sequential
from firebreak.core.sampling_evidence import rate_of

_UNSEEN = (
    "what the answers that were not judged would have said is not in the history: "
    "live, containments come sooner than here, and raises end sooner or later"
)


def sampling_report(replayed: Replayed) -> SamplingReport | None:
    """Of the declared service; None where it declares no sampling rate."""
    judge = replayed.declared.variant.service.spec.judge
    if judge is None:
        return None
    declared = judge.sampling_rate
    tracks = [t for t in replayed.tracks if isinstance(t.spec.rule, Sequential) and t.first is not None]
    raises = tuple(_raise(r, declared, tracks, replayed) for r in replayed.raises)
    known = [r.judged_raised for r in raises if r.judged_raised is not None]
    raised = sum(known) if len(known) == len(raises) else None
    judged, all_judged = sum(r.judged for r in raises), sum(float(t.judged.sum()) for t in tracks)
    return SamplingReport(
        raised=declared.raised,
        daily_budget=format_duration(declared.daily_budget),
        raises=raises,
        seconds=sum(((r.until or replayed.range.end) - r.since).total_seconds() for r in raises),
        judged=judged,
        judged_raised=raised,
        more=(raised - judged) / all_judged if raised is not None and all_judged else None,
        unknown="; ".join(filter(None, (_UNSEEN, _why_not(declared, replayed) if raises else ""))),
    )


def sampling_in_words(told: SamplingReport) -> str:
    """For the terminal and the page."""
    if not told.raises:
        return f"the judge's sampling rate would never have been raised to {told.raised}"
    number = len(told.raises)
    words = (
        f"the judge's sampling rate would have been raised to {told.raised} "
        f"{'once' if number == 1 else f'{number} times'}, for {format_duration(timedelta(seconds=told.seconds))} in all; "
        f"{told.judged:,.0f} answers were judged meanwhile"
    )
    if told.judged_raised is not None:
        words += f", at {told.raised} it would have been about {told.judged_raised:,.0f}"
    return f"{words} ({told.more:+.1%} of all that were judged)" if told.more is not None else words


def _raise(one: Raise, declared: SamplingRate, tracks: list[Track], replayed: Replayed) -> RaiseReport:
    until = one.until or replayed.range.end
    counted = [t.between(one.since, until) for t in tracks]
    judged = [float(counts.judged.sum()) if counts is not None else 0.0 for counts in counted]
    rate, raised = rate_of(declared.raised), None
    if rate is not None and replayed.answers is not None:
        answers = float(between(replayed.answers, one.since, until).judged.sum())
        # A judge that looks at more than that already judges no less for it.
        raised = sum(max(n, rate * answers) for n in judged)
    return RaiseReport(
        since=one.since,
        until=one.until,
        reason=one.reason,
        because=one.because,
        ended=one.ended,
        judged=sum(judged),
        judged_raised=raised,
    )


def _why_not(declared: SamplingRate, replayed: Replayed) -> str:
    """Why it is not known how many more would have been judged."""
    if rate_of(declared.raised) is None:
        return f"how many more would have been judged is not known: {declared.raised!r} is no rate, such as 20%"
    if replayed.answers is None:
        return "how many more would have been judged is not known: spec.answers is not declared, or nothing was counted"
    return ""
