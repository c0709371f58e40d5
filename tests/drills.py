"""A drill as the API server would hold it, for tests of what is decided about it; valid by default."""

from datetime import datetime
from typing import Any

from tests.builders import KEY, T0

from firebreak.api.v1alpha1 import ContainmentDrill
from firebreak.api.v1alpha1.drill import DrillMode


def a_drill(
    mode: DrillMode = DrillMode.VALIDATE,
    *,
    name: str = "weekly",
    created: datetime = T0,
    status: dict[str, Any] | None = None,
    **spec: Any,
) -> ContainmentDrill:
    """A drill of the service of tests/builders.py; one of mode Execute has its author's allowance."""
    allowed = {"allowExecution": True} if mode is DrillMode.EXECUTE else {}
    return ContainmentDrill.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": KEY.namespace,
                "generation": 1,
                "creationTimestamp": created.isoformat(),
            },
            "spec": {"service": KEY.name, "mode": mode} | allowed | spec,
            "status": status or {},
        }
    )


def a_step(step: dict[str, Any]) -> dict[str, Any]:
    """A ladder's step as a drill names it."""
    return {key: value for key, value in step.items() if key in ("action", "fallback", "feature")}
