"""Does a source answer? What is the source's own fault stands on it, what is a query's stands elsewhere."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from tests.builders import T0

from firebreak.adapters.kube.client import KubeClient
from firebreak.adapters.kube.objects import FirebreakObjects
from firebreak.api.v1alpha1 import ClusterMetricSource
from firebreak.api.v1alpha1.model import API_VERSION
from firebreak.app.catalog import Catalog
from firebreak.app.source_status import SourceStatus
from firebreak.core.objectives import SourceKey
from firebreak.core.ports import KubeObject
from firebreak.core.ports_metrics import MetricsError, PartialResponse, QueryRefused, SourceDenied, SourceUnreachable

KEY = SourceKey("", "default")
REFUSED = QueryRefused("http://prometheus: bad_data: parse error")
TOO_SLOW = SourceUnreachable("http://prometheus: no answer within 10s")


class Told:
    """What the API server holds of the source, and how often it was written."""

    def __init__(self, status: SourceStatus, catalog: Catalog, writes: list[Any]) -> None:
        self.status, self.writes = status, writes
        self._catalog = catalog
        self.seconds = 0.0

    async def hears(self, *errors: MetricsError | None, after: float = 1.0) -> tuple[str, str]:
        """Each of these came of a query, one after the other; what the condition says then."""
        for error in errors:
            self.seconds += after
            now = T0 + timedelta(seconds=self.seconds)
            self.status.heard(KEY, error, now)
            await self.status.tell({}, now)
        source = self._catalog.get(ClusterMetricSource, "", "default")
        assert isinstance(source, ClusterMetricSource)
        (condition,) = source.status.conditions
        return str(condition.status), condition.message


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    writes: list[Any] = []
    metadata = {"name": "default", "resourceVersion": "1", "generation": 1}
    declared: KubeObject = {"apiVersion": API_VERSION, "kind": "ClusterMetricSource", "metadata": metadata}
    declared["spec"] = {"url": "http://prometheus"}

    async def stored(request: web.Request) -> web.Response:
        _, status = await request.json()
        metadata = {"name": "default", "resourceVersion": str(len(writes) + 2), "generation": 1}
        body = declared | {"metadata": metadata, "status": status["value"]}
        writes.append(body)
        return web.json_response(body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stored)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}],
        "users": [{"name": "it", "user": {}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    client = await KubeClient.connect(str(tmp_path / "kubeconfig"))
    catalog = Catalog(lambda _: None)
    catalog.see(declared)
    yield Told(SourceStatus(FirebreakObjects(client, fence=lambda: None), catalog), catalog, writes)
    await client.close()
    await runner.cleanup()


@pytest.mark.parametrize("error", [REFUSED, PartialResponse("http://thanos: the answer may be incomplete")])
async def test_a_query_that_was_refused_was_answered(told: Told, error: MetricsError) -> None:
    """It is told on its service; the source is well, and nothing is written again and again."""
    assert await told.hears(error) == ("True", "queries are answered")
    assert await told.hears(*[None, error] * 20) == ("True", "queries are answered")
    assert len(told.writes) == 1


async def test_one_slow_query_among_good_ones_is_no_source_that_is_away(told: Told) -> None:
    """Every minute it takes too long, and the others are answered."""
    assert await told.hears(None) == ("True", "queries are answered")
    for _ in range(5):
        assert (await told.hears(None, after=49.0))[0] == "True"
        assert (await told.hears(TOO_SLOW, after=11.0))[0] == "True"
    assert len(told.writes) == 1


async def test_a_source_that_answers_nothing_any_more_is_away_after_half_a_minute(told: Told) -> None:
    """And well again with its first answer; one that never answered is away at once."""
    assert (await told.hears(TOO_SLOW))[0] == "False"
    assert (await told.hears(None))[0] == "True"
    assert (await told.hears(TOO_SLOW, after=30.0))[0] == "True"
    assert await told.hears(TOO_SLOW) == ("False", str(TOO_SLOW))
    assert (await told.hears(REFUSED))[0] == "True"


async def test_refused_credentials_are_the_source_s_own(told: Told) -> None:
    """Whatever is asked would be refused."""
    denied = SourceDenied("http://mimir: HTTP 401: check the source's credentials")
    assert await told.hears(denied) == ("False", str(denied))
