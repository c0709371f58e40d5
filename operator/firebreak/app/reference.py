"""Which metrics, conditions and reasons are there? The reference pages in docs/, made from the code by `make generate`.

`python -m firebreak.app.reference docs` writes them; a page that differs from what the code says fails `make lint`.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.app.telemetry import every_metric
from firebreak.core.commands import Reason
from firebreak.core.verdict import VerdictReason

_MADE = "<!-- Made from the code by `make generate`; change it there. -->"


def pages() -> Mapping[str, str]:
    """Every reference page, by file name."""
    return {"reference-metrics.md": _metrics(), "reference-reasons.md": _reasons()}


def _metrics() -> str:
    rows = [
        (f"`{m.name}`", m.type, ", ".join(f"`{label}`" for label in m.labels) or "none", m.help) for m in every_metric()
    ]
    return _page(
        "Metrics of the operator",
        "Served on port 8080 at `/metrics`, beside `/livez` and `/readyz`.",
        "They are derived from the same decisions that become Events, timeline entries and log lines.",
        "Only the replica that leads looks at services, so counters and objectives are its alone.",
        _table(("metric", "type", "labels", "what it says"), rows),
    )


def _reasons() -> str:
    return _page(
        "Conditions and reasons",
        "One word for programs; the message beside it is for people and may change.",
        "## Conditions",
        "An AIService carries Ready, ObjectivesMet, IndicatorHealthy and ContainmentReady, a metric source Reachable, a "
        "ContainmentDrill Ready, Complete and Passed.",
        _table(("condition", "True means"), [(f"`{t}`", t.sentence) for t in ConditionType]),
        "## Reasons of conditions",
        "Beside these, a condition may carry a reason of the two tables below.",
        _table(("reason", "what it says"), [(f"`{r}`", r.sentence) for r in ConditionReason]),
        "## Reasons of decisions",
        "In an incident's timeline, actions and page, and in Events, logs and metrics.",
        _table(("reason", "what it says"), _commented(Reason)),
        "## Reasons of verdicts",
        "Why an objective counts as met, breached, inconclusive or in error.",
        _table(("reason", "what it says"), _commented(VerdictReason)),
    )


def _commented(reasons: type[StrEnum]) -> list[tuple[str, str]]:
    """The members with the comment on their line, which is what their author says of them."""
    said = dict(re.findall(r'^\s+[A-Z_]+ = "(\w+)"(?:  # (.*))?$', inspect.getsource(reasons), re.MULTILINE))
    return [(f"`{r}`", _sentence(said.get(str(r), ""))) for r in reasons]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("." if text and not text.endswith(".") else "")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((_MADE, f"# {title}", *parts)) + "\n"


def main(folder: Path) -> None:
    """Write the pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
