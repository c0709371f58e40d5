"""What is wrong with a service's declaration that the API server could not see?

Asked by app/observe.py in each turn; what it finds becomes a condition on this service alone. The API server refuses
what a schema or CEL can say; here is what rests on other objects.
"""

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.api.v1alpha1.aiservice import AIServiceSpec
from firebreak.api.v1alpha1.policy import ActionKind, ReleaseWhen, Step
from firebreak.api.v1alpha1.references import PolicyKind, TargetRef
from firebreak.core.autoscaling import problem_of
from firebreak.core.field_paths import FieldPath, PathError, find
from firebreak.core.ladder import choose
from firebreak.core.ports import Unmatched
from firebreak.core.problems import Problem
from firebreak.core.situation import Situation

_GIVEN_BACK = (ActionKind.SWITCH_TRAFFIC, ActionKind.DISABLE_FEATURE)


def problems_of(s: Situation) -> tuple[Problem, ...]:
    """Everything that someone must change before all that is declared could be carried out."""
    return (*_policy(s), *_release(s), *_targets(s), *_places(s), *_autoscaler(s))


def _policy(s: Situation) -> tuple[Problem, ...]:
    ref = s.spec.containment.policy
    if s.policy is None:
        message = (
            f"spec.containment.policy: {ref.kind} {ref.name} does not exist; create it or name another "
            f"(an incident would be recorded and not contained)"
        )
        return (_not_ready(ConditionReason.POLICY_MISSING, message),)
    found = []
    for i, ladder in enumerate(s.policy.ladders):
        for j, step in enumerate(ladder.steps):
            missing = _missing(s.spec, step)
            if missing:
                place = f"{ref.kind} {ref.name}, spec.ladders[{i}].steps[{j}]"
                message = f"{place}: {step.action} would be skipped: {missing}"
                found.append(_not_ready(ConditionReason.STEP_NOT_DECLARED, message))
    # A cluster policy fits many services: a step that one of them cannot take is no mistake of that service.
    return tuple(found) if ref.kind is PolicyKind.NAMESPACED else ()


def _release(s: Situation) -> tuple[Problem, ...]:
    """Steps that nothing but a person would give back, although the policy does not say so."""
    if s.policy is None or s.spec.revision is not None:
        return ()
    has_gauge = any(o.indicator.gauge is not None for o in s.spec.objectives)
    for i, ladder in enumerate(s.policy.ladders):
        when = (ladder.release or s.policy.release).when
        proven = when is ReleaseWhen.PERSON or (when is ReleaseWhen.GAUGE_RECOVERED and has_gauge)
        taken = [t for t in ladder.steps if t.action in _GIVEN_BACK and not _missing(s.spec, t)]
        if taken and not proven:
            ref = s.spec.containment.policy
            message = (
                f"{ref.kind} {ref.name}, spec.ladders[{i}]: {taken[0].action} would be given back when a new revision is "
                f"proven, and the service declares no spec.revision: declare it, or set release.when to Person"
            )
            return (_not_ready(ConditionReason.RELEASE_UNREACHABLE, message),)
    return ()


def _missing(spec: AIServiceSpec, step: Step) -> str:
    match step.action:
        case ActionKind.RAISE_HUMAN_REVIEW:
            return "" if spec.human_review else "the service declares no spec.humanReview"
        case ActionKind.ROLL_BACK:
            return "" if spec.revision else "the service declares no spec.revision"
        case ActionKind.DISABLE_FEATURE:
            known = ", ".join(f.name for f in spec.features) or "none"
            named = any(f.name == step.feature for f in spec.features)
            return "" if named else f"the service has no feature {step.feature} (it has: {known})"
        case ActionKind.SWITCH_TRAFFIC:
            if spec.traffic is None:
                return "the service declares no spec.traffic"
            if step.fallback is not None and choose(spec.fallbacks, step.fallback) is None:
                wanted = f"name {step.fallback.name}" if step.fallback.name else f"role {step.fallback.role}"
                known = ", ".join(f"{f.name} ({f.role})" for f in spec.fallbacks) or "none"
                return f"the service has no fallback with {wanted} (it has: {known})"
            return ""


def _targets(s: Situation) -> tuple[Problem, ...]:
    found: dict[TargetRef, Problem] = {}
    for place, target in s.spec.targets():
        if s.objects.get(target) is None:
            message = f"{place}: {target.kind} {target.name} does not exist in {s.service.namespace}"
            found.setdefault(target, _not_ready(ConditionReason.TARGET_MISSING, message))
    return tuple(found.values())


def _places(s: Situation) -> tuple[Problem, ...]:
    """Places that match nothing, or several things, in objects that exist; the revision's are told with the revision."""
    places = [(f"spec.features[{i}].flag", f.flag.target, f.flag.path) for i, f in enumerate(s.spec.features)]
    if s.spec.human_review and s.spec.human_review.rate:
        rate = s.spec.human_review.rate
        places.append(("spec.humanReview.rate", rate.target, rate.path))
    found = []
    for place, target, path in places:
        live = s.objects.get(target)
        if live is None:
            continue
        try:
            held = find(live, FieldPath.parse(path))
        except PathError as error:
            found.append(_not_ready(ConditionReason.INVALID_SPEC, f"{place}.path: {error}"))
            continue
        if isinstance(held, Unmatched):
            message = f"{place}.path: {target.kind} {target.name}: {held.message}"
            found.append(_not_ready(ConditionReason.INVALID_SPEC, message))
    return tuple(found)


def _autoscaler(s: Situation) -> tuple[Problem, ...]:
    wrong = problem_of(s, s.spec.human_review) if s.spec.human_review else ""
    return (_not_ready(ConditionReason.AUTOSCALER_UNFIT, wrong),) if wrong else ()


def _not_ready(reason: ConditionReason, message: str) -> Problem:
    return Problem(condition=ConditionType.CONTAINMENT_READY, reason=reason, message=message)
