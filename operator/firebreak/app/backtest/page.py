"""One page that shows a backtest: everything is in the file, and nothing is fetched when it is opened.

Asked by cli/backtest.py for `--html`. plotly.js is written into it whole; a Content-Security-Policy forbids the network, so
that a page about a production service cannot tell anybody of it.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from plotly.offline import get_plotlyjs
from plotly.utils import PlotlyJSONEncoder

from firebreak.app.backtest.hindsight import Span
from firebreak.app.backtest.page_style import SCRIPT, STYLE
from firebreak.app.backtest.plots import picture
from firebreak.app.backtest.replayed import Replayed
from firebreak.app.backtest.report import clustering_in_words
from firebreak.app.backtest.report_shape import ActionReport, Between, IncidentReport, Report
from firebreak.app.backtest.sampling import sampling_in_words

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)


def page_of(report: Report, replayed: Replayed) -> str:
    """The page's text."""
    tracks = {t.spec.key.objective: t for t in replayed.tracks}
    pictures = {f"all {name}": picture(track, replayed, report) for name, track in tracks.items()}
    for incident in report.incidents:
        # An incident may have no objective: the judge was lost, and nothing can be drawn of that.
        if incident.objectives and (track := tracks.get(incident.objectives[0])) is not None:
            pictures[incident.name] = picture(track, replayed, report, _around(incident, report))
    drawn = json.dumps(pictures, cls=PlotlyJSONEncoder).replace("</", "<\\/")
    title = f"Backtest of {report.namespace}/{report.service}"
    body = "".join(
        (
            _head(report, title),
            *(_objective(report, name) for name in tracks),
            _incidents(report),
            _what_ifs(report),
            _sampling(report),
            _proposals(report),
            _assumed(report),
        )
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n"
        f'<script type="application/json" id="pictures">{drawn}</script>\n'
        f"<script>{get_plotlyjs()}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _head(report: Report, title: str) -> str:
    totals = report.totals
    cards = [
        (str(totals.incidents), "incidents" if totals.incidents != 1 else "incident", ""),
        (str(totals.contained), "contained", ""),
        (
            f"{totals.bad_spared.value:,.0f}" if totals.bad_spared else "0",
            f"bad {totals.counted} spared",
            f"{totals.bad_spared.low:,.0f} to {totals.bad_spared.high:,.0f}" if totals.bad_spared else "",
        ),
        (str(totals.false), "contained for nothing", f"{totals.false_minutes:,.0f} min" if totals.false else ""),
        (str(totals.unclear), "unclear in hindsight", ""),
    ]
    shown = "".join(
        f'<div class="card{" bad" if label == "contained for nothing" and number != "0" else ""}">'
        f"<b>{escape(number)}</b><span>{escape(label)}</span><small>{escape(small)}</small></div>"
        for number, label, small in cards
    )
    span = f"{_when(report.range.start)} to {_when(report.range.end)}"
    return (
        f"<header><h1>{escape(title)}</h1><p class='sub'>{span}, step {report.range.step_seconds:g} s; "
        f"policy <b>{escape(report.policy)}</b>, as if mode were Enforce</p>"
        f"<p class='lead'>{escape(_headline(report))}</p><div class='cards'>{shown}</div></header>"
    )


def _headline(report: Report) -> str:
    first = next((i for i in report.incidents if i.contained_at is not None), None)
    if not report.incidents:
        return "Nothing in this history would have opened an incident."
    if first is None:
        return "Incidents would have been opened, and nothing that changes what users get would have been done."
    others = report.totals.contained - 1
    more = f" and contained {others} more incident{'s' if others > 1 else ''}" if others else ""
    return (
        f"Firebreak would have acted at {_when(first.contained_at)} ({first.containment}), "
        f"{_lasted(first.onset, first.contained_at)} after it began{more}."
    )


def _objective(report: Report, name: str) -> str:
    o = next(o for o in report.objectives if o.name == name)
    facts = [o.category, o.detector]
    if o.allowed is not None:
        facts.append(f"target {_percent(1.0 - o.allowed)}")
    if o.rate is not None and o.interval is not None:
        facts.append(
            f"{o.bad:,.0f} of {o.judged:,.0f} judged bad: {o.rate:.2%} ({o.interval[0]:.2%} to {o.interval[1]:.2%})"
        )
    if o.clustering is not None:
        facts.append(clustering_in_words(o.clustering))
    return (
        f"<section><h2>{escape(name)}</h2><p class='sub'>{escape('; '.join(f for f in facts if f))}</p>"
        f"<p class='sub'><code>{escape(o.indicator)}</code></p>"
        f"<div class='plot' data-picture='{escape(f'all {name}', quote=True)}'></div></section>"
    )


def _incidents(report: Report) -> str:
    if not report.incidents:
        return "<section><h2>Incidents</h2><p>None would have been opened.</p></section>"
    return "<section><h2>Incidents</h2>" + "".join(_incident(i, report) for i in report.incidents) + "</section>"


def _incident(incident: IncidentReport, report: Report) -> str:
    counted = report.totals.counted
    rows: list[tuple[str, str]] = [
        ("Began", f"{_when(incident.onset)} (estimated)"),
        ("Detected", f"{_when(incident.detected_at)}, {_lasted(incident.onset, incident.detected_at)} later"),
        ("Evidence", incident.because),
    ]
    if incident.suspects:
        rows.append(("Changed", "; ".join(incident.suspects)))
    if incident.contained_at is not None:
        after = _lasted(incident.onset, incident.contained_at)
        rows.append(("Contained", f"{_when(incident.contained_at)}, {after} after it began: {incident.containment}"))
        rows.append(("In hindsight", f"{incident.truth}: {incident.truth_because}"))
    else:
        rows.append(("Contained", "no: nothing that changes what users get would have been done"))
    rows.append(("Over in the record", _when(incident.recorded_end) if incident.recorded_end else "not seen to be"))
    if incident.bad_before is not None:
        rows.append((f"Bad {counted} before", f"{_number(incident.bad_before)}, until it was contained"))
    if incident.bad_spared is not None:
        rows.append((f"Bad {counted} spared", f"{_number(incident.bad_spared)}, beyond the usual rate"))
    head = f"<h3>{escape(incident.name)} <em>{escape(f'{incident.severity} {incident.category}')}</em></h3>"
    facts = "".join(f"<tr><th>{escape(name)}</th><td>{escape(words)}</td></tr>" for name, words in rows)
    close = (
        f"<div class='plot' data-picture='{escape(incident.name, quote=True)}'></div>" if incident.objectives else ""
    )
    steps = _table(
        ("Step", "At", "Stands", "Why"),
        ((a.words, _when(a.at), _stands(a), a.because) for a in incident.actions),
    )
    timeline = _table(("At", "What", "In words"), ((_when(e.at), e.reason, e.message) for e in incident.timeline))
    return (
        f"<article>{head}<table class='facts'>{facts}</table>{close}{steps if incident.actions else ''}"
        f"<details><summary>Its record, as it would have stood in the AIIncident</summary>{timeline}</details></article>"
    )


def _around(incident: IncidentReport, report: Report) -> Span:
    """The incident with as much around it as shows where it begins and ends, and at least an hour and a half."""
    onset = incident.onset or incident.detected_at
    over = max(incident.recorded_end or incident.resolved_at or report.range.end, incident.contained_at or onset)
    room = max(timedelta(minutes=90), (over - onset) / 2)
    return max(report.range.start, onset - room), min(report.range.end, over + room)


def _what_ifs(report: Report) -> str:
    if not report.what_if:
        return ""
    heads = ("What if", "Incidents", "Contained", "Rightly", "For nothing", "Unclear", "Delay", "Bad spared", "Judged")
    rows = []
    for one in report.what_if:
        totals = one.totals
        numbers = (totals.incidents, totals.contained, totals.true, totals.false, totals.unclear)
        delay = f"{one.delay_seconds / 60.0:.0f} min" if one.delay_seconds is not None else "-"
        spared = _number(totals.bad_spared) if totals.bad_spared is not None else "-"
        rows.append((one.change or "as declared", *map(str, numbers), delay, spared, f"{one.judged:,.0f}"))
    return (
        "<section id='what-if'><h2>What if</h2><p class='sub'>The same history with one thing changed. Delay: from the "
        "onset to the containment, the median over those that were not for nothing. Judged: how many answers had to be "
        f"judged.</p>{_table(heads, rows, numbers_from=1)}</section>"
    )


def _sampling(report: Report) -> str:
    told = report.sampling
    if told is None:
        return ""
    heads = ("Raised", "For", "Why", "In words", "Given back", "Judged", f"At {told.raised}")
    rows = [
        (
            _when(one.since),
            _lasted(one.since, one.until) if one.until else "to the end",
            one.reason,
            one.because,
            one.ended or "-",
            f"{one.judged:,.0f}",
            f"{one.judged_raised:,.0f}" if one.judged_raised is not None else "-",
        )
        for one in told.raises
    ]
    return (
        f"<section id='sampling'><h2>Judging more when in doubt</h2><p>{escape(_sentence(sampling_in_words(told)))}</p>"
        f"<p class='sub'>{escape(_sentence(told.unknown))}</p>{_table(heads, rows) if rows else ''}</section>"
    )


def _proposals(report: Report) -> str:
    if not report.proposals:
        return ""
    heads = ("Objective", "Proposed target", "Healthy rate", "Worst hour", "Evidence at most", "Found in", "Because")
    rows = [
        (
            p.objective,
            p.target or "none",
            f"{p.rate:.2%} ({p.interval[0]:.2%} to {p.interval[1]:.2%})" if p.rate is not None and p.interval else "-",
            f"{p.worst_hour_rate:.2%}" if p.worst_hour_rate is not None else "-",
            f"{p.highest_evidence:.3g}" if p.highest_evidence is not None else "-",
            f"{p.delay_seconds / 60.0:.0f} min" if p.delay_seconds is not None else "-",
            p.because,
        )
        for p in report.proposals
    ]
    return (
        "<section id='proposals'><h2>Targets that the healthy history would have kept</h2><p class='sub'>Found in: about "
        f"how long a breach at four times what it allows takes to be Confirmed.</p>{_table(heads, rows)}</section>"
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _percent(share: float) -> str:
    """A share without digits that say nothing."""
    return f"{100.0 * share:.6g}%"


def _stands(action: ActionReport) -> str:
    return f"{action.phase}, {action.outcome}" if action.in_force_at and action.outcome != "Pending" else action.phase


def _assumed(report: Report) -> str:
    helps = (
        "A containment is taken to help: recorded counts say nothing from then on, until they are good again by themselves."
        if report.assume == "helps"
        else "A containment is taken to change nothing: the recorded counts go on, and so does the ladder."
    )
    said = [
        helps,
        "Writes take effect at once, fallbacks could serve, late samples had arrived, and a person ended what waited for one.",
        "Contained rightly: the 60 steps after it, up to the next deployment, lie above what is allowed by their whole 95% "
        "interval. For nothing: they lie within, and nobody had deployed anything; or it lies in a range marked healthy. "
        "Unclear: neither.",
        "Spared: answers from the containment to the recorded end, times how far the rate then lay above that of the day "
        "before the onset.",
    ]
    problems = "".join(f"<li class='problem'>{escape(p)}</li>" for p in report.problems)
    return (
        "<section><h2>What this rests on</h2><ul>"
        + "".join(f"<li>{escape(one)}</li>" for one in said)
        + f"{problems}</ul></section>"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int | None = None) -> str:
    def cells(kind: str, row: Sequence[str]) -> str:
        numeric = [numbers_from is not None and at >= numbers_from for at in range(len(row))]
        marked = [
            " class='number'" if n else (" class='at'" if _is_moment(c) else "")
            for n, c in zip(numeric, row, strict=True)
        ]
        return "".join(f"<{kind}{mark}>{escape(cell)}</{kind}>" for mark, cell in zip(marked, row, strict=True))

    head = cells("th", heads)
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _is_moment(cell: str) -> bool:
    return len(cell) == len("2026-05-03 03:40Z") and cell.endswith("Z")


def _number(between: Between) -> str:
    return f"{between.value:,.0f} ({between.low:,.0f} to {between.high:,.0f})"


def _when(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%MZ}" if moment else "-"


def _lasted(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return "-"
    minutes = round((end - start).total_seconds() / 60.0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
