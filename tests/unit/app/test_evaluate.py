"""The rounds go on, whatever one source or the API server does."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from tests.builders import a_ratio, a_service

from firebreak.adapters.kube.client import KubeClient
from firebreak.adapters.kube.kinds import FIREBREAK
from firebreak.app.breaker import CircuitBreaker
from firebreak.app.catalog import Catalog
from firebreak.app.clock import SystemClock
from firebreak.app.endpoints import Endpoints
from firebreak.app.evaluate import Evaluation
from firebreak.app.objectives import Objectives
from firebreak.app.queue import Turns
from firebreak.app.sampler import Sampler
from firebreak.app.sources import Sources
from firebreak.app.telemetry import Telemetry
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.ports import KubeObject
from firebreak.core.verdict import VerdictReason

_RATIO = {"badSelector": "bad_total", "totalSelector": "judged_total"}


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """A Prometheus that holds nothing; one beside it, and all Secrets, that are not answered before the test is over."""
    is_over = asyncio.Event()

    async def nothing(request: web.Request) -> web.Response:
        kind = "matrix" if request.path.endswith("range") else "vector"
        return web.json_response({"status": "success", "data": {"resultType": kind, "result": []}})

    async def never(_: web.Request) -> web.Response:
        await is_over.wait()
        return web.Response(status=503)

    app = web.Application()
    app.router.add_post("/quick/{path:.*}", nothing)
    app.router.add_route("*", "/{path:.*}", never)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    # Nobody cancels what hangs after its client is gone, and a task that is destroyed speaks up in another test.
    is_over.set()
    await runner.cleanup()


def seen(catalog: Catalog, kind: str, name: str, spec: dict[str, Any], namespace: str = "docs") -> None:
    raw: KubeObject = {"apiVersion": FIREBREAK[kind].api_version, "kind": kind, "spec": spec}
    raw["metadata"] = {"name": name, "namespace": namespace, "resourceVersion": "1"}
    catalog.see(raw)


async def connected(server: str, place: Path) -> KubeClient:
    """A client of the API server."""
    config = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {}}],
    }
    (place / "kubeconfig").write_text(yaml.safe_dump(config))
    return await KubeClient.connect(str(place / "kubeconfig"))


async def test_rounds_go_on_beside_a_source_that_does_not_answer(server: str, tmp_path: Path) -> None:
    """Its services have not been sampled; those of the others are, and the process is alive."""
    client = await connected(server, tmp_path)
    clock, telemetry = SystemClock(), Telemetry()
    turns = Turns(clock)
    catalog, sources = Catalog(turns.touch), Sources()
    sampler = Sampler(sources)
    breaker = CircuitBreaker(rules=None, catalog=catalog, sampler=sampler, turns=turns, telemetry=telemetry)
    evaluation = Evaluation(
        catalog=catalog,
        endpoints=Endpoints(client, catalog, sources, "firebreak"),
        objectives=Objectives(catalog),
        sampler=sampler,
        breaker=breaker,
        turns=turns,
        telemetry=telemetry,
        clock=clock,
    )
    objective = a_ratio() | {"indicator": _RATIO}
    for name in ("quick", "slow"):
        seen(catalog, "MetricSource", name, {"url": f"{server}/{name}", "timeout": "30s"})
        metrics = {"source": {"kind": "MetricSource", "name": name}, "labels": {"service": name}}
        seen(catalog, "AIService", name, a_service(objective, metrics=metrics).spec.dump())
    catalog.listed = True
    quick, slow = (ObjectiveKey("docs", name, "groundedness") for name in ("quick", "slow"))

    async with asyncio.TaskGroup() as group:
        running = group.create_task(evaluation.run())
        async with asyncio.timeout(30):
            while not (
                sampler.watches(quick) and sampler.verdict(quick, clock.now()).reason is VerdictReason.NO_SERIES
            ):
                await turns.take()
                turns.done(quick.service_key)
        # A Secret of somebody else's source is not answered either.
        token = {"name": "credentials", "key": "token"}
        seen(catalog, "MetricSource", "it", {"url": f"{server}/slow", "bearerToken": token}, "elsewhere")
        ticked = evaluation.ticked_at
        await asyncio.wait([running], timeout=3.0)
        assert evaluation.ticked_at > ticked + 1.0
        assert sampler.verdict(slow, clock.now()).reason is VerdictReason.NOT_SAMPLED_YET
        assert evaluation.is_alive()
        running.cancel()
    await sources.close()
    await client.close()


class Stumbling(CircuitBreaker):
    """A breaker with a bug, which shows twice."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.given: list[frozenset[ServiceKey]] = []

    def follow(self, changed: Iterable[ServiceKey], now: datetime) -> None:
        self.given.append(frozenset(changed))
        if len(self.given) <= 2:
            raise ArithmeticError("nobody foresaw this")


async def test_a_breaker_that_fails_loses_no_turn_and_is_told_again(server: str, tmp_path: Path) -> None:
    """What has changed is told once, so it is given to the breaker until that has taken it in."""
    client = await connected(server, tmp_path)
    clock, telemetry = SystemClock(), Telemetry()
    turns, sources = Turns(clock), Sources()
    catalog = Catalog(lambda _: None)  # only what was measured calls for a turn here
    sampler = Sampler(sources)
    breaker = Stumbling(rules=None, catalog=catalog, sampler=sampler, turns=turns, telemetry=telemetry)
    evaluation = Evaluation(
        catalog=catalog,
        endpoints=Endpoints(client, catalog, sources, "firebreak"),
        objectives=Objectives(catalog),
        sampler=sampler,
        breaker=breaker,
        turns=turns,
        telemetry=telemetry,
        clock=clock,
    )
    seen(catalog, "MetricSource", "quick", {"url": f"{server}/quick"})
    metrics = {"source": {"kind": "MetricSource", "name": "quick"}, "labels": {"service": "quick"}}
    seen(catalog, "AIService", "quick", a_service(a_ratio() | {"indicator": _RATIO}, metrics=metrics).spec.dump())
    catalog.listed = True
    key = ServiceKey("docs", "quick")

    async with asyncio.TaskGroup() as group:
        running = group.create_task(evaluation.run())
        async with asyncio.timeout(30):
            assert await turns.take() == key
            while len(breaker.given) < 4:
                await asyncio.wait([running], timeout=0.1)
        assert breaker.given[:3] == [frozenset({key})] * 3
        assert breaker.given[3] == frozenset()
        running.cancel()
    await sources.close()
    await client.close()
