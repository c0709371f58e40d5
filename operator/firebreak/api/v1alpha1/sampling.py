"""SamplingRaise: the record of a judge's sampling rate that was raised, outside any incident.

Written by the operator alone, one for a service that has declared `judge.samplingRate` and had it raised. As with an
incident, what is to be written stands here before it is, so that an operator that was killed at any line goes on from it.
It outlives its AIService, or nobody would know what to put back.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from firebreak.api.v1alpha1.incident import FieldWrite
from firebreak.api.v1alpha1.model import AGE, ApiModel, Column, Crd, Name, Resource, Text, Time, cel
from firebreak.api.v1alpha1.quantities import Duration


class RaisePhase(StrEnum):
    """Where a raise stands."""

    NORMAL = "Normal"
    INTENDED = "Intended"
    RAISED = "Raised"
    GIVING_BACK = "GivingBack"


class SamplingRaiseSpec(ApiModel):
    """Whose rate it is."""

    model_config = {
        "json_schema_extra": cel(("self.service == oldSelf.service", "service cannot be changed")),
    }

    service: Name
    """The AIService in the same namespace; this object has its name."""


class RaisedSpan(ApiModel):
    """A stretch of time in which it was raised."""

    since: Time
    """From when."""
    until: Time
    """Until when."""


class SamplingRaiseStatus(ApiModel):
    """What was written, and why."""

    phase: RaisePhase = RaisePhase.NORMAL
    """Normal, Intended, Raised or GivingBack."""
    reason: Annotated[str, Field(max_length=64)] = ""
    """Why it is raised or given back, in one word; of a Normal one why it ended."""
    because: Text = ""
    """The same in words, with the numbers."""
    message: Text = ""
    """What stands in the way of a write."""
    write: FieldWrite | None = None
    """The place, what stood there, and what is to stand there now; none while everything is as it was."""
    account: Annotated[str, Field(max_length=253)] = ""
    """The ServiceAccount with whose rights it is written and given back; empty: Firebreak's own."""
    since: Time | None = None
    """Since when it is raised."""
    blocked_at: Time | None = None
    """When a write was refused, or someone else changed the place: for an hour it is not tried again."""
    spent: Duration = timedelta(0)
    """For how long it was raised on the day of `spentOn`, without what is raised now."""
    spent_on: Annotated[str, Field(max_length=10)] = ""
    """The day (UTC)."""
    runs: Annotated[tuple[RaisedSpan, ...], Field(max_length=32)] = ()
    """When it was raised lately, without what is raised now: of 1,440 steps it may be raised for 840, less 60 for
    each run after the first, for whatever reason."""


class SamplingRaise(Resource):
    """A judge's sampling rate that Firebreak has raised, or had. Deleting it gives it back, and it is raised again while
    there is reason to: suspend the service to stop that."""

    crd: ClassVar = Crd(
        plural="samplingraises",
        short_names=("sraise",),
        columns=(
            Column(name="Service", path=".spec.service"),
            Column(name="Phase", path=".status.phase"),
            Column(name="Reason", path=".status.reason"),
            Column(name="Since", path=".status.since", type="date"),
            Column(name="Spent", path=".status.spent"),
            AGE,
            Column(name="Because", path=".status.because", priority=1),
        ),
    )
    spec: SamplingRaiseSpec
    status: SamplingRaiseStatus = SamplingRaiseStatus()
