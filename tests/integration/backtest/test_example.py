"""The example of docs/backtest.md shows what the page says that it shows."""

import json

from tests.unit.backtest.histories import EXAMPLE
from typer.testing import CliRunner

from firebreak.cli.main import app


def test_the_example_is_rolled_back_after_8_minutes() -> None:
    """To the revision that had proven itself, rightly, and some 3,600 bad answers are spared; and more would be judged."""
    files = (EXAMPLE / "service.yaml", EXAMPLE / "policy.yaml")
    manifests = [word for file in files for word in ("-f", str(file))]
    asked = ["backtest", *manifests, "--openmetrics", str(EXAMPLE / "history.om.gz"), "--what-if", "none", "-o", "json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    (incident,) = report["incidents"]
    assert incident["onset"] == "2026-05-03T03:40:00.000Z"
    assert incident["containedAt"] == "2026-05-03T03:48:15.000Z"
    assert incident["containment"] == "RollBack to 1.4"
    assert incident["truth"] == "True"
    (raised,) = report["sampling"]["raises"]
    assert (raised["reason"], raised["ended"]) == ("RevisionChanged", "SamplingBudgetSpent")
    assert 0.3 < report["sampling"]["more"] < 0.45
    assert 3400 < report["totals"]["badSpared"]["value"] < 3800
    (proposed,) = report["proposals"]
    assert proposed["target"] == "96%"
