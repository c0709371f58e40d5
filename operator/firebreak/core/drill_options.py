"""Which steps does a drill rehearse, how far each, and can one be carried out as things are?

Asked by core/drill.py when a run begins, and by app/rehearsal.py for each step.
The writes come from the compilers that an incident uses; what differs is what a drill may assume. There is no breach, so
a rollback is rehearsed towards a revision that an incident would choose, or, where the proven one serves, towards the one
before it.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta

from firebreak.api.v1alpha1.aiservice import AIServiceSpec, FallbackRole
from firebreak.api.v1alpha1.drill import DrillMode, DrillOption, DrillStep, OptionResult
from firebreak.api.v1alpha1.incident import AIIncidentStatus
from firebreak.api.v1alpha1.policy import ActionKind, ContainmentPolicySpec, Step
from firebreak.api.v1alpha1.references import PolicyKind
from firebreak.core.commands import Reason
from firebreak.core.field_writes import CannotCompile, roll_back
from firebreak.core.ladder import CannotHelp, Plan, Planned, choose, plan
from firebreak.core.observations import InForce
from firebreak.core.revision import RevisionFacts, Snapshot
from firebreak.core.situation import Situation

LONGEST = timedelta(minutes=5)
"""However long the policy gives a step to be proven, a drill gives back after this: it is not to be noticed for long."""
MOST = 64

_EXPECTED = (Reason.ALREADY_SO, Reason.NO_KNOWN_GOOD, Reason.NO_REVISION_CHANGE, Reason.NOT_ROLLBACKABLE)
"""An incident would skip the step as things are, and nobody has to change anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rehearsal says of a step."""

    result: OptionResult
    reason: str
    message: str


def policy_hash(policy: ContainmentPolicySpec) -> str:
    """The same for two policies that say the same, whatever their names and clusters."""
    text = json.dumps(policy.dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def options_of(
    spec: AIServiceSpec, policy: ContainmentPolicySpec, steps: tuple[DrillStep, ...], mode: DrillMode
) -> tuple[DrillOption, ...]:
    """The steps to rehearse, each once: those that the drill names, else all of the policy's ladders."""
    of_policy = [(_named(step), step.verify_within) for ladder in policy.ladders for step in ladder.steps]
    named = [(step, None) for step in steps]
    found: dict[str, DrillOption] = {}
    for step, within in named or of_policy:
        name = name_of(spec, step)
        proven_within = within or next((w for s, w in of_policy if name_of(spec, s) == name and w), None)
        found.setdefault(
            name,
            DrillOption(
                name=name,
                step=step,
                mode=DrillMode.DRY_RUN if mode is DrillMode.EXECUTE and _spared(spec, step, bool(steps)) else mode,
                within=min(proven_within or LONGEST, LONGEST),
            ),
        )
    return tuple(found.values())[:MOST]


def name_of(spec: AIServiceSpec, step: DrillStep) -> str:
    """The step in words; a fallback by its own name, so that a role and a name that mean the same are one step."""
    if step.fallback is not None:
        chosen = choose(spec.fallbacks, step.fallback)
        where = chosen.name if chosen else step.fallback.name or f"role {step.fallback.role}"
        return f"{step.action} to {where}"
    return f"{step.action} {step.feature}" if step.feature else str(step.action)


def spared_because(spec: AIServiceSpec, option: DrillOption) -> str:
    """Why an Execute drill leaves this step at DryRun; empty where it does not."""
    if option.step.action is ActionKind.ROLL_BACK:
        return "not executed: it would take out a revision that serves well, and begin its proof anew"
    if _is_static(spec, option.step):
        return "not executed: users would get the static answer; name it in spec.steps to have it executed"
    return ""


def _spared(spec: AIServiceSpec, step: DrillStep, by_name: bool) -> bool:
    return step.action is ActionKind.ROLL_BACK or (_is_static(spec, step) and not by_name)


def _is_static(spec: AIServiceSpec, step: DrillStep) -> bool:
    if step.action is not ActionKind.SWITCH_TRAFFIC or step.fallback is None:
        return False
    chosen = choose(spec.fallbacks, step.fallback)
    return chosen is not None and chosen.role is FallbackRole.STATIC


def _named(step: Step) -> DrillStep:
    return DrillStep(action=step.action, fallback=step.fallback, feature=step.feature)


def rehearsed(s: Situation, option: DrillOption) -> Planned:
    """What the step would write now, or why it cannot be carried out. In mode Validate nobody has looked at fallbacks."""
    step = option.step
    if step.action is ActionKind.ROLL_BACK:
        return _rolled_back(s)
    if option.mode is DrillMode.VALIDATE:
        s = replace(s, fallbacks={f.name: InForce(because="not looked at") for f in s.spec.fallbacks})
    taken = Step(action=step.action, fallback=step.fallback, feature=step.feature)
    return plan(s, AIIncidentStatus(), taken)


def _rolled_back(s: Situation) -> Planned:
    facts = s.revision
    if s.spec.revision is None:
        return CannotHelp(reason=Reason.NOT_DECLARED, because="the service declares no spec.revision")
    if facts.current is None:
        return CannotHelp(reason=Reason.CANNOT_COMPILE, because=facts.problem or "the revision cannot be read")
    if facts.known_good is None:
        return CannotHelp(
            reason=Reason.NO_KNOWN_GOOD, because="no revision has been proven good yet, so there is none to go back to"
        )
    if not facts.current.rollbackable:
        return CannotHelp(
            reason=Reason.NOT_ROLLBACKABLE,
            because=f"revision {facts.current.name} is marked firebreak.dev/rollbackable: false",
        )
    to = _towards(s, facts)
    if to is None:
        return CannotHelp(
            reason=Reason.NO_REVISION_CHANGE,
            because=f"{facts.current.name} is the known-good revision, and no other one is recorded to rehearse with",
            subject=facts.known_good.name,
        )
    try:
        writes = roll_back(s, to)
    except CannotCompile as error:
        return CannotHelp(reason=error.reason, because=error.because, subject=to.name)
    because = f"towards revision {to.name}"
    if to.digest != facts.known_good.digest:
        because += f", since {facts.current.name} is the known-good one"
    return Plan(subject=to.name, writes=writes, because=because)


def _towards(s: Situation, facts: RevisionFacts) -> Snapshot | None:
    """The known-good revision; where that serves, the latest other one that has all the declared fields."""
    assert s.spec.revision is not None
    assert facts.current is not None
    assert facts.known_good is not None
    if facts.known_good.digest != facts.current.digest:
        return facts.known_good
    declared = {f.name for f in s.spec.revision.fields}
    others = [r for r in facts.history if r.digest != facts.current.digest and declared <= set(r.values)]
    return max(others, key=lambda r: (r.first_seen, r.digest), default=None)


def finding_of(s: Situation, cannot: CannotHelp) -> Finding:
    """What it means for a drill that a step could not be taken."""
    shared = s.spec.containment.policy.kind is PolicyKind.CLUSTER
    is_expected = cannot.reason in _EXPECTED or (cannot.reason is Reason.NOT_DECLARED and shared)
    result = OptionResult.NOT_NOW if is_expected else OptionResult.BLOCKED
    return Finding(result=result, reason=cannot.reason, message=cannot.because)
