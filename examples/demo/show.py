"""What the demo prints: what a user gets, and what the incident's record says."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from examples.demo.stage import NotAsItShould, Stage
from examples.qa.ask import ask_all
from examples.qa.traffic import Got

console = Console(width=140, highlight=False)


def title(text: str) -> None:
    """Begin a part."""
    console.rule(f"[bold]{text}")


def say(text: str) -> None:
    """A sentence."""
    console.print(escape(text))


def verbatim(text: str) -> None:
    """What a program printed, or what one is to read: no line of it is broken."""
    print(text.rstrip(), flush=True)


def users(stage: Stage, when: str) -> Mapping[str, int]:
    """Ask as a user would, print what came back, and count the outcomes."""
    got = asyncio.run(ask_all(stage.gateway))
    answers(got, when)
    return _counted(got)


def answers(got: Iterable[Got], when: str, longest: int = 110) -> None:
    """Print what a user got."""
    table = Table(title=f"what a user gets {when}", title_justify="left", title_style="bold", width=138)
    for column in ("outcome", "HTTP", "answered by", "question", "answer"):
        table.add_column(column, overflow="fold")
    for one in got:
        table.add_row(
            str(one.outcome).upper(),
            one.status,
            f"{one.service} {one.revision}",
            one.question,
            escape(_short(one.text, longest)),
        )
    console.print(table)


def revisions(stage: Stage) -> set[str]:
    """Which revisions answer now."""
    return {one.revision for one in asyncio.run(ask_all(stage.gateway))}


def await_outcome(stage: Stage, question: str, outcome: str, *, seconds: float) -> None:
    """Ask one question until it is answered so, as a user who tries again would."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if str(asyncio.run(ask_all(stage.gateway, (question,)))[0].outcome) == outcome:
            return
        time.sleep(0.2)
    raise NotAsItShould(f"expected that {question!r} is answered {outcome} within {seconds:g} s")


def _counted(got: Iterable[Got]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for one in got:
        counts[str(one.outcome)] = counts.get(str(one.outcome), 0) + 1
    return counts


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def timeline(incident: Mapping[str, Any]) -> None:
    """The record of what happened."""
    table = Table(
        title=f"the timeline of {incident['metadata']['name']}", title_justify="left", title_style="bold", width=138
    )
    table.add_column("at", no_wrap=True)
    table.add_column("reason", no_wrap=True)
    table.add_column("what happened", overflow="fold")
    for entry in incident["status"]["timeline"]:
        table.add_row(moment(entry["at"]).strftime("%H:%M:%S"), entry["reason"], escape(entry["message"]))
    console.print(table)


def moment(text: str) -> datetime:
    """A time as the API server writes it."""
    return datetime.fromisoformat(text)
