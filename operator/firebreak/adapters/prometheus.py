"""A Prometheus-compatible store (Prometheus, Thanos, Mimir, VictoriaMetrics) as a MetricsPort.

`Prometheus` is the live path: it speaks HTTP itself, since prometheus-api-client 0.7 drops warnings (so a partial
answer would pass as a whole one), puts even a POSTed query into the URL, waits for ever by default and costs twice the
time. `PrometheusHistory` is that library behind the same port, for the backtest's and the CLI's long ranges.
Both read answers with the same functions, so both mean the same by them.
"""

import asyncio
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

import aiohttp
import numpy as np
import orjson
import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from firebreak.core.ports_metrics import (
    AnswerTooLarge,
    Buckets,
    Labels,
    Matrix,
    MetricsError,
    PartialResponse,
    QueryRefused,
    SourceDenied,
    SourceUnreachable,
    Vector,
)

Answer = TypeVar("Answer")
Data: TypeAlias = dict[str, Any]

MAX_ANSWER_BYTES = 64 * 2**20
IN_THREAD_ABOVE_BYTES = 2**20  # parsing 1 MB takes about 15 ms, which the event loop can spare
CONCURRENT_QUERIES = 6
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Remarks of the engine on the expression; every other warning says that data may be missing.
_REMARKS = ("PromQL info:", "PromQL warning:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and as whom to ask. Secrets come in as values, and appear in no message and no repr."""

    url: str  # without /api/v1
    timeout: timedelta = timedelta(seconds=10)
    tenant: str | None = None
    bearer_token: str | None = field(default=None, repr=False)
    basic_auth: tuple[str, str] | None = field(default=None, repr=False)
    ca_pem: str | None = field(default=None, repr=False)
    insecure_skip_verify: bool = False

    @property
    def headers(self) -> Mapping[str, str]:
        headers = {"Accept": "application/json"}
        if self.tenant:
            headers["X-Scope-OrgID"] = self.tenant
        if self.bearer_token:
            headers["Authorization"] = f"Bearer {self.bearer_token}"
        elif self.basic_auth:
            try:
                headers["Authorization"] = aiohttp.encode_basic_auth(*self.basic_auth)
            except ValueError as error:
                raise QueryRefused(
                    f"{self.url}: basicAuth.username holds a colon, which HTTP does not allow"
                ) from error
        for name, value in headers.items():
            # aiohttp says so at each query, and by a ValueError.
            if _CONTROL.search(value):
                place = "tenant" if name == "X-Scope-OrgID" else "the token in its Secret"
                raise QueryRefused(f"{self.url}: {place} holds a line break or another control character; remove it")
        return headers

    def ssl_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cadata=self.ca_pem)
        except ssl.SSLError as error:
            raise QueryRefused(f"{self.url}: the CA bundle is not PEM: {error.reason}") from error
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Prometheus:
    """The live path. Made within a running event loop; `close` it when the source is gone or has changed."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._base = endpoint.url.rstrip("/")
        seconds = endpoint.timeout.total_seconds()
        self._session = aiohttp.ClientSession(
            headers=dict(endpoint.headers),
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, 5.0)),
            connector=aiohttp.TCPConnector(limit=CONCURRENT_QUERIES, ssl=endpoint.ssl_context()),
        )
        self._slots = asyncio.Semaphore(CONCURRENT_QUERIES)

    async def close(self) -> None:
        await self._session.close()

    async def instant(self, query: str, at: datetime) -> Vector:
        return await self._ask("query", {"query": query, "time": _seconds(at)}, vector_of)

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        form = {
            "query": query,
            "start": _seconds(start),
            "end": _seconds(end),
            "step": f"{step.total_seconds():g}",
        }
        return await self._ask("query_range", form, lambda data: matrix_of(data, start, end, step))

    async def _ask(self, path: str, form: dict[str, str], read: Callable[[Data], Answer]) -> Answer:
        seconds = self._endpoint.timeout.total_seconds()
        # partial_response is Thanos' switch: rather no answer than a part of one. Others ignore it.
        form = form | {"timeout": f"{seconds:g}s", "partial_response": "false"}
        try:
            # Redirects are not followed: they would carry the credentials to wherever they point.
            async with (
                self._slots,
                asyncio.timeout(seconds),
                self._session.post(f"{self._base}/api/v1/{path}", data=form, allow_redirects=False) as response,
            ):
                body = await _limited(response, f"{self._base}: the answer to {form['query'][:300]}")
                status = response.status
        except TimeoutError as error:
            raise SourceUnreachable(f"{self._base}: no answer within {seconds:g}s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise SourceUnreachable(f"{self._base}: {error}") from error
        except RuntimeError as error:
            # It was closed while this waited for its slot, since the source was declared anew.
            raise SourceUnreachable(f"{self._base}: {error}") from error
        except ValueError as error:
            # Of a URL that passes the schema and is none; its words may hold what was sent.
            raise SourceDenied(f"{self._base}: cannot be asked ({type(error).__name__}): look at the URL") from error

        def parse() -> Answer:
            with _as_prometheus_answers(self._base):
                return read(data_of(self._base, status, body))

        return await asyncio.to_thread(parse) if len(body) > IN_THREAD_ABOVE_BYTES else parse()


class PrometheusHistory:
    """Long ranges by prometheus-api-client, in a thread, each call within its timeout."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._base = endpoint.url.rstrip("/")
        session = requests.Session()
        session.mount("https://", _TlsAdapter(endpoint.ssl_context()))
        session.verify = not endpoint.insecure_skip_verify
        self._connection = PrometheusConnect(
            url=self._base,
            headers=dict(endpoint.headers),
            session=session,
            timeout=endpoint.timeout.total_seconds(),
        )
        # It mounts an adapter of its own for the URL, without our CA and with retries beyond the timeout.
        session.mount(self._base, _TlsAdapter(endpoint.ssl_context()))

    async def instant(self, query: str, at: datetime) -> Vector:
        params = {"time": _seconds(at), "partial_response": "false"}
        with _as_prometheus_answers(self._base):
            result = await self._call(lambda: self._connection.custom_query(query, params=params))
            return vector_of({"resultType": "vector" if _has_labels(result) else "scalar", "result": result})

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        seconds = f"{step.total_seconds():g}"
        params = {"partial_response": "false"}
        with _as_prometheus_answers(self._base):
            result = await self._call(
                lambda: self._connection.custom_query_range(query, start, end, seconds, params=params)
            )
            return matrix_of({"resultType": "matrix", "result": result}, start, end, step)

    async def _call(self, ask: Callable[[], Any]) -> Any:
        seconds = self._endpoint.timeout.total_seconds()
        try:
            # The thread cannot be cancelled; the library's own timeout ends it.
            async with asyncio.timeout(seconds * 2.0):
                return await asyncio.to_thread(ask)
        except TimeoutError as error:
            raise SourceUnreachable(f"{self._base}: no answer within {seconds:g}s") from error
        except requests.RequestException as error:
            raise SourceUnreachable(f"{self._base}: {type(error).__name__}") from error
        except PrometheusApiClientException as error:
            raise QueryRefused(f"{self._base}: {str(error)[:300]}") from error


class _TlsAdapter(requests.adapters.HTTPAdapter):
    """requests takes a CA only as a file; this takes the context that we have."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


@contextmanager
def _as_prometheus_answers(base: str) -> Iterator[None]:
    """Whoever answers may say anything: what is not laid out as it has to be is a MetricsError, whatever it trips."""
    try:
        yield
    except MetricsError:
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"[:120]
        raise SourceUnreachable(f"{base}: the answer is not laid out as Prometheus answers ({told})") from error


def data_of(base: str, status: int, body: bytes) -> Data:
    """The `data` of an answer of the HTTP API; a MetricsError for anything but a whole and good one."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, dict) and answer.get("status") == "error" and status not in (401, 403):
        said = f"{answer.get('errorType', 'error')}: {answer.get('error', '')}"[:300]
        transient = status == 429 or status >= 500 or answer.get("errorType") in {"timeout", "canceled", "unavailable"}
        raise (SourceUnreachable if transient else QueryRefused)(f"{base}: {said}")
    if status != 200 or not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
        told = f"{base}: HTTP {status}" + ("" if status != 200 else ", but no Prometheus answer")
        if status in (401, 403):
            raise SourceDenied(f"{told}: check the source's credentials")
        if 400 <= status < 500 and status != 429:
            raise SourceDenied(f"{told}: check the source's URL")
        raise SourceUnreachable(told)
    missing = [w for w in answer.get("warnings") or () if not str(w).startswith(_REMARKS)]
    if missing or answer.get("isPartial") is True:
        raise PartialResponse(f"{base}: the answer may be incomplete: {str(next(iter(missing), 'isPartial'))[:300]}")
    data: Data = answer["data"]
    return data


def vector_of(data: Data) -> Vector:
    """An instant query's answer, in the order in which it came."""
    match data.get("resultType"):
        case "scalar":
            return Vector(labels=[()], values=np.array([float(data["result"][1])]))
        case "vector":
            rows = [row for row in data["result"] if "histogram" not in row]
            return Vector(
                labels=[_labels(row["metric"]) for row in rows],
                values=np.fromiter((float(row["value"][1]) for row in rows), dtype=np.float64, count=len(rows)),
                histograms=[
                    (_labels(row["metric"]), _buckets(row["histogram"][1]))
                    for row in data["result"]
                    if "histogram" in row
                ],
            )
        case other:
            raise QueryRefused(f"the answer is of type {other}; an instant vector or a scalar is needed")


def matrix_of(data: Data, start: datetime, end: datetime, step: timedelta) -> Matrix:
    """A range query's answer, laid out on its grid of moments."""
    if data.get("resultType") != "matrix":
        raise QueryRefused(f"the answer is of type {data.get('resultType')}; a range is needed")
    rows = [row for row in data["result"] if "values" in row or "histograms" not in row]
    moments = round((end - start) / step) + 1
    first, width = start.timestamp(), step.total_seconds()
    values = np.full((len(rows), moments), np.nan)
    present = np.zeros((len(rows), moments), dtype=np.bool_)

    def columns_of(readings: Sequence[Sequence[Any]]) -> list[int]:
        columns = [round((float(moment) - first) / width) for moment, _ in readings]
        if columns and not 0 <= min(columns) <= max(columns) < moments:
            raise SourceUnreachable("the answer holds moments that were not asked for")  # -1 would be the last
        return columns

    for at, row in enumerate(rows):
        columns = columns_of(row["values"])
        values[at, columns] = [float(value) for _, value in row["values"]]
        present[at, columns] = True
    # A series may be values for a while, and histograms later.
    histograms = [
        (
            _labels(row["metric"]),
            {at: _buckets(said) for at, (_, said) in zip(columns_of(told), told, strict=True)},
        )
        for row in data["result"]
        if (told := row.get("histograms"))
    ]
    return Matrix(
        labels=[_labels(row["metric"]) for row in rows], values=values, present=present, histograms=histograms
    )


def _buckets(said: Mapping[str, Any]) -> Buckets:
    """`[[which bounds belong to it, "lower", "upper", "count"], …]`, without those that hold nothing."""
    rows = [(float(lower), float(upper), float(count)) for _, lower, upper, count in said.get("buckets") or ()]
    return Buckets(rows=np.array(rows, dtype=np.float64).reshape(-1, 3).T)


def _labels(metric: Mapping[str, str]) -> Labels:
    "".join(metric.values())  # a TypeError for a value that is no text
    return tuple(sorted(metric.items()))


def _has_labels(result: Sequence[Any]) -> bool:
    return not result or isinstance(result[0], dict)


def _seconds(moment: datetime) -> str:
    return f"{moment.timestamp():.3f}"


async def _limited(response: aiohttp.ClientResponse, what: str) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise AnswerTooLarge(
                f"{what} is larger than {MAX_ANSWER_BYTES // 2**20} MiB and is not read: "
                "narrow the selector by a matcher, or drop the label that has so many values from the metric"
            )
    return b"".join(chunks)
