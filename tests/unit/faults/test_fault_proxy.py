"""The proxy of the fault bench does to a request what it is told to, and to no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from bench.faults.lab.proxy import PASS, Asked, Fault, Proxy, status


class Server:
    """Counts what arrives; a watch says `1`, and `2` once it is told to."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, str, bytes]] = []
        self.go_on = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.arrived.append((request.method, request.path_qs, await request.read()))
        if "watch" not in request.query:
            return web.json_response({"number": len(self.arrived)})
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"1\n")
        await self.go_on.wait()
        await response.write(b"2\n")
        return response


@asynccontextmanager
async def _standing(*faults: Fault, **more: Any) -> AsyncIterator[tuple[Server, Proxy, aiohttp.ClientSession]]:
    """A server, a proxy before it with these faults for the first requests, and a client."""
    server, left = Server(), list(faults)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    upstream = f"http://127.0.0.1:{runner.addresses[0][1]}"
    proxy = Proxy(upstream, decide=lambda _: left.pop(0) if left else PASS, **more)
    async with proxy.serving(), aiohttp.ClientSession(proxy.url) as client:
        yield server, proxy, client
        server.go_on.set()
    await runner.cleanup()


async def test_a_request_passes_as_it_is() -> None:
    """Method, query and body arrive, and what the server says comes back and is told."""
    told: list[tuple[Asked, int, bytes]] = []
    async with _standing(seen=lambda *all: told.append(all)) as (server, _, client):
        async with client.patch("/apis/x?fieldManager=firebreak", data=b"[]") as answer:
            assert (answer.status, await answer.json()) == (200, {"number": 1})
        assert server.arrived == [("PATCH", "/apis/x?fieldManager=firebreak", b"[]")]
        assert [(a.path, code, body) for a, code, body in told] == [("/apis/x", 200, b'{"number": 1}')]


@pytest.mark.parametrize(("times", "is_lost", "arrives"), [(0, True, 0), (1, True, 1), (2, False, 2)])
async def test_a_request_is_dropped_carried_out_without_an_answer_or_carried_out_twice(
    times: int, is_lost: bool, arrives: int
) -> None:
    """Whoever asked hears of nothing, or of the first answer; the next request passes."""
    async with _standing(Fault(times=times, is_lost=is_lost)) as (server, _, client):
        if is_lost:
            with pytest.raises(aiohttp.ClientError):
                await client.post("/x")
        else:
            async with client.post("/x") as answer:
                assert (await answer.json())["number"] == 1
        assert len(server.arrived) == arrives
        async with client.post("/x") as answer:
            assert answer.status == 200


async def test_what_happens_beside_it_happens_before_or_after_the_server_has_acted() -> None:
    """So a process can be killed on either side of its write."""
    order: list[tuple[str, int]] = []
    async with _standing() as (server, proxy, client):
        fault = Fault(
            before=lambda: order.append(("before", len(server.arrived))),
            after=lambda: order.append(("after", len(server.arrived))),
        )
        proxy._decide = lambda _: fault
        async with client.post("/x"):
            assert order == [("before", 0), ("after", 1)]


async def test_an_answer_is_given_in_the_servers_place() -> None:
    """409, 429, 500: as the API server would say it."""
    said = status(409, "Conflict", "refused for once")
    async with _standing(Fault(answer=(409, said))) as (server, _, client):
        async with client.put("/x") as answer:
            assert (answer.status, (await answer.json())["reason"]) == (409, "Conflict")
        assert server.arrived == []


async def test_a_stream_goes_silent_and_stays_open_until_it_is_cut() -> None:
    """What the server says afterwards never comes; a stream that is opened afterwards speaks."""
    async with _standing() as (server, proxy, client), client.get("/x?watch=1") as stream:
        assert await stream.content.readline() == b"1\n"
        proxy.silence()
        server.go_on.set()
        async with client.get("/x?watch=1") as other:
            assert await other.read() == b"1\n2\n"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await stream.content.readline()
        proxy.cut()
        with pytest.raises(aiohttp.ClientError):
            await stream.content.readline()


async def test_without_the_server_there_is_no_answer() -> None:
    """As where it is away: the connection is closed."""
    proxy = Proxy("http://127.0.0.1:9", decide=lambda _: PASS)
    async with proxy.serving(), aiohttp.ClientSession(proxy.url) as client:
        with pytest.raises(aiohttp.ClientError):
            await client.get("/x")
