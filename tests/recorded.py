"""A metrics store that holds what it was given: a Prometheus whose every reading is known beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from firebreak.app.grid import Grid
from firebreak.core.ports_metrics import Buckets, Labels, Matrix, MetricsError, Vector


@dataclass
class RecordedStore:
    """Readings by metric name, series and step; a step without a reading is an absent series.

    It answers the queries that a feed sends for plain selectors; the name before the braces says which metric.
    """

    grid: Grid
    readings: dict[str, dict[Labels, dict[int, float]]] = field(default_factory=dict)
    histograms: dict[str, dict[Labels, dict[int, Buckets]]] = field(default_factory=dict)
    fails: MetricsError | None = None
    instants: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)

    def write(self, metric: str, labels: Mapping[str, str], readings: Mapping[int, float]) -> None:
        series = tuple(sorted(labels.items()))
        self.readings.setdefault(metric, {}).setdefault(series, {}).update(readings)

    def write_histograms(self, metric: str, labels: Mapping[str, str], readings: Mapping[int, Buckets]) -> None:
        series = tuple(sorted(labels.items()))
        self.histograms.setdefault(metric, {}).setdefault(series, {}).update(readings)

    async def instant(self, query: str, at: datetime) -> Vector:
        self.instants.append(query)
        return self._matrix(query, at, at, self.grid.step).at(0)

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        self.ranges.append(query)
        return self._matrix(query, start, end, step)

    def _matrix(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        if self.fails is not None:
            raise self.fails
        series = self.readings.get(query.split("{")[0], {})
        first, every = round((start - self.grid.end(0)) / self.grid.step), round(step / self.grid.step)
        moments = round((end - start) / step) + 1
        values = np.full((len(series), moments), np.nan)
        present = np.zeros((len(series), moments), dtype=np.bool_)
        for row, readings in enumerate(series.values()):
            for column in range(moments):
                value = readings.get(first + column * every)
                if value is not None:
                    values[row, column], present[row, column] = value, True
        histograms = [
            (labels, {step - first: held for step, held in readings.items() if 0 <= step - first < moments})
            for labels, readings in self.histograms.get(query.split("{")[0], {}).items()
        ]
        return Matrix(
            labels=list(series),
            values=values,
            present=present,
            histograms=[(labels, held) for labels, held in histograms if held],
        )
