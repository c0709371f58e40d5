"""The step under way, and the step after it.

Asked by `decide`. One step at a time: the next is looked at only when the one before it has been judged, or is of a
kind that is not expected to cure anything.
"""

from datetime import datetime

from firebreak.api.v1alpha1.aiservice import Mode
from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncident, AIIncidentStatus, Outcome
from firebreak.api.v1alpha1.policy import ActionKind, Step
from firebreak.core import approval, ladder
from firebreak.core.commands import Concern, Move, Reason, Retarget, SkipStep, TakeStep
from firebreak.core.drift import drifted_since
from firebreak.core.evidence import TIER_OF, declared_of, is_gauge, strongest
from firebreak.core.field_writes import undone
from firebreak.core.guardrails import Until, hold_of, unweighed
from firebreak.core.holding import hold_now
from firebreak.core.proof import OVER
from firebreak.core.requests import contain_is_asked, release_is_asked
from firebreak.core.situation import Hold, Situation
from firebreak.core.steps import breached_anew, changes_answers, in_words, is_contained, under_way
from firebreak.core.verdict import Tier
from firebreak.core.verify import ProofOf, shown

_FELL_SHORT = (Outcome.NOT_RECOVERED, Outcome.UNKNOWN)


def advance(s: Situation, incident: AIIncident, now: datetime) -> Move:
    """Take, skip or hold the next step, if the evidence that it needs is there."""
    status = incident.status
    if under_way(status) or status.remediating_since or (release_is_asked(incident) and is_anything_in_force(status)):
        return Move()
    if is_contained(status) and not breached_anew(s, status):
        return Move()
    if any(a.phase is ActionPhase.UNDOING and changes_answers(a.kind) for a in status.actions):
        return Move()  # what is being given back is waited for: two steps are never being written at once
    asked = contain_is_asked(incident)
    since = drifted_since(status)
    if since and not asked and shown(s, declared_of(s, status), since).of is not ProofOf.NO_HELP:
        # Whoever changed it may have had a reason: people are asked, and only what is measured since calls for more.
        return approval.unseen(s, incident)
    tier = Tier.CONFIRMED if asked else strongest(s, status)
    mode = s.spec.containment.mode
    upcoming = ladder.next_step(status, mode)
    if upcoming is None:
        return _out_of_steps(s, status, now) if tier >= Tier.CONFIRMED else Move()
    number, step = upcoming
    if tier < TIER_OF[step.evidence]:
        return approval.unseen(s, incident)
    if mode is Mode.OBSERVE and (due := said_until(status)) and now < due:
        return Move(wake_at=due)
    hold = _hold(s, incident, step, now) if mode is Mode.ENFORCE else None
    if hold is not None:
        words = f"{step.action} is held: {hold.because}{approval.also_waits(incident)}"
        held = step_id(status, number, step)
        concern = Concern(reason=hold.reason, subject=held, because=words, holds=True, pages=hold is not s.breaker)
        return Move(concern=concern, wake_at=hold.ends_at if isinstance(hold, Until) else None)
    planned = ladder.plan(s, status, step)
    if isinstance(planned, ladder.CannotHelp):
        skipped = _action(s, status, number, step, ActionPhase.SKIPPED, planned, planned.reason, now)
        words = f"{step.action} is skipped: {planned.because}"[:1024]
        return Move(commands=(SkipStep(action=skipped, reason=planned.reason, because=words),))
    if step.action is ActionKind.ROLL_BACK and not asked and _is_untried(s, status):
        return _not_yet(s, incident, step_id(status, number, step))
    # Review alone is not what a person means by containing.
    on_request = asked and changes_answers(step.action)
    if mode is Mode.OBSERVE:
        would = _action(s, status, number, step, ActionPhase.WOULD_DO, planned, Reason.OBSERVING, now)
        words = f"mode is Observe; with Enforce {in_words(would)} would follow now: {planned.because}"[:1024]
        said = SkipStep(action=would, reason=Reason.OBSERVING, because=words, on_request=on_request)
        return Move(commands=(said,))
    approved = ""
    if changes_answers(step.action) and approval.is_required(status):
        intended = _action(s, status, number, step, ActionPhase.INTENDED, planned, Reason.APPROVAL_REQUIRED, now)
        if isinstance(planned, ladder.Plan) and planned.replaces is not None:
            first = f"{in_words(planned.replaces)} is given back first; {planned.because}"[:1024]
            intended = intended.model_copy(update={"because": first})
        waits = approval.awaited(incident, intended, on_request=strongest(s, status) < TIER_OF[step.evidence])
        if waits is not None:
            return waits
        approved = f"approved by {incident.spec.approval.by}; " if incident.spec.approval else ""
    if isinstance(planned, ladder.Plan) and planned.replaces is not None:
        return _given_back(planned.replaces, planned.subject)
    reason = _why(s, status, step)
    taken = _action(s, status, number, step, ActionPhase.INTENDED, planned, reason, now)
    words = f"{in_words(taken)}: {approved}{planned.because}"[:1024]
    return Move(commands=(TakeStep(action=taken, reason=reason, because=words, on_request=on_request),))


def _given_back(unseen: Action, to: str) -> Move:
    """Traffic goes to one place at a time: the next switch begins where this one is undone."""
    words = f"{in_words(unseen)} is given back: it was not seen in force, and fallback {to} is tried instead"
    undo = Retarget(
        action_id=unseen.id,
        writes=undone(unseen.writes),
        given_back=100,
        reason=Reason.GIVING_BACK,
        because=words[:1024],
        undo=True,
    )
    return Move(commands=(undo,))


def _is_untried(s: Situation, status: AIIncidentStatus) -> bool:
    """Of what serves now nobody knows anything yet; a gauge speaks of a pipeline, which no answer is needed for."""
    return s.untried and not any(is_gauge(s.spec, name) for name in declared_of(s, status))


def _not_yet(s: Situation, incident: AIIncident, held: str) -> Move:
    """What is breached is what served before: that is no reason to take out what has come since."""
    name = s.revision.current.name if s.revision.current else "the revision"
    words = f"RollBack is held: {name} came after what was seen, and has not answered anybody yet; it goes "
    words += f"on when answers are seen, or at once with spec.contain: true{approval.also_waits(incident)}"
    concern = Concern(reason=Reason.EVIDENCE_THIN, subject=held, because=words, holds=True)
    return Move(concern=concern)


def _why(s: Situation, status: AIIncidentStatus, step: Step) -> Reason:
    if strongest(s, status) < TIER_OF[step.evidence]:
        return Reason.REQUESTED_BY_PERSON
    if any(a.outcome in _FELL_SHORT for a in status.actions):
        return Reason.NOT_RECOVERED
    return Reason.EVIDENCE_REACHED


def is_anything_in_force(status: AIIncidentStatus) -> bool:
    """Whether there is anything that could be given back."""
    over = (*OVER, ActionPhase.UNDOING, ActionPhase.SKIPPED, ActionPhase.WOULD_DO)
    return any(a.phase not in over for a in status.actions)


def said_until(status: AIIncidentStatus) -> datetime | None:
    """In mode Observe: when the time of the step that was said last is over, and the one after it would follow."""
    for last in reversed(status.actions):
        if last.phase is ActionPhase.WOULD_DO and changes_answers(last.kind) and status.policy:
            within = status.policy.ladders[last.ladder].steps[last.step].verify_within
            return last.intended_at + within if within else None
    return None


def _out_of_steps(s: Situation, status: AIIncidentStatus, now: datetime) -> Move:
    if status.policy is None:
        ref = s.spec.containment.policy
        concern = Concern(
            reason=Reason.POLICY_MISSING,
            subject=f"{ref.kind} {ref.name}",
            because=f"{ref.kind} {ref.name} does not exist, so nothing is contained: apply it, and this incident takes it up",
        )
    elif status.ladder is None:
        concern = Concern(
            reason=Reason.NO_LADDER,
            subject=str(status.category),
            because=f"the policy has no ladder for {status.category}, so nothing is contained: contain it by hand; a ladder "
            f"that is added to the policy counts from the next incident",
        )
    elif (due := said_until(status)) and now < due:
        return Move(wake_at=due)
    else:
        said_only = s.spec.containment.mode is Mode.OBSERVE
        taken = "was said (mode is Observe) or skipped" if said_only else "was taken or skipped"
        concern = Concern(
            reason=Reason.LADDER_EXHAUSTED,
            subject=f"ladder {status.ladder}",
            because=f"every step of the ladder {taken}, and it is still bad: contain it by hand",
        )
    return Move(concern=concern)


def _hold(s: Situation, incident: AIIncident, step: Step, now: datetime) -> Hold | None:
    status = incident.status
    hold = hold_now(s, incident, step.action, now)
    if hold is not None or incident.spec.contain or status.policy is None or _has_begun(status):
        return hold
    return hold_of(status.policy.guardrails, s.past, step.action, now) or _unweighed(s, status, step)


def _unweighed(s: Situation, status: AIIncidentStatus, step: Step) -> Hold | None:
    assert status.policy is not None, "asked of an incident with a policy"
    if not changes_answers(step.action):
        return None
    sure = {o.name for o in status.objectives if (v := s.verdicts.get(o.name)) and v.reaches(TIER_OF[step.evidence])}
    return unweighed(status.policy.guardrails, s.unmeasured, sure)


def _has_begun(status: AIIncidentStatus) -> bool:
    """Whether a step that changes what users get was taken in this incident."""
    return any(
        changes_answers(a.kind) and a.phase not in (ActionPhase.WOULD_DO, ActionPhase.SKIPPED) for a in status.actions
    )


def step_id(status: AIIncidentStatus, number: int, step: Step) -> str:
    """The id of the action that takes this step of the ladder in use."""
    return f"l{status.ladder}-s{number}-{step.action.lower()}"


def _action(
    s: Situation,
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
        id=step_id(status, number, step),
        ladder=status.ladder,
        step=number,
        kind=step.action,
        phase=phase,
        reason=reason,
        because=planned.because[:1024],
        subject=planned.subject,
        writes=planned.writes if isinstance(planned, ladder.Plan) else (),
        account=s.spec.containment.service_account_name or "",
        share=planned.share if isinstance(planned, ladder.Plan) else 100,
        restores=planned.restores if isinstance(planned, ladder.Plan) else (),
        intended_at=now,
    )
