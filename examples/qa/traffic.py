"""The users: ``python -m examples.qa.traffic``. They ask through the gateway, at a fixed rate, and keep what they got.

Arrivals are random (Poisson) and do not wait for answers, as real users' do not.
"""

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import aiohttp
import orjson
from aiohttp import web

from examples.qa.gateway import Gateway
from examples.qa.metrics import ClientMetrics, new_registry
from examples.qa.passages import Feature, KnownPair, read_source
from examples.qa.serving import METRICS_PORT, Health, internal_app, run
from examples.qa.verdicts import Given, Indicator, Rulebook

MIX = {Feature.HANDBOOK: 0.6, Feature.CONTACTS: 0.15, Feature.DATES: 0.15}
"""Shares of the questions that have an answer, by page; what is left to 1 has none."""


class Outcome(StrEnum):
    """What an answer was worth to who asked."""

    RIGHT = "right"
    WRONG = "wrong"  # stated something that is not so
    OUTDATED = "outdated"  # told what was so some time ago
    LEAKED = "leaked"  # told somebody's phone or address
    REFUSED = "refused"  # said that it does not know, although the handbook does
    STATIC = "static"  # a prepared notice instead of an answer
    UNAVAILABLE = "unavailable"  # an error, or nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What a user got for a question."""

    question: str
    feature: Feature
    status: str
    service: str
    revision: str
    text: str
    outcome: Outcome
    at: float


class Questions:
    """Draws known pairs in the proportions of MIX."""

    def __init__(self, pairs: Sequence[KnownPair], rng: random.Random) -> None:
        self._rng = rng
        self._answered = {
            feature: [pair for pair in pairs if pair.feature is feature and pair.expected] for feature in MIX
        }
        self._unanswered = [pair for pair in pairs if pair.expected is None]

    def draw(self) -> KnownPair:
        """The next question."""
        drawn = self._rng.random()
        for feature, share in MIX.items():
            if drawn < share:
                return self._rng.choice(self._answered[feature])
            drawn -= share
        return self._rng.choice(self._unanswered)


async def ask(session: aiohttp.ClientSession, pair: KnownPair, rulebook: Rulebook) -> Got:
    """Ask as a user does, and say what the answer was worth."""
    status, body = "error", b""
    try:
        async with session.get("/answer", params={"q": pair.question, "feature": pair.feature.value}) as response:
            body = await response.read()
            status = str(response.status)
    except TimeoutError:
        status = "timeout"
    except aiohttp.ClientError:
        pass
    return _got(pair, status, body, rulebook)


def _got(pair: KnownPair, status: str, body: bytes, rulebook: Rulebook) -> Got:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = {}
    document = document if isinstance(document, dict) else {}
    given = Given(
        question=pair.question,
        text=str(document.get("text", "")),
        source=document.get("source"),
        revision=str(document.get("revision", "")),
        feature=pair.feature,
        as_of=document.get("as_of"),
        at=time.time(),
    )
    service = str(document.get("service", "static" if given.text else "none"))
    return Got(
        question=pair.question,
        feature=pair.feature,
        status=status,
        service=service,
        revision=given.revision,
        text=given.text,
        outcome=_outcome(given, service, status, pair, rulebook),
        at=given.at,
    )


def _outcome(given: Given, service: str, status: str, pair: KnownPair, rulebook: Rulebook) -> Outcome:
    if service == "static":
        return Outcome.STATIC
    if status != "200" or service == "none":
        return Outcome.UNAVAILABLE
    bad = rulebook.bad(given, pair)
    if rulebook.leaks(given.text):
        return Outcome.LEAKED
    if bad[Indicator.GROUNDEDNESS]:
        return Outcome.WRONG
    if bad.get(Indicator.FRESHNESS):
        return Outcome.OUTDATED
    return Outcome.REFUSED if bad[Indicator.RELEVANCE] else Outcome.RIGHT


class Users:
    """Many users, one process."""

    def __init__(self, rulebook: Rulebook, questions: Questions, metrics: ClientMetrics, rng: random.Random) -> None:
        self._rulebook = rulebook
        self._questions = questions
        self._metrics = metrics
        self._rng = rng
        self._recent: deque[Got] = deque(maxlen=500)

    async def come(self, gateway: Gateway, rate: float, health: Health) -> None:
        """Ask `rate` questions a second."""
        loop = asyncio.get_running_loop()
        async with gateway.public() as session, asyncio.TaskGroup() as users:
            health.ready = True
            due = loop.time()
            while True:
                due = max(due + self._rng.expovariate(rate), loop.time() - 1.0)
                await asyncio.sleep(max(0.0, due - loop.time()))
                users.create_task(self._ask(session), name="user")

    def add_recent(self, app: web.Application) -> None:
        """`/recent?n=20`: what users got last, newest first."""

        async def recent(request: web.Request) -> web.Response:
            latest = list(self._recent)[::-1][: int(request.query.get("n", "20"))]
            return web.Response(body=orjson.dumps(latest), content_type="application/json")

        app.router.add_get("/recent", recent)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        got = await ask(session, self._questions.draw(), self._rulebook)
        self._recent.append(got)
        self._metrics.got(got.status, got.service, got.feature, got.outcome.value)


def main() -> None:
    """Ask until SIGTERM."""
    source, rng = read_source(), random.Random()
    registry, health = new_registry(), Health()
    users = Users(Rulebook(source), Questions(source.pairs(), rng), ClientMetrics(registry, Outcome), rng)
    internal = internal_app(registry, health)
    users.add_recent(internal)
    rate = float(os.environ.get("RATE", "50"))
    run({METRICS_PORT: internal}, [users.come(Gateway.from_environment(), rate, health)], health)


if __name__ == "__main__":
    main()
