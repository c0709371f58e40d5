"""What is to be measured for an objective, and by which rule it is judged: the compiled form of the declared one.

The API objects say it in a user's words; `compile_objectives` turns them into these values once, and from there on
sampler, detectors and backtest know nothing of Kubernetes. Two specs that are equal need no new work.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, TypeAlias

from firebreak.core.detectors.rules import BurnRate, Count, Rule, Sequential, Threshold
from firebreak.core.native_histograms import NativeLimit

__all__ = [
    "BurnRate",
    "Count",
    "CountOf",
    "ExposureSpec",
    "Gauge",
    "Indicator",
    "JudgeErrorsSpec",
    "Labels",
    "NativeRatio",
    "ObjectiveKey",
    "ObjectiveSpec",
    "Ratio",
    "Rule",
    "Sequential",
    "ServiceKey",
    "SourceKey",
    "Threshold",
    "Watched",
]


class ServiceKey(NamedTuple):
    namespace: str
    name: str


class ObjectiveKey(NamedTuple):
    namespace: str
    service: str
    objective: str

    @property
    def service_key(self) -> ServiceKey:
        return ServiceKey(self.namespace, self.service)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}/{self.objective}"


class SourceKey(NamedTuple):
    """A MetricSource; the namespace is empty for a ClusterMetricSource."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Which labels of a series say whose it is. Without a revision label, all series are of one unnamed revision."""

    namespace: str = "namespace"
    revision: str | None = "revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Two counters: what was judged, and what of it was bad. Plain selectors, never aggregates; or made of a histogram."""

    bad: str
    total: str
    bound: str = ""  # of a histogram: what must be there beside the total, in words; else bad may be away while it is 0

    def __str__(self) -> str:
        return f"{self.bad} / {self.total}"

    @property
    def queries(self) -> tuple[str, ...]:
        """What is asked of a store at each step."""
        return (self.bad, self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeRatio(Ratio):
    """What a native histogram says of both; `bad` and `total` are its selector, which is asked once."""

    limit: NativeLimit

    @property
    def queries(self) -> tuple[str, ...]:
        """What is asked of a store at each step: one answer holds both."""
        return (self.total,)

    def __str__(self) -> str:
        return f"{self.total} {'above' if self.limit.above else 'at most'} {self.limit.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOf:
    """One counter of events that should not happen."""

    selector: str

    def __str__(self) -> str:
        return self.selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A value now: any PromQL expression. `per_service`: shared by services, each has its row by its labels.

    A gauge that one service declares for itself is sent as it is, with the namespace matcher forced into each of its
    selectors, and may come back without labels.
    """

    expr: str
    per_service: bool = False

    def __str__(self) -> str:
        return self.expr


Indicator: TypeAlias = Ratio | CountOf | Gauge


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSpec:
    key: ObjectiveKey
    category: str
    source: SourceKey
    indicator: Indicator
    rule: Rule
    step: timedelta
    settle: timedelta  # how long after a step's end its samples are taken to have arrived
    matchers: tuple[
        tuple[str, str], ...
    ] = ()  # further labels that the service's series carry, e.g. service=summarizer
    labels: Labels = Labels()
    segments: tuple[str, ...] = ()
    kept: float = (
        1.0  # the share of judged answers that counts; less only where a backtest asks "what if" (thinning.py)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureSpec:
    """The counter of all answers that a service gives: proof that traffic moved, and the base of estimates."""

    service: ServiceKey
    source: SourceKey
    selector: str
    step: timedelta
    settle: timedelta
    matchers: tuple[tuple[str, str], ...] = ()
    labels: Labels = Labels()


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeErrorsSpec:
    """The counter of answers that an objective's judge could not judge."""

    key: ObjectiveKey
    source: SourceKey
    selector: str
    step: timedelta
    settle: timedelta
    matchers: tuple[tuple[str, str], ...] = ()
    labels: Labels = Labels()


Watched: TypeAlias = ObjectiveSpec | ExposureSpec | JudgeErrorsSpec
