"""How do services and incidents look on a terminal, and in a file? Pure: objects and the time in, something to print out.

Columns without lines, as kubectl prints them: they read as well in a pipe as on a screen.
"""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.incident import Phase

_PIPE_WIDTH = 240

_COLOURS = {
    "Healthy": "green",
    "Met": "green",
    "True": "green",
    "Resolved": "green",
    "Recovered": "green",
    "Ready": "green",
    "Passed": "green",
    "Contained": "yellow",
    "Remediating": "yellow",
    "Watch": "yellow",
    "Suspected": "yellow",
    "Unknown": "yellow",
    "Inconclusive": "yellow",
    "Yielded": "yellow",
    "Stopped": "yellow",
    "Missed": "yellow",
    "NotNow": "dim",
    "Suspended": "dim",
    "Incident": "red",
    "Breached": "red",
    "Error": "red",
    "False": "red",
    "Detected": "red",
    "Containing": "red",
    "Blocked": "red",
    "Failed": "red",
    "NotRecovered": "red",
    "NeedsHuman": "bold red",
    "AwaitingHuman": "bold red",
}


def tell(renderable: RenderableType, *, a_line_each: bool = False) -> None:
    """Print: coloured and as wide as the terminal; in a pipe plain, wide enough to be read by line, without padding.

    `a_line_each`: never folded to the terminal's width, as kubectl's lists are not.
    """
    interactive = sys.stdout.isatty()
    console = Console(
        file=sys.stdout,
        width=None if interactive and not a_line_each else _PIPE_WIDTH,
        no_color=not interactive,
        highlight=False,
        markup=False,  # paths and prompts hold brackets of their own
        emoji=False,
    )
    if interactive:
        console.print(renderable, crop=False)
        return
    with console.capture() as captured:
        console.print(renderable)
    sys.stdout.write("\n".join(line.rstrip() for line in captured.get().split("\n")))


def coloured(word: str) -> Text:
    """A word that says how things stand."""
    return Text(word, style=_COLOURS.get(word, ""))


def columns(*names: str) -> Table:
    """A table without lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="")
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name in ("NAME", "NAMESPACE", "STATE", "PHASE"))
    return table


def grid(count: int) -> Table:
    """Columns without names; a long word is broken, never cut."""
    table = Table.grid(padding=(0, 2))
    for _ in range(count):
        table.add_column(overflow="fold")
    return table


def services_table(services: Iterable[AIService], now: datetime) -> RenderableType:
    """A line for each service, those in trouble first."""
    table = columns(
        "NAMESPACE", "NAME", "STATE", "MODE", "REVISION", "KNOWN-GOOD", "WORST OBJECTIVE", "INCIDENT", "AGE"
    )
    for service in sorted(
        services, key=lambda s: (_URGENCY.get(s.status.state, 4), s.metadata.namespace, s.metadata.name)
    ):
        status = service.status
        table.add_row(
            service.metadata.namespace,
            service.metadata.name,
            coloured(status.state or "Unknown"),
            str(service.spec.containment.mode),
            status.revision.current or "-",
            status.revision.known_good or "-",
            status.worst_objective or "-",
            status.active_incident or "-",
            ago(service.metadata.creation_timestamp, now),
        )
    return table


_URGENCY = {"NeedsHuman": 0, "Incident": 1, "Contained": 2, "Suspected": 3, "Healthy": 5, "Suspended": 6}


def service_words(service: AIService, now: datetime) -> RenderableType:
    """Everything that is known of one service."""
    status, meta = service.status, service.metadata
    head = Text.assemble(
        (f"{meta.namespace}/{meta.name}", "bold"),
        "  ",
        coloured(status.state or "Unknown"),
        f"  mode {service.spec.containment.mode}",
    )
    facts = grid(2)
    revision = status.revision
    if service.spec.owner:
        facts.add_row("owner", service.spec.owner.team)
    if service.spec.revision:
        since = f", since {when(revision.current_since)}" if revision.current_since else ""
        facts.add_row("revision", f"{revision.current or 'not read yet'}{since}")
        facts.add_row(
            "known good",
            " ".join(
                filter(
                    None, (revision.known_good, f"({revision.known_good_reason})" if revision.known_good_reason else "")
                )
            )
            or "none",
        )
    if revision.quarantined:
        facts.add_row("kept out", ", ".join(revision.quarantined))
    facts.add_row(
        "incidents",
        f"{status.incident_count} so far"
        + (f", {status.active_incident} is open" if status.active_incident else ", none open"),
    )
    if status.last_drill is not None:
        last = status.last_drill
        facts.add_row("last drill", f"{last.name} (mode {last.mode}) {last.outcome}, {ago(last.at, now)} ago")
    objectives = columns("OBJECTIVE", "FINDING", "VALUE", "TARGET", "BECAUSE")
    for o in status.objectives:
        finding = (
            coloured(o.finding) if not o.tier else Text(f"{o.finding} ({o.tier})", style=_COLOURS.get(o.finding, ""))
        )
        objectives.add_row(o.name, finding, o.value or "-", o.target or "-", o.because)
    conditions = columns("CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE")
    for c in status.conditions:
        conditions.add_row(c.type, coloured(c.status), c.reason, ago(c.last_transition_time, now), c.message)
    parts: list[RenderableType] = [head, Padding(facts, (0, 0, 0, 2))]
    if status.objectives:
        parts += [Text(), objectives]
    if status.conditions:
        parts += [Text(), conditions]
    if status.active_incident:
        parts += [Text(), Text(f"kubectl firebreak explain {status.active_incident} -n {meta.namespace}", style="bold")]
    return Group(*parts)


def incidents_table(incidents: Sequence[AIIncident], now: datetime) -> RenderableType:
    """A line for each incident, the open ones first, then the latest."""
    table = columns(
        "NAMESPACE", "NAME", "SERVICE", "SEV", "CATEGORY", "PHASE", "MODE", "ACTIONS", "DETECTED", "TOOK", "SUMMARY"
    )

    def order(incident: AIIncident) -> tuple[bool, float]:
        at = incident.status.detected_at or incident.metadata.creation_timestamp
        return (incident.status.phase is Phase.RESOLVED, -at.timestamp() if at else 0.0)

    for incident in sorted(incidents, key=order):
        status = incident.status
        done = [f"{a.kind}{'' if a.phase in ('InForce', 'Undone') else f' ({a.phase})'}" for a in status.actions]
        table.add_row(
            incident.metadata.namespace,
            incident.metadata.name,
            incident.spec.service,
            str(incident.spec.severity or status.severity or "-"),
            str(status.category or incident.spec.category or "-"),
            coloured(status.phase),
            str(status.mode) if status.detected_at else "-",
            ", ".join(done) or "-",
            ago(status.detected_at, now),
            lasted(status.detected_at, status.resolved_at or now),
            status.summary or incident.spec.description or "-",
        )
    return table


def when(moment: datetime | None) -> str:
    """A moment in UTC; the incident's, the pods' and the metrics' clocks are all UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}" if moment else "-"


def clock(moment: datetime | None) -> str:
    """The time of day."""
    return f"{moment.astimezone(UTC):%H:%M:%SZ}" if moment else "-"


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, in one or two units, as kubectl says it."""
    return lasted(moment, now) if moment else "-"


def lasted(start: datetime | None, end: datetime | None) -> str:
    """How long from one moment to another."""
    if start is None or end is None:
        return "-"
    left = max(timedelta(), end - start)
    seconds = int(left.total_seconds())
    if seconds < 120:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m{seconds}s" if minutes < 10 and seconds else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h{minutes}m" if hours < 10 and minutes else f"{hours}h"
    return f"{hours // 24}d"
