"""Which objectives are to be measured now, compiled from what is declared?

Asked once a round by app/evaluate.py. A service is compiled again only when it, an indicator or a source has changed.
"""

from collections.abc import Mapping

import structlog

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.api.v1alpha1 import (
    AIService,
    ClusterMetricSource,
    ClusterQualityIndicator,
    MetricSource,
    QualityIndicator,
)
from firebreak.api.v1alpha1.indicator import QualityIndicatorSpec
from firebreak.api.v1alpha1.references import IndicatorKind
from firebreak.api.v1alpha1.source import MetricSourceSpec
from firebreak.app.catalog import Catalog
from firebreak.core.clustering_in_force import in_force
from firebreak.core.compile_objectives import Compiled, ProblemKind, compile_objectives
from firebreak.core.compile_objectives import Problem as Refused
from firebreak.core.objectives import ServiceKey, SourceKey, Watched
from firebreak.core.problems import Problem

log = structlog.get_logger()

_Declared = tuple[object, ...]

_REASONS = {
    ProblemKind.SOURCE_MISSING: ConditionReason.SOURCE_MISSING,
    ProblemKind.INDICATOR_MISSING: ConditionReason.INDICATOR_MISSING,
    ProblemKind.REFUSED: ConditionReason.INVALID_SPEC,
}


class Objectives:
    """The compiled objectives of every service."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._compiled: dict[ServiceKey, tuple[_Declared, Compiled]] = {}

    def watched(self) -> list[Watched]:
        """Everything that is to be measured, over all services."""
        shared = {(IndicatorKind.CLUSTER, i.metadata.name): i.spec for i in self._catalog.all(ClusterQualityIndicator)}
        own: dict[str, dict[tuple[IndicatorKind, str], QualityIndicatorSpec]] = {}
        for indicator in self._catalog.all(QualityIndicator):
            named = own.setdefault(indicator.metadata.namespace, {})
            named[IndicatorKind.NAMESPACED, indicator.metadata.name] = indicator.spec
        sources = self._sources()
        found: list[Watched] = []
        compiled: dict[ServiceKey, tuple[_Declared, Compiled]] = {}
        for service in self._catalog.all(AIService):
            key = ServiceKey(service.metadata.namespace, service.metadata.name)
            indicators = shared | own.get(key.namespace, {})
            measured = tuple(o.clustering for o in service.status.objectives if o.clustering is not None)
            weighed = tuple((m.series, m.value, m.basis) for m in measured)
            declared: _Declared = (service.spec, *_named(service, indicators), *_source(service, sources), weighed)
            known = self._compiled.get(key)
            if known is None or known[0] != declared:
                known = (declared, _compiled(key, service, indicators, sources))
            compiled[key] = known
            found += known[1].watched
        self._compiled = compiled
        return found

    def apart(self) -> Mapping[ServiceKey, frozenset[str]]:
        """The revisions of each service that are asked for by name: what serves, and what a rollback would return to."""
        named = {
            ServiceKey(s.metadata.namespace, s.metadata.name): (s.status.revision.current, s.status.revision.known_good)
            for s in self._catalog.all(AIService)
        }
        return {key: frozenset(filter(None, names)) for key, names in named.items() if any(names)}

    def problems(self, key: ServiceKey) -> tuple[Problem, ...]:
        """Why some of a service's objectives cannot be measured as declared."""
        known = self._compiled.get(key)
        if known is None:
            return ()
        return tuple(
            Problem(
                condition=ConditionType.INDICATOR_HEALTHY,
                reason=_REASONS[p.kind],
                message=f"{p.place}: {p.message}",
            )
            for p in known[1].problems
        )

    def _sources(self) -> Mapping[SourceKey, MetricSourceSpec]:
        own = {SourceKey(s.metadata.namespace, s.metadata.name): s.spec for s in self._catalog.all(MetricSource)}
        return own | {SourceKey("", s.metadata.name): s.spec for s in self._catalog.all(ClusterMetricSource)}


def _compiled(
    key: ServiceKey,
    service: AIService,
    indicators: Mapping[tuple[IndicatorKind, str], QualityIndicatorSpec],
    sources: Mapping[SourceKey, MetricSourceSpec],
) -> Compiled:
    """With G as it is recorded in the status, where it was measured of these very series."""
    try:
        assumed = compile_objectives(service, indicators, sources)
        measured = in_force(service.status, assumed.watched)
        return compile_objectives(service, indicators, sources, measured) if measured else assumed
    except Exception as error:
        # One round compiles for all: what nobody foresaw in one service must not end the detection of the others.
        log.exception("objectives_not_compiled", service=str(key))
        told = f"cannot be made sense of ({type(error).__name__}: {error}); nothing of it is measured"
        return Compiled(watched=(), problems=(Refused(kind=ProblemKind.REFUSED, place="spec", message=told[:500]),))


def _named(
    service: AIService, indicators: Mapping[tuple[IndicatorKind, str], QualityIndicatorSpec]
) -> list[QualityIndicatorSpec | None]:
    refs = [o.indicator for o in service.spec.objectives if o.indicator.name is not None]
    return [indicators.get((r.kind or IndicatorKind.NAMESPACED, r.name or "")) for r in refs]


def _source(service: AIService, sources: Mapping[SourceKey, MetricSourceSpec]) -> tuple[MetricSourceSpec | None, ...]:
    ref = service.spec.metrics.source
    namespace = service.metadata.namespace if ref.kind == "MetricSource" else ""
    return (sources.get(SourceKey(namespace, ref.name)),)
