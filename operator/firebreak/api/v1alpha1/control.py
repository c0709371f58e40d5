"""FirebreakControl: the one object that pauses everything."""

from typing import Annotated, ClassVar

from pydantic import Field

from firebreak.api.v1alpha1.model import AGE, ApiModel, Column, Crd, Resource, cel


class FirebreakControlSpec(ApiModel):
    """What holds for the whole installation."""

    paused: bool = False
    """No new containment anywhere; what is in force stays, and incidents are still recorded."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """Why, for whoever finds it paused."""


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
            Column(name="Reason", path=".spec.reason"),
            AGE,
        ),
        namespaced=False,
    )
    spec: FirebreakControlSpec
