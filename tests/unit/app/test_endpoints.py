"""What one MetricSource declares, or its Secret holds, is that source's problem and no other's."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from firebreak.adapters.kube.client import KubeClient
from firebreak.adapters.kube.kinds import FIREBREAK
from firebreak.app.catalog import Catalog
from firebreak.app.endpoints import SECRET_LABEL, Endpoints
from firebreak.app.sources import Sources
from firebreak.core.objectives import SourceKey
from firebreak.core.ports import KubeObject

URL = "http://127.0.0.1:9090"
PASSWORD = {"password": {"name": "credentials", "key": "password"}}
BINARY = {"name": "credentials", "key": "binary"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[KubeClient]:
    """A connection to a server that knows one Secret."""
    held = {"password": base64.b64encode(b"s3cret").decode(), "binary": base64.b64encode(b"\xff\xfe").decode()}

    async def secret(_: web.Request) -> web.Response:
        return web.json_response({"metadata": {"labels": {SECRET_LABEL: "true"}}, "data": held})

    app = web.Application()
    app.router.add_get("/api/v1/namespaces/{namespace}/secrets/credentials", secret)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server = f"http://127.0.0.1:{runner.addresses[0][1]}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    client = await KubeClient.connect(str(tmp_path / "kubeconfig"))
    yield client
    await client.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"tenant": "team-a\n"}, "tenant holds a line break"),
        ({"basicAuth": {"username": "a:b", **PASSWORD}}, "username holds a colon"),
        ({"bearerToken": BINARY}, "Secret odd/credentials: its key binary holds no text"),
        ({"url": "https://127.0.0.1:9090", "tls": {"ca": BINARY}}, "its key binary holds no text"),
        ({"url": "https://127.0.0.1:9090", "tls": {"ca": PASSWORD["password"]}}, "the CA bundle"),
    ],
)
async def test_a_source_that_cannot_be_asked_is_told_and_the_others_are_asked(
    client: KubeClient, spec: dict[str, Any], told: str
) -> None:
    """In words that say what to change, and hold no secret."""
    catalog, sources = Catalog(lambda key: None), Sources()
    for namespace, more in (("docs", {}), ("odd", spec), ("shop", {"basicAuth": {"username": "me", **PASSWORD}})):
        raw: KubeObject = {"apiVersion": FIREBREAK["MetricSource"].api_version, "kind": "MetricSource"}
        raw |= {
            "metadata": {"name": "it", "namespace": namespace, "resourceVersion": "1"},
            "spec": {"url": URL, **more},
        }
        catalog.see(raw)
    endpoints = Endpoints(client, catalog, sources, "firebreak")

    await endpoints.follow(0.0)

    assert sources(SourceKey("docs", "it")) is not None
    assert sources(SourceKey("shop", "it")) is not None
    assert sources(SourceKey("odd", "it")) is None
    assert endpoints.unusable.keys() == {SourceKey("odd", "it")}
    assert told in endpoints.unusable[SourceKey("odd", "it")]
    assert "s3cret" not in str(endpoints.unusable)
    await sources.close()
