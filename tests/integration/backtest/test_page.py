"""The backtest's page, opened in a real browser engine: it draws, makes no mistake, and asks nobody for anything."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.unit.backtest.histories import EXAMPLE, History
from typer.testing import CliRunner

from firebreak.cli.main import app

BROWSER = Path(__file__).with_name("browser.py")


def opened(page: Path) -> dict[str, Any]:
    """What the browser saw."""
    assert find_spec("PyQt6") is not None, "the browser is missing: `make test` installs requirements-browser.lock"
    done = subprocess.run([sys.executable, BROWSER, page], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"the browser did not start: {done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def faults(seen: dict[str, Any]) -> list[str]:
    """Everything about the page that must not be."""
    found = [f"error: {e}" for e in seen["errors"]] + [f"asked for {url}" for url in seen["requested"]]
    if not seen["plots"] or seen["drawn"] != len(seen["plots"]):
        found.append(f"{seen['drawn']} of {len(seen['plots'])} pictures are drawn")
    return found + [f"{p['name']} has {p['lines']} lines" for p in seen["plots"] if p["lines"] < 4 or p["height"] < 300]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a history in which a revision answers badly."""
    home = tmp_path_factory.mktemp("page")
    history = History().count(0, 10, minutes=150).count(3, 10, revision="v2", minutes=60).count(0, 10, minutes=60)
    file, written = history.as_file(home / "history.om"), home / "page.html"
    manifests = ("-f", str(EXAMPLE / "service.yaml"), "-f", str(EXAMPLE / "policy.yaml"))
    asked = ("backtest", *manifests, "--openmetrics", str(file), "--html", str(written), "--what-if", "target=97%")
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    return written


def test_the_page_shows_what_happened(page: Path) -> None:
    """A picture of the whole range and one of the incident, with its lines; the words and the table beside them."""
    seen = opened(page)
    assert faults(seen) == []
    assert [p["name"] for p in seen["plots"]] == ["all groundedness", "summarizer-1"]
    assert seen["title"] == "Backtest of docs/summarizer"
    for words in (
        "Firebreak would have acted at",
        "Confirmed: 525,600",
        "allowed: 5.00%",
        "contained: SwitchTraffic to small-model",
        "v2 deployed",
        "target 97%",
        "as declared",
        "Judging more when in doubt",
        "sampling rate would have been raised to 20%",
        "clustering G 0.1 was assumed",
        "What this rests on",
    ):
        assert words in seen["text"]


@pytest.mark.parametrize(
    ("pattern", "instead", "told"),
    [
        ("</main>", "</main><script>undefinedFunction()</script>", "error: .*undefinedFunction"),
        (r'"x":\s*\[[^\]]*\]', '"x": []', "has 0 lines"),
        (r"<meta http-equiv=[^>]*>", '<img src="http://127.0.0.1:9/x.png">', "asked for http://127.0.0.1:9/x.png"),
        ("</main>", '</main><img src="http://127.0.0.1:9/x.png">', "Content Security Policy"),
    ],
)
def test_a_page_that_is_broken_is_found_out(page: Path, tmp_path: Path, pattern: str, instead: str, told: str) -> None:
    """The check can fail: a mistake in a script, a picture without lines, a request, each in its own way."""
    broken = tmp_path / "broken.html"
    text, times = re.subn(pattern, lambda _: instead, page.read_text())
    assert times, "the page does not hold what is to be broken"
    broken.write_text(text)
    assert any(re.search(told, fault) for fault in faults(opened(broken)))
