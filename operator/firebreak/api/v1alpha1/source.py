"""MetricSource and ClusterMetricSource: where metrics are read."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, WithJsonSchema

from firebreak.api.v1alpha1.model import (
    AGE,
    ApiModel,
    Column,
    Condition,
    Crd,
    ObjectName,
    Resource,
    cel,
    list_map,
    matching,
)
from firebreak.api.v1alpha1.quantities import Duration, parse_duration

URL_PATTERN = r"^https?://[^\s?#]+$"
TIMEOUT_PATTERN = r"^([1-9]|[12][0-9]|30)s$"
LONGEST_TIMEOUT = timedelta(seconds=30)
USERNAME_PATTERN = r"^[^:\x00-\x1f\x7f]+$"
TENANT_PATTERN = r"^[^\x00-\x1f\x7f]*$"


class SecretKey(ApiModel):
    """One key of a Secret labelled `firebreak.dev/metric-source: "true"`."""

    name: ObjectName
    """The Secret's name: in the source's namespace, or for a ClusterMetricSource in Firebreak's own."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """The key in the Secret's data."""


class BasicAuth(ApiModel):
    """HTTP basic authentication."""

    username: Annotated[
        str,
        Field(min_length=1, max_length=253),
        WithJsonSchema(
            {"type": "string", "minLength": 1, "maxLength": 253}
            | matching(USERNAME_PATTERN, "must hold no colon and no control character: HTTP cannot carry them")
        ),
    ]
    """The user's name; without a colon."""
    password: SecretKey
    """Where the password is kept."""


class Tls(ApiModel):
    """How the endpoint's certificate is checked."""

    model_config = {
        "json_schema_extra": cel(
            (
                "!(has(self.ca) && self.insecureSkipVerify)",
                "ca is of no use with insecureSkipVerify: give one of them",
            ),
        )
    }

    ca: SecretKey | None = None
    """A CA bundle in PEM; default: the system's."""
    insecure_skip_verify: bool = False
    """Do not check the certificate; for test installations."""


class MetricSourceSpec(ApiModel):
    """A Prometheus-compatible endpoint: Prometheus, Thanos, Mimir, VictoriaMetrics."""

    model_config = {
        "json_schema_extra": cel(
            ("!(has(self.bearerToken) && has(self.basicAuth))", "give bearerToken or basicAuth, not both"),
            (
                "!(has(self.tls.ca) || self.tls.insecureSkipVerify) || self.url.startsWith('https://')",
                "tls needs an https URL",
            ),
        )
    }

    url: Annotated[
        str,
        Field(min_length=8, max_length=2048, pattern=URL_PATTERN),
        WithJsonSchema(
            {"type": "string", "minLength": 8, "maxLength": 2048}
            | matching(URL_PATTERN, "must be an http or https URL without query, such as http://prometheus:9090")
        ),
    ]
    """Base URL, without /api/v1."""
    timeout: Annotated[
        Duration,
        WithJsonSchema(
            {"type": "string", "maxLength": 8}
            | matching(TIMEOUT_PATTERN, "must be 1s to 30s: what takes longer is no evidence of now")
        ),
    ] = parse_duration("10s")
    """How long one query may take, 1s to 30s; default 10s."""
    tenant: (
        Annotated[
            str,
            Field(max_length=253),
            WithJsonSchema(
                {"type": "string", "maxLength": 253}
                | matching(TENANT_PATTERN, "must hold no line break or other control character; in YAML write |- for |")
            ),
        ]
        | None
    ) = None
    """Sent as X-Scope-OrgID, for Mimir and Cortex."""
    bearer_token: SecretKey | None = None
    """Where a bearer token is kept."""
    basic_auth: BasicAuth | None = None
    """HTTP basic authentication."""
    tls: Tls = Tls()
    """How the endpoint's certificate is checked."""
    namespace_label: Annotated[str, Field(max_length=128, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")] = "namespace"
    """The label that holds the Kubernetes namespace of a series; a matcher on it is forced into every query."""


class MetricSourceStatus(ApiModel):
    """What Firebreak has seen of the endpoint."""

    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=list_map("type"))] = ()
    """Reachable: whether queries are answered; one that the source refuses was answered."""


_COLUMNS = (
    Column(name="URL", path=".spec.url"),
    Column(name="Reachable", path=".status.conditions[?(@.type=='Reachable')].status"),
    Column(name="Reason", path=".status.conditions[?(@.type=='Reachable')].reason"),
    AGE,
)


class MetricSource(Resource):
    """A metric source for the services of its namespace."""

    crd: ClassVar = Crd(plural="metricsources", short_names=("msrc",), columns=_COLUMNS)
    spec: MetricSourceSpec
    status: MetricSourceStatus = MetricSourceStatus()


class ClusterMetricSource(Resource):
    """A metric source that every service may name."""

    crd: ClassVar = Crd(plural="clustermetricsources", short_names=("cmsrc",), columns=_COLUMNS, namespaced=False)
    spec: MetricSourceSpec
    status: MetricSourceStatus = MetricSourceStatus()
