"""Can each service's steps be carried out, and when was that last proven? For Prometheus, so that it is heard before the night.

Told by app/report.py with what stands in the service's status; the chart's alerts rest on it.
"""

from collections.abc import Callable

from prometheus_client import Gauge

from firebreak.api.conditions import ConditionType
from firebreak.api.v1alpha1.aiservice import AIServiceStatus, LastDrill, Mode
from firebreak.api.v1alpha1.drill import DrillOutcome
from firebreak.api.v1alpha1.model import ConditionStatus
from firebreak.core.objectives import ServiceKey


class ReadinessMetrics:
    """A few gauges for each service; `gauge` makes one in the registry of app/telemetry.py."""

    def __init__(self, gauge: Callable[[str, str, tuple[str, ...]], Gauge]) -> None:
        labels = ("namespace", "service")
        self._ready = gauge(
            "firebreak_containment_ready",
            "The condition ContainmentReady of each service: 1 True, 0 False; reason as in the condition, such as "
            "TargetConflict, or Paused where someone wants it so.",
            (*labels, "reason"),
        )
        self._passed = gauge(
            "firebreak_drill_passed",
            "1 if the last drill of the service's ladder passed, 0 if it failed; none where policy or service have been "
            "changed since, or nothing was ever drilled.",
            labels,
        )
        self._proven_at = gauge(
            "firebreak_containment_proven_timestamp_seconds",
            "When a drill last proved the ladder of a service in mode Enforce, for the policy and the service as they "
            "are; 0: never.",
            labels,
        )
        self._reasons: dict[ServiceKey, str] = {}

    def told(self, service: ServiceKey, status: AIServiceStatus, mode: Mode, drill: LastDrill | None) -> None:
        """What is so; `drill` is the last one that still speaks for the service."""
        named = {"namespace": service.namespace, "service": service.name}
        condition = next((c for c in status.conditions if c.type == ConditionType.CONTAINMENT_READY), None)
        reason = condition.reason if condition is not None else ""
        if (before := self._reasons.get(service)) is not None and before != reason:
            self._ready.remove_by_labels(named | {"reason": before})
        if condition is not None:
            self._reasons[service] = reason
            self._ready.labels(**named, reason=reason).set(condition.status is ConditionStatus.TRUE)
        passed = drill is not None and drill.outcome == DrillOutcome.PASSED
        if drill is None:
            self._passed.remove_by_labels(named)
        else:
            self._passed.labels(**named).set(passed)
        if mode is Mode.ENFORCE:
            self._proven_at.labels(**named).set(drill.at.timestamp() if drill is not None and passed else 0)
        else:
            self._proven_at.remove_by_labels(named)

    def forgotten(self, service: ServiceKey) -> None:
        """A service that is gone, or is another replica's to tell of."""
        named = {"namespace": service.namespace, "service": service.name}
        if (reason := self._reasons.pop(service, None)) is not None:
            self._ready.remove_by_labels(named | {"reason": reason})
        for gauge in (self._passed, self._proven_at):
            gauge.remove_by_labels(named)
