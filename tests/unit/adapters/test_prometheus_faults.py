"""What becomes of answers that a healthy Prometheus does not give; the healthy one is in tests/integration."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from firebreak.adapters.prometheus import MAX_ANSWER_BYTES, Endpoint, Prometheus, PrometheusHistory
from firebreak.core.ports_metrics import MetricsError, PartialResponse, QueryRefused, SourceDenied, SourceUnreachable

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOOD = '{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[0,"%s"]}]}%s}'
ODD = (
    "{}",
    '{"resultType":"%s"}',
    '{"resultType":"%s","result":null}',
    '{"resultType":"%s","result":[null]}',
    '{"resultType":"%s","result":[7]}',
    '{"resultType":"%s","result":[{"value":[0,"1"],"values":[[0,"1"]]}]}',
    '{"resultType":"%s","result":[{"metric":null,"value":[0,"1"],"values":[]}]}',
    '{"resultType":"%s","result":[{"metric":{"a":null},"value":[0,"1"],"values":[]}]}',
    '{"resultType":"%s","result":[{"metric":{},"value":[0,"much"],"values":[[0,"much"]]}]}',
    '{"resultType":"%s","result":[{"metric":{},"value":[],"values":[[0]]}]}',
    '{"resultType":"%s","result":[{"metric":{},"value":7,"values":7}]}',
    '{"resultType":"%s","result":[{"metric":{},"value":null,"values":[[4102444800,"1"]]}]}',
    '{"resultType":"%s","result":[{"metric":{},"value":null,"values":[[1767322925,"1"]]}]}',
    '{"resultType":"%s","result":[{"metric":{},"histogram":[0,{"buckets":[[0,"1"]]}],"histograms":[[0,{}]]}]}',
    '{"resultType":"%s","result":[{"metric":{},"histogram":[0,{"buckets":[0]}],"histograms":[[1767322925,{"buckets":[0]}]]}]}',
)
"""Data that no Prometheus answers; %s is the type that was asked for."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers that answer every request with a handler."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def asked(serve: Serve, handler: Handler, **endpoint: object) -> float:
    client = Prometheus(Endpoint(url=await serve(handler), timeout=timedelta(seconds=2), **endpoint))  # type: ignore[arg-type]
    try:
        return float((await client.instant("up", NOW)).values[0])
    finally:
        await client.close()


def saying(body: str, status: int = 200, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status, headers=headers)

    return handler


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (GOOD % ("1", ',"warnings":["store 10.0.0.1 is not there"]'), 200, PartialResponse),
        (GOOD % ("1", ',"isPartial":true'), 200, PartialResponse),
        ('{"status":"error","errorType":"bad_data","error":"parse error"}', 400, QueryRefused),
        ('{"status":"error","errorType":"execution","error":"too many samples"}', 422, QueryRefused),
        ('{"status":"error","errorType":"timeout","error":"slow"}', 503, SourceUnreachable),
        ('{"status":"error","errorType":"x","error":"busy"}', 429, SourceUnreachable),
        ("denied", 401, SourceDenied),
        ('{"status":"error","errorType":"x","error":"no token"}', 403, SourceDenied),
        ("nothing here", 404, SourceDenied),
        ("bad gateway", 502, SourceUnreachable),
        ("<html>login</html>", 200, SourceUnreachable),
        ("", 302, SourceUnreachable),
        ('{"status":"success","data":{"resultType":"string","result":[0,"x"]}}', 200, QueryRefused),
        ('{"status":"success","data":{"resultType":"scalar","result":[]}}', 200, SourceUnreachable),
    ],
)
async def test_every_answer_but_a_whole_and_good_one_is_an_error_of_its_kind(serve, body, status, error):
    """Kinds by what the reader does: try again, change something, or distrust the counts."""
    with pytest.raises(error) as told:
        await asked(serve, saying(body, status, Location="http://127.0.0.1:1/"))
    assert type(told.value) is error


async def test_native_histograms_are_read_beside_values(serve):
    """By both clients, at a moment and over a range; what a store does not list holds nothing."""
    first, second = (f'{{"count":"{n}","sum":"9","buckets":[[0,"1","2","{n}"]]}}' for n in (3, 5))

    async def handler(request: web.Request) -> web.Response:
        start = NOW.timestamp()
        if request.path.endswith("range"):
            rows = f'"values":[[{start},"7"]],"histograms":[[{start + 60},{first}],[{start + 120},{second}]]'
        else:
            rows = f'"histogram":[{start},{{"count":"0","sum":"0"}}]'
        kind = "matrix" if request.path.endswith("range") else "vector"
        return web.Response(
            text=f'{{"status":"success","data":{{"resultType":"{kind}","result":[{{"metric":{{"a":"b"}},{rows}}}]}}}}'
        )

    endpoint = Endpoint(url=await serve(handler))
    live = Prometheus(endpoint)
    for client in (live, PrometheusHistory(endpoint)):
        empty = await client.instant("up", NOW)
        assert [(labels, buckets.rows.tolist()) for labels, buckets in empty.histograms] == [
            ((("a", "b"),), [[], [], []])
        ]
        matrix = await client.range("up", NOW, NOW + timedelta(minutes=3), timedelta(minutes=1))
        assert [matrix.at(0).values.tolist(), matrix.at(1).values.tolist()] == [[7.0], []]
        told = [[buckets.rows.tolist() for _, buckets in matrix.at(moment).histograms] for moment in range(4)]
        assert told == [[], [[[1.0], [2.0], [3.0]]], [[[1.0], [2.0], [5.0]]], []]
        assert [matrix.holds_some_at(moment) for moment in range(4)] == [True, True, True, False]
    await live.close()


async def test_an_answer_that_is_laid_out_otherwise_is_an_error_of_the_source(serve):
    """Whoever answers may say anything: it is told as what it is, and trips nothing."""

    async def handler(request: web.Request) -> web.Response:
        kind = "matrix" if request.path.endswith("range") else "vector"
        query = (await request.post()).get("query") or request.query["query"]
        data = ODD[int(str(query))].replace("%s", kind)
        return web.Response(text=f'{{"status":"success","data":{data}}}')

    endpoint = Endpoint(url=await serve(handler))
    live, history = Prometheus(endpoint), PrometheusHistory(endpoint)
    for number in range(len(ODD)):
        for client in (live, history):
            with pytest.raises(MetricsError):
                await client.instant(str(number), NOW)
            with pytest.raises(MetricsError):
                await client.range(str(number), NOW, NOW + timedelta(minutes=2), timedelta(minutes=1))
    await live.close()


@pytest.mark.parametrize("warnings", ["7", '{"a":1}', "[null]", '"partly"'])
async def test_odd_warnings_are_an_error_of_the_source(serve, warnings):
    """A warning in whatever form is none of a whole answer."""
    with pytest.raises(MetricsError):
        await asked(serve, saying(GOOD % ("1", f',"warnings":{warnings}')))


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ({"tenant": "team-a\n"}, "tenant holds a line break"),
        ({"tenant": "team\0a"}, "tenant holds a line break"),
        ({"bearer_token": "s3c\nncret"}, "token in its Secret holds a line break"),
        ({"basic_auth": ("a:b", "s3ncret")}, "basicAuth.username holds a colon"),
    ],
)
async def test_what_no_header_can_carry_is_told(endpoint, told):
    """When the client is made, in the words of the field, and without the secret."""
    for client in (Prometheus, PrometheusHistory):
        with pytest.raises(QueryRefused, match=told) as caught:
            client(Endpoint(url="http://127.0.0.1:9", **endpoint))
        assert "ncret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://[::1", "http://a:99999", f"http://{'a' * 70}.example", "http://"])
async def test_a_url_that_is_none_is_an_error_of_the_source(url):
    """Whatever passes the schema's pattern."""
    client = Prometheus(Endpoint(url=url, timeout=timedelta(seconds=2)))
    with pytest.raises(MetricsError):
        await client.instant("up", NOW)
    await client.close()


async def test_remarks_on_the_expression_are_not_missing_data(serve):
    """Prometheus 3 remarks on names; the data are whole."""
    remark = ',"warnings":["PromQL warning: mixed types"],"infos":["PromQL info: not a counter?"]'
    assert await asked(serve, saying(GOOD % ("3", remark))) == 3.0


@pytest.mark.parametrize(("text", "value"), [("+Inf", float("inf")), ("-Inf", float("-inf")), ("1e3", 1000.0)])
async def test_values_are_read_as_prometheus_writes_them(serve, text, value):
    """What infinities mean is for the reader of counts to say."""
    assert await asked(serve, saying(GOOD % (text, ""))) == value


async def test_a_slow_source_is_given_up_in_time(serve):
    """No call outlasts the source's timeout."""

    is_over = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await is_over.wait()
        return web.Response(status=503)

    client = Prometheus(Endpoint(url=await serve(never), timeout=timedelta(milliseconds=200)))
    with pytest.raises(SourceUnreachable, match="no answer within"):
        await client.instant("up", NOW)
    await client.close()
    is_over.set()


async def test_an_answer_without_end_is_refused(serve):
    """Memory is bounded whatever a source sends; the reason names the query, and what to change."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        chunk = b" " * 2**20
        for _ in range(MAX_ANSWER_BYTES // len(chunk) + 2):
            await response.write(chunk)
        return response

    with pytest.raises(QueryRefused, match=r"the answer to up is larger than 64 MiB .* narrow the selector"):
        await asked(serve, endless)


async def test_nobody_listening_is_unreachable():
    """With the address in the message."""
    client = Prometheus(Endpoint(url="http://127.0.0.1:9", timeout=timedelta(seconds=1)))
    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1:9"):
        await client.instant("up", NOW)
    await client.close()


@pytest.mark.parametrize(
    ("endpoint", "header", "value"),
    [
        ({"bearer_token": "s3cret"}, "Authorization", "Bearer s3cret"),
        ({"basic_auth": ("me", "s3cret")}, "Authorization", "Basic bWU6czNjcmV0"),
        ({"tenant": "team-a"}, "X-Scope-OrgID", "team-a"),
    ],
)
async def test_credentials_and_tenant_are_sent(serve, endpoint, header, value):
    """With every request, in the header that the field uses."""
    seen = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update(request.headers)
        return web.Response(text=GOOD % ("1", ""))

    await asked(serve, handler, **endpoint)
    assert seen[header] == value


async def test_the_query_goes_into_the_body(serve):
    """A long query does not end in a 414, and stands in no access log."""
    seen = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update(await request.post(), url=str(request.rel_url), method=request.method)
        return web.Response(text=GOOD % ("1", ""))

    await asked(serve, handler)
    assert (seen["method"], seen["url"], seen["query"]) == ("POST", "/api/v1/query", "up")
    assert float(seen["time"]) == NOW.timestamp()


async def test_no_secret_stands_in_a_message_or_a_repr(serve):
    """Neither where it failed nor where it is printed."""
    endpoint = Endpoint(url=await serve(saying("no", 403)), bearer_token="s3cret", basic_auth=("me", "s3cret"))
    client = Prometheus(endpoint)
    with pytest.raises(MetricsError) as caught:
        await client.instant("up", NOW)
    await client.close()
    assert "s3cret" not in str(caught.value) + repr(endpoint) + repr(caught.value)


def test_a_ca_that_is_none_is_told():
    """When the client is made, not at the first query."""
    with pytest.raises(QueryRefused, match="not PEM"):
        Endpoint(url="https://x", ca_pem="-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----").ssl_context()
