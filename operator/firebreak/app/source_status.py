"""Does each metric source answer? Its condition Reachable says so, written when it changes, by the leader only.

Fed with what came of the queries that are made anyway: a source that no service reads is not asked, and has no
condition. A query that the source refuses was answered: that is said of the objective that asks it. One that fails
beside others that are answered, such as one that always takes too long, is no word on the source either.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from firebreak.adapters.kube.objects import FirebreakObjects, Stored
from firebreak.api.conditions import ConditionReason, ConditionType, set_condition
from firebreak.api.v1alpha1 import ClusterMetricSource, MetricSource
from firebreak.api.v1alpha1.model import API_VERSION, Condition, ConditionStatus
from firebreak.api.v1alpha1.source import MetricSourceStatus
from firebreak.app.catalog import Catalog
from firebreak.core.objectives import SourceKey
from firebreak.core.ports import ClusterError, ObjectKey
from firebreak.core.ports_metrics import MetricsError, is_of_source

log = structlog.get_logger()


_ANSWERED_LATELY = timedelta(seconds=30)
"""So long an answer speaks for the source while other queries fail; no query may take longer than that."""


@dataclass(slots=True)
class _Heard:
    """What came of the queries to one source."""

    answered_at: datetime | None = None
    error: str = ""


class SourceStatus:
    """Keeps the condition of every source."""

    def __init__(self, objects: FirebreakObjects, catalog: Catalog) -> None:
        self._objects = objects
        self._catalog = catalog
        self._heard: dict[SourceKey, _Heard] = {}

    def heard(self, source: SourceKey, error: MetricsError | None, now: datetime) -> None:
        """What came of a query: an error, or none."""
        known = self._heard.setdefault(source, _Heard())
        if error is None or not is_of_source(error):
            known.answered_at, known.error = now, ""
        elif known.answered_at is None or now - known.answered_at > _ANSWERED_LATELY:
            known.error = str(error)

    async def tell(self, unusable: dict[SourceKey, str], now: datetime) -> None:
        """Write what has changed; a write that does not come through is tried again next time."""
        for key, error in ({key: known.error for key, known in self._heard.items()} | unusable).items():
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
            message=error[:1024] or "queries are answered",
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
