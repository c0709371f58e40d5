"""The step under way, and the step after it.

Asked by `decide`. One step at a time: the next is looked at only when the one before it has been judged, or is of a
kind that is not expected to cure anything.
"""

from datetime import datetime

from firebreak.api.v1alpha1.aiservice import Mode
from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncident, AIIncidentStatus, Outcome
from firebreak.api.v1alpha1.policy import ActionKind, Step
from firebreak.core import ladder
from firebreak.core.commands import Concern, Judge, Move, Reason, SkipStep, TakeStep
from firebreak.core.evidence import TIER_OF, strongest
from firebreak.core.guardrails import Until, hold_of
from firebreak.core.proof import ACTIVE
from firebreak.core.situation import Hold, Situation
from firebreak.core.verdict import Tier
from firebreak.core.verify import ProofOf, helped


def judge(s: Situation, status: AIIncidentStatus, now: datetime) -> Move:
    """Has the step under way helped, not helped, or can one not tell?"""
    action = under_way(status)
    if action is None or status.policy is None:
        return Move()
    within = status.policy.ladders[action.ladder].steps[action.step].verify_within
    assert within is not None, "the CRD refuses a step that is to be verified without a time for it"
    due = action.intended_at + within
    proof = helped(s, status, action)
    if proof.of is ProofOf.HELP:
        moved = action.kind is ActionKind.SWITCH_TRAFFIC
        reason = Reason.TRAFFIC_MOVED if moved else Reason.OBJECTIVE_RECOVERED
        return _judged(action, Outcome.RECOVERED, reason, proof.because)
    if now < due:
        return Move(wake_at=due)
    if proof.of is ProofOf.NO_HELP:
        return _judged(action, Outcome.NOT_RECOVERED, Reason.NOT_RECOVERED, proof.because)
    # A broken judge must never walk a service down its ladder: hold, and page.
    words = f"cannot tell whether {action.kind} helped (due {due:%H:%M:%SZ}): {proof.because}"
    return Move(concern=Concern(reason=Reason.EVIDENCE_THIN, because=words))


def _judged(action: Action, outcome: Outcome, reason: Reason, because: str) -> Move:
    return Move(commands=(Judge(action_id=action.id, outcome=outcome, reason=reason, because=because[:1024]),))


def under_way(status: AIIncidentStatus) -> Action | None:
    """The step whose proof is awaited."""
    for action in reversed(status.actions):
        waits = action.kind is not ActionKind.RAISE_HUMAN_REVIEW and action.outcome is Outcome.PENDING
        if waits and action.phase in ACTIVE:
            return action
    return None


def is_contained(status: AIIncidentStatus) -> bool:
    """Whether something is in force that was shown to help."""
    return any(a.outcome is Outcome.RECOVERED and a.phase is ActionPhase.IN_FORCE for a in status.actions)


def advance(s: Situation, incident: AIIncident, now: datetime) -> Move:
    """Take, skip or hold the next step, if the evidence that it needs is there."""
    status = incident.status
    if under_way(status) or status.remediating_since or incident.spec.release:
        return Move()
    if is_contained(status) and not _breached_anew(s, status):
        return Move()
    tier = strongest(s, status)
    if incident.spec.contain and not _has_begun(status):
        tier = Tier.CONFIRMED
    upcoming = ladder.next_step(status)
    if upcoming is None:
        return _out_of_steps(s, status) if tier >= Tier.CONFIRMED else Move()
    number, step = upcoming
    if tier < TIER_OF[step.evidence]:
        return Move()
    if s.spec.containment.mode is Mode.OBSERVE:
        return _observe(s, status, number, step, now)
    hold = _hold(s, incident, step, now)
    if hold is not None:
        concern = Concern(reason=hold.reason, because=f"{step.action} is held: {hold.because}")
        return Move(concern=concern, wake_at=hold.ends_at if isinstance(hold, Until) else None)
    planned = ladder.plan(s, status, step)
    if isinstance(planned, ladder.CannotHelp):
        return _skip(status, number, step, planned, now)
    reason = Reason.EVIDENCE_REACHED
    if any(a.outcome is Outcome.NOT_RECOVERED for a in status.actions):
        reason = Reason.NOT_RECOVERED
    elif strongest(s, status) < TIER_OF[step.evidence]:
        reason = Reason.REQUESTED_BY_PERSON
    taken = _action(status, number, step, ActionPhase.INTENDED, planned, reason, now)
    words = f"{in_words(taken)}: {planned.because}"[:1024]
    return Move(commands=(TakeStep(action=taken, reason=reason, because=words),))


def _skip(status: AIIncidentStatus, number: int, step: Step, why: ladder.CannotHelp, now: datetime) -> Move:
    skipped = _action(status, number, step, ActionPhase.SKIPPED, why, why.reason, now)
    words = f"{step.action} is skipped: {why.because}"[:1024]
    return Move(commands=(SkipStep(action=skipped, reason=why.reason, because=words),))


def _observe(s: Situation, status: AIIncidentStatus, number: int, step: Step, now: datetime) -> Move:
    """Say what would be done; the step after it would follow when this one's time to help is over."""
    for last in reversed(status.actions):
        if last.phase is ActionPhase.WOULD_DO and last.kind is not ActionKind.RAISE_HUMAN_REVIEW and status.policy:
            within = status.policy.ladders[last.ladder].steps[last.step].verify_within
            if within is not None and now < last.intended_at + within:
                return Move(wake_at=last.intended_at + within)
            break
    planned = ladder.plan(s, status, step)
    if isinstance(planned, ladder.CannotHelp):
        return _skip(status, number, step, planned, now)
    would = _action(status, number, step, ActionPhase.WOULD_DO, planned, Reason.OBSERVING, now)
    because = f"mode is Observe; with Enforce {in_words(would)} would follow now: {planned.because}"[:1024]
    return Move(commands=(SkipStep(action=would, reason=Reason.OBSERVING, because=because),))


def _out_of_steps(s: Situation, status: AIIncidentStatus) -> Move:
    if status.ladder is None and status.policy is None:
        concern = Concern(
            reason=Reason.POLICY_MISSING,
            because=f"{s.spec.containment.policy.kind} {s.spec.containment.policy.name} does not exist: "
            f"nothing is contained",
        )
    elif status.ladder is None:
        concern = Concern(
            reason=Reason.NO_LADDER, because=f"the policy has no ladder for {status.category}: nothing is contained"
        )
    else:
        concern = Concern(
            reason=Reason.LADDER_EXHAUSTED, because="every step of the ladder was taken or skipped, and it is still bad"
        )
    return Move(concern=concern)


def _hold(s: Situation, incident: AIIncident, step: Step, now: datetime) -> Hold | None:
    if s.holds:
        return s.holds[0]
    status = incident.status
    if _has_begun(status) or incident.spec.contain or status.policy is None:
        return None
    return hold_of(status.policy.guardrails, s.past, step.action, now)


def _has_begun(status: AIIncidentStatus) -> bool:
    """Whether a step that changes what users get was taken in this incident."""
    return any(
        a.kind is not ActionKind.RAISE_HUMAN_REVIEW and a.phase not in (ActionPhase.WOULD_DO, ActionPhase.SKIPPED)
        for a in status.actions
    )


def _breached_anew(s: Situation, status: AIIncidentStatus) -> bool:
    """Confirmed, with an onset after the last proof: the containment has stopped helping, or something else broke.

    While traffic is switched away the primary's series say nothing about users.
    """
    helping = [a for a in status.actions if a.outcome is Outcome.RECOVERED and a.phase is ActionPhase.IN_FORCE]
    if any(a.kind is ActionKind.SWITCH_TRAFFIC for a in helping):
        return False
    proven = max((a.proven_at for a in helping if a.proven_at), default=None)
    joined = {o.name for o in status.objectives}
    return proven is not None and any(
        v.reaches(Tier.CONFIRMED) and v.onset is not None and v.onset.at > proven
        for name, v in s.verdicts.items()
        if name in joined
    )


def in_words(action: Action) -> str:
    """The action and what it is about: "RollBack to 1.0-312c6426"."""
    match action.kind:
        case ActionKind.ROLL_BACK | ActionKind.SWITCH_TRAFFIC if action.subject:
            return f"{action.kind} to {action.subject}"
        case ActionKind.DISABLE_FEATURE:
            return f"{action.kind} {action.subject}"
        case _:
            return str(action.kind)


def _action(
    status: AIIncidentStatus,
    number: int,
    step: Step,
    phase: ActionPhase,
    planned: ladder.Planned,
    reason: Reason,
    now: datetime,
) -> Action:
    assert status.ladder is not None, "a step belongs to a ladder"
    return Action(
        id=f"l{status.ladder}-s{number}-{step.action.lower()}",
        ladder=status.ladder,
        step=number,
        kind=step.action,
        phase=phase,
        reason=reason,
        because=planned.because[:1024],
        subject=planned.subject,
        writes=planned.writes if isinstance(planned, ladder.Plan) else (),
        intended_at=now,
    )
