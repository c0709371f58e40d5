"""The question-answering service: ``python -m examples.qa.server --release 1.0``.

It asks the index that the indexer publishes. The release is the image's: the code that runs says which it is, not the
pod's specification, so the revision label tells the truth whatever an operator wrote.
"""

import argparse
import asyncio
import hashlib
import random
from pathlib import Path

import aiohttp
import orjson

from examples.qa.answering import Answer, answer
from examples.qa.controls import Controls
from examples.qa.front import Front
from examples.qa.gateway import Gateway, outline
from examples.qa.index import Edition, Index, Vectors
from examples.qa.metrics import AnswerMetrics, new_registry
from examples.qa.models import Model, model_of
from examples.qa.passages import Feature
from examples.qa.prompt import Prompt, revision_label
from examples.qa.serving import METRICS_PORT, PUBLIC_PORT, Health, internal_app, log, run

SERVICE = "qa"
REFRESH_SECONDS = 2.0
CONTROLS_SECONDS = 1.0


class Server:
    """What this process has loaded, and what it keeps up to date."""

    def __init__(self, *, release: str, prompt: Prompt, controls_folder: Path, rng: random.Random) -> None:
        self._model: Model = model_of(release)
        self._prompt = prompt
        self._controls_folder = controls_folder
        self._index: Index | None = None
        revision = revision_label(release, prompt)
        self.health = Health()
        registry = new_registry()
        self._metrics = AnswerMetrics(registry, SERVICE, revision)
        self._front = Front(service=SERVICE, revision=revision, answering=self._answer, metrics=self._metrics, rng=rng)
        self.public = self._front.public_app(self.health)
        self.internal = internal_app(registry, self.health)
        self._front.add_journal(self.internal)
        log.info("loaded", release=release, model=self._model.name, revision=revision)

    async def follow_index(self, gateway: Gateway) -> None:
        """Use each new edition of the index; while none can be had, go on with the last."""
        async with gateway.internal() as session:
            while True:
                try:
                    await self._refresh(session)
                except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                    log.warning("index_not_refreshed", error=outline(error), has_index=self._index is not None)
                await asyncio.sleep(REFRESH_SECONDS if self._index else 0.2)

    async def follow_controls(self) -> None:
        """Read the rates and switches every second."""
        while True:
            self._front.controls = Controls.read(self._controls_folder, self._front.controls)
            self._front.tell_queue()
            self._tell_loaded()
            await asyncio.sleep(CONTROLS_SECONDS)

    async def _refresh(self, session: aiohttp.ClientSession) -> None:
        edition = Edition.from_json(await _get(session, "/index/edition"))
        digest = edition.vectors[self._model.name]
        if self._index is not None and self._index.vectors.digest == digest:
            self._index = self._index.of(edition)
            return
        vectors = Vectors.from_bytes(await _get(session, f"/index/vectors/{self._model.name}/{digest}"))
        self._index = Index(model=self._model, vectors=vectors, edition=edition)
        self.health.ready = True

    def _answer(self, question: str, feature: Feature) -> Answer | None:
        if self._index is None:
            return None
        return answer(question, feature, self._index, self._prompt, self._front.controls)

    def _tell_loaded(self) -> None:
        self._metrics.loaded(
            model=self._model.name,
            prompt=self._prompt.digest[:8],
            index=self._index.edition.source if self._index else "",
            config=hashlib.sha256(orjson.dumps(self._front.controls)).hexdigest()[:8],
        )


async def _get(session: aiohttp.ClientSession, path: str) -> bytes:
    async with session.get(path) as response:
        response.raise_for_status()
        return await response.read()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", required=True, help="the release of this image: its tag")
    parser.add_argument("--prompt", type=Path, default=Path("/etc/qa/prompt/prompt.yaml"))
    parser.add_argument("--controls", type=Path, default=Path("/etc/qa/controls"))
    given = parser.parse_args()
    server = Server(
        release=given.release,
        prompt=Prompt.read(given.prompt),
        controls_folder=given.controls,
        rng=random.Random(),
    )
    run(
        {PUBLIC_PORT: server.public, METRICS_PORT: server.internal},
        [server.follow_index(Gateway.from_environment()), server.follow_controls()],
        server.health,
    )


if __name__ == "__main__":
    main()
