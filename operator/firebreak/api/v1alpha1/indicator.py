"""QualityIndicator and ClusterQualityIndicator: service level indicators that services share.

All services that use one are read by the same two queries, so a fleet costs no more than a service.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from firebreak.api.v1alpha1.model import AGE, ApiModel, Column, Crd, Resource, cel
from firebreak.api.v1alpha1.references import HistogramRef, PromQL

LabelName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class IndicatorLabels(ApiModel):
    """Which labels of the series say whose they are."""

    service: LabelName = "service"
    """Holds the service's name, as in AIService.spec.metrics.labels; default service."""
    revision: LabelName = "revision"
    """Holds the revision of the answer; default revision."""


class QualityIndicatorSpec(ApiModel):
    """Bad answers over judged answers, from two raw counters or from a histogram; or a gauge."""

    model_config = {
        "json_schema_extra": cel(
            (
                "[has(self.badSelector), has(self.histogram), has(self.gauge)].filter(x, x).size() == 1",
                "give exactly one of badSelector (with totalSelector), histogram and gauge",
            ),
            ("has(self.badSelector) == has(self.totalSelector)", "badSelector and totalSelector go together"),
            ("!has(self.errorSelector) || has(self.totalSelector)", "errorSelector needs totalSelector beside it"),
        )
    }

    bad_selector: PromQL | None = None
    """Raw counter of bad answers: a plain selector, no rate() and no aggregate."""
    total_selector: PromQL | None = None
    """Raw counter of judged answers, with the same labels."""
    error_selector: PromQL | None = None
    """Raw counter of answers that the judge could not judge, with the same labels: when it fails on most of what it
    tries, nothing is concluded from the rest."""
    histogram: HistogramRef | None = None
    """A histogram and the limit beyond which an observation is bad."""
    gauge: PromQL | None = None
    """An instant expression whose result has a row for each service, with the labels that say whose it is."""
    labels: IndicatorLabels = IndicatorLabels()
    """Which labels identify service and revision."""


_COLUMNS = (Column(name="Bad", path=".spec.badSelector"), Column(name="Total", path=".spec.totalSelector"), AGE)


class QualityIndicator(Resource):
    """An indicator for the services of its namespace."""

    crd: ClassVar = Crd(plural="qualityindicators", short_names=("qi",), columns=_COLUMNS)
    spec: QualityIndicatorSpec


class ClusterQualityIndicator(Resource):
    """An indicator that every service may name."""

    crd: ClassVar = Crd(plural="clusterqualityindicators", short_names=("cqi",), columns=_COLUMNS, namespaced=False)
    spec: QualityIndicatorSpec
