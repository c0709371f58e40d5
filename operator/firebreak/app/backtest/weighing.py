"""How strongly would failures have been known to cluster (G), at each moment of the range?

Driven by app/backtest/replayed.py. Measured as live: once a day of steps, by the same reading and the same estimator, from
the three weeks before that moment, with the simulated incidents cut out, and not while one is open. What came before the
range was watched by nobody, so no incident is cut out of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.aiservice import ClusteringBasis, ClusteringStatus
from firebreak.app.clustering import clustering_of
from firebreak.core.clustering import DAY_STEPS
from firebreak.core.clustering_in_force import Measured, adopted, due_at, incident_spans, is_clustered
from firebreak.core.detectors.rules import Sequential
from firebreak.core.objectives import ObjectiveSpec, Watched
from firebreak.core.ports_metrics import MetricsError, MetricsPort
from firebreak.core.promql import SelectorRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """From a moment on an objective was judged with another G."""

    at: datetime
    objective: str
    clustering: float


class Weighing:
    """Of the service as declared; what is tried beside it has the same series, and so the same G."""

    def __init__(self, watched: Iterable[Watched], port: MetricsPort) -> None:
        self._specs = [w for w in watched if isinstance(w, ObjectiveSpec) and is_clustered(w)]
        self._port = port
        self._tried: dict[str, datetime] = {}
        self.told: dict[str, ClusteringStatus] = {s.key.objective: adopted(None, None, s) for s in self._specs}
        """By objective: what would have stood in the service's status."""
        self.changes: list[Weighed] = []
        self.failed: dict[str, str] = {}
        """By objective: why the last measurement failed."""

    async def measure(self, incidents: Sequence[AIIncident], now: datetime) -> bool:
        """Measure what is due; whether any objective is judged otherwise from now on."""
        changed = False
        for spec in self._specs:
            name = spec.key.objective
            known, tried = self.told[name], self._tried.get(name)
            # Live, one that fails is tried again in an hour: here that would be a real query for each simulated hour.
            again = tried + spec.step * DAY_STEPS if tried is not None else now
            if now < max(due_at(known, spec.step, now), again):
                continue
            self._tried[name] = now
            try:
                found = await clustering_of(spec, self._port, now, incident_spans(incidents, now))
            except (MetricsError, SelectorRefused) as error:
                self.failed[name] = str(error)
                continue
            self.failed.pop(name, None)
            self.told[name] = adopted(known, Measured(found=found, at=now), spec)
            if (now_in_force := in_force(self.told[name])) != in_force(known) and now_in_force is not None:
                self.changes.append(Weighed(at=now, objective=name, clustering=now_in_force))
                changed = True
        return changed

    def weighed(self, watched: Watched) -> Watched:
        """As it is judged with what is measured by now."""
        return self.weighed_objective(watched) if isinstance(watched, ObjectiveSpec) else watched

    def weighed_objective(self, spec: ObjectiveSpec) -> ObjectiveSpec:
        """The same of an objective."""
        told = self.told.get(spec.key.objective)
        clustering = in_force(told) if told is not None else None
        if clustering is None or not isinstance(spec.rule, Sequential):
            return spec
        return replace(spec, rule=replace(spec.rule, clustering=clustering))


def in_force(told: ClusteringStatus) -> float | None:
    """The measured G; None while it is assumed."""
    return float(told.value) if told.basis is ClusteringBasis.MEASURED else None
