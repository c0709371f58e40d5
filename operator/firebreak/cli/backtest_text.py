"""How does a backtest read on a terminal? Pure: a report in, something to print out; and the bar while it runs."""

from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from firebreak.app.backtest.report import clustering_in_words as in_words
from firebreak.app.backtest.report_shape import (
    Between,
    IncidentReport,
    ProposalReport,
    Report,
    SamplingReport,
)
from firebreak.app.backtest.sampling import sampling_in_words
from firebreak.cli.show import coloured, columns, grid, lasted, when

_MOST_RAISES = 12
_TRUTH = {"True": "bold green", "False": "bold red", "Unclear": "yellow"}


class Bar:
    """Progress on stderr, so that stdout stays the answer; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("steps"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("steps", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def progress(self, done: int, total: int) -> None:
        """So much is done."""
        if done % 50 == 0 or done == total:
            self._progress.update(self._task, completed=done, total=total)


def told(report: Report) -> RenderableType:
    """The whole answer."""
    parts: list[RenderableType] = [_head(report), Text(), _objectives(report)]
    parts += [Text(f"{o.name}: {in_words(o.clustering)}") for o in report.objectives if o.clustering]
    if report.revisions:
        changes = columns("DEPLOYED", "REVISION")
        for change in report.revisions:
            changes.add_row(when(change.at), change.revision)
        parts += [Text(), changes]
    for incident in report.incidents:
        parts += [Text(), _incident(incident, report)]
    parts += [Text(), _totals(report)]
    if report.what_if:
        parts += [Text(), _what_ifs(report)]
    if report.sampling:
        parts += [Text(), _sampling(report.sampling)]
    if report.proposals:
        parts += [Text(), *(_proposal(p) for p in report.proposals)]
    if report.problems:
        parts += [Text(), *(Text(f"! {problem}", style="yellow") for problem in report.problems)]
    return Group(*parts)


def _head(report: Report) -> RenderableType:
    start, end = report.range.start, report.range.end
    facts = grid(2)
    facts.add_row("range", f"{when(start)} to {when(end)} ({_days(start, end)}), step {report.range.step_seconds:g} s")
    facts.add_row("policy", f"{report.policy}, as if mode were Enforce")
    if report.revision_at_start:
        facts.add_row("revision", f"{report.revision_at_start} at the start")
    words = {
        "helps": "a containment is assumed to help: recorded counts count again once they are good",
        "nothing": "a containment is assumed to change nothing: the recorded counts go on",
    }[report.assume]
    facts.add_row("assumed", f"{words}; fallbacks could serve")
    return Group(Text(f"{report.namespace}/{report.service}", style="bold"), Padding(facts, (0, 0, 0, 2)))


def _objectives(report: Report) -> RenderableType:
    table = columns("OBJECTIVE", "ALLOWED", "BAD", "JUDGED", "RATE", "95% INTERVAL", "HIGHEST EVIDENCE")
    for o in report.objectives:
        evidence = f"{o.highest_evidence:.3g}" if o.highest_evidence is not None else "-"
        confirmed = o.thresholds.get("Confirmed")
        table.add_row(
            o.name,
            f"{o.allowed:.2%}" if o.allowed is not None else "-",
            f"{o.bad:.0f}" if o.judged else "-",
            f"{o.judged:.0f}" if o.judged else "-",
            f"{o.rate:.2%}" if o.rate is not None else "-",
            f"{o.interval[0]:.2%} to {o.interval[1]:.2%}" if o.interval else "-",
            f"{evidence} of {confirmed:g}" if confirmed and o.highest_evidence is not None else evidence,
        )
    return table


def _incident(incident: IncidentReport, report: Report) -> RenderableType:
    head = Text.assemble(
        (incident.name, "bold"),
        f"  {incident.severity} {incident.category}  ",
        coloured(incident.phase) if incident.phase != "Resolved" else Text("over", style="green"),
    )
    facts = grid(2)
    facts.add_row("onset", f"{when(incident.onset)} (estimated)")
    facts.add_row("detected", f"{when(incident.detected_at)}, {lasted(incident.onset, incident.detected_at)} later")
    facts.add_row("evidence", incident.because)
    if incident.suspects:
        facts.add_row("changed", "; ".join(incident.suspects))
    for action in incident.actions:
        took = f", in force {when(action.in_force_at)}" if action.in_force_at else ""
        done = f"{action.phase}{', ' + action.outcome if action.outcome and action.in_force_at else ''}"
        facts.add_row("step", f"{when(action.at)}  {action.words}: {done}{took}\n{action.because}")
    if incident.contained_at:
        facts.add_row(
            "acted", f"{lasted(incident.onset, incident.contained_at)} after the onset: {incident.containment}"
        )
        facts.add_row(
            "hindsight", Text.assemble((incident.truth, _TRUTH[incident.truth]), f"  {incident.truth_because}")
        )
    else:
        facts.add_row("acted", "no: nothing that changes what users get")
    ended = when(incident.recorded_end) if incident.recorded_end else "not within the incident, or not known"
    facts.add_row("was over", f"{ended} in the recorded counts")
    if incident.bad_before is not None:
        facts.add_row("bad before", f"{_number(incident.bad_before)} {report.totals.counted}, until it was contained")
    if incident.bad_spared is not None:
        facts.add_row("bad spared", f"{_number(incident.bad_spared)} {report.totals.counted}, beyond the usual rate")
    return Group(head, Padding(facts, (0, 0, 0, 2)))


def _totals(report: Report) -> RenderableType:
    totals = report.totals
    incidents = f"{totals.incidents} incident{'' if totals.incidents == 1 else 's'}"
    lines = [
        f"{incidents}, {totals.contained} contained: {totals.true} rightly, {totals.false} for nothing, "
        f"{totals.unclear} unclear in hindsight"
    ]
    if totals.bad_spared is not None:
        lines.append(f"spared: {_number(totals.bad_spared)} bad {totals.counted}")
    if totals.false:
        lines.append(
            f"cost: {totals.false_minutes:.0f} minutes and {totals.false_answers:.0f} {totals.counted} "
            f"contained for nothing"
        )
    return Group(*(Text(line, style="bold") for line in lines))


def _what_ifs(report: Report) -> RenderableType:
    """One line for each change; what the columns mean is said in docs/backtest.md."""
    table = columns(
        "WHAT IF", "INCIDENTS", "CONTAINED", "RIGHTLY", "FOR NOTHING", "UNCLEAR", "DELAY", "BAD SPARED", "JUDGED"
    )
    for one in report.what_if:
        totals = one.totals
        table.add_row(
            one.change or "as declared",
            str(totals.incidents),
            str(totals.contained),
            str(totals.true),
            Text(str(totals.false), style="red" if totals.false else ""),
            str(totals.unclear),
            f"{one.delay_seconds / 60.0:.0f} min" if one.delay_seconds is not None else "-",
            _number(totals.bad_spared) if totals.bad_spared is not None else "-",
            f"{one.judged:.0f}",
        )
    return table


def _sampling(told: SamplingReport) -> RenderableType:
    """The first raises, and what all of them would have cost."""
    table = columns("RAISED", "FOR", "WHY", "GIVEN BACK", "JUDGED", f"AT {told.raised}")
    for one in told.raises[:_MOST_RAISES]:
        table.add_row(
            when(one.since),
            lasted(one.since, one.until) if one.until else "to the end",
            one.reason,
            one.ended or "-",
            f"{one.judged:.0f}",
            f"{one.judged_raised:.0f}" if one.judged_raised is not None else "-",
        )
    more = len(told.raises) - _MOST_RAISES
    parts: list[RenderableType] = [Text(sampling_in_words(told))]
    if told.raises:
        parts.append(table)
    if more > 0:
        parts.append(Text(f"and {more} more; --output json has all of them"))
    return Group(*parts, Text(told.unknown, style="dim"))


def _proposal(p: ProposalReport) -> RenderableType:
    words = f"{p.objective}: no target is proposed: {p.because}"
    if p.target:
        delay = f"{p.delay_seconds / 60.0:.0f} min" if p.delay_seconds is not None else "never"
        rate = (
            f"{p.rate:.2%} ({p.interval[0]:.2%} to {p.interval[1]:.2%})" if p.rate is not None and p.interval else "-"
        )
        words = (
            f"{p.objective}: target {p.target} would have been kept by the healthy history: {rate} bad; {p.because}; "
            f"its evidence peaks at {p.highest_evidence or 0.0:.3g}; a breach at 4 times that is Confirmed in about {delay}"
        )
    return Text(words)


def _days(start: datetime, end: datetime) -> str:
    hours = (end - start).total_seconds() / 3600.0
    return f"{hours:.3g} h" if hours < 72 else f"{hours / 24.0:.3g} days"


def _number(between: Between) -> str:
    return f"{between.value:.0f} ({between.low:.0f} to {between.high:.0f})"
