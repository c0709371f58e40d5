"""A file in OpenMetrics text format as a MetricsPort: history that needs no Prometheus, such as one from `promtool`.

Every sample needs a timestamp. It answers plain selectors as Prometheus does: the last sample within five minutes before
the moment. Anything else in PromQL is refused: for that the file has to be loaded into a Prometheus.
"""

import gzip
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import numpy as np
import promql_parser as parser
from numpy.typing import NDArray
from prometheus_client.openmetrics.parser import text_fd_to_metric_families

from firebreak.core.ports_metrics import Labels, Matrix, MetricsError, QueryRefused, Vector

LOOKBACK = timedelta(minutes=5)
"""Prometheus' own default: how old a sample may be and still be the value now."""

Floats = NDArray[np.float64]


class FileUnusable(MetricsError):
    """The file cannot be read as history; the message says where and what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    labels: Labels  # with __name__
    times: Floats  # seconds, rising
    values: Floats


class OpenMetricsFile:
    """All series of a file, in memory. Its size is the file's: about 16 bytes a sample."""

    def __init__(self, series: list[_Series]) -> None:
        self._by_name: dict[str, list[_Series]] = defaultdict(list)
        for one in series:
            self._by_name[dict(one.labels)["__name__"]].append(one)
        self.first = datetime.fromtimestamp(min(s.times[0] for s in series), UTC)
        self.last = datetime.fromtimestamp(max(s.times[-1] for s in series), UTC)
        self.metrics = tuple(sorted(self._by_name))

    @classmethod
    def read(cls, path: Path) -> "OpenMetricsFile":
        """Parse a file, gzipped if its name ends in .gz. Raises FileUnusable."""
        try:
            with _opened(path) as file:
                return cls(_parsed(path, file))
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise FileUnusable(f"{path}: {error}") from error

    async def instant(self, query: str, at: datetime) -> Vector:
        return self._matrix(query, at, at, timedelta(seconds=1)).at(0)

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        return self._matrix(query, start, end, step)

    def _matrix(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        moments = start.timestamp() + np.arange(round((end - start) / step) + 1) * step.total_seconds()
        found = self._selected(query)
        values, present = np.full((len(found), len(moments)), np.nan), np.zeros((len(found), len(moments)), np.bool_)
        for row, series in enumerate(found):
            last = np.searchsorted(series.times, moments + 1e-6, side="right") - 1
            there = (last >= 0) & (moments - series.times[last] < LOOKBACK.total_seconds())
            values[row, there], present[row] = series.values[last[there]], there
        return Matrix(labels=[series.labels for series in found], values=values, present=present)

    def _selected(self, query: str) -> list[_Series]:
        try:
            expression = parser.parse(query)
        except ValueError as error:
            raise QueryRefused(f"{query}: not PromQL: {error}") from error
        if not isinstance(expression, parser.VectorSelector) or expression.offset or expression.at:
            raise QueryRefused(
                f"{query}: an OpenMetrics file answers plain selectors only; load it into a Prometheus "
                f"(promtool tsdb create-blocks-from openmetrics) and use --source"
            )
        matches = [_matcher(m) for m in expression.matchers.matchers]
        named = [expression.name] if expression.name else list(self._by_name)
        return [s for name in named for s in self._by_name.get(name, ()) if all(m(dict(s.labels)) for m in matches)]


def _matcher(matcher: parser.Matcher) -> Callable[[dict[str, str]], bool]:
    name, value = matcher.name, matcher.value
    match matcher.op:
        case parser.MatchOp.Equal:
            return lambda labels: labels.get(name, "") == value
        case parser.MatchOp.NotEqual:
            return lambda labels: labels.get(name, "") != value
    # RE2's syntax, which for selectors is Python's as well; anchored at both ends.
    pattern = re.compile(value)
    if matcher.op == parser.MatchOp.Re:
        return lambda labels: pattern.fullmatch(labels.get(name, "")) is not None
    return lambda labels: pattern.fullmatch(labels.get(name, "")) is None


def _opened(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _parsed(path: Path, file: TextIO) -> list[_Series]:
    lines = _Counted(file)
    samples: dict[Labels, tuple[list[float], list[float]]] = {}
    try:
        for family in text_fd_to_metric_families(lines):  # type: ignore[no-untyped-call]  # the library has no annotation here
            for sample in family.samples:
                name = f"{sample.name}{{{','.join(f'{k}={v!r}' for k, v in sorted(sample.labels.items()))}}}"
                if sample.timestamp is None:
                    raise FileUnusable(
                        f"{path}: a line of {name} has no timestamp; history needs one on every line, in seconds: "
                        f"`<name>{{<labels>}} <value> <unix time>`"
                    )
                labels = tuple(sorted({"__name__": sample.name, **sample.labels}.items()))
                times, values = samples.setdefault(labels, ([], []))
                times.append(float(sample.timestamp))
                values.append(float(sample.value))
    except ValueError as error:
        raise FileUnusable(f"{path}, line {lines.count}: not OpenMetrics: {error}") from error
    if not samples:
        raise FileUnusable(f"{path}: there is no sample in it")
    return [
        _Series(labels=labels, times=np.array(times)[order], values=np.array(values)[order])
        for labels, (times, values) in samples.items()
        for order in [np.argsort(times, kind="stable")]
    ]


class _Counted:
    """The lines of a file, and how many have been read: the parser's errors name none."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self.count += 1
            yield line
