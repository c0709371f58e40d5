"""What do the manifests of a backtest declare? One service, its policy, and the indicators that they name.

Asked by cli/backtest.py, of the same files that `kubectl apply -f` takes. Every refusal names the file, the object and
the field, and says what to change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from firebreak.api.v1alpha1 import (
    AIService,
    ClusterContainmentPolicy,
    ClusterMetricSource,
    ClusterQualityIndicator,
    ContainmentPolicy,
    MetricSource,
    QualityIndicator,
)
from firebreak.api.v1alpha1.indicator import QualityIndicatorSpec
from firebreak.api.v1alpha1.model import API_VERSION, Resource
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec
from firebreak.api.v1alpha1.references import IndicatorKind, PolicyKind, SourceKind
from firebreak.api.v1alpha1.source import MetricSourceSpec
from firebreak.core.compile_objectives import Compiled, compile_objectives
from firebreak.core.objectives import SourceKey

_MODELS: Mapping[str, type[Resource]] = {
    model.__name__: model
    for model in (
        AIService,
        ContainmentPolicy,
        ClusterContainmentPolicy,
        QualityIndicator,
        ClusterQualityIndicator,
        MetricSource,
        ClusterMetricSource,
    )
}
_CLUSTER_SCOPED = ("ClusterContainmentPolicy", "ClusterQualityIndicator", "ClusterMetricSource")


class ManifestRefused(ValueError):
    """The manifests cannot be used; the message names the place and says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A service with everything that it names."""

    service: AIService
    policy: ContainmentPolicySpec
    indicators: Mapping[tuple[IndicatorKind, str], QualityIndicatorSpec] = field(default_factory=dict)
    namespace_label: str = "namespace"

    @property
    def source(self) -> SourceKey:
        """The source that the service names; whichever it is, the backtest reads the one it was given."""
        ref = self.service.spec.metrics.source
        return SourceKey(self.service.metadata.namespace if ref.kind is SourceKind.NAMESPACED else "", ref.name)

    def compiled(self) -> Compiled:
        """What is to be measured, as the operator would compile it."""
        stand_in = MetricSourceSpec(url="http://history", namespace_label=self.namespace_label)
        return compile_objectives(self.service, self.indicators, {self.source: stand_in})


def declared(files: Iterable[Path], *, service: str | None = None, namespace: str | None = None) -> Declared:
    """Read the manifests; `service` says which of several AIServices, `namespace` where those without one live.

    Raises ManifestRefused.
    """
    found = [(path, one) for path in files for one in _objects(path, namespace or "default")]
    services = [one for _, one in found if isinstance(one, AIService) and service in (None, one.metadata.name)]
    if not services:
        named = f" named {service}" if service else ""
        raise ManifestRefused(f"no AIService{named} in {_listed(p for p, _ in found) or 'the files'}")
    if len(services) > 1:
        raise ManifestRefused(
            f"several AIServices: {_listed(s.metadata.name for s in services)}; say which with --service"
        )
    chosen = services[0]
    home = chosen.metadata.namespace
    visible = [o for _, o in found if type(o).__name__ in _CLUSTER_SCOPED or o.metadata.namespace == home]
    return Declared(
        service=chosen,
        policy=_policy(chosen, visible),
        indicators={
            (IndicatorKind(type(o).__name__), o.metadata.name): o.spec
            for o in visible
            if isinstance(o, QualityIndicator | ClusterQualityIndicator)
        },
        namespace_label=_namespace_label(chosen, visible),
    )


def _policy(service: AIService, visible: Iterable[Resource]) -> ContainmentPolicySpec:
    ref = service.spec.containment.policy
    model = ContainmentPolicy if ref.kind is PolicyKind.NAMESPACED else ClusterContainmentPolicy
    policies = [o for o in visible if isinstance(o, ContainmentPolicy | ClusterContainmentPolicy)]
    for policy in policies:
        if isinstance(policy, model) and policy.metadata.name == ref.name:
            return policy.spec
    there = _listed(f"{type(p).__name__} {p.metadata.name}" for p in policies)
    raise ManifestRefused(
        f"AIService {service.metadata.name}, spec.containment.policy: no {ref.kind} {ref.name} in the files "
        f"({'there are: ' + there if there else 'there is none'}); give its file with -f"
    )


def _namespace_label(service: AIService, visible: Iterable[Resource]) -> str:
    ref = service.spec.metrics.source
    sources = [s for s in visible if isinstance(s, MetricSource | ClusterMetricSource)]
    named = (s for s in sources if type(s).__name__ == ref.kind and s.metadata.name == ref.name)
    return next((s.spec.namespace_label for s in named), "namespace")


def _objects(path: Path, namespace: str) -> list[Resource]:
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ManifestRefused(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestRefused(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    return [_object(path, raw, namespace) for raw in documents if _is_ours(path, raw)]


def _is_ours(path: Path, raw: Any) -> bool:
    """A file may hold what belongs beside the service too (Deployments, ConfigMaps): that is left alone."""
    if raw is None:
        return False
    if not isinstance(raw, dict) or "kind" not in raw:
        raise ManifestRefused(f"{path}: a document that is no Kubernetes object: it has no kind")
    return raw.get("apiVersion") == API_VERSION and raw["kind"] in _MODELS


def _object(path: Path, raw: dict[str, Any], namespace: str) -> Resource:
    kind, meta = raw["kind"], raw.get("metadata") or {}
    if kind not in _CLUSTER_SCOPED and isinstance(meta, dict):
        meta = {**meta, "namespace": meta.get("namespace") or namespace}
    try:
        return _MODELS[kind].model_validate({**raw, "metadata": meta})
    except ValidationError as error:
        first: Any = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        name = meta.get("name", "without a name") if isinstance(meta, dict) else "without a name"
        raise ManifestRefused(f"{path}: {kind} {name}, {place}: {first['msg']}") from error


def _listed(names: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(map(str, names)))
