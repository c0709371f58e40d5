"""Quarantine: denies the return of a bad revision.

Param object of the ValidatingAdmissionPolicies that the chart ships, so the operator needs no right to write policies.
Only fields that differ from the known-good revision are denied, and only the transition into the bad value.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from firebreak.api.v1alpha1.model import AGE, ApiModel, Column, Crd, Name, ObjectName, Resource, Text, cel
from firebreak.api.v1alpha1.references import TargetRef

LONGEST = 262144
"""Characters of a value that can be denied; a longer one is left out, and does not keep a rollback from happening."""


class DeniedField(ApiModel):
    """One field and the value that must not come back."""

    model_config = {
        "json_schema_extra": cel(
            (
                "self.target.kind == 'ConfigMap' ? (has(self.key) && self.key != '') "
                ": ((has(self.container) && self.container != '') != (has(self.volume) && self.volume != ''))",
                "a ConfigMap needs key, a workload needs container or volume",
            ),
            (
                "!has(self.env) || self.env == '' || (has(self.container) && self.container != '')",
                "env needs container: in which one is it set?",
            ),
        )
    }

    name: Name
    """The revision field's name."""
    target: TargetRef
    """The object."""
    container: Annotated[str, Field(max_length=63)] = ""
    """Of a workload: the container whose image is denied, or the value of one of its environment variables."""
    env: Annotated[str, Field(max_length=253)] = ""
    """Of a workload's container: the environment variable whose value is denied; without it its image is."""
    volume: Annotated[str, Field(max_length=63)] = ""
    """Of a workload: the volume whose ConfigMap is denied, by its name."""
    key: Annotated[str, Field(max_length=253)] = ""
    """Of a ConfigMap: the key of data whose value is denied."""
    value: Annotated[str, Field(max_length=LONGEST)]
    """The value that must not come back."""


class QuarantineSpec(ApiModel):
    """Which revision must not come back, and why."""

    model_config = {
        "json_schema_extra": cel(
            ("self == oldSelf", "a quarantine cannot be changed: delete it, or declare another one"),
        )
    }

    service: Name
    """The AIService."""
    incident: ObjectName
    """The AIIncident that found the revision bad."""
    revision: Annotated[str, Field(max_length=63)]
    """The bad revision."""
    reason: Text
    """Why, with the numbers."""
    denied: Annotated[tuple[DeniedField, ...], Field(min_length=1, max_length=8)]
    """The fields that differ from the known-good revision."""


class Quarantine(Resource):
    """A revision that must not come back; delete it to lift it."""

    crd: ClassVar = Crd(
        plural="quarantines",
        short_names=("quar",),
        columns=(
            Column(name="Service", path=".spec.service"),
            Column(name="Revision", path=".spec.revision"),
            Column(name="Incident", path=".spec.incident"),
            AGE,
        ),
    )
    spec: QuarantineSpec
