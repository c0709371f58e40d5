"""What do users, the judge and the reviewers get from a server?

The same for the server proper and for its smaller fallback: only how they come to an answer differs.
"""

import os
import random
import time
from collections import deque
from collections.abc import Callable
from itertools import islice

import orjson
from aiohttp import web

from examples.qa.answering import Answer
from examples.qa.controls import Controls
from examples.qa.metrics import AnswerMetrics
from examples.qa.passages import Feature
from examples.qa.serving import Health, add_probes
from examples.qa.verdicts import Given

Answering = Callable[[str, Feature], Answer | None]

_REMEMBERED = 2000
_WAITING_AT_MOST = 200


class Front:
    """Answers questions, remembers them for the judge, and sets a share of them aside for review."""

    def __init__(
        self, *, service: str, revision: str, answering: Answering, metrics: AnswerMetrics, rng: random.Random
    ) -> None:
        self._service = service
        self._revision = revision
        self._answering = answering
        self._metrics = metrics
        self._rng = rng
        self._boot = os.urandom(8).hex()
        self._given: deque[Given] = deque(maxlen=_REMEMBERED)
        self._count = 0
        self._waiting: deque[Given] = deque(maxlen=_WAITING_AT_MOST)
        self.controls = Controls()

    def public_app(self, health: Health) -> web.Application:
        """What the gateway sees."""
        app = web.Application()
        app.router.add_route("*", "/answer", self._answer)
        app.router.add_post("/review/take", self._take)
        add_probes(app, health)
        return app

    def add_journal(self, app: web.Application) -> None:
        """What the judge beside this server reads."""
        app.router.add_get("/answered", self._answered)

    def tell_queue(self) -> None:
        """Bring the gauges of the review queue up to date."""
        oldest = time.time() - self._waiting[0].at if self._waiting else 0.0
        self._metrics.queue(len(self._waiting), oldest)

    async def _answer(self, request: web.Request) -> web.Response:
        asked = request.query if request.method == "GET" else await request.post()
        question = str(asked.get("q", "")).strip()
        if not question or len(question) > 500:
            return _json({"error": "q: a question of 1 to 500 characters is needed"}, status=400)
        feature = _feature(str(asked.get("feature", "")))
        answer = self._answering(question, feature)
        if answer is None:
            return _json({"error": "no index yet"}, status=503)
        given = Given(
            question=question,
            text=answer.text,
            source=answer.source,
            revision=self._revision,
            feature=feature,
            as_of=answer.as_of,
            at=time.time(),
        )
        self._given.append(given)
        self._count += 1
        if self._rng.random() < self.controls.review:
            self._waiting.append(given)
        self._metrics.answered(feature)
        return _json(
            {
                "text": answer.text,
                "source": answer.source,
                "as_of": answer.as_of,
                "score": answer.score,
                "see_also": answer.see_also,
                "service": self._service,
                "revision": self._revision,
            }
        )

    async def _answered(self, request: web.Request) -> web.Response:
        """The answers given since the judge last asked; none, but where it stands, to one that asks for the first time."""
        first = max(0, self._count - len(self._given))
        since = int(request.query.get("after", self._count))
        if request.query.get("boot") != self._boot:
            since = 0 if "boot" in request.query else self._count
        return _json(
            {
                "service": self._service,
                "revision": self._revision,
                "boot": self._boot,
                "count": self._count,
                "missed": max(0, first - since),
                "answers": list(islice(self._given, max(0, since - first), None)),
            }
        )

    async def _take(self, request: web.Request) -> web.Response:
        wanted = int(request.query.get("max", "1"))
        taken = [self._waiting.popleft() for _ in range(min(wanted, len(self._waiting)))]
        return _json({"service": self._service, "revision": self._revision, "answers": taken})


def _feature(name: str) -> Feature:
    """The page asked on; a page that nobody knows counts as the handbook, so that labels stay few."""
    return Feature(name) if name in set(Feature) else Feature.HANDBOOK


def _json(document: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
