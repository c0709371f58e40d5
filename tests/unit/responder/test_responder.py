"""The responder as users, the kubelet and Prometheus meet it: over HTTP on a real port."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from yarl import URL

from firebreak.responder.answers import Answers
from firebreak.responder.server import Responder

APOLOGY = {"status": 503, "contentType": "text/plain; charset=utf-8", "body": "Später wieder da."}
POLITE = {"status": 200, "contentType": "application/json", "body": '{"text": "Please ask a colleague."}'}


def a_service(name: str = "summarizer", **answers: Any) -> dict[str, Any]:
    """An AIService as the API server holds it, with these static fallbacks and one that is a backend."""
    fallbacks: list[dict[str, Any]] = [{"name": each, "role": "Static", "static": answers[each]} for each in answers]
    fallbacks.append({"name": "small", "role": "SimplerModel", "backend": {"name": "small", "port": 80}})
    return {"metadata": {"namespace": "docs", "name": name}, "spec": {"fallbacks": fallbacks}}


@dataclass(frozen=True)
class Running:
    """A responder that answers, and what it knows."""

    answers: Answers
    responder: Responder
    http: aiohttp.ClientSession
    users: URL
    machines: URL

    async def ask(self, fallback: str | None, method: str = "POST", path: str = "v1/answer") -> tuple[int, str, str]:
        """Status, Content-Type and body of what a user gets."""
        headers = {} if fallback is None else {"firebreak-fallback": fallback}
        async with self.http.request(method, self.users / path, headers=headers, data=b"a question") as response:
            return response.status, response.headers["Content-Type"], await response.text()

    async def look(self, path: str) -> tuple[int, str]:
        """Status and body of what machines get."""
        async with self.http.get(self.machines / path) as response:
            return response.status, await response.text()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    answers = Answers()
    responder = Responder(answers)
    async with (
        TestServer(responder.users) as users,
        TestServer(responder.machines) as machines,
        aiohttp.ClientSession() as http,
    ):
        yield Running(answers, responder, http, users.make_url("/"), machines.make_url("/"))


async def test_a_user_gets_the_declared_answer(running: Running) -> None:
    """Status, content type and body are those of the fallback that the route names, whatever is asked."""
    running.answers.replace_all([a_service(apology=APOLOGY, polite=POLITE)])
    assert await running.ask("docs/summarizer/apology") == (503, APOLOGY["contentType"], APOLOGY["body"])
    assert await running.ask("docs/summarizer/polite", "GET", "any/path") == (
        200,
        POLITE["contentType"],
        POLITE["body"],
    )


@pytest.mark.parametrize(
    "header",
    [None, "", "docs/summarizer", "docs/summarizer/small", "docs/other/apology", "other/summarizer/apology", "a/b/c/d"],
)
async def test_what_is_not_declared_is_answered_503_and_why(running: Running, header: str | None) -> None:
    """A user gets a plain error, and whoever set up the route is told what is missing."""
    running.answers.replace_all([a_service(apology=APOLOGY)])
    status, content_type, body = await running.ask(header)
    assert status == 503
    assert content_type.startswith("application/json")
    assert ("no such static fallback" in body) or ("sets no header firebreak-fallback" in body)


async def test_a_broken_answer_takes_no_other_with_it(running: Running) -> None:
    """An answer that breaks a rule is left out; the rest of the service is served."""
    running.answers.replace_all([a_service(apology=APOLOGY, broken={"status": 42, "body": "x"})])
    assert (await running.ask("docs/summarizer/apology"))[2] == APOLOGY["body"]
    assert (await running.ask("docs/summarizer/broken"))[0] == 503


async def test_changes_are_served_at_once(running: Running) -> None:
    """A changed answer replaces the old one, a deleted service is forgotten, others stay."""
    running.answers.replace_all([a_service(apology=APOLOGY), a_service("other", polite=POLITE)])
    running.answers.keep(a_service(apology=APOLOGY | {"body": "changed"}))
    running.answers.forget(a_service("other"))
    assert (await running.ask("docs/summarizer/apology"))[2] == "changed"
    assert "no such static fallback" in (await running.ask("docs/other/polite"))[2]


async def test_it_is_ready_once_it_knows_the_services(running: Running) -> None:
    """No traffic before the first list, none after the order to stop; it lives throughout."""
    assert (await running.look("readyz"))[0] == 503
    running.answers.replace_all([])
    assert (await running.look("readyz"))[0] == 200
    running.responder.stopping = True
    assert (await running.look("readyz"))[0] == 503
    assert (await running.look("livez"))[0] == 200


async def test_answers_are_counted_by_fallback(running: Running) -> None:
    """Each answer is counted; headers that name nothing share one series, so clients cannot make series."""
    running.answers.replace_all([a_service(apology=APOLOGY)])
    for header in ["docs/summarizer/apology", "docs/summarizer/apology", "made/up/1", "made/up/2"]:
        await running.ask(header)
    text = (await running.look("metrics"))[1]
    given = 'firebreak_responder_answers_total{code="503",fallback="apology",namespace="docs",service="summarizer"} 2.0'
    assert given in text
    assert 'firebreak_responder_answers_total{code="503",fallback="",namespace="",service=""} 2.0' in text
    assert "made" not in text


async def test_nothing_on_the_way_may_keep_an_answer(running: Running) -> None:
    """A cache must not go on answering when the incident is over."""
    running.answers.replace_all([a_service(apology=APOLOGY)])
    async with running.http.get(running.users, headers={"firebreak-fallback": "docs/summarizer/apology"}) as response:
        assert response.headers["Cache-Control"] == "no-store"


async def test_users_do_not_reach_what_is_for_machines(running: Running) -> None:
    """The metrics are not served on the port that the gateway sends users to."""
    assert (await running.ask(None, "GET", "metrics"))[0] == 503
