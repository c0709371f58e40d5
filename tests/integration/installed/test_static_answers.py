"""The responder follows the AIServices of a real API server, with no more rights than the chart gives it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import yaml
from tests.integration.installed.installed import SERVICE, Installation, Kubectl

from firebreak.adapters.kube.client import KubeClient
from firebreak.responder.main import serve

pytestmark = pytest.mark.lab


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def client(kubectl: Kubectl, firebreak: Installation, tmp_path: Path) -> AsyncIterator[KubeClient]:
    """A connection with the rights of the responder's own account."""
    account = f"{firebreak.name}-responder"
    token = kubectl.must(kubectl.run("create", "token", account, f"--namespace={firebreak.namespace}")).strip()
    config = yaml.safe_load(kubectl.must(kubectl.run("config", "view", "--raw", "--minify", "--flatten")))
    config["users"][0]["user"] = {"token": token}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    client = await KubeClient.connect(str(file))
    yield client
    await client.close()


async def test_users_get_what_the_service_says_now(kubectl: Kubectl, client: KubeClient) -> None:
    """A declared answer is served, a changed one as well, and after the service is gone there is none."""
    users_port, machines_port, stop = free_port(), free_port(), asyncio.Event()
    header = {"firebreak-fallback": f"{kubectl.namespace}/it/apology"}
    async with aiohttp.ClientSession() as http, asyncio.timeout(30), asyncio.TaskGroup() as group:

        async def until(port: int, path: str, wanted: tuple[int, str]) -> None:
            got = None
            while got is None or got[0] != wanted[0] or wanted[1] not in got[1]:
                try:
                    async with http.get(f"http://127.0.0.1:{port}/{path}", headers=header) as response:
                        got = response.status, await response.text()
                except aiohttp.ClientConnectionError:
                    got = None
                await asyncio.sleep(0)

        serving = group.create_task(
            serve(
                client,
                stop,
                host="127.0.0.1",
                users_port=users_port,
                machines_port=machines_port,
                drain_seconds=0.0,
            )
        )
        await until(machines_port, "readyz", (200, "ok"))
        await until(users_port, "v1/answer", (503, "no such static fallback"))

        await asyncio.to_thread(lambda: kubectl.must(kubectl.create(SERVICE)))
        await until(users_port, "v1/answer", (503, "sorry"))

        change = [{"op": "replace", "path": "/spec/fallbacks/1/static/status", "value": 200}]
        patch = ("patch", "aiservice/it", "--type=json", "-p", json.dumps(change))
        await asyncio.to_thread(lambda: kubectl.must(kubectl.run(*patch)))
        await until(users_port, "v1/answer", (200, "sorry"))

        await asyncio.to_thread(lambda: kubectl.must(kubectl.run("delete", "aiservice/it")))
        await until(users_port, "v1/answer", (503, "no such static fallback"))

        await until(machines_port, "metrics", (200, 'fallback="apology"'))
        stop.set()
        await serving
