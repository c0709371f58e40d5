"""What does the responder answer? The static fallback that the request's route names, else 503 and why."""

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, generate_latest

from firebreak.responder.answers import HEADER, Answers, FallbackKey

_NOBODY = FallbackKey("", "", "")


class Responder:
    """The two sides of the process: `users` answers users, `machines` answers the kubelet and Prometheus."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._metrics = CollectorRegistry()
        self._given = Counter(
            "firebreak_responder_answers",
            "Answers given to users, by the fallback they were given for; empty labels: for none that is known.",
            ["namespace", "service", "fallback", "code"],
            registry=self._metrics,
        )
        self.stopping = False
        self.users = web.Application()
        self.users.router.add_route("*", "/{path:.*}", self._answer)
        self.machines = web.Application()
        self.machines.router.add_get("/livez", self._livez)
        self.machines.router.add_get("/readyz", self._readyz)
        self.machines.router.add_get("/metrics", self._show_metrics)

    async def _answer(self, request: web.Request) -> web.Response:
        key = FallbackKey.read(request.headers.get(HEADER))
        answer = self._answers.find(key) if key else None
        # Nothing on the way may keep what is meant for the length of an incident.
        headers = {"Cache-Control": "no-store"}
        if key and answer:
            self._given.labels(*key, str(answer.status)).inc()
            headers["Content-Type"] = answer.content_type
            return web.Response(status=answer.status, body=answer.body.encode(), headers=headers)
        # Only what an AIService declares becomes a label: a header must not make series without end.
        self._given.labels(*_NOBODY, "503").inc()
        why = "no such static fallback" if key else f"the route sets no header {HEADER}: namespace/service/fallback"
        return web.json_response({"error": "temporarily unavailable", "reason": why}, status=503, headers=headers)

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self.stopping:
            return web.Response(status=503, text="stopping\n")
        if not self._answers.listed:
            return web.Response(status=503, text="the AIServices have not been listed yet\n")
        return web.Response(text="ok\n")

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._metrics), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )
