"""The chart's alerts rest on metrics that exist, with labels that they have, and the runbook answers each."""

import re
from pathlib import Path

import promql_parser
import pytest
import yaml

from firebreak.app.telemetry import every_metric

ROOT = Path(__file__).parents[3]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "charts" / "firebreak" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_of_metrics_and_labels_that_exist(rule: dict[str, object]) -> None:
    """PromQL that can be parsed, and nothing in it or in its words that no series has."""
    expression = str(rule["expr"])
    known = {m.name: set(m.labels) for m in every_metric()}
    promql_parser.parse(expression)
    named = set(re.findall(r"firebreak_\w+", expression))
    assert named
    assert named <= set(known)
    labels = set().union(*(known[name] for name in named))
    used = {name for names in re.findall(r"by \(([^)]*)\)", expression) for name in names.split(", ")}
    assert used | set(re.findall(r"\{(\w+)[!=]", expression)) <= labels
    assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= used


def test_the_runbook_answers_every_alert() -> None:
    """One row each, and none for an alert that is not there."""
    table = (ROOT / "docs" / "runbook.md").read_text().split("## Alerts")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [rule["alert"] for rule in RULES]
