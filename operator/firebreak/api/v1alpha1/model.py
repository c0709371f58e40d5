"""What every model of the API has in common: reading, writing and what the CRD says of it.

The API server is the one that refuses; on reading we ignore what we do not know, since a newer CRD may carry more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

GROUP = "firebreak.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""A DNS label."""
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""The name of a Kubernetes object."""
Text = Annotated[str, Field(max_length=1024)]
"""A sentence or two for people."""


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[
    datetime,
    PlainSerializer(_rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment, RFC 3339 with milliseconds, always UTC."""


class ApiModel(BaseModel):
    """A part of an object: immutable, camelCase outside, field docstrings are the CRD's descriptions."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    def dump(self) -> dict[str, Any]:
        """The JSON object as the API server holds it: camelCase, unset fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def cel(*rules: tuple[str, str]) -> Callable[[dict[str, Any]], None]:
    """Validations for the CRD, as (rule, message): refused at `kubectl apply` with the message."""

    def add(schema: dict[str, Any]) -> None:
        schema["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in rules]

    return add


def matching(pattern: str, message: str) -> dict[str, Any]:
    """A pattern for the CRD whose refusal says what to write, where a schema's `pattern` would only quote itself."""
    return {"x-kubernetes-validations": [{"rule": f'self.matches(r"{pattern}")', "message": message}]}


def list_map(*keys: str) -> dict[str, Any]:
    """Schema extra of a list whose items are told apart by keys, so that server-side apply merges item by item."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


class ConditionStatus(StrEnum):
    """As in Kubernetes' own conditions."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One aspect of an object's state, as in Kubernetes' own conditions."""

    type: Annotated[str, Field(max_length=64)]
    """What is said to be so."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[str, Field(max_length=64)]
    """One word for programs; docs/reference lists them all."""
    message: Annotated[str, Field(max_length=2048)]
    """A sentence for people: what is so, and what to change where something is wrong."""
    observed_generation: int = 0
    """The generation of the spec that this was judged on."""
    last_transition_time: Time
    """When status last changed."""


class ObjectMeta(BaseModel):
    """The part of an object's metadata that Firebreak reads."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A printer column of `kubectl get`."""

    name: str
    path: str
    type: Literal["string", "integer", "date", "boolean"] = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crd:
    """What a CRD says beside its schema."""

    plural: str
    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    namespaced: bool = True


class Resource(BaseModel):
    """A whole object; subclasses add `spec` and, where there is one, `status`."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)
    crd: ClassVar[Crd]

    metadata: ObjectMeta


AGE = Column(name="Age", path=".metadata.creationTimestamp", type="date")
