"""The index pipeline: ``python -m examples.qa.indexer``.

Every few seconds it reads the source that its ConfigMap names, indexes it for every model, and publishes the edition.
A run that fails publishes nothing and says so; the last edition stays, and grows old. Its configuration is read anew
for each run, so that a repair needs no restart.
"""

import argparse
import asyncio
import time
from pathlib import Path

import yaml
from aiohttp import web

from examples.qa.fitting import publish
from examples.qa.index import Edition, Vectors
from examples.qa.metrics import PipelineMetrics, new_registry
from examples.qa.passages import SourceError, read_source
from examples.qa.serving import METRICS_PORT, PUBLIC_PORT, Health, add_probes, internal_app, log, run

SERVICE = "qa"
DEFAULT_INTERVAL_SECONDS = 3.0


class Indexer:
    """Publishes editions, and hands out the last one."""

    def __init__(self, metrics: PipelineMetrics, config: Path) -> None:
        self.health = Health()
        self._metrics = metrics
        self._config = config
        self._edition: bytes | None = None
        self._vectors: dict[str, Vectors] = {}
        self._published: dict[tuple[str, str], bytes] = {}

    async def follow_source(self) -> None:
        """Run the pipeline over and over."""
        while True:
            interval = await self.run_once()
            await asyncio.sleep(interval)

    async def run_once(self) -> float:
        """Read the configuration, run, count how it went; the seconds until the next run."""
        interval = DEFAULT_INTERVAL_SECONDS
        try:
            source, interval = _configured(self._config)
            await self._run(source)
        except SourceError as error:
            self._metrics.failed()
            log.error("pipeline_failed", error=str(error))
        return interval

    def public_app(self) -> web.Application:
        """What the servers ask, through the gateway."""
        app = web.Application()
        app.router.add_get("/index/edition", self._get_edition)
        app.router.add_get("/index/vectors/{model}/{digest}", self._get_vectors)
        add_probes(app, self.health)
        return app

    async def _run(self, source: str) -> None:
        now = time.time()
        edition, vectors = await asyncio.to_thread(_build, source, now, self._vectors)
        self._publish(edition, vectors)
        self._metrics.succeeded(now, len(edition.passages))
        self.health.ready = True

    def _publish(self, edition: Edition, vectors: dict[str, Vectors]) -> None:
        """Vectors first, then the edition that names them; the vectors before stay for whoever is just asking."""
        kept = {(name, fitted.digest) for name, fitted in [*self._vectors.items(), *vectors.items()]}
        self._published = {key: content for key, content in self._published.items() if key in kept}
        for name, fitted in vectors.items():
            if (name, fitted.digest) not in self._published:
                self._published[name, fitted.digest] = fitted.to_bytes()
        self._vectors = vectors
        self._edition = edition.to_json()

    async def _get_edition(self, _: web.Request) -> web.Response:
        if self._edition is None:
            return web.Response(status=503, text="nothing published yet")
        return web.Response(body=self._edition, content_type="application/json")

    async def _get_vectors(self, request: web.Request) -> web.Response:
        content = self._published.get((request.match_info["model"], request.match_info["digest"]))
        if content is None:
            return web.Response(status=404, text="no such vectors, or no longer; ask for the edition again")
        return web.Response(body=content, content_type="application/octet-stream")


def _build(source: str, now: float, previous: dict[str, Vectors]) -> tuple[Edition, dict[str, Vectors]]:
    return publish(read_source(source).passages(now), now, previous)


def _configured(path: Path) -> tuple[str, float]:
    """The source to read and the seconds between two runs."""
    try:
        document = yaml.safe_load(path.read_text())
        return str(document["source"]), float(document["intervalSeconds"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path}: {error}; source and intervalSeconds are needed") from error


def main() -> None:
    """Index until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("/etc/qa/pipeline/pipeline.yaml"))
    given = parser.parse_args()
    registry = new_registry()
    indexer = Indexer(PipelineMetrics(registry, SERVICE), given.config)
    run(
        {PUBLIC_PORT: indexer.public_app(), METRICS_PORT: internal_app(registry, indexer.health)},
        [indexer.follow_source()],
        indexer.health,
    )


if __name__ == "__main__":
    main()
