"""A real Prometheus that scrapes a service whose counters the test moves."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from lab.build import ensure

from firebreak.adapters.prometheus import Endpoint, Prometheus
from firebreak.core.ports_metrics import SourceUnreachable

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: service
  honor_labels: true
  static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{namespace: docs}}}}]
- job_name: custom-buckets
  metrics_path: /classic
  scrape_native_histograms: true
  convert_classic_histograms_to_nhcb: true
  static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{namespace: docs}}}}]
"""


@dataclass
class Service:
    """What a scrape shows; `scrapes` can be awaited, so that a test need not sleep."""

    counters: dict[str, float] = field(default_factory=dict)
    classic: str = ""  # what Prometheus makes native histograms with custom buckets of
    fails: bool = False
    scraped: asyncio.Condition = field(default_factory=asyncio.Condition)
    before_scrape: Callable[[], None] = lambda: None

    async def metrics(self, _: web.Request) -> web.Response:
        async with self.scraped:
            self.scraped.notify_all()
        if self.fails:
            return web.Response(status=500)
        self.before_scrape()
        return web.Response(text="".join(f"{series} {value}\n" for series, value in self.counters.items()))

    async def classic_histograms(self, _: web.Request) -> web.Response:
        return web.Response(text=self.classic)

    async def scrapes(self, times: int = 1) -> None:
        async with asyncio.timeout(20 + 5 * times):
            for _ in range(times):
                async with self.scraped:
                    await self.scraped.wait()


@dataclass
class RunningPrometheus:
    binary: Path
    home: Path
    url: str
    process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._launch()
        # `query` answers 503 until the storage is replayed; the wait is for it, not for a time.
        client = Prometheus(Endpoint(url=self.url, timeout=timedelta(seconds=2)))
        async with asyncio.timeout(30):
            while not await self._answers(client):
                await asyncio.to_thread(self._listens)
        await client.close()

    def _launch(self) -> None:
        address = self.url.removeprefix("http://")
        command = [
            self.binary,
            f"--config.file={self.home}/prometheus.yml",
            f"--storage.tsdb.path={self.home}/data",
            f"--web.listen-address={address}",
            "--web.enable-otlp-receiver",
        ]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    async def _answers(self, client: Prometheus) -> bool:
        try:
            await client.instant("vector(1)", datetime(2026, 1, 1, tzinfo=UTC))
        except SourceUnreachable:
            return False
        return True

    def _listens(self) -> None:
        host, port = self.url.removeprefix("http://").split(":")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            probe.connect_ex((host, int(port)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def service() -> Service:
    return Service()


@pytest.fixture
async def prometheus(service: Service, tmp_path: Path) -> AsyncIterator[RunningPrometheus]:
    app = web.Application()
    app.router.add_get("/metrics", service.metrics)
    app.router.add_get("/classic", service.classic_histograms)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=runner.addresses[0][1]))
    binary = (await asyncio.to_thread(ensure, ["prometheus"]))["prometheus"]
    running = RunningPrometheus(binary, tmp_path, f"http://127.0.0.1:{free_port()}")
    await running.start()
    yield running
    running.kill()
    await runner.cleanup()
