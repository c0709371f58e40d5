"""How are the API server's answers got, as plain JSON, within a deadline?

The one place that speaks to the `kubernetes` package. It is used for credentials, TLS and the connection pool only: its
typed models cost 24 times as much as plain JSON, and can refuse an answer after the server has applied the write.
Credentials are read again by its hooks (a Pod's token every minute, an exec plugin's when it expires).
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
import orjson
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from firebreak.adapters.kube.kinds import Kind
from firebreak.core.field_paths import PatchOp
from firebreak.core.ports import ClusterError, ClusterUnavailable

FIELD_MANAGER = "firebreak"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
READ_TIMEOUT = 10.0
WRITE_TIMEOUT = 4.0
"""Seconds; a leader must be sure of its lease for at least this long before it sends a write (lease.py)."""

_PAGE = 500
_LONGEST = 1000
# The package's functions have no annotations.
_InCluster: Callable[..., Any] = InClusterConfigLoader
_load_kubeconfig: Callable[..., Awaitable[Any]] = kube_config.load_kube_config


class ClusterDenied(ClusterError):
    """The API server refused to answer; asking again changes nothing until someone changes the permissions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API server said: below 400 the object, else a Status."""

    status: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """The request was carried out."""
        return self.status < 400

    @property
    def causes(self) -> tuple[Mapping[str, Any], ...]:
        """What in the request was wrong, item by item."""
        return tuple((self.body.get("details") or {}).get("causes") or ())

    @property
    def message(self) -> str:
        """Why it was refused.

        A patch that does not fit the type is answered with the whole object, quoted, and the reason at its end; only
        the reason is kept: an object may hold a prompt or a secret, and neither belongs into a log or a status.
        """
        said = str(self.body.get("message") or f"HTTP {self.status}").strip()
        quoted = any(cause.get("field") == "patch" for cause in self.causes)
        return (said.rsplit('": ', 1)[-1] if quoted else said)[:_LONGEST]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """All objects of a kind, and the resourceVersion from which to watch on."""

    items: tuple[Mapping[str, Any], ...]
    resource_version: str


class KubeClient:
    """A connection to one API server."""

    def __init__(self, configuration: Configuration) -> None:
        self._api = ApiClient(configuration=configuration)
        self._api.rest_client = self._rest = _Rest(configuration)

    @classmethod
    async def connect(cls, kubeconfig: str | None = None, *, service_account: Path = SERVICE_ACCOUNT) -> Self:
        """Use this kubeconfig, else KUBECONFIG, else the Pod's ServiceAccount, else ~/.kube/config."""
        configuration = Configuration()
        configuration.retries = None  # whether a write is sent again is ours to decide
        configuration.client_go_retries = False
        chosen = kubeconfig or os.environ.get("KUBECONFIG")
        if chosen is None and "KUBERNETES_SERVICE_HOST" in os.environ and (service_account / "token").exists():
            _InCluster(
                token_filename=str(service_account / "token"), cert_filename=str(service_account / "ca.crt")
            ).load_and_set(configuration)
        else:
            loader = await _load_kubeconfig(
                config_file=chosen, client_configuration=configuration, persist_config=False
            )
            _keep_fresh(configuration, loader)
        return cls(configuration)

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()  # type: ignore[no-untyped-call]  # not annotated there

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        acting_as: str = "",
        deadline_seconds: float = READ_TIMEOUT,
    ) -> Answer:
        """Ask once; raises ClusterUnavailable when there is no answer in time, and on 401, 429 and 5xx.

        Of a write that ended so it is not known whether it was carried out. `acting_as` is the user whose rights count
        instead of ours, such as system:serviceaccount:docs:firebreak: the API server adds that account's groups itself.
        """
        asked = f"{method} {path}"
        try:
            # Both deadlines: the client's does not cover the credentials' refresh, ours covers everything.
            async with asyncio.timeout(deadline_seconds):
                _, url, headers, _, _ = await self._api.param_serialize(
                    method,
                    path,
                    query_params=list((query or {}).items()),
                    header_params={"Accept": accept, "Content-Type": content_type}
                    | ({"Impersonate-User": acting_as} if acting_as else {}),
                    auth_settings=["BearerToken"],
                )
                data = None if body is None else encoded(body)
                async with self._rest.send(method, url, headers, data, deadline_seconds) as response:
                    answer = Answer(status=response.status, body=_decoded(await response.read()))
        except TimeoutError as error:
            raise ClusterUnavailable(f"{asked}: no answer within {deadline_seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ClusterUnavailable(f"{asked}: {error or type(error).__name__}") from error
        if answer.status in (401, 429) or answer.status >= 500:
            raise ClusterUnavailable(f"{asked}: {answer.status} {answer.message}")
        return answer

    async def patch(
        self,
        path: str,
        ops: Iterable[PatchOp],
        *,
        dry_run: bool = False,
        acting_as: str = "",
        deadline_seconds: float = WRITE_TIMEOUT,
    ) -> Answer:
        """Send a JSON patch under Firebreak's name; unknown fields are refused instead of dropped."""
        return await self.request(
            "PATCH",
            path,
            query=written_by(dry_run=dry_run),
            body=[op.dump() for op in ops],
            content_type=JSON_PATCH,
            acting_as=acting_as,
            deadline_seconds=deadline_seconds,
        )

    async def get(self, path: str) -> Mapping[str, Any] | None:
        """An object as it is now; None when there is none. Raises ClusterDenied."""
        answer = await self.request("GET", path)
        if answer.status == 404:
            return None
        if not answer.ok:
            raise ClusterDenied(f"GET {path}: {answer.status} {answer.message}")
        return answer.body

    async def list(self, kind: Kind, namespace: str = "", *, labels: str = "") -> Listed:
        """All objects of a kind, page by page. Raises ClusterDenied; also when the kind is not installed."""
        path = kind.collection(namespace)
        query = {"limit": str(_PAGE)} | ({"labelSelector": labels} if labels else {})
        for _ in range(3):
            items: list[Mapping[str, Any]] = []
            token = ""
            while True:
                answer = await self.request("GET", path, query=query | ({"continue": token} if token else {}))
                if not answer.ok:
                    break
                # A list's items carry neither of these when the kind is built in.
                items += [
                    {"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in answer.body["items"] or ()
                ]
                metadata = answer.body["metadata"]
                token = metadata.get("continue", "")
                if not token:
                    return Listed(items=tuple(items), resource_version=metadata["resourceVersion"])
            if answer.status != 410:
                raise ClusterDenied(f"GET {path}: {answer.status} {answer.message}")
            # The first pages have been compacted away while we read on: start again.
        raise ClusterUnavailable(f"GET {path}: the list expired three times before it was read to the end")

    async def watch(
        self, kind: Kind, resource_version: str, *, for_seconds: int = 240
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """What happens to objects of a kind from there on, as the API server's events, of all namespaces.

        Ends after the time: list and watch again, since a connection can die unnoticed and an event can be missed.
        An event of type ERROR is the last one. Raises ClusterUnavailable, and ClusterDenied.
        """
        query = {"watch": "1", "resourceVersion": resource_version, "timeoutSeconds": str(for_seconds)}
        try:
            _, url, headers, _, _ = await self._api.param_serialize(
                "GET",
                kind.collection(),
                query_params=list(query.items()),
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
            )
            async with self._rest.send("GET", url, headers, None, for_seconds + READ_TIMEOUT) as response:
                if response.status >= 400:
                    said = f"WATCH {kind.plural}: {response.status}"
                    raise (ClusterDenied if response.status in (403, 404) else ClusterUnavailable)(said)
                left = b""
                # An event is a line, and may be longer than aiohttp's own reader of lines takes.
                async for chunk in response.content.iter_any():
                    *lines, left = (left + chunk).split(b"\n")
                    for line in lines:
                        yield _decoded(line)
        except (aiohttp.ClientError, OSError) as error:
            raise ClusterUnavailable(f"WATCH {kind.plural}: {error or type(error).__name__}") from error


def written_by(*, dry_run: bool = False) -> dict[str, str]:
    """The query of every write: who writes, strictly, and whether only for show."""
    return {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})


def encoded(body: Any) -> bytes:
    """JSON exactly as the API server would write it itself: compact, keys sorted, and Go's five escapes.

    It keeps a ControllerRevision's immutable data as the bytes that were sent, and compares them with its own encoding
    whenever an annotation is patched: any other form of the same JSON is then "changed" (seen: 1.36).
    """
    text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    for raw, escaped in _GO_ESCAPES:
        text = text.replace(raw, escaped)
    return text


_GO_ESCAPES = tuple((char.encode(), f"\\u{ord(char):04x}".encode()) for char in "<>&\u2028\u2029")


class _Rest(RESTClientObject):
    """The package's connection pool and TLS, without its encoding of bodies."""

    def send(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None, deadline_seconds: float
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send one request."""
        if self.pool_manager is None:
            self.pool_manager = self._create_pool_manager()
        return self.pool_manager.request(
            method,
            url,
            headers=headers,
            data=data,
            timeout=aiohttp.ClientTimeout(total=deadline_seconds),
            proxy=self.proxy,
            proxy_headers=self.proxy_headers,
            server_hostname=self.configuration.tls_server_name,
        )


def _decoded(body: bytes) -> Mapping[str, Any]:
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        # A proxy's answer, or "404 page not found" for an API group that is not installed.
        decoded = body.decode(errors="replace").strip()
    return decoded if isinstance(decoded, dict) else {"message": str(decoded)}


def _keep_fresh(configuration: Configuration, loader: Any) -> None:
    """Ask a kubeconfig's exec plugin again about once a minute; what it returns may have expired."""
    if "exec" not in (loader._user or {}):
        return
    asked = asyncio.get_running_loop().time()

    async def refresh(current: Configuration) -> None:
        nonlocal asked
        now = asyncio.get_running_loop().time()
        if now - asked >= 60.0:
            asked = now
            await loader.load_from_exec_plugin()
            if hasattr(loader, "token"):  # else the plugin gives certificates, which are read again at a restart
                current.api_key["BearerToken"] = loader.token

    configuration.refresh_api_key_hook = refresh  # type: ignore[assignment]  # declared there as always None
