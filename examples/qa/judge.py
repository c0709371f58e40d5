"""The judge beside a server: ``python -m examples.qa.judge``.

It reads every answer of the server in its pod. Each is searched for personal data; a random share is scored against
the known pairs. The share does not depend on what the answer was. A verdict comes at most half a second after it.
"""

import argparse
import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from examples.qa.controls import Controls
from examples.qa.gateway import outline
from examples.qa.metrics import JudgeMetrics, new_registry
from examples.qa.passages import Feature, read_source
from examples.qa.serving import JUDGE_METRICS_PORT, METRICS_PORT, Health, internal_app, log, pod_ip, run
from examples.qa.verdicts import Given, Rulebook

POLL_SECONDS = 0.5


class Judge:
    """Turns the journal of one server into verdicts."""

    def __init__(self, *, rulebook: Rulebook, metrics: JudgeMetrics, rng: random.Random) -> None:
        self._rulebook = rulebook
        self._metrics = metrics
        self._rng = rng
        self._place: dict[str, str] = {}

    async def read(self, session: aiohttp.ClientSession, sampling: float) -> None:
        """Judge what has been answered since the last reading."""
        async with session.get("/answered", params=self._place) as response:
            response.raise_for_status()
            journal = orjson.loads(await response.read())
        service, revision = journal["service"], journal["revision"]
        self._metrics.begin(service, revision)
        if journal["missed"]:
            self._metrics.failed(service, revision, "missed", journal["missed"])
        for document in journal["answers"]:
            self.judge(service, given_from(document), sampling)
        self._place = {"boot": journal["boot"], "after": str(journal["count"])}

    def judge(self, service: str, given: Given, sampling: float) -> None:
        """Check one answer, and score it if chance will have it."""
        self._metrics.checked(service, given.revision, given.feature, self._rulebook.leaks(given.text))
        if self._rng.random() >= sampling:
            return
        pair = self._rulebook.knows(given.question)
        if pair is None:
            self._metrics.failed(service, given.revision, "unknown_question")
        else:
            self._metrics.judged(service, given.revision, given.feature, self._rulebook.bad(given, pair))


def given_from(document: dict[str, Any]) -> Given:
    """The answer in a journal or in a review queue."""
    return Given(**{**document, "feature": Feature(document["feature"])})


async def follow(judge: Judge, controls_folder: Path, health: Health) -> None:
    """Read the journal twice a second. Not ready until the server has said what it runs: then all series exist."""
    controls = Controls()
    async with aiohttp.ClientSession(
        f"http://{pod_ip()}:{METRICS_PORT}", timeout=aiohttp.ClientTimeout(total=2)
    ) as session:
        while True:
            controls = Controls.read(controls_folder, controls)
            try:
                await judge.read(session, controls.judge_sampling)
                health.ready = True
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("journal_not_read", error=outline(error))
            await asyncio.sleep(POLL_SECONDS)


def main() -> None:
    """Judge until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--controls", type=Path, default=Path("/etc/qa/controls"))
    given = parser.parse_args()
    registry, health = new_registry(), Health()
    judge = Judge(rulebook=Rulebook(read_source()), metrics=JudgeMetrics(registry), rng=random.Random())
    run({JUDGE_METRICS_PORT: internal_app(registry, health)}, [follow(judge, given.controls, health)], health)


if __name__ == "__main__":
    main()
