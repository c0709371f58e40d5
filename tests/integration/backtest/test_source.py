"""A history in a real Prometheus is the history that its samples are."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from lab.build import ensure
from tests.integration.prometheus.conftest import RunningPrometheus, free_port
from tests.unit.backtest.histories import EXAMPLE, History
from typer.testing import CliRunner

from firebreak.cli.main import app

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
storage: {{tsdb: {{out_of_order_time_window: 100000h}}}}
scrape_configs:
- job_name: history
  honor_timestamps: true
  honor_labels: true
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Good, then bad under another revision."""
    told = History().count(0, 10, minutes=150).count(3, 10, revision="v2", minutes=60)
    return told.as_file(tmp_path / "history.om")


@pytest.fixture
def body(history: Path) -> bytes:
    """What a scrape gets."""
    return history.read_bytes()


@pytest.fixture
async def source(body: bytes, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a Prometheus that has scraped the file, whose every line has its time."""
    scraped = asyncio.Event()

    async def metrics(_: web.Request) -> web.Response:
        scraped.set()
        return web.Response(body=body, headers={"Content-Type": "application/openmetrics-text"})

    served = web.Application()
    served.router.add_get("/metrics", metrics)
    runner = web.AppRunner(served, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    home = tmp_path / "prometheus"
    home.mkdir()
    (home / "prometheus.yml").write_text(CONFIG.format(port=runner.addresses[0][1]))
    binary = (await asyncio.to_thread(ensure, ["prometheus"]))["prometheus"]
    running = RunningPrometheus(binary, home, f"http://127.0.0.1:{free_port()}")
    await running.start()
    for _ in range(2):  # when the second scrape begins, the first one is stored
        scraped.clear()
        await asyncio.wait_for(scraped.wait(), 30)
    yield running.url
    running.kill()
    await runner.cleanup()


def answered(*arguments: str) -> dict[str, Any]:
    manifests = ("-f", str(EXAMPLE / "service.yaml"), "-f", str(EXAMPLE / "policy.yaml"))
    span = ("--from", "2026-05-01T22:00:00Z", "--to", "2026-05-02T01:30:00Z", "--warm-up", "0s")
    result = CliRunner().invoke(app, ["backtest", *manifests, *span, "--what-if", "none", "-o", "json", *arguments])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


async def test_prometheus_and_the_file_give_one_answer(source: str, history: Path) -> None:
    """Read over HTTP in ranges, or parsed from text: the same verdicts, incidents and estimates."""
    from_source = await asyncio.to_thread(answered, "--source", source)
    assert len(from_source["incidents"]) == 1
    assert from_source == await asyncio.to_thread(answered, "--openmetrics", str(history))
