"""What does a declared service ask to be measured? From API objects to specs, or to problems in the user's words.

Asked when a service, an indicator or a source changes; pure, so that `lint` and the backtest ask the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from firebreak.api.v1alpha1.aiservice import AbsentMeans, AIService, Detector, DetectorKind, Objective
from firebreak.api.v1alpha1.indicator import IndicatorLabels, QualityIndicatorSpec
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.api.v1alpha1.references import HistogramRef, IndicatorKind, IndicatorRef, SourceKind
from firebreak.api.v1alpha1.source import MetricSourceSpec
from firebreak.core.detectors.burn_rate import PROPOSED, unreachable
from firebreak.core.detectors.rules import (
    ASSUMED_CLUSTERING,
    BUDGET_PERIOD,
    Absence,
    BurnRate,
    BurnWindow,
    Count,
    Rule,
    Sequential,
    Threshold,
)
from firebreak.core.histograms import ratio_of
from firebreak.core.history import HISTORY_STEPS
from firebreak.core.objectives import (
    CountOf,
    ExposureSpec,
    Gauge,
    Indicator,
    JudgeErrorsSpec,
    Labels,
    ObjectiveKey,
    ObjectiveSpec,
    Ratio,
    ServiceKey,
    SourceKey,
    Watched,
)
from firebreak.core.promql import SelectorRefused, confined, parsed_counter

LONGEST_SETTLE = timedelta(seconds=15)
SHORTEST_SETTLE = timedelta(seconds=1)
SERVICE_LABEL = "service"  # the key in spec.metrics.labels that an indicator's labels.service renames


class ProblemKind(StrEnum):
    """What has to be done about it."""

    SOURCE_MISSING = "SourceMissing"
    INDICATOR_MISSING = "IndicatorMissing"
    REFUSED = "Refused"  # as declared it cannot be measured


class _IndicatorMissing(ValueError):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an objective cannot be measured as declared; the others are."""

    kind: ProblemKind
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What can be measured, and why the rest cannot."""

    watched: tuple[Watched, ...]
    problems: tuple[Problem, ...]


def compile_objectives(
    service: AIService,
    indicators: Mapping[tuple[IndicatorKind, str], QualityIndicatorSpec],
    sources: Mapping[SourceKey, MetricSourceSpec],
    clustering: Mapping[ObjectiveKey, float] | None = None,
) -> Compiled:
    """The specs of every objective that can be measured, and why the others cannot.

    `indicators` are those that the service may name: its namespace's QualityIndicators and the cluster's.
    `clustering` is G as measured per objective; what is missing is assumed.
    """
    key = ServiceKey(service.metadata.namespace, service.metadata.name)
    declared = service.spec.metrics.source
    source = SourceKey(key.namespace if declared.kind is SourceKind.NAMESPACED else "", declared.name)
    source_spec = sources.get(source)
    if source_spec is None:
        place = "spec.metrics.source"
        missing = Problem(kind=ProblemKind.SOURCE_MISSING, place=place, message=f"no {declared.kind} {declared.name}")
        return Compiled(watched=(), problems=(missing,))
    compiler = _Compiler(service, key, source, source_spec, indicators, clustering or {})
    for index, objective in enumerate(service.spec.objectives):
        compiler.objective(f"spec.objectives[{index}]", objective)
    compiler.exposure()
    return Compiled(watched=tuple(compiler.watched), problems=tuple(compiler.problems))


class _Compiler:
    def __init__(
        self,
        service: AIService,
        key: ServiceKey,
        source: SourceKey,
        source_spec: MetricSourceSpec,
        indicators: Mapping[tuple[IndicatorKind, str], QualityIndicatorSpec],
        clustering: Mapping[ObjectiveKey, float],
    ) -> None:
        self._service, self._key, self._source, self._source_spec = service, key, source, source_spec
        self._indicators, self._clustering = indicators, clustering
        self.watched: list[Watched] = []
        self.problems: list[Problem] = []

    def objective(self, place: str, objective: Objective) -> None:
        try:
            rule = self._rule(objective)
        except ValueError as error:
            self._problem(ProblemKind.REFUSED, f"{place}.detector", str(error))
            return
        try:
            indicator, names = self._indicator(objective.indicator)
            _suits(indicator, rule)
            errors = self._error_selector(objective.indicator)
        except _IndicatorMissing as error:
            self._problem(ProblemKind.INDICATOR_MISSING, f"{place}.indicator", str(error))
            return
        except ValueError as error:
            self._problem(ProblemKind.REFUSED, f"{place}.indicator", str(error))
            return
        longest = objective.detector.step * HISTORY_STEPS
        lasting = _looks_back(rule)
        if lasting is not None and lasting > longest:
            told = f"{format_duration(lasting)} is longer than what is kept, {HISTORY_STEPS} steps "
            told += f"({format_duration(longest)}); shorten it or take a longer step"
            self._problem(ProblemKind.REFUSED, f"{place}.detector", told)
            return
        self.watched.append(
            ObjectiveSpec(
                key=ObjectiveKey(*self._key, objective.name),
                category=objective.category,
                source=self._source,
                indicator=indicator,
                rule=rule,
                step=objective.detector.step,
                settle=settle_of(objective.detector.step),
                matchers=self._matchers(names),
                labels=self._labels(names),
                segments=objective.segments,
            )
        )
        if errors is not None:
            self.watched.append(self._judge_errors(objective, errors, names))

    def _judge_errors(self, objective: Objective, selector: str, names: IndicatorLabels) -> JudgeErrorsSpec:
        return JudgeErrorsSpec(
            key=ObjectiveKey(*self._key, objective.name),
            source=self._source,
            selector=selector,
            step=objective.detector.step,
            settle=settle_of(objective.detector.step),
            matchers=self._matchers(names),
            labels=self._labels(names),
        )

    def _error_selector(self, ref: IndicatorRef) -> str | None:
        """Of an indicator that has been found."""
        selector = ref.error_selector
        if ref.name is not None:
            selector = self._indicators[ref.kind or IndicatorKind.NAMESPACED, ref.name].error_selector
        if selector is not None:
            self._check_counter(selector)
        return selector

    def exposure(self) -> None:
        answers = self._service.spec.answers
        if answers is None:
            return
        try:
            self._check_counter(answers.selector)
        except SelectorRefused as error:
            self._problem(ProblemKind.REFUSED, "spec.answers.selector", str(error))
            return
        # On the finest grid of the objectives, so that exposure is known as soon as a breach is.
        step = min(objective.detector.step for objective in self._service.spec.objectives)
        names = IndicatorLabels(revision=self._revision_label())
        self.watched.append(
            ExposureSpec(
                service=self._key,
                source=self._source,
                selector=answers.selector,
                step=step,
                settle=settle_of(step),
                matchers=self._matchers(names),
                labels=self._labels(names),
            )
        )

    def _problem(self, kind: ProblemKind, place: str, message: str) -> None:
        self.problems.append(Problem(kind=kind, place=place, message=message))

    def _indicator(self, ref: IndicatorRef) -> tuple[Indicator, IndicatorLabels]:
        own = IndicatorLabels(revision=self._revision_label())
        if ref.gauge is not None:
            confined(ref.gauge, self._source_spec.namespace_label, [self._key.namespace])
            return Gauge(expr=ref.gauge), own
        if ref.name is not None:
            kind = ref.kind or IndicatorKind.NAMESPACED
            shared = self._indicators.get((kind, ref.name))
            if shared is None:
                raise _IndicatorMissing(f"no {kind} {ref.name}")
            return self._shared(shared), shared.labels
        if ref.histogram is not None:
            return self._histogram(ref.histogram), own
        if ref.bad_selector is None:
            raise ValueError("give a shared indicator's name, badSelector, histogram or gauge")
        self._check_counter(ref.bad_selector)
        if ref.total_selector is None:
            return CountOf(selector=ref.bad_selector), own
        self._check_counter(ref.total_selector)
        return Ratio(bad=ref.bad_selector, total=ref.total_selector), own

    def _shared(self, shared: QualityIndicatorSpec) -> Indicator:
        if shared.gauge is not None:
            confined(shared.gauge, self._source_spec.namespace_label, [self._key.namespace])
            return Gauge(expr=shared.gauge, per_service=True)
        if shared.histogram is not None:
            return self._histogram(shared.histogram)
        if shared.bad_selector is None or shared.total_selector is None:
            raise ValueError("the indicator has neither counters, nor a histogram, nor a gauge")
        self._check_counter(shared.bad_selector)
        self._check_counter(shared.total_selector)
        return Ratio(bad=shared.bad_selector, total=shared.total_selector)

    def _histogram(self, histogram: HistogramRef) -> Ratio:
        ratio = ratio_of(histogram)
        for query in (ratio.bad, ratio.total):
            confined(query, self._source_spec.namespace_label, [self._key.namespace])
        return ratio

    def _check_counter(self, selector: str) -> None:
        parsed_counter(selector)
        confined(selector, self._source_spec.namespace_label, [self._key.namespace])

    def _rule(self, objective: Objective) -> Rule:
        detector: Detector = objective.detector
        match detector.kind:
            case DetectorKind.SEQUENTIAL:
                if objective.target is None:
                    raise ValueError("detector Sequential needs target")
                key = ObjectiveKey(*self._key, objective.name)
                # 1 - 0.95 is not 0.05 in floats, and messages show it.
                allowed = round(1.0 - objective.target, 9)
                return Sequential(allowed=allowed, clustering=self._clustering.get(key, ASSUMED_CLUSTERING))
            case DetectorKind.BURN_RATE:
                return _burn_rate(objective)
            case DetectorKind.THRESHOLD:
                lasting = detector.step if detector.for_ is None else detector.for_
                absent = Absence.BREACH if detector.absent is AbsentMeans.BREACH else Absence.INCONCLUSIVE
                return Threshold(above=detector.above, below=detector.below, lasting=lasting, absent=absent)
            case DetectorKind.COUNT:
                return Count(at_least=detector.at_least or 1, within=detector.window or timedelta(minutes=10))

    def _matchers(self, names: IndicatorLabels) -> tuple[tuple[str, str], ...]:
        declared = self._service.spec.metrics.labels
        return tuple(sorted((names.service if n == SERVICE_LABEL else n, v) for n, v in declared.items()))

    def _labels(self, names: IndicatorLabels) -> Labels:
        return Labels(namespace=self._source_spec.namespace_label, revision=names.revision)

    def _revision_label(self) -> str:
        revision = self._service.spec.revision
        return revision.metric_label.name if revision and revision.metric_label else "revision"


def _suits(indicator: Indicator, rule: Rule) -> None:
    """A shared indicator may turn out to be of another kind than the detector needs, which no schema can see."""
    if isinstance(indicator, Gauge) != isinstance(rule, Threshold):
        is_gauge = isinstance(indicator, Gauge)
        raise ValueError(
            "the shared indicator is a gauge: it goes with detector Threshold"
            if is_gauge
            else "the shared indicator counts, and detector Threshold needs a gauge"
        )


def _looks_back(rule: Rule) -> timedelta | None:
    """How much history the rule looks at; None for a fold."""
    match rule:
        case Threshold(lasting=lasting):
            return lasting
        case Count(within=within):
            return within
        case BurnRate(windows=windows):
            return max(w.long for w in windows)
        case Sequential():
            return None
    assert_never(rule)


def _burn_rate(objective: Objective) -> BurnRate:
    if objective.target is None:
        raise ValueError("detector BurnRate needs target")
    declared = objective.detector
    windows = tuple(BurnWindow(factor=w.factor, long=w.long, short=w.short) for w in declared.windows) or PROPOSED
    for window in windows:
        if window.short >= window.long:
            lengths = f"short {format_duration(window.short)} is not shorter than long {format_duration(window.long)}"
            raise ValueError(f"windows: {lengths}")
    rule = BurnRate(
        allowed=round(1.0 - objective.target, 9), windows=windows, period=declared.budget_period or BUDGET_PERIOD
    )
    if (told := unreachable(rule)) is not None:
        raise ValueError(f"windows: {told}")
    return rule


def settle_of(step: timedelta) -> timedelta:
    """How long after a step's end its samples are taken to have arrived: half a step, 1 to 15 seconds."""
    return max(SHORTEST_SETTLE, min(LONGEST_SETTLE, step / 2))
