"""What is asked of a metrics store, and what it may answer.

Implemented by adapters/prometheus.py; asked by app/sampler.py, the backtest and the CLI.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""A series' labels, sorted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """A native histogram at one moment: of each bucket that holds something its lower and upper bound, and how much."""

    rows: NDArray[np.float64]  # [3, buckets]; a store lists no empty bucket

    @property
    def size(self) -> int:
        """How much there is to read in it, in values: a bucket is written at twice the length of one."""
        return 1 + 2 * len(self.rows[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """The value of each series at one moment. A scalar answer is one value without labels."""

    labels: Sequence[Labels]
    values: NDArray[np.float64]  # may hold NaN and infinities: what they mean is for the reader to say
    histograms: Sequence[tuple[Labels, Buckets]] = ()
    """The series that are native histograms at that moment, beside those that have a value."""

    @property
    def size(self) -> int:
        """How much there is to read in it, in values."""
        return len(self.labels) + sum(buckets.size for _, buckets in self.histograms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The value of each series at each of consecutive moments; `present` tells a NaN value from none."""

    labels: Sequence[Labels]
    values: NDArray[np.float64]  # [series, moments]
    present: NDArray[np.bool_]  # [series, moments]
    histograms: Sequence[tuple[Labels, Mapping[int, Buckets]]] = ()
    """The series that are native histograms, at the moments at which they are there."""

    @property
    def moments(self) -> int:
        """How many moments it covers."""
        return int(self.present.shape[1])

    @property
    def width(self) -> int:
        """How much there is to read at a moment at most, in values."""
        return len(self.labels) + sum(max(buckets.size for buckets in held.values()) for _, held in self.histograms)

    def holds_some_at(self, moment: int) -> bool:
        """Whether there is anything at one of the moments."""
        return bool(self.present[:, moment].any()) or any(moment in held for _, held in self.histograms)

    def at(self, moment: int) -> Vector:
        """The instant vector at one of the moments: what an instant query would have answered."""
        rows = np.flatnonzero(self.present[:, moment])
        return Vector(
            labels=[self.labels[int(row)] for row in rows],
            values=self.values[rows, moment],
            histograms=[(labels, held[moment]) for labels, held in self.histograms if moment in held],
        )


class MetricsError(Exception):
    """The store gave no usable answer; the message is fit for a condition and holds no secret."""


class SourceUnreachable(MetricsError):
    """No answer, or one from something that is not well: try again later."""


class QueryRefused(MetricsError):
    """The store understood and said no: the query or a limit must change. Another query may be answered."""


class SourceDenied(QueryRefused):
    """Nobody answers queries there, or not to us: the source's credentials or its URL must change, whatever is asked."""


class AnswerTooLarge(QueryRefused):
    """The answer is larger than is read; fewer series or moments may be had."""


class PartialResponse(MetricsError):
    """The store says that its answer may lack series; counts from it would lie."""


def is_of_source(error: MetricsError) -> bool:
    """Whether the source did not answer, so that it is not this query's own fault."""
    return isinstance(error, SourceUnreachable | SourceDenied)


class MetricsPort(Protocol):
    """One metrics store. Every call ends within the source's timeout, with an answer or a MetricsError."""

    async def instant(self, query: str, at: datetime) -> Vector: ...

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Matrix:
        """At start, start + step, ... up to and including `end`."""
        ...
