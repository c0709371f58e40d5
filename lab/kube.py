"""The lab's own view of the Kubernetes API: plain JSON over HTTP, and a watch that lists again when it must.

For the node agent and the bootstrap, which run beside the API server. Typed clients cost more than the rest of the
agent together.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

Object = dict[str, Any]

STRATEGIC_MERGE = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"

_TIMEOUT = aiohttp.ClientTimeout(total=15)


class KubeError(Exception):
    """The API server refused; `code` is HTTP's, the message is its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Kube:
    """A connection to the API server as one user."""

    def __init__(self, url: str, token: str, ca: Path) -> None:
        self._url = url
        context = ssl.create_default_context(cafile=str(ca))
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"},
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            json_serialize=json.dumps,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give up the connections."""
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """One request; KubeError when it is refused, OSError or TimeoutError when there is no answer."""
        async with self._session.request(
            method,
            self._url + path,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type},
            params=query,
            timeout=_TIMEOUT,
        ) as response:
            text = await response.text()
            if response.status >= 400:
                raise KubeError(response.status, _message_of(text))
            return json.loads(text) if text.startswith("{") else {"text": text}

    async def get(self, path: str) -> Object:
        return await self.request("GET", path)

    async def apply(self, manifest: Object, manager: str = "lab") -> Object:
        """Server-side apply of one object of any kind that is served."""
        path = await self.path_of(manifest)
        return await self.request(
            "PATCH", path, manifest, content_type=APPLY, query={"fieldManager": manager, "force": "true"}
        )

    async def path_of(self, manifest: Object) -> str:
        """Where an object lives, by asking the API server what its kind is called in URLs."""
        version = manifest["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for resource in (await self.get(root))["resources"]:
            if resource["kind"] == manifest["kind"] and "/" not in resource["name"]:
                metadata = manifest["metadata"]
                scope = f"/namespaces/{metadata.get('namespace', 'default')}" if resource["namespaced"] else ""
                return f"{root}{scope}/{resource['name']}/{metadata['name']}"
        raise KubeError(404, f"{version} has no kind {manifest['kind']}")

    async def watch(self, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[tuple[str, Object]]:
        """Every object as ADDED, MODIFIED or DELETED, for ever; LISTED with all of them after each (re)list.

        A listing shows only what exists: who keeps state drops what a LISTED does not hold.
        """
        while True:
            try:
                listing = await self.request("GET", path, query=query)
                yield "LISTED", listing
                version = listing["metadata"]["resourceVersion"]
                async for kind, item in self._events(path, {**(query or {}), "resourceVersion": version}):
                    yield kind, item
            except (aiohttp.ClientError, KubeError, OSError, TimeoutError):
                await asyncio.sleep(0.3)

    async def _events(self, path: str, query: Mapping[str, str]) -> AsyncIterator[tuple[str, Object]]:
        """One watch, until it ends or the server says that it has forgotten where we were."""
        params = {**query, "watch": "true", "allowWatchBookmarks": "true"}
        # Bookmarks come about once a minute; a connection that is silent for longer is dead.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=90)
        async with self._session.get(self._url + path, params=params, timeout=timeout) as response:
            if response.status >= 400:
                raise KubeError(response.status, _message_of(await response.text()))
            buffer = b""
            async for chunk in response.content.iter_any():
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return
                    if event["type"] != "BOOKMARK":
                        yield event["type"], event["object"]


def _message_of(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:500]
