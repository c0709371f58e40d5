"""How an object says which other object, and which place in it, is meant.

`path` is a declared subset of JSONPath (RFC 9535): `$`, `.name`, `['name']` and `[?@.key=='literal']`.
It must match exactly one place; core/field_paths.py resolves it.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, WithJsonSchema

from firebreak.api.v1alpha1.model import ApiModel, Name, ObjectName, cel, matching

PATH_PATTERN = (
    r"^\$(\.[A-Za-z_][A-Za-z0-9_-]*"
    r"|\['[^'\\]{1,253}'\]"
    r"|\[\?@\.[A-Za-z_][A-Za-z0-9_]*=='[^'\\]{0,253}'\])+$"
)

FieldPath = Annotated[
    str,
    Field(min_length=3, max_length=512, pattern=PATH_PATTERN),
    WithJsonSchema(
        {"type": "string", "minLength": 3, "maxLength": 512}
        | matching(
            PATH_PATTERN,
            "must be a path of $, .name, ['name'] and [?@.key=='literal'] that names one place, such as "
            "$.spec.template.spec.containers[?@.name=='server'].image or $.data['system.txt']",
        )
    ),
]
"""One place in an object, in the declared subset of JSONPath."""


class TargetRef(ApiModel):
    """An object in the service's own namespace that Firebreak may write to."""

    api_version: Annotated[str, Field(max_length=128, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*$")]
    """For example apps/v1."""
    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """One of the kinds that this installation allows (chart value `reach`): Deployment, ConfigMap, HTTPRoute."""
    name: ObjectName
    """The object's name; its namespace is always the service's."""


class FieldRef(ApiModel):
    """One place in one object."""

    target: TargetRef
    """The object."""
    path: FieldPath
    """The place: `$`, `.name`, `['name']`, `[?@.key=='literal']`; it must match exactly one."""


class WorkloadRef(ApiModel):
    """A workload in the service's own namespace."""

    api_version: Annotated[str, Field(pattern=r"^apps/v1$", max_length=128)] = "apps/v1"
    """The workload's API version."""
    kind: Annotated[str, Field(pattern=r"^Deployment$", max_length=63)] = "Deployment"
    """The workload's kind: Deployment."""
    name: ObjectName
    """The workload's name."""


HPA = "HorizontalPodAutoscaler"
SCALED_OBJECT = "ScaledObject"


class AutoscalerRef(ApiModel):
    """What owns a workload's number of replicas, in the service's own namespace."""

    model_config = {
        "json_schema_extra": cel(
            (
                "self.apiVersion == (self.kind == 'ScaledObject' ? 'keda.sh/v1alpha1' : 'autoscaling/v2')",
                "HorizontalPodAutoscaler is of autoscaling/v2, and KEDA's ScaledObject of keda.sh/v1alpha1",
            ),
        )
    }

    api_version: Annotated[str, Field(pattern=r"^(autoscaling/v2|keda\.sh/v1alpha1)$", max_length=128)] = (
        "autoscaling/v2"
    )
    """autoscaling/v2 (default), or keda.sh/v1alpha1 for a ScaledObject."""
    kind: Annotated[str, Field(pattern=r"^(HorizontalPodAutoscaler|ScaledObject)$", max_length=63)] = HPA
    """HorizontalPodAutoscaler (default) or ScaledObject."""
    name: ObjectName
    """The autoscaler's name."""


class ServicePort(ApiModel):
    """A port of a Service, as an HTTPRoute's backendRefs name it."""

    name: Name
    """The Service's name."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """The Service's port."""


class PolicyKind(StrEnum):
    """Where a containment policy lives."""

    NAMESPACED = "ContainmentPolicy"
    CLUSTER = "ClusterContainmentPolicy"


class PolicyRef(ApiModel):
    """Which containment policy applies."""

    kind: PolicyKind = PolicyKind.NAMESPACED
    """ContainmentPolicy (the service's namespace) or ClusterContainmentPolicy."""
    name: ObjectName
    """The policy's name."""


class SourceKind(StrEnum):
    """Where a metric source lives."""

    NAMESPACED = "MetricSource"
    CLUSTER = "ClusterMetricSource"


class SourceRef(ApiModel):
    """Which metric source is read."""

    kind: SourceKind = SourceKind.CLUSTER
    """MetricSource (the service's namespace) or ClusterMetricSource."""
    name: ObjectName = "default"
    """The source's name."""


class IndicatorKind(StrEnum):
    """Where a shared indicator lives."""

    NAMESPACED = "QualityIndicator"
    CLUSTER = "ClusterQualityIndicator"


PromQL = Annotated[str, Field(min_length=1, max_length=2048)]
"""A PromQL expression; a namespace matcher is forced into every selector of it."""


class HistogramBuckets(StrEnum):
    """How a histogram is stored, which says what its bounds are."""

    CLASSIC = "Classic"
    NATIVE = "Native"
    CUSTOM = "Custom"


class HistogramRef(ApiModel):
    """Bad observations over all observations of a histogram: slow answers, or low scores."""

    model_config = {
        "json_schema_extra": cel(
            ("has(self.above) != has(self.atMost)", "give exactly one of above and atMost"),
            (
                "self.buckets != 'Native' || (!(has(self.above) && self.above <= 0.0) && "
                "!(has(self.atMost) && self.atMost <= 0.0))",
                "with buckets Native the limit must be above 0: zero lies within a bucket",
            ),
        )
    }

    selector: PromQL
    """A plain selector of the histogram by its own name, without _bucket, _count or _sum and without le."""
    buckets: HistogramBuckets = HistogramBuckets.CLASSIC
    """Classic: series _bucket with le. Native: one series, with bounds that are powers (exponential buckets), of which a
    power of two is one at every resolution. Custom: one series with the bounds that the application has given (native
    histograms with custom buckets, as Prometheus makes of classic ones)."""
    above: Annotated[float, Field(json_schema_extra={"type": "number"})] | None = None
    """An observation above this is bad, such as an answer that took longer. Must be a bound of the buckets."""
    at_most: Annotated[float, Field(json_schema_extra={"type": "number"})] | None = None
    """An observation at or below this is bad, such as a score. Must be a bound of the buckets."""


class IndicatorRef(ApiModel):
    """What is measured: a shared indicator by kind and name, or written inline."""

    model_config = {
        "json_schema_extra": cel(
            (
                "[has(self.name), has(self.badSelector), has(self.histogram), has(self.gauge)]"
                ".filter(x, x).size() == 1",
                "give exactly one of name (a shared indicator), badSelector (inline counters), histogram or gauge",
            ),
            ("!has(self.totalSelector) || has(self.badSelector)", "totalSelector needs badSelector beside it"),
            ("!has(self.errorSelector) || has(self.totalSelector)", "errorSelector needs totalSelector beside it"),
            ("!has(self.kind) || has(self.name)", "kind needs name: which indicator?"),
        )
    }

    kind: IndicatorKind | None = None
    """QualityIndicator (the service's namespace) or ClusterQualityIndicator; with `name`. Default QualityIndicator."""
    name: ObjectName | None = None
    """The shared indicator's name."""
    bad_selector: PromQL | None = None
    """Raw counter of bad answers: a plain selector, no rate() and no aggregate."""
    total_selector: PromQL | None = None
    """Raw counter of judged answers, with the same labels; not for detector Count."""
    error_selector: PromQL | None = None
    """Raw counter of answers that the judge could not judge, with the same labels: when it fails on most of what it
    tries, nothing is concluded from the rest."""
    histogram: HistogramRef | None = None
    """A histogram and the limit beyond which an observation is bad."""
    gauge: PromQL | None = None
    """An instant expression with one value; for detector Threshold."""
