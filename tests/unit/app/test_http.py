"""The operator's endpoints: alive while the evaluation goes round, ready once the cluster is known, and its numbers."""

import json

import aiohttp
import pytest

from firebreak.app.http import Http
from firebreak.app.settings import Settings
from firebreak.app.telemetry import Telemetry


def settings(port: int = 0) -> Settings:
    return Settings.from_env(
        {
            "POD_NAMESPACE": "firebreak",
            "POD_NAME": "firebreak-0",
            "POD_IP": "127.0.0.1",
            "FIREBREAK_PORT": str(port),
            "FIREBREAK_SERVICE_ACCOUNT": "system:serviceaccount:firebreak:firebreak",
            "FIREBREAK_REACH": json.dumps([]),
        }
    )


async def get(port: int, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_a_probe_follows_what_it_asks_about(path: str) -> None:
    """200 while it is so, 503 with the reason while it is not."""
    so = {"/livez": True, "/readyz": True}
    http = Http(settings(), Telemetry(), is_alive=lambda: so["/livez"], is_ready=lambda: so["/readyz"])

    async with http.serving() as port:
        assert await get(port, path) == (200, "ok\n")

        so[path] = False

        status, text = await get(port, path)
    assert status == 503
    assert text.strip()


async def test_the_metrics_are_those_of_the_registry() -> None:
    """In Prometheus' text format."""
    telemetry = Telemetry()
    telemetry.turn_failed()
    http = Http(settings(), telemetry, is_alive=lambda: True, is_ready=lambda: True)

    async with http.serving() as port:
        status, text = await get(port, "/metrics")

    assert status == 200
    assert "firebreak_turn_errors_total 1.0" in text.splitlines()


async def test_a_port_that_is_taken_ends_the_start() -> None:
    """Better no process than one that nobody can probe."""
    first = Http(settings(), Telemetry(), is_alive=lambda: True, is_ready=lambda: True)

    async with first.serving() as port:
        second = Http(settings(port), Telemetry(), is_alive=lambda: True, is_ready=lambda: True)
        with pytest.raises(OSError, match="address already in use"):
            await second.serve()
