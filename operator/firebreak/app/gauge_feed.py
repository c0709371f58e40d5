"""One gauge on one grid of steps, with its values at the trailing moments.

Asked by app/sampler.py. A gauge that a service declares for itself is sent with the namespace forced into each of its
selectors, and its answer is the service's whatever labels it carries; of several values the worst counts. One that
services share has a row for each of them: at a step it is asked once for all, after a gap by each for itself.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from firebreak.app.grid import Grid
from firebreak.core.detectors.rules import Threshold
from firebreak.core.history import HISTORY_STEPS
from firebreak.core.objectives import Gauge, ObjectiveSpec, SourceKey
from firebreak.core.ports_metrics import AnswerTooLarge, MetricsPort, QueryRefused, Vector
from firebreak.core.promql import SelectorRefused, confined

Floats = NDArray[np.float64]
CONFINED_NAMESPACES = 50  # up to so many, a shared query names the namespaces; rows are filtered in any case


class GaugeFeed:
    """The values of one objective's gauge; NaN where there is none."""

    def __init__(self, spec: ObjectiveSpec) -> None:
        if not isinstance(spec.indicator, Gauge) or not isinstance(spec.rule, Threshold):
            raise TypeError(f"{spec.key} is not a gauge")
        self.spec = spec
        self.source = spec.source
        self.grid = Grid(spec.step, spec.settle)
        self.query = confined(spec.indicator.expr, spec.labels.namespace, [spec.key.namespace])
        self._worst: Callable[[Floats], np.float64] = np.max if spec.rule.above is not None else np.min
        self._per_service = spec.indicator.per_service
        self._expr, self._instant = spec.indicator.expr, self.query
        self._values = np.full(HISTORY_STEPS, np.nan)
        self.first: int | None = None
        self.last_step: int | None = None
        self.last_was_invalid = False

    @property
    def shared(self) -> tuple[SourceKey, str, str] | None:
        """What it has in common with the other services' feeds of a shared gauge."""
        return (self.spec.source, self._expr, self.spec.labels.namespace) if self._per_service else None

    def share(self, namespaces: Iterable[str]) -> None:
        """Ask at a step what all of these namespaces' services ask, in the same words."""
        among = sorted(namespaces)
        try:
            every = len(among) > CONFINED_NAMESPACES
            self._instant = self._expr if every else confined(self._expr, self.spec.labels.namespace, among)
        except SelectorRefused:
            self._instant = self.query  # it names one namespace itself, which is this one

    async def bring_up_to(self, due: int, port: MetricsPort) -> bool:
        """Read every step up to `due`; True if there was anything to do. Raises MetricsError."""
        first = due - HISTORY_STEPS + 1 if self.last_step is None else max(self.last_step + 1, due - HISTORY_STEPS + 1)
        if first > due:
            return False
        if first == due:
            self._take(due, await self._asked(due, port))
            return True
        matrix = await port.range(self.query, self.grid.end(first), self.grid.end(due), self.grid.step)
        for step in range(first, due + 1):
            self._take(step, matrix.at(step - first))
        return True

    async def _asked(self, due: int, port: MetricsPort) -> Vector:
        try:
            return await port.instant(self._instant, self.grid.end(due))
        except AnswerTooLarge:
            if self._instant == self.query:
                raise
            self._instant = self.query  # too much for all at once, which says nothing of one namespace
            return await port.instant(self.query, self.grid.end(due))

    def values(self, first: int, last: int) -> tuple[Floats, datetime]:
        """At each step of the part of the span that is kept, and when the last of them ended."""
        assert self.first is not None
        assert self.last_step is not None
        first, last = max(first, self.first), min(last, self.last_step)
        return self._values[np.arange(first, last + 1) % HISTORY_STEPS], self.grid.end(last)

    def _take(self, step: int, vector: Vector) -> None:
        if vector.histograms:
            raise QueryRefused(f"{self._expr}: the answer holds native histograms, and a gauge needs values")
        rows = [at for at, labels in enumerate(vector.labels) if not self._per_service or self._is_ours(dict(labels))]
        values = vector.values[rows]
        finite = values[np.isfinite(values)]
        self._values[step % HISTORY_STEPS] = self._worst(finite) if len(finite) else np.nan
        self.last_was_invalid = len(values) > 0 and len(finite) == 0
        self.first = step if self.first is None else max(self.first, step - HISTORY_STEPS + 1)
        self.last_step = step

    def _is_ours(self, labels: dict[str, str]) -> bool:
        return labels.get(self.spec.labels.namespace) == self.spec.key.namespace and all(
            labels.get(name, "") == value for name, value in self.spec.matchers
        )
