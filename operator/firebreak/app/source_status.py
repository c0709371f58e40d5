"""Does each metric source answer? Its condition Reachable says so, written when it changes, by the leader only.

Fed with what came of the queries that are made anyway: a source that no service reads is not asked, and has no
condition.
"""

from datetime import datetime

import structlog

from firebreak.adapters.kube.objects import FirebreakObjects, Stored
from firebreak.api.conditions import ConditionReason, ConditionType, set_condition
from firebreak.api.v1alpha1 import ClusterMetricSource, MetricSource
from firebreak.api.v1alpha1.model import API_VERSION, Condition, ConditionStatus
from firebreak.api.v1alpha1.source import MetricSourceStatus
from firebreak.app.catalog import Catalog
from firebreak.core.objectives import SourceKey
from firebreak.core.ports import ClusterError, ObjectKey

log = structlog.get_logger()


class SourceStatus:
    """Keeps the condition of every source."""

    def __init__(self, objects: FirebreakObjects, catalog: Catalog) -> None:
        self._objects = objects
        self._catalog = catalog
        self._heard: dict[SourceKey, str] = {}

    def heard(self, source: SourceKey, error: str) -> None:
        """What came of a query: an error in words, or the empty string."""
        self._heard[source] = error

    async def tell(self, unusable: dict[SourceKey, str], now: datetime) -> None:
        """Write what has changed; a write that does not come through is tried again next time."""
        for key, error in {**self._heard, **unusable}.items():
            try:
                await self._tell(key, error, now)
            except ClusterError as failed:
                log.debug("source_status_unwritten", source="/".join(filter(None, key)), error=str(failed))
            except Exception:
                # What nobody foresaw in one source must not end the telling of all, and the process with it.
                log.exception("source_status_failed", source="/".join(filter(None, key)))

    async def _tell(self, key: SourceKey, error: str, now: datetime) -> None:
        model = MetricSource if key.namespace else ClusterMetricSource
        source = self._catalog.get(model, key.namespace, key.name)
        if not isinstance(source, MetricSource | ClusterMetricSource):
            self._heard.pop(key, None)
            return
        conditions = set_condition(
            source.status.conditions,
            type=ConditionType.REACHABLE,
            status=ConditionStatus.FALSE if error else ConditionStatus.TRUE,
            reason=ConditionReason.NOT_ANSWERING if error else ConditionReason.ANSWERING,
            message=error[:1024] or "the last query was answered",
            generation=source.metadata.generation,
            now=now,
        )
        if _news_of(conditions) == _news_of(source.status.conditions):
            return
        where = ObjectKey(API_VERSION, model.__name__, key.namespace, key.name)
        stored = await self._objects.write_status(
            where, source.metadata.resource_version, MetricSourceStatus(conditions=conditions)
        )
        if isinstance(stored, Stored):
            self._catalog.see(stored.object)


def _news_of(conditions: tuple[Condition, ...]) -> list[tuple[str, str, int]]:
    """What is worth a write: not another message alone, but each spec is answered, and with its own message."""
    return [(c.type, c.status, c.observed_generation) for c in conditions]
