"""FirebreakControl: the one object that pauses everything, and that says when Firebreak holds itself back."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from firebreak.api.v1alpha1.model import AGE, ApiModel, Column, Condition, Crd, Resource, Text, Time, cel, list_map


class FirebreakControlSpec(ApiModel):
    """What holds for the whole installation."""

    paused: bool = False
    """No new containment anywhere; what is in force stays, and incidents are still recorded."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """Why, for whoever finds it paused."""
    confirmed_trip: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """The number of a trip of the circuit breaker (status.breaker.trip) that a person has looked at: so many services
    are really bad, and what is held is done for all of them. Counts for that trip alone, and for what was breached when
    it was said: a wave that comes later trips it anew. No trip has a number that was confirmed before it."""


class BreakerState(StrEnum):
    """Where the circuit breaker stands."""

    READY = "Ready"
    TRIPPED = "Tripped"
    CONFIRMED = "Confirmed"


class BreakerCause(StrEnum):
    """What so many breaches at once look like."""

    METRICS_PIPELINE = "MetricsPipeline"
    COMMON_CAUSE = "CommonCause"


class Breaker(ApiModel):
    """What the circuit breaker has seen last."""

    trip: int = 0
    """How often it has tripped: the number of the last trip, for spec.confirmedTrip."""
    state: BreakerState = BreakerState.READY
    """Ready, Tripped or Confirmed."""
    since: Time | None = None
    """When it tripped last."""
    breached: int = 0
    """How many services were newly breached then."""
    total: int = 0
    """Of so many that are watched."""
    services: Annotated[tuple[Annotated[str, Field(max_length=128)], ...], Field(max_length=64)] = ()
    """The first of them, as namespace/name."""
    cause: BreakerCause = BreakerCause.COMMON_CAUSE
    """MetricsPipeline: their sources or judges are not well, so what they say may be wrong. CommonCause: their metrics
    are well, so something that they share is bad, such as a provider's model."""
    because: Text = ""
    """What that is concluded from."""
    heard_at: Time | None = None
    """Since when spec.confirmedTrip names this trip; while the metrics are not well that is not followed yet."""
    confirmed_at: Time | None = None
    """When the last confirmation that was followed was given: services that have been breached since before then are
    held by no later trip."""
    asked_at: Time | None = None
    """When people were last asked about it."""


class FirebreakControlStatus(ApiModel):
    """What holds for the whole installation now."""

    breaker: Breaker = Breaker()
    """The circuit breaker."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))] = ()
    """BreakerReady."""


class FirebreakControl(Resource):
    """The installation's switch; only the object named `firebreak` counts."""

    model_config = {
        "json_schema_extra": cel(("self.metadata.name == 'firebreak'", "metadata.name must be firebreak: there is one"))
    }
    crd: ClassVar = Crd(
        plural="firebreakcontrols",
        short_names=("fbc",),
        columns=(
            Column(name="Paused", path=".spec.paused", type="boolean"),
            Column(name="Breaker", path=".status.breaker.state"),
            Column(name="Trip", path=".status.breaker.trip", type="integer"),
            Column(name="Cause", path=".status.breaker.cause"),
            Column(name="Reason", path=".spec.reason"),
            AGE,
        ),
        namespaced=False,
    )
    spec: FirebreakControlSpec
    status: FirebreakControlStatus = FirebreakControlStatus()
