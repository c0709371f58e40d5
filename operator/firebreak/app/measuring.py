"""What does the measuring say about itself, beside its verdicts?

Asked by app/observe.py in each turn, of the objectives that are measured; what is found becomes a condition.
"""

from collections.abc import Iterable

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.app.sampler import Sampler
from firebreak.core.objectives import ObjectiveKey
from firebreak.core.problems import Problem


def oddities(sampler: Sampler, measured: Iterable[ObjectiveKey]) -> tuple[Problem, ...]:
    """Readings within the trailing steps that cannot be right, whatever the verdict on the others is."""
    return tuple(
        Problem(
            condition=ConditionType.INDICATOR_HEALTHY,
            reason=ConditionReason.INDICATOR_ODD,
            message=f"{key.objective}: {words}",
        )
        for key in measured
        for words in sampler.oddities(key)
    )
