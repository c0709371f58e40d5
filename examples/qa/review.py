"""People who review answers, simulated: ``python -m examples.qa.review``.

Each pod is a room of four desks. A reviewer takes an answer from a server's queue (through the gateway), needs two
seconds for it and decides; now and then they err, as people do (REVIEW_ACCURACY). More pods, more decisions.
"""

import asyncio
import os
import random

import aiohttp
import orjson

from examples.qa.gateway import Gateway, outline
from examples.qa.judge import given_from
from examples.qa.metrics import DECISIONS, ReviewMetrics, new_registry
from examples.qa.passages import read_source
from examples.qa.serving import METRICS_PORT, Health, internal_app, log, run
from examples.qa.verdicts import Given, Indicator, Rulebook

DESKS = 4
IDLE_SECONDS = 0.5


def decision_on(given: Given, rulebook: Rulebook, accuracy: float, rng: random.Random) -> str:
    """Reject what is wrong or leaks, edit what could be answered and was not, else approve; or err."""
    pair = rulebook.knows(given.question)
    bad = rulebook.bad(given, pair) if pair else {}
    if rulebook.leaks(given.text) or bad.get(Indicator.GROUNDEDNESS) or bad.get(Indicator.FRESHNESS):
        right = "reject"
    else:
        right = "edit" if bad.get(Indicator.RELEVANCE) else "approve"
    if rng.random() < accuracy:
        return right
    return rng.choice([decision for decision in DECISIONS if decision != right])


class Room:
    """Reviewers at work."""

    def __init__(
        self,
        rulebook: Rulebook,
        metrics: ReviewMetrics,
        *,
        accuracy: float,
        rng: random.Random,
        seconds_an_answer: float = 2.0,
    ) -> None:
        self._rulebook = rulebook
        self._metrics = metrics
        self._accuracy = accuracy
        self._rng = rng
        self._seconds_an_answer = seconds_an_answer
        self._busy = 0

    async def work(self, gateway: Gateway, health: Health) -> None:
        """Take as many answers as desks are free, again and again."""
        async with gateway.internal() as session, asyncio.TaskGroup() as desks:
            health.ready = True
            while True:
                taken = 0
                if self._busy < DESKS:
                    try:
                        taken = await self.take(session, desks)
                    except (aiohttp.ClientError, TimeoutError) as error:
                        log.warning("queue_not_read", error=outline(error))
                await asyncio.sleep(0.1 if taken else IDLE_SECONDS)

    async def take(self, session: aiohttp.ClientSession, desks: asyncio.TaskGroup) -> int:
        """Give the free desks what waits; how many answers that was."""
        async with session.post("/review/take", params={"max": str(DESKS - self._busy)}) as response:
            response.raise_for_status()
            queue = orjson.loads(await response.read())
        self._metrics.begin(queue["service"], queue["revision"])
        for document in queue["answers"]:
            self._busy += 1
            desks.create_task(self._review(queue["service"], given_from(document)), name="desk")
        return len(queue["answers"])

    async def _review(self, service: str, given: Given) -> None:
        try:
            await asyncio.sleep(self._rng.uniform(0.75, 1.25) * self._seconds_an_answer)
            decision = decision_on(given, self._rulebook, self._accuracy, self._rng)
            self._metrics.decided(service, given.revision, given.feature, decision)
        finally:
            self._busy -= 1


def main() -> None:
    """Review until SIGTERM."""
    registry, health = new_registry(), Health()
    room = Room(
        Rulebook(read_source()),
        ReviewMetrics(registry),
        accuracy=float(os.environ.get("REVIEW_ACCURACY", "0.97")),
        rng=random.Random(),
    )
    run({METRICS_PORT: internal_app(registry, health)}, [room.work(Gateway.from_environment(), health)], health)


if __name__ == "__main__":
    main()
