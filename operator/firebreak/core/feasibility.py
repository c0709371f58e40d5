"""Can what the policy promises be kept at the rate at which answers are judged?

Asked by app/observe.py in each turn. A step that evidence has to prove needs about as long as a breach needs to be
Confirmed; a step that has less is given up before anyone can know whether it helped.
"""

from collections.abc import Mapping
from datetime import timedelta

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.api.v1alpha1.aiservice import AIServiceSpec, DetectorKind, Objective
from firebreak.api.v1alpha1.policy import ActionKind, ContainmentPolicySpec
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.problems import Problem
from firebreak.core.severity import ladder_of

NEVER = "never"


def infeasible_steps(
    spec: AIServiceSpec,
    policy: ContainmentPolicySpec | None,
    delays: Mapping[str, timedelta | None],
    raised: Mapping[str, timedelta | None] | None = None,
) -> tuple[Problem, ...]:
    """The steps whose verifyWithin is shorter than the evidence takes, by the expected delay of each known objective.

    A delay of None is never. An objective that is not in `delays` has not been read, and nothing is said of it.
    `raised` is the same at the raised sampling rate, where one is declared: it is raised while a step is being proven.
    """
    found = []
    for objective in spec.objectives:
        ladder = ladder_of(policy, objective.category)
        if policy is None or ladder is None or objective.name not in delays or is_for_tickets(objective):
            continue
        delay = delays[objective.name]
        for i, step in enumerate(policy.ladders[ladder].steps):
            within = step.verify_within
            if within is None or not _rests_on_evidence(step.action) or (delay is not None and delay <= within):
                continue
            faster = (raised or {}).get(objective.name)
            if faster is not None and faster <= within:
                continue
            found.append(
                Problem(
                    condition=ConditionType.VERIFICATION_FEASIBLE,
                    reason=ConditionReason.TOO_LITTLE_EVIDENCE,
                    message=f"ladders[{ladder}].steps[{i}] ({step.action}) has verifyWithin {format_duration(within)}, "
                    f"but {_words(objective, delay, within, faster)}",
                )
            )
    return tuple(found)


def is_for_tickets(objective: Objective) -> bool:
    """Whether it contains nothing, so that no step is ever proven for it."""
    return objective.detector.kind is DetectorKind.BURN_RATE


def _rests_on_evidence(action: ActionKind) -> bool:
    """Traffic that has moved is seen in the route and in the data plane, whatever is judged."""
    return action in (ActionKind.ROLL_BACK, ActionKind.DISABLE_FEATURE)


def _words(objective: Objective, delay: timedelta | None, within: timedelta, faster: timedelta | None) -> str:
    if delay is None:
        return (
            f"nothing of {objective.name} is judged at present, so no breach of it would ever be seen; judge a share "
            f"of its answers"
        )
    said = f"evidence on {objective.name} takes about {delay_in_words(delay)} at the last hour's rate of judging"
    if objective.target is None:
        return f"{said}; allow that much"
    if faster is not None:
        said += f", and {delay_in_words(faster)} at the raised sampling rate"
        delay = faster
    return f"{said}; judge about {delay / within:.1f} times as many answers (sampling rate or traffic), or allow more"


def delay_in_words(delay: timedelta | None) -> str:
    """As the status shows it: a duration in whole seconds, or never."""
    return NEVER if delay is None else format_duration(timedelta(seconds=max(1, round(delay.total_seconds()))))
