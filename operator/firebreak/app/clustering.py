"""How strongly do an objective's failures cluster, by its own healthy history in the metrics store?

Asked once a day per objective, by the task that reads what takes long (app/slow.py). Reads three weeks in blocks of ten
steps, and takes the last fourteen days of them that are healthy.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
import structlog

from firebreak.api.v1alpha1 import AIService
from firebreak.app.blocks import read_blocks
from firebreak.app.catalog import Catalog
from firebreak.app.grid import Grid
from firebreak.app.queue import Turns
from firebreak.app.sampler import Sampler
from firebreak.core.clustering import DAY_STEPS, Clustering, healthy_history, measure_clustering
from firebreak.core.clustering_in_force import Measured, Span, due_at, incident_spans, is_clustered, series_of
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, ServiceKey, SourceKey
from firebreak.core.ports_metrics import MetricsError, MetricsPort
from firebreak.core.promql import SelectorRefused

RESOLUTION_STEPS = 10
LOOKBACK_STEPS = 21 * DAY_STEPS  # so that a week of incidents does not keep fourteen healthy days from being found

_ONE_SECONDS = 120.0
_RETRY = timedelta(hours=1)

log = structlog.get_logger()


async def clustering_of(
    spec: ObjectiveSpec, port: MetricsPort, now: datetime, incidents: Sequence[Span] = ()
) -> Clustering:
    """Measure G; `incidents` (onset to recovery) are cut out. Raises MetricsError.

    The steps it rests on say whether there is enough healthy history (NEEDED_STEPS) to trust it.
    """
    grid = Grid(spec.step * RESOLUTION_STEPS, max(spec.settle, timedelta(0)))
    last = grid.due(now)
    read = await read_blocks(spec, port, grid, last - LOOKBACK_STEPS // RESOLUTION_STEPS + 1, last)
    cut = np.array([_touches(grid.end(n - 1), grid.end(n), incidents) for n in read.numbers], dtype=np.bool_)
    healthy = healthy_history(read.judged, cut, RESOLUTION_STEPS)
    return measure_clustering(read.bad, read.judged, healthy, RESOLUTION_STEPS)


def _touches(start: datetime, end: datetime, incidents: Sequence[Span]) -> bool:
    return any(start < until and since < end for since, until in incidents)


class ClusteringMeasurements:
    """Measures G of every objective that is due, in turn; what was found waits here until the status holds it."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        sampler: Sampler,
        source: Callable[[SourceKey], MetricsPort | None],
        turns: Turns,
    ) -> None:
        self._catalog = catalog
        self._sampler = sampler
        self._source = source
        self._turns = turns
        self._found: dict[ObjectiveKey, tuple[str, Measured]] = {}
        self._tried: dict[ObjectiveKey, datetime] = {}

    def found(self, spec: ObjectiveSpec) -> Measured | None:
        """The last measurement of this objective as it is declared now."""
        known = self._found.get(spec.key)
        return known[1] if known is not None and known[0] == series_of(spec) else None

    async def measure_next(self, now: datetime) -> bool:
        """Measure the objective that is due longest; False if none is."""
        due = [(since, spec) for spec in self._wanted() if (since := self._due(spec, now)) <= now]
        if not due:
            return False
        _, spec = min(due, key=lambda d: (d[0], d[1].key))
        key = spec.key
        self._tried[key] = now
        port = self._source(spec.source)
        if port is None:
            return False
        service = self._catalog.service(key.service_key)
        ended = service.status.containments if isinstance(service, AIService) else ()
        spans = incident_spans(self._catalog.incidents(key.service_key), now, ended)
        try:
            async with asyncio.timeout(_ONE_SECONDS):
                found = await clustering_of(spec, port, now, spans)
        except (MetricsError, SelectorRefused, TimeoutError) as error:
            log.warning("clustering_not_measured", objective=str(key), error=str(error))
            return True
        log.debug("clustering_measured", objective=str(key), clustering=found.clustering, steps=found.steps)
        self._found[key] = (series_of(spec), Measured(found=found, at=now))
        self._turns.touch(key.service_key)
        return True

    def _wanted(self) -> list[ObjectiveSpec]:
        """While an incident is open nothing is measured: the evidence it rests on must not be weighed anew meanwhile."""
        busy = set(self._catalog.services_with_open_incidents())
        specs = [s for s in self._sampler.objectives() if is_clustered(s) and s.key.service_key not in busy]
        wanted = {s.key for s in specs}
        self._found = {key: found for key, found in self._found.items() if key in wanted}
        self._tried = {key: at for key, at in self._tried.items() if key in wanted}
        return specs

    def _due(self, spec: ObjectiveSpec, now: datetime) -> datetime:
        service = self._catalog.service(ServiceKey(spec.key.namespace, spec.key.service))
        statuses = service.status.objectives if isinstance(service, AIService) else ()
        known = next((o.clustering for o in statuses if o.name == spec.key.objective), None)
        if known is not None and known.series != series_of(spec):
            known = None
        due = due_at(known, spec.step, now)
        tried = self._tried.get(spec.key)
        return due if tried is None else max(due, tried + _RETRY)
