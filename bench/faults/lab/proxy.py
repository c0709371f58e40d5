"""What may happen to a request between the operator and a server? A reverse proxy that does it.

One stands in front of the API server for each operator process, and one in front of Prometheus for each namespace. Who
decides (traffic.py) sees each request before it is passed on and answers with a `Fault`; streams that are open can be
silenced without being closed, and everything can be cut.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from aiohttp import web

_HOP_BY_HOP = {
    *("host", "connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length"),
    "accept-encoding",  # what passes through is also read here
}
_LONGEST_BODY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") in ("1", "true")


def _nothing() -> None:
    """Nothing happens beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of a request; by default it is passed on once and answered."""

    delay: float = 0.0
    """Seconds until it is passed on."""
    times: int = 1
    """How often it is passed on; the first answer counts."""
    before: Callable[[], None] = _nothing
    """Called before it is passed on."""
    after: Callable[[], None] = _nothing
    """Called when the server has carried it out, before the answer is passed back."""
    is_lost: bool = False
    """No answer comes back: the connection is closed."""
    answer: tuple[int, bytes] | None = None
    """Answered so instead, without being passed on."""
    path: str = ""
    """Asked there instead."""


PASS = Fault()
Decide = Callable[[Asked], Fault]
Seen = Callable[[Asked, int, bytes], None]


@dataclass(slots=True, eq=False)
class _Stream:
    """An answer that is still being passed on."""

    connection: asyncio.Transport | None
    is_silent: asyncio.Event = field(default_factory=asyncio.Event)


class Proxy:
    """One door; `decide` says what happens to each request, `seen` is told each answer of the server that ended."""

    def __init__(
        self, upstream: str, *, decide: Decide, seen: Seen = lambda *_: None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._upstream = upstream.rstrip("/")
        self._decide = decide
        self._seen = seen
        self._tls = tls
        self._streams: set[_Stream] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """Serve on a free port of the loopback, and stay there until the end."""
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls if self._tls is not None else True)
        async with aiohttp.ClientSession(
            connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
        ) as self._session:
            app = web.Application(client_max_size=_LONGEST_BODY)
            app.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=False)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", self.port)
            await site.start()
            self.port = runner.addresses[0][1]
            try:
                yield self
            finally:
                self.cut()
                await runner.cleanup()

    def silence(self) -> None:
        """The streams that are open now say nothing any more, and are not closed."""
        for stream in self._streams:
            stream.is_silent.set()

    def cut(self) -> None:
        """Close every connection over which an answer is being passed on."""
        for stream in tuple(self._streams):
            stream.is_silent.set()
            _abort(stream.connection)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(method=request.method, path=request.path, query=dict(request.query), body=await request.read())
        fault = self._decide(asked)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        fault.before()
        if fault.answer is not None:
            status, body = fault.answer
            return web.Response(status=status, body=body, content_type="application/json")
        response: web.StreamResponse | None = None
        for number in range(fault.times):
            passed = await self._passed_on(request, asked, fault, first=number == 0)
            response = response or passed
        if fault.is_lost or response is None:
            _abort(request.transport)
            return web.Response(status=502)
        return response

    async def _passed_on(
        self, request: web.Request, asked: Asked, fault: Fault, *, first: bool
    ) -> web.StreamResponse | None:
        """Ask the server; None when it does not answer."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = self._upstream + (fault.path or asked.path)
        try:
            async with self._session.request(
                asked.method, url, params=asked.query, headers=headers, data=asked.body or None
            ) as answer:
                if asked.is_watch and answer.status < 400:
                    return await self._streamed(request, answer)
                body = await answer.read()
        except (aiohttp.ClientError, OSError):
            return None
        self._seen(asked, answer.status, body)
        if first:
            fault.after()
        kept = {n: v for n, v in answer.headers.items() if n.lower() not in _HOP_BY_HOP}
        return web.Response(status=answer.status, headers=kept, body=body)

    async def _streamed(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """Pass on what comes, as it comes."""
        response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
        stream = _Stream(request.transport)
        self._streams.add(stream)
        silence = asyncio.ensure_future(stream.is_silent.wait())
        try:
            await response.prepare(request)
            while True:
                chunk = asyncio.ensure_future(answer.content.readany())
                await asyncio.wait((chunk, silence), return_when=asyncio.FIRST_COMPLETED)
                if silence.done():
                    chunk.cancel()
                    with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
                        await chunk
                    await _until_closed(request)
                    return response
                if not (data := chunk.result()):
                    await response.write_eof()
                    return response
                await response.write(data)
        except (aiohttp.ClientError, OSError):
            _abort(request.transport)  # ended in the middle, by one side or the other
            return response
        finally:
            silence.cancel()
            self._streams.discard(stream)


async def _until_closed(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 -- aiohttp has no event for it
        await asyncio.sleep(0.2)


def _abort(transport: asyncio.Transport | None) -> None:
    if transport is not None:
        transport.abort()


def status(code: int, reason: str, message: str) -> bytes:
    """What an API server says instead of an object."""
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return json.dumps(said | {"message": message}).encode()
