"""Which step comes next, and can it help?

Asked by `decide` once the evidence that a step needs is there.
A step that cannot help is skipped with the reason, so that the next one is not held up by it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, assert_never

from firebreak.api.v1alpha1.aiservice import Fallback, Mode
from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncidentStatus, FieldWrite
from firebreak.api.v1alpha1.policy import ActionKind, FallbackChoice, Step
from firebreak.core.attribution import NotAttributed, attribution
from firebreak.core.commands import Reason
from firebreak.core.field_writes import CannotCompile, disable_feature, raise_human_review, roll_back, switch_traffic
from firebreak.core.observations import InForce
from firebreak.core.proof import active
from firebreak.core.situation import Situation
from firebreak.core.steps import is_unseen, is_void


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The step can be taken: what it sets, and why it should help."""

    subject: str
    writes: tuple[FieldWrite, ...]
    because: str
    share: int = 100
    """Of a SwitchTraffic: percent of traffic that is taken first."""
    restores: tuple[str, ...] = ()
    """The ConfigMaps that are made again first."""
    replaces: Action | None = None
    """The switch that is given back first: it was written, and is not seen in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotHelp:
    """The step is skipped."""

    reason: Reason
    because: str
    subject: str = ""


Planned: TypeAlias = Plan | CannotHelp


def next_step(status: AIIncidentStatus, mode: Mode | None = None) -> tuple[int, Step] | None:
    """The first step of the ladder in use that was neither taken nor skipped; None when there is none left.

    What was only said in mode Observe has not been taken: switched to Enforce, Firebreak begins where it stands.
    """
    if status.policy is None or status.ladder is None:
        return None
    steps = status.policy.ladders[status.ladder].steps
    acts = (mode or status.mode) is Mode.ENFORCE
    done = {
        a.step for a in status.actions if a.ladder == status.ladder and not (acts and a.phase is ActionPhase.WOULD_DO)
    }
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
            if (before := active(status, step.action)) and not is_void(before):
                return _already(before)
            writes = raise_human_review(s, s.spec.human_review)
            return Plan(subject="", writes=writes, because="people look at more answers meanwhile")
        case ActionKind.ROLL_BACK:
            return _plan_roll_back(s, status)
        case ActionKind.SWITCH_TRAFFIC:
            if s.spec.traffic is None:
                return _not_declared("spec.traffic")
            assert step.fallback is not None, "the CRD refuses SwitchTraffic without fallback"
            fallback = choose(s.spec.fallbacks, step.fallback)
            before = active(status, step.action)
            if before is not None and is_void(before):
                before = None
            if before is not None and not (is_unseen(before) and fallback and fallback.name != before.subject):
                return _already(before)
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
                writes=switch_traffic(s, fallback, first_share(step), without=before.writes if before else ()),
                share=first_share(step),
                because=f"fallback {fallback.name} is ready ({readiness.because})",
                replaces=before,
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
    if any(a.kind is ActionKind.ROLL_BACK and a.writes and _counts(s, a) for a in status.actions):
        return CannotHelp(
            reason=Reason.ROLLED_BACK_ALREADY, because="there is at most one rollback in an incident, and it was taken"
        )
    steps = [o.detector.step for o in s.spec.objectives if o.name in {b.name for b in status.objectives}]
    breached = [b.name for b in status.objectives if b.breached]
    found = attribution(s.revision, status.onset, max(steps, default=timedelta()), breached, s.comparisons)
    if isinstance(found, NotAttributed):
        return CannotHelp(reason=found.reason, because=found.because)
    lost = [m for m in s.missing if not m.is_restorable]
    if lost:
        names = "; ".join(f"{m.dependency}, which Deployment {m.workload} names, does not exist" for m in lost)
        return CannotHelp(
            reason=Reason.DEPENDENCY_MISSING,
            because=f"the pods of {found.known_good.name} could not start: {names}",
            subject=found.known_good.name,
        )
    return Plan(
        subject=found.known_good.name,
        writes=roll_back(s, found.known_good),
        because=found.because,
        restores=tuple(dict.fromkeys(m.dependency.name for m in s.missing)),
    )


def first_share(step: Step) -> int:
    """With which share of traffic a SwitchTraffic begins."""
    return step.weights[0] if step.weights else 100


def share_after(status: AIIncidentStatus, action: Action) -> int:
    """Which share follows the one that is in force."""
    weights = status.policy.ladders[action.ladder].steps[action.step].weights if status.policy else None
    return next((share for share in weights or () if share > action.share), 100)


def choose(fallbacks: tuple[Fallback, ...], choice: FallbackChoice) -> Fallback | None:
    """The fallback of this name, or the first with this role."""
    return next((f for f in fallbacks if f.name == choice.name or f.role == choice.role), None)


def _words(choice: FallbackChoice) -> str:
    return f"name {choice.name}" if choice.name else f"role {choice.role}"


def _not_declared(what: str) -> CannotHelp:
    return CannotHelp(reason=Reason.NOT_DECLARED, because=f"the service declares no {what.removeprefix('a ')}")


def _counts(s: Situation, action: Action) -> bool:
    return s.spec.containment.mode is Mode.OBSERVE or action.phase is not ActionPhase.WOULD_DO


def _already(before: Action) -> CannotHelp:
    to = f" to {before.subject}" if before.subject else ""
    return CannotHelp(reason=Reason.ALREADY_SO, because=f"{before.kind}{to} was taken already (it is {before.phase})")
