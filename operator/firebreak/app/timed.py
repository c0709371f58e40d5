"""How long do the outside's answers take? The ports again, timed; nothing else changes."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from firebreak.app.clock import Clock
from firebreak.app.telemetry import Telemetry
from firebreak.core.ports import Cluster, Held, KubeObject, ObjectKey, WriteResult
from firebreak.core.ports_metrics import Matrix, MetricsError, MetricsPort, SourceUnreachable, Vector

log = structlog.get_logger()

Answer = TypeVar("Answer")


class TimedMetrics:
    """A metrics store whose queries are timed; `heard` is told of each error, or of its absence."""

    def __init__(
        self,
        port: MetricsPort,
        telemetry: Telemetry,
        clock: Clock,
        heard: Callable[[MetricsError | None], None] = lambda _: None,
    ) -> None:
        self._port = port
        self._telemetry = telemetry
        self._clock = clock
        self._heard = heard

    async def instant(self, query: str, at: datetime) -> Vector:
        """As core.ports_metrics.MetricsPort."""
        return await self._asked(self._port.instant(query, at))

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        """As core.ports_metrics.MetricsPort."""
        return await self._asked(self._port.range(query, start, end, step))

    async def _asked(self, query: Awaitable[Answer]) -> Answer:
        began = self._clock.monotonic()
        try:
            answer = await query
        except MetricsError as error:
            self._told(began, error)
            raise
        except Exception as error:
            # What nobody foresaw in one source is that source's own error. Its words may hold what was sent.
            log.exception("query_failed")
            told = SourceUnreachable(
                f"the query failed in a way that is not known ({type(error).__name__}); see the log"
            )
            self._told(began, told)
            raise told from error
        self._telemetry.queried(self._clock.monotonic() - began)
        self._heard(None)
        return answer

    def _told(self, began: float, error: MetricsError) -> None:
        self._telemetry.queried(self._clock.monotonic() - began, type(error).__name__)
        self._heard(error)


class TimedCluster:
    """A cluster whose writes are timed."""

    def __init__(self, cluster: Cluster, telemetry: Telemetry, clock: Clock) -> None:
        self._cluster = cluster
        self._telemetry = telemetry
        self._clock = clock

    async def read(self, key: ObjectKey) -> KubeObject | None:
        """As core.ports.Cluster."""
        return await self._cluster.read(key)

    async def set_field(
        self, key: ObjectKey, path: str, *, expected: tuple[Held, ...], desired: Held, dry_run: bool = False
    ) -> WriteResult:
        """As core.ports.Cluster."""
        began = self._clock.monotonic()
        result: WriteResult | None = None
        try:
            result = await self._cluster.set_field(key, path, expected=expected, desired=desired, dry_run=dry_run)
            return result
        finally:
            name = "Error" if result is None else type(result).__name__
            self._telemetry.wrote(self._clock.monotonic() - began, name)

    async def disown(self, key: ObjectKey) -> None:
        """As core.ports.Cluster."""
        await self._cluster.disown(key)
