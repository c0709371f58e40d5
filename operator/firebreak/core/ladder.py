"""Which step comes next, and can it help?

Asked by `decide` once the evidence that a step needs is there.
A step that cannot help is skipped with the reason, so that the next one is not held up by it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, assert_never

from firebreak.api.v1alpha1.aiservice import Fallback
from firebreak.api.v1alpha1.incident import AIIncidentStatus, FieldWrite
from firebreak.api.v1alpha1.policy import ActionKind, FallbackChoice, Step
from firebreak.core.attribution import NotAttributed, attribution
from firebreak.core.commands import Reason
from firebreak.core.field_writes import CannotCompile, disable_feature, raise_human_review, roll_back, switch_traffic
from firebreak.core.observations import InForce
from firebreak.core.proof import active
from firebreak.core.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The step can be taken: what it sets, and why it should help."""

    subject: str
    writes: tuple[FieldWrite, ...]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotHelp:
    """The step is skipped."""

    reason: Reason
    because: str
    subject: str = ""


Planned: TypeAlias = Plan | CannotHelp


def next_step(status: AIIncidentStatus) -> tuple[int, Step] | None:
    """The first step of the ladder in use that was neither taken nor skipped; None when there is none left."""
    if status.policy is None or status.ladder is None:
        return None
    steps = status.policy.ladders[status.ladder].steps
    done = {a.step for a in status.actions if a.ladder == status.ladder}
    return next(((i, step) for i, step in enumerate(steps) if i not in done), None)


def plan(s: Situation, status: AIIncidentStatus, step: Step) -> Planned:
    """Compile the step against the cluster as it is, or say why it cannot help."""
    try:
        planned = _plan(s, status, step)
    except CannotCompile as error:
        return CannotHelp(reason=error.reason, because=error.because)
    if isinstance(planned, Plan) and not planned.writes:
        return CannotHelp(
            reason=Reason.ALREADY_SO, because="everything that it would set stands already", subject=planned.subject
        )
    return planned


def _plan(s: Situation, status: AIIncidentStatus, step: Step) -> Planned:
    match step.action:
        case ActionKind.RAISE_HUMAN_REVIEW:
            if s.spec.human_review is None:
                return _not_declared("spec.humanReview")
            if active(status, step.action):
                return _already(step.action)
            writes = raise_human_review(s, s.spec.human_review)
            return Plan(subject="", writes=writes, because="people look at more answers meanwhile")
        case ActionKind.ROLL_BACK:
            return _plan_roll_back(s, status)
        case ActionKind.SWITCH_TRAFFIC:
            if s.spec.traffic is None:
                return _not_declared("spec.traffic")
            if active(status, step.action):
                return _already(step.action)
            assert step.fallback is not None, "the CRD refuses SwitchTraffic without fallback"
            fallback = choose(s.spec.fallbacks, step.fallback)
            if fallback is None:
                return _not_declared(f"a fallback with {_words(step.fallback)}")
            readiness = s.fallbacks.get(fallback.name)
            if not isinstance(readiness, InForce):
                return CannotHelp(
                    reason=Reason.FALLBACK_NOT_READY,
                    because=f"fallback {fallback.name} could not serve: "
                    + (readiness.because if readiness else "it has not been looked at"),
                    subject=fallback.name,
                )
            return Plan(
                subject=fallback.name,
                writes=switch_traffic(s, fallback),
                because=f"fallback {fallback.name} is ready ({readiness.because})",
            )
        case ActionKind.DISABLE_FEATURE:
            feature = next((f for f in s.spec.features if f.name == step.feature), None)
            if feature is None:
                return _not_declared(f"feature {step.feature}")
            return Plan(
                subject=feature.name,
                writes=disable_feature(s, feature),
                because=f"feature {feature.name} is turned off",
            )
    assert_never(step.action)


def _plan_roll_back(s: Situation, status: AIIncidentStatus) -> Planned:
    if s.spec.revision is None:
        return _not_declared("spec.revision")
    if any(a.kind is ActionKind.ROLL_BACK and a.writes for a in status.actions):
        return CannotHelp(
            reason=Reason.ROLLED_BACK_ALREADY, because="there is at most one rollback in an incident, and it was taken"
        )
    steps = [o.detector.step for o in s.spec.objectives if o.name in {b.name for b in status.objectives}]
    found = attribution(s.revision, status.onset, max(steps, default=timedelta()))
    if isinstance(found, NotAttributed):
        return CannotHelp(reason=found.reason, because=found.because)
    return Plan(subject=found.known_good.name, writes=roll_back(s, found.known_good), because=found.because)


def choose(fallbacks: tuple[Fallback, ...], choice: FallbackChoice) -> Fallback | None:
    """The fallback of this name, or the first with this role."""
    return next((f for f in fallbacks if f.name == choice.name or f.role == choice.role), None)


def _words(choice: FallbackChoice) -> str:
    return f"name {choice.name}" if choice.name else f"role {choice.role}"


def _not_declared(what: str) -> CannotHelp:
    return CannotHelp(reason=Reason.NOT_DECLARED, because=f"the service declares no {what.removeprefix('a ')}")


def _already(kind: ActionKind) -> CannotHelp:
    return CannotHelp(reason=Reason.ALREADY_SO, because=f"{kind} is in force already")
