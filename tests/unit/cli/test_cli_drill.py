"""What `kubectl firebreak drill` prints of a run, and which steps it understands."""

from typing import Any

import pytest
from rich.console import Console
from tests.drills import a_drill

from firebreak.cli.drill import _step, report
from firebreak.cli.session import Refusal

RUN = {
    "number": 1,
    "mode": "Execute",
    "dueAt": "2026-05-04T03:00:00Z",
    "startedAt": "2026-05-04T03:00:00Z",
    "endedAt": "2026-05-04T03:00:19Z",
    "outcome": "Failed",
    "message": "RollBack: refused (403)",
    "policy": "ContainmentPolicy qa",
    "policyHash": "60ed9c1e518b80ec",
}
REVIEW = {
    "name": "RaiseHumanReview",
    "step": {"action": "RaiseHumanReview"},
    "mode": "Execute",
    "within": "5m",
    "result": "Ready",
    "message": "6 pods are ready",
    "acceptedSeconds": 0.12,
    "inForceSeconds": 4.0,
    "givenBackSeconds": 1.5,
}
BACK = {"name": "RollBack", "step": {"action": "RollBack"}, "mode": "DryRun", "within": "5m", "result": "Blocked"}


def test_the_report_says_step_by_step_what_was_found_and_how_long_it_took() -> None:
    """A line for each step, and at the end what is in the way."""
    status = {"run": RUN, "options": [REVIEW, BACK], "summary": "1 of 2 ready"}
    console = Console(width=200)
    with console.capture() as said:
        console.print(report(a_drill(name="qa-x", status=status)))
    lines = [" ".join(line.split()) for line in said.get().splitlines()]

    assert lines[0] == "docs/qa-x Failed mode Execute, 1 of 2 ready, took 19s"
    assert "RaiseHumanReview Execute Ready 0.1s 4.0s 1.5s 6 pods are ready" in lines
    assert "RollBack DryRun Blocked - - - -" in lines
    assert lines[-1] == "RollBack: refused (403)"


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("RollBack", {"action": "RollBack"}),
        ("SwitchTraffic=small", {"action": "SwitchTraffic", "fallback": {"name": "small"}}),
        ("SwitchTraffic=Static", {"action": "SwitchTraffic", "fallback": {"role": "Static"}}),
        ("DisableFeature=dates", {"action": "DisableFeature", "feature": "dates"}),
    ],
)
def test_a_step_is_named_as_people_say_it(text: str, step: dict[str, Any]) -> None:
    """A fallback by its name or by its role."""
    assert _step(text) == step


@pytest.mark.parametrize("text", ["Rollback", "SwitchTraffic", "RollBack=v1"])
def test_a_step_that_means_nothing_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(Refusal, match="--step"):
        _step(text)
