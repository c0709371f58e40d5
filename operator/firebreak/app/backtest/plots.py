"""What does a history look like? One picture per objective: rate with its target, evidence with its thresholds, volume.

Asked by app/backtest/page.py. However long the range, a line has at most `MOST_POINTS` points: a rate is that of the
trailing hour (60 steps) at evenly spaced moments.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from firebreak.app.backtest.hindsight import Span
from firebreak.app.backtest.replayed import MOST_POINTS, Replayed, Track, between
from firebreak.app.backtest.report import thresholds_of
from firebreak.app.backtest.report_shape import IncidentReport, Report
from firebreak.core.detectors.rules import BurnRate, Count, Sequential, Threshold
from firebreak.core.judgement import TRAILING_STEPS, Counts, tempered_interval
from firebreak.core.verdict import Finding

_RATE_POINTS = MOST_POINTS // 3
_LEAST_JUDGED = 30.0
_LEAST_EVIDENCE = 0.1  # the evidence's axis is logarithmic
_GREY, _BLUE, _RED, _GREEN, _AMBER = "#8a8f98", "#3b82f6", "#e5484d", "#30a46c", "#f59e0b"
_TIER_COLOURS: Mapping[str, str] = {"Watch": _GREY, "Suspected": _AMBER, "Confirmed": _RED}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """Something that happened, in words."""

    at: datetime
    words: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Points of one line."""

    at: Sequence[datetime]
    values: Sequence[float]


def picture(track: Track, replayed: Replayed, report: Report, span: Span | None = None) -> go.Figure:
    """The objective over the whole range, or a part of it, with what would have been done."""
    start, end = span or (report.range.start, report.range.end)
    track = _part(track, start, end)
    answers = between(replayed.answers, start, end) if replayed.answers is not None else None
    figure = make_subplots(
        rows=3,
        shared_xaxes=True,
        vertical_spacing=0.06,
        row_heights=[0.46, 0.32, 0.22],
        subplot_titles=(_measured_title(track), _evidence_title(track), "Answers and judged answers a minute"),
    )
    if isinstance(track.spec.rule, Sequential):
        _rate(figure, track, track.spec.rule)
    else:
        _values(figure, track)
    _evidence(figure, track)
    _volume(figure, track, answers)
    for healthy in report.healthy:
        figure.add_vrect(x0=_time(healthy[0]), x1=_time(healthy[1]), fillcolor=_BLUE, opacity=0.06, line_width=0)
    moments = [_Moment(at=c.at, words=f"{c.revision} deployed", colour=_GREY) for c in report.revisions]
    for incident in report.incidents:
        if track.spec.key.objective in incident.objectives:
            moments += _incident(figure, incident, report)
    shown = [m for m in moments if start <= m.at <= end]
    levels = _mark_moments(figure, shown, start, end)
    figure.update_layout(
        height=600 + 15 * levels,
        margin={"l": 64, "r": 24, "t": 56 + 15 * levels, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.08, "x": 0},
        font={"family": "system-ui, sans-serif", "size": 12},
    )
    figure.update_xaxes(range=[_time(start), _time(end)], hoverformat="%Y-%m-%d %H:%MZ")
    figure.update_xaxes(type="date", showgrid=False, zeroline=False)
    figure.update_yaxes(zeroline=False, gridcolor="rgba(138,143,152,0.22)")
    return figure


def _measured_title(track: Track) -> str:
    match track.spec.rule:
        case Sequential():
            return "Share of bad answers in the trailing hour (60 steps), with its 95% interval"
        case Count():
            return "Events within the window"
        case BurnRate():
            return "Share of bad answers in the long window"
        case _:
            return "The gauge's value"


def _evidence_title(track: Track) -> str:
    match track.spec.rule:
        case Sequential():
            return "Evidence against the objective, and what each tier needs"
        case Count():
            return "Events, and how many breach"
        case BurnRate():
            return "How many times too fast the error budget burns, and how many are a breach (a ticket, never a containment)"
        case _:
            return "Seconds beyond the limit, and how many breach"


def _rate(figure: go.Figure, track: Track, rule: Sequential) -> None:
    at, rates, lows, highs, sizes = [], [], [], [], []
    counts = track.counts
    for end in _places(len(counts), _RATE_POINTS):
        first = max(0, end - TRAILING_STEPS)
        hour = Counts(
            bad=counts.bad[first:end],
            judged=counts.judged[first:end],
            end=counts.starts(end),
            step=counts.step,
        )
        judged = float(hour.judged.sum())
        found = tempered_interval(rule, hour) if judged else None
        at.append(hour.end)
        sizes.append(judged)
        rates.append(float(hour.bad.sum()) / judged if judged else np.nan)
        lows.append(found.low if found else np.nan)
        highs.append(found.high if found else np.nan)
    times = [_time(moment) for moment in at]
    hidden = {"width": 0, "color": _BLUE}
    figure.add_scatter(x=times, y=highs, mode="lines", line=hidden, showlegend=False, hoverinfo="skip", row=1, col=1)
    figure.add_scatter(
        x=times,
        y=lows,
        mode="lines",
        line=hidden,
        fill="tonexty",
        fillcolor="rgba(59,130,246,0.18)",
        name="95% interval",
        hoverinfo="skip",
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=times,
        y=rates,
        mode="lines",
        line={"color": _BLUE, "width": 1.8},
        name="bad, trailing hour",
        hovertemplate="%{y:.2%}",
        row=1,
        col=1,
    )
    words = f"allowed: {rule.allowed:.2%}"
    figure.add_hline(y=rule.allowed, line={"color": _RED, "width": 1.4, "dash": "dash"}, row=1, col=1)
    _mark(figure, 1, rule.allowed, words, _RED)
    # An hour of which hardly anything was judged says nothing, and must not set the scale.
    top = max((h for h, n in zip(highs, sizes, strict=True) if n >= _LEAST_JUDGED), default=rule.allowed)
    figure.update_yaxes(tickformat=".0%", range=[0, max(1.15 * top, 2.0 * rule.allowed)], row=1, col=1)


def _values(figure: go.Figure, track: Track) -> None:
    told = [v for v in track.verdicts if v.finding is not Finding.ERROR]
    values = [v.bad if isinstance(track.spec.rule, Count) else v.estimate for v in told]
    figure.add_scatter(
        x=[_time(v.at) for v in told],
        y=values,
        mode="lines",
        line={"color": _BLUE, "width": 1.8},
        name="measured",
        row=1,
        col=1,
    )
    limit = _limit(track)
    figure.add_hline(y=limit, line={"color": _RED, "width": 1.4, "dash": "dash"}, row=1, col=1)
    _mark(figure, 1, limit, f"limit: {limit:g}", _RED)


def _limit(track: Track) -> float:
    match track.spec.rule:
        case Count(at_least=least):
            return float(least)
        case Threshold(above=float(above)):
            return above
        case Threshold(below=float(below)):
            return below
        case Sequential(allowed=allowed) | BurnRate(allowed=allowed):
            return allowed
        case _:
            return 0.0


def _needed(track: Track) -> float:
    """What the evidence of a rule without tiers must reach."""
    match track.spec.rule:
        case Threshold(lasting=lasting):
            return lasting.total_seconds()
        case BurnRate(windows=windows):
            return windows[0].factor
        case _:
            return _limit(track)


def _evidence(figure: go.Figure, track: Track) -> None:
    told = [v for v in track.verdicts if v.evidence is not None]
    is_ratio = isinstance(track.spec.rule, Sequential)
    values = [max(v.evidence or 0.0, _LEAST_EVIDENCE) if is_ratio else v.evidence for v in told]
    figure.add_scatter(
        x=[_time(v.at) for v in told],
        y=values,
        mode="lines",
        line={"color": "#8b5cf6", "width": 1.8},
        name="evidence",
        hovertemplate="%{y:.3g}",
        row=2,
        col=1,
    )
    if is_ratio:
        tiers = thresholds_of(track.spec)
        top = max([*tiers.values(), *(v for v in values if v is not None)])
        figure.update_yaxes(
            type="log",
            range=[np.log10(_LEAST_EVIDENCE), np.log10(top) + 0.5],
            dtick=2,
            exponentformat="power",
            row=2,
            col=1,
        )
        for tier, needed in tiers.items():
            colour = _TIER_COLOURS[tier]
            figure.add_hline(y=needed, line={"color": colour, "width": 1.2, "dash": "dash"}, row=2, col=1)
            _mark(figure, 2, float(np.log10(needed)), f"{tier}: {needed:,.0f}", colour)
        return
    needed = _needed(track)
    figure.add_hline(y=needed, line={"color": _RED, "width": 1.2, "dash": "dash"}, row=2, col=1)
    _mark(figure, 2, needed, f"breach: {needed:g}", _RED)


def _part(track: Track, start: datetime, end: datetime) -> Track:
    """With the hour before, of which the first rates are."""
    counts = between(track.counts, start - track.spec.step * TRAILING_STEPS, end)
    return Track(
        spec=track.spec,
        first=counts.starts(0) if track.first is not None else None,
        bad=counts.bad,
        judged=counts.judged,
        verdicts=[v for v in track.verdicts if start <= v.at <= end],
    )


def _volume(figure: go.Figure, track: Track, answers: Counts | None) -> None:
    told = [(track.counts, "judged", _BLUE)] if len(track.counts) else []
    if answers is not None and len(answers):
        told.append((answers, "answers", _GREY))
    for counts, name, colour in told:
        line = _per_minute(counts)
        figure.add_scatter(
            x=[_time(moment) for moment in line.at],
            y=line.values,
            mode="lines",
            line={"color": colour, "width": 1.2},
            name=f"{name} a minute",
            hovertemplate="%{y:.3g}",
            row=3,
            col=1,
        )
    if told:
        figure.update_yaxes(type="log", row=3, col=1)


def _per_minute(counts: Counts) -> _Line:
    places = list(_places(len(counts), _RATE_POINTS))
    edges = [0, *places]
    minutes = counts.step.total_seconds() / 60.0
    spans = [(a, b) for a, b in itertools.pairwise(edges) if b > a]
    rates = [float(counts.judged[a:b].sum()) / ((b - a) * minutes) for a, b in spans]
    return _Line(at=[counts.starts(b) for _, b in spans], values=[r if r > 0.0 else np.nan for r in rates])


def _incident(figure: go.Figure, incident: IncidentReport, report: Report) -> list[_Moment]:
    onset = incident.onset or incident.detected_at
    contained = incident.contained_at
    over = incident.recorded_end or incident.resolved_at or report.range.end
    hurt_until = min(contained or over, over)
    figure.add_vrect(x0=_time(onset), x1=_time(hurt_until), fillcolor=_RED, opacity=0.14, line_width=0)
    moments = [_Moment(at=onset, words="began", colour=_RED)]
    if contained is not None:
        if contained < over:
            figure.add_vrect(x0=_time(contained), x1=_time(over), fillcolor=_GREEN, opacity=0.14, line_width=0)
        moments.append(_Moment(at=contained, words=f"contained: {incident.containment}", colour=_GREEN))
    if incident.recorded_end is not None:
        moments.append(_Moment(at=incident.recorded_end, words="over in the record", colour=_AMBER))
    return moments


def _mark_moments(figure: go.Figure, moments: Iterable[_Moment], first: datetime, last: datetime) -> int:
    """A line for each, its words above the picture, on a level of their own where they would cover others'."""
    ends: list[datetime] = []
    width = last - first
    for moment in sorted(moments, key=lambda m: m.at):
        figure.add_vline(x=_time(moment.at), line={"color": moment.colour, "width": 1.3, "dash": "dot"})
        room = width * (0.0075 * len(moment.words))
        is_last = moment.at + room > last  # there is no room for its words at its right
        begin = moment.at - room if is_last else moment.at
        level = next((i for i, end in enumerate(ends) if end <= begin), len(ends))
        ends[level : level + 1] = [begin + room]
        figure.add_annotation(
            x=_time(moment.at),
            y=1,
            yref="paper",
            yshift=36 + 15 * level,
            text=moment.words,
            showarrow=False,
            xanchor="right" if is_last else "left",
            font={"color": moment.colour, "size": 11},
        )
    return len(ends)


def _mark(figure: go.Figure, row: int, y: float, words: str, colour: str) -> None:
    figure.add_annotation(
        xref="x domain",
        x=0.002,
        y=y,
        yshift=8,
        text=words,
        showarrow=False,
        xanchor="left",
        font={"color": colour, "size": 11},
        row=row,
        col=1,
    )


def _places(length: int, most: int) -> Iterable[int]:
    """The ends of at most so many stretches of a length."""
    return dict.fromkeys(int(end) for end in np.linspace(0, length, min(length, most) + 1)[1:])


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
