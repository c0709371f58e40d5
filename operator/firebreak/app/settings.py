"""What does the installation say about how this process runs? Read once, from the environment that the chart sets.

charts/firebreak/templates/operator/settings.yaml is the other side. A value that cannot be read stops the start with
the variable, the value and what to write instead: better than half of a setting in force.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from firebreak.api.v1alpha1.quantities import SomeDuration
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.breaker import BreakerRules
from firebreak.core.field_writes import RESTART_PATH

_RESPONDER = re.compile(r"^((?P<namespace>[a-z0-9-]+)/)?(?P<name>[a-z0-9-]+)(:(?P<port>[0-9]{1,5}))?$")


class SettingsError(ValueError):
    """The process cannot start like this; the message names each variable, its value and what to write."""


class AllowedKind(BaseModel):
    """A kind that may be written to, and where in it. In a path, `*` stands for anything but a single quote."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    api_version: Annotated[str, Field(alias="apiVersion", min_length=1)]
    kind: Annotated[str, Field(min_length=1)]
    paths: Annotated[tuple[str, ...], Field(min_length=1)]

    def is_kind_of(self, target: TargetRef) -> bool:
        """Whether this is about the target's kind."""
        return (self.api_version, self.kind) == (target.api_version, target.kind)

    def covers(self, path: str) -> bool:
        """Whether the path, as it is written in a spec, is one of the allowed ones: the rule of the admission policy."""
        return any(re.fullmatch(re.escape(p).replace(r"\*", "[^']*"), path) for p in self.paths)


class Reach(BaseModel):
    """Which places this installation lets Firebreak write to: the chart's `reach`."""

    model_config = ConfigDict(frozen=True)

    kinds: tuple[AllowedKind, ...] = ()

    def allows(self, target: TargetRef, path: str) -> str | None:
        """Why this place may not be written, in words; None when it may.

        Restarting a workload of an allowed kind is always allowed: users do not name that place, Firebreak does.
        """
        allowed = [kind for kind in self.kinds if kind.is_kind_of(target)]
        if not allowed:
            known = ", ".join(dict.fromkeys(f"{k.kind} ({k.api_version})" for k in self.kinds)) or "no kind at all"
            return (
                f"{target.kind} {target.name}: this installation lets Firebreak write to {known}, "
                f"not to {target.kind} ({target.api_version}); name another target or extend the chart's value reach"
            )
        is_restart = path == RESTART_PATH and target.api_version == "apps/v1"
        if is_restart or any(kind.covers(path) for kind in allowed):
            return None
        paths = " or ".join(p for kind in allowed for p in kind.paths)
        return (
            f"{target.kind} {target.name} {path}: of a {target.kind} this installation lets Firebreak write {paths}; "
            f"name another place or extend the chart's value reach"
        )


class Responder(BaseModel):
    """The Service of the process that serves static fallbacks."""

    model_config = ConfigDict(frozen=True)

    namespace: str
    name: str
    port: Annotated[int, Field(ge=1, le=65535)] = 8080


class BreakerSettings(BaseModel):
    """When the circuit breaker trips: the chart's `circuitBreaker`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    services: Annotated[int, Field(ge=1, le=10000)] = 5
    percent: Annotated[int, Field(ge=1, le=100)] = 20
    within: Annotated[SomeDuration, Field(gt=timedelta(0))] = timedelta(minutes=5)

    @property
    def rules(self) -> BreakerRules | None:
        """What it goes by; None when it is turned off."""
        if not self.enabled:
            return None
        return BreakerRules(services=self.services, share=self.percent / 100, within=self.within)


def _breaker(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error})") from error


def _reach(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        kinds: Any = json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error})") from error
    if not isinstance(kinds, list):
        raise ValueError('must be a JSON list such as [{"apiVersion":"v1","kind":"ConfigMap","paths":["$.data.*"]}]')
    return {"kinds": kinds}


def _names(value: object) -> object:
    return frozenset(filter(None, value.split(","))) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseModel):
    """Everything that is not declared in an object of the API."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    namespace: Annotated[str, Field(alias="POD_NAMESPACE", min_length=1)]
    """Where Firebreak itself runs: the Lease's namespace."""
    identity: Annotated[str, Field(alias="POD_NAME", min_length=1)]
    """This replica's name, in the Lease and in logs."""
    bind: Annotated[str, Field(alias="POD_IP", min_length=1)] = "0.0.0.0"
    """The address that /livez, /readyz and /metrics are served on."""
    port: Annotated[int, Field(alias="FIREBREAK_PORT", ge=0, le=65535)] = 8080
    """The port of these; 0 takes a free one."""
    service_account: Annotated[
        str, Field(alias="FIREBREAK_SERVICE_ACCOUNT", pattern=r"^system:serviceaccount:[^:]+:[^:]+$")
    ]
    """The user name under which the API server knows Firebreak."""
    responder: Annotated[Responder | None, Field(alias="FIREBREAK_RESPONDER")] = None
    """Where static fallbacks are served; None when the chart's responder is turned off."""
    lease_name: Annotated[str, Field(alias="FIREBREAK_LEASE_NAME", min_length=1)] = "firebreak"
    lease_duration_seconds: Annotated[Seconds, Field(alias="FIREBREAK_LEASE_DURATION_SECONDS")] = 15.0
    """How long the others wait for a leader that no longer renews."""
    lease_renew_deadline_seconds: Annotated[Seconds, Field(alias="FIREBREAK_LEASE_RENEW_DEADLINE_SECONDS")] = 10.0
    """When a leader that cannot renew stops acting."""
    lease_retry_period_seconds: Annotated[Seconds, Field(alias="FIREBREAK_LEASE_RETRY_PERIOD_SECONDS")] = 4.0
    """How often a leader renews, and the others look."""
    relist_seconds: Annotated[Seconds, Field(alias="FIREBREAK_RELIST_SECONDS")] = 90.0
    """How often what is known is compared with own lists."""
    workers: Annotated[int, Field(alias="FIREBREAK_WORKERS", ge=1, le=64)] = 4
    """How many services are worked on at a time."""
    sampling_max_raises: Annotated[int, Field(alias="FIREBREAK_SAMPLING_MAX_RAISES", ge=0, le=10_000)] = 20
    """How many services' sampling rates may be raised at once."""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(alias="FIREBREAK_LOG_LEVEL"), BeforeValidator(_lower)
    ] = "info"
    breaker: Annotated[BreakerSettings, Field(alias="FIREBREAK_BREAKER"), BeforeValidator(_breaker)] = BreakerSettings()
    """When so many services become bad at once that containments are held."""
    reach: Annotated[Reach, Field(alias="FIREBREAK_REACH"), BeforeValidator(_reach)]
    """Which places may be written at all."""

    impersonate: Annotated[frozenset[str], Field(alias="FIREBREAK_IMPERSONATE"), BeforeValidator(_names)] = frozenset()
    """The ServiceAccounts that Firebreak may act as, each as namespace/name."""

    def may_act_as(self, namespace: str, account: str) -> str | None:
        """Why Firebreak cannot act as this ServiceAccount, in words; None when it may."""
        if f"{namespace}/{account}" in self.impersonate:
            return None
        return (
            f"spec.containment.serviceAccountName: this installation does not let Firebreak act as ServiceAccount "
            f"{namespace}/{account}; name it in the chart's value impersonation, or leave it out"
        )

    @property
    def responder_name(self) -> str:
        """The responder's Service as routes name it; the chart's default where it is turned off, for messages."""
        return self.responder.name if self.responder else "firebreak-responder"

    @model_validator(mode="before")
    @classmethod
    def _responder(cls, values: Any) -> Any:
        """`namespace/name:port`; without a namespace it is Firebreak's own."""
        text = values.get("FIREBREAK_RESPONDER") if isinstance(values, Mapping) else None
        if not isinstance(text, str):
            return values
        if not text:
            return {**values, "FIREBREAK_RESPONDER": None}
        match = _RESPONDER.match(text)
        parts = match.groupdict() if match else {"namespace": None, "name": None, "port": None}
        read = {
            "namespace": parts["namespace"] or values.get("POD_NAMESPACE"),
            "name": parts["name"],
            "port": parts["port"] or 8080,
        }
        return {**values, "FIREBREAK_RESPONDER": read if match else text}

    @model_validator(mode="after")
    def _lease_is_safe(self) -> Self:
        """A leader must have stopped acting before the next one may begin, and needs two tries to renew until then."""
        if not self.lease_renew_deadline_seconds < self.lease_duration_seconds:
            raise ValueError(
                f"FIREBREAK_LEASE_RENEW_DEADLINE_SECONDS={self.lease_renew_deadline_seconds:g} must be below "
                f"FIREBREAK_LEASE_DURATION_SECONDS={self.lease_duration_seconds:g}, or two replicas could act at once"
            )
        if not 2 * self.lease_retry_period_seconds < self.lease_renew_deadline_seconds:
            raise ValueError(
                f"FIREBREAK_LEASE_RETRY_PERIOD_SECONDS={self.lease_retry_period_seconds:g} must be below half of "
                f"FIREBREAK_LEASE_RENEW_DEADLINE_SECONDS={self.lease_renew_deadline_seconds:g}, "
                f"or one missed renewal ends the lead"
            )
        return self

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the environment; raises SettingsError that names every variable that cannot be used."""
        try:
            return cls.model_validate({name: value for name, value in environ.items() if name in _variables(cls)})
        except ValidationError as error:
            wrong = [_words(dict(item), environ) for item in error.errors()]
            raise SettingsError("; ".join(dict.fromkeys(wrong))) from error


def _variables(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(field.alias for field in model.model_fields.values() if field.alias)


def _words(item: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    said = str(item["msg"]).removeprefix("Value error, ")
    if not item["loc"]:
        return said
    variable, *inside = (str(part) for part in item["loc"])
    if item["type"] == "missing" and not inside:
        return f"{variable} is not set; the chart sets it from the Pod or from its values"
    if variable == "FIREBREAK_RESPONDER":
        said = "must be namespace/name:port, such as firebreak/firebreak-responder:8080"
    place = f" at {'.'.join(p for p in inside if p != 'kinds')}" if inside else ""
    return f"{variable}={environ.get(variable, '')[:200]!r}{place}: {said[:1].lower()}{said[1:]}"
