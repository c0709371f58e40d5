"""`firebreak backtest` from the command line: the answer, and the refusals."""

import gzip
import json
import socket
from pathlib import Path

import pytest
from examples.backtest.history import history as told_again
from examples.backtest.history import lines
from tests.unit.backtest.histories import EXAMPLE, History
from typer.testing import CliRunner, Result

from firebreak.cli.main import app

MANIFESTS = ("-f", str(EXAMPLE / "service.yaml"), "-f", str(EXAMPLE / "policy.yaml"))


def backtest(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["backtest", *arguments])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four hours: good, then bad under another revision."""
    history = History().count(0, 10, minutes=150).count(3, 10, revision="v2", minutes=60)
    return str(history.as_file(tmp_path_factory.mktemp("history") / "history.om"))


@pytest.fixture(scope="module")
def answered(file: str) -> dict[str, object]:
    result = backtest(*MANIFESTS, "--openmetrics", file, "--output", "json", "--what-if", "sampling=50%")
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_the_json_says_what_would_have_been_done(answered: dict[str, object]) -> None:
    """Its shape is documented in docs/backtest.md, key by key."""
    (incident,) = answered["incidents"]  # type: ignore[misc]
    assert [a["kind"] for a in incident["actions"]] == ["RaiseHumanReview", "RollBack", "SwitchTraffic"]
    assert answered["totals"]["contained"] == 1  # type: ignore[index]
    documented = Path("docs/backtest.md").read_text()
    (_, tried), (proposed,) = answered["whatIf"], answered["proposals"]  # type: ignore[misc]
    (objective,) = answered["objectives"]  # type: ignore[misc]
    keys = (
        *answered,
        *objective,
        *objective["clustering"],
        *incident,
        *incident["actions"][0],
        *answered["totals"],
        *tried,
        *proposed,
    )  # type: ignore[misc]
    missing = [key for key in keys if f"`{key}`" not in documented]
    assert missing == []


def test_the_text_tells_the_same(file: str) -> None:
    """In words, with the numbers."""
    result = backtest(*MANIFESTS, "--openmetrics", file, "--what-if", "target=97%")
    assert result.exit_code == 0
    assert "summarizer-1  P2 Hallucination" in result.stdout
    assert "SwitchTraffic to small-model: InForce" in result.stdout
    assert "1 incident, 1 contained" in result.stdout
    assert "target 97%" in result.stdout


def test_the_example_is_what_its_script_writes() -> None:
    """Seeded, so that it can be written again."""
    held = gzip.decompress((EXAMPLE / "history.om.gz").read_bytes()).decode()
    assert held == "\n".join(lines(told_again())) + "\n"


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_manifests_that_cannot_be_used_are_refused_with_the_place(tmp_path: Path, file: str) -> None:
    """Each message names the file or the object, the field and what is wrong; the exit code is 1."""
    good = (EXAMPLE / "service.yaml").read_text()
    broken = written(tmp_path / "broken.yaml", "kind: [")
    mistyped = written(tmp_path / "mistyped.yaml", good.replace("step: 60s", "step: soon"))
    unknown = written(tmp_path / "unknown.yaml", good.replace("{badSelector: ai", "{name: none, x: ai"))
    rated = written(tmp_path / "rated.yaml", good.replace("ai_judged_bad_total", '"rate(ai_judged_bad_total[5m])"'))
    policy = str(EXAMPLE / "policy.yaml")
    for files, told in (
        ((broken,), "broken.yaml: not YAML"),
        ((str(tmp_path / "none.yaml"),), "none.yaml: No such file"),
        ((policy,), "no AIService in"),
        ((str(EXAMPLE / "service.yaml"),), "no ContainmentPolicy customer-facing in the files"),
        ((mistyped, policy), "AIService summarizer, spec.objectives.0.detector.step"),
        ((unknown, policy), "spec.objectives[0].indicator: no QualityIndicator none"),
        ((rated, policy), "a raw counter is needed"),
    ):
        result = backtest(*(word for one in files for word in ("-f", one)), "--openmetrics", file)
        assert result.exit_code == 1, told
        assert told in result.stderr


def test_histories_that_cannot_be_asked_are_refused(tmp_path: Path, file: str) -> None:
    """An empty range, another service's metrics, a source that does not answer: said, with exit code 1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / "other.om").write_text("# TYPE x counter\nx_total 1 1777676400\nx_total 2 1777683600\n# EOF\n")
    for arguments, told in (
        ((), "give exactly one of --source and --openmetrics"),
        (("--openmetrics", file, "--source", nobody), "give exactly one of --source and --openmetrics"),
        (("--openmetrics", file, "--from", "2026-05-02T00:00:00Z", "--to", "2026-05-01T00:00:00Z"), "is not before"),
        (("--openmetrics", file, "--from", "2025-05-01", "--to", "2025-05-02"), "nothing was recorded from 2025"),
        (("--openmetrics", file, "--from", "then"), "--from then: must be a moment"),
        (("--openmetrics", file, "--healthy", "1d"), "--healthy 1d"),
        (("--openmetrics", file, "--what-if", "more"), "--what-if more: must be target=97%"),
        (("--openmetrics", str(tmp_path / "other.om")), "no objective of summarizer could be judged"),
        (("--openmetrics", str(tmp_path / "none.om")), "No such file"),
        (("--source", "prometheus:9090"), "must be an http or https URL"),
        (("--source", nobody, "--from", "1h", "--timeout", "1s"), nobody),
    ):
        result = backtest(*MANIFESTS, *arguments, *(() if "--what-if" in arguments else ("--what-if", "none")))
        assert result.exit_code == 1, told
        assert told in result.stderr
