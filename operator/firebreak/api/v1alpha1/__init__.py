"""The API firebreak.dev/v1alpha1: pydantic models, the source of crds/."""

from firebreak.api.v1alpha1.aiservice import AIService
from firebreak.api.v1alpha1.control import FirebreakControl
from firebreak.api.v1alpha1.drill import ContainmentDrill
from firebreak.api.v1alpha1.incident import AIIncident
from firebreak.api.v1alpha1.indicator import ClusterQualityIndicator, QualityIndicator
from firebreak.api.v1alpha1.policy import ClusterContainmentPolicy, ContainmentPolicy
from firebreak.api.v1alpha1.quarantine import Quarantine
from firebreak.api.v1alpha1.sampling import SamplingRaise
from firebreak.api.v1alpha1.source import ClusterMetricSource, MetricSource

KINDS = (
    AIService,
    ContainmentPolicy,
    ClusterContainmentPolicy,
    AIIncident,
    Quarantine,
    SamplingRaise,
    ContainmentDrill,
    QualityIndicator,
    ClusterQualityIndicator,
    MetricSource,
    ClusterMetricSource,
    FirebreakControl,
)
"""Every kind, in the order of the documentation."""

__all__ = [
    "KINDS",
    "AIIncident",
    "AIService",
    "ClusterContainmentPolicy",
    "ClusterMetricSource",
    "ClusterQualityIndicator",
    "ContainmentDrill",
    "ContainmentPolicy",
    "FirebreakControl",
    "MetricSource",
    "QualityIndicator",
    "Quarantine",
    "SamplingRaise",
]
