"""Has the step under way helped, not helped, or can one not tell? And does what helped still do?

Asked by `decide`. A step that is not in force in time, or is overtaken, is judged Unknown: it is over, and says nothing
about the revision or the fallback that it was about. A broken judge never walks a service down its ladder.
"""

from datetime import datetime, timedelta
from typing import TypeAlias

from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncident, AIIncidentStatus, Outcome
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.commands import Concern, Judge, Move, Reason, Renew, Retarget
from firebreak.core.deadlines import LAST_TRY, due_at
from firebreak.core.evidence import strongest
from firebreak.core.field_writes import undone
from firebreak.core.holding import hold_now
from firebreak.core.observations import InForce
from firebreak.core.over import over_at
from firebreak.core.requests import contain_is_asked, release_is_asked
from firebreak.core.revision import may_be_the_fix
from firebreak.core.situation import Situation
from firebreak.core.steps import breached_anew, changes_answers, helping, in_words, is_contained, under_way
from firebreak.core.verdict import Tier
from firebreak.core.verify import ProofOf, helped

_Why: TypeAlias = tuple[Reason, str]


def judge(s: Situation, incident: AIIncident, now: datetime) -> Move:
    """Judge the step under way; while there is none, what was judged before."""
    status = incident.status
    action = under_way(status)
    if status.policy is None or status.remediating_since is not None:
        return Move()
    stable = status.policy.release.stable_for
    if action is None:
        return _no_longer(s, status) if is_contained(status) else _after_all(s, status, stable, now)
    due = due_at(status, action)
    assert due is not None, "the CRD refuses a step that is to be verified without a time for it"
    if action.phase is ActionPhase.IN_FORCE:
        return _judge_effect(s, incident, action, due, stable, now)
    return _judge_absence(s, incident, action, due, stable, now)


def _judge_effect(
    s: Situation, incident: AIIncident, action: Action, due: datetime, stable: timedelta, now: datetime
) -> Move:
    status = incident.status
    proof = helped(s, status, action)
    if proof.of is ProofOf.HELP:
        moved = action.kind is ActionKind.SWITCH_TRAFFIC
        return _judged(
            action,
            Outcome.RECOVERED,
            (Reason.TRAFFIC_MOVED if moved else Reason.OBJECTIVE_RECOVERED, proof.because),
        )
    if over := _overtaken(s, status, action) or _asked(incident):
        return _judged(action, Outcome.UNKNOWN, over)
    if now < due:
        return Move(wake_at=due)
    if proof.of is ProofOf.NO_HELP:
        return _judged(action, Outcome.NOT_RECOVERED, (Reason.NOT_RECOVERED, proof.because))
    met_at = over_at(s, status, stable)
    if met_at is not None and now >= met_at:
        return _judged(action, Outcome.RECOVERED, (Reason.OBJECTIVE_RECOVERED, _met(stable)))
    words = f"cannot tell whether {in_words(action)} helped (due {due:%H:%M:%SZ}), so the next step is not taken: "
    words += f"{proof.because[:700]}; see that the judge judges, or take it on your word: spec.contain: true"
    return Move(concern=Concern(reason=Reason.EVIDENCE_THIN, subject=action.id, because=words), wake_at=met_at)


def _judge_absence(
    s: Situation, incident: AIIncident, action: Action, due: datetime, stable: timedelta, now: datetime
) -> Move:
    """Nothing will come of a write that was refused, so that is not waited for."""
    status, effect = incident.status, s.effects.get(action.id)
    # What is just being written is seen through first, unless it takes too long: half of it helps nobody.
    may_give_up = action.phase is not ActionPhase.INTENDED or now >= due
    if over := _overtaken(s, status, action) or (_asked(incident) if may_give_up else None):
        return _given_up(s, action, over)
    if now < due and action.phase is not ActionPhase.BLOCKED:
        return Move(wake_at=due)
    words = f"not in force: {action.message or (effect.because if effect else 'its effect was not seen')}"
    is_confirmed = strongest(s, status) >= Tier.CONFIRMED
    if is_confirmed and action.phase is ActionPhase.INTENDED and action.renewed_at is None:
        return _renewed(s, incident, action, now)
    if is_confirmed:
        return _given_up(s, action, (Reason.NOT_IN_FORCE, words))
    met_at = over_at(s, status, stable)
    if met_at is not None and now >= met_at:
        return _given_up(s, action, (Reason.RECOVERED_BY_ITSELF, f"{_met(stable)}, and it is {words}"))
    if action.phase is ActionPhase.BLOCKED:
        return Move(wake_at=met_at)  # people are asked of what blocks it
    because = f"{in_words(action)} is {words}; repair what keeps it, or take the next step with spec.contain: true"
    concern = Concern(reason=Reason.NOT_IN_FORCE, subject=action.id, because=because)
    return Move(concern=concern, wake_at=met_at)


def _renewed(s: Situation, incident: AIIncident, action: Action, now: datetime) -> Move:
    """That this can be recorded shows that writing is possible again. It is a decision of today: what holds, holds it."""
    if (hold := hold_now(s, incident, action.kind, now)) is not None:
        words = f"{in_words(action)} could not be written in its time, and is held now: {hold.because}"
        return Move(concern=Concern(reason=hold.reason, subject=action.id, because=words, holds=True))
    words = (
        f"{in_words(action)} could not be written in its time, and the breach is Confirmed still: it is tried again, for "
        f"{format_duration(LAST_TRY)} at most"
    )
    return Move(commands=(Renew(action_id=action.id, reason=Reason.TRIED_AGAIN, because=words),))


def _given_up(s: Situation, action: Action, why: _Why) -> Move:
    """It is over. Traffic that a switch has taken to where it cannot be answered, or in part, goes back."""
    ready = s.fallbacks.get(action.subject)
    is_dead = action.kind is ActionKind.SWITCH_TRAFFIC and ready is not None and not isinstance(ready, InForce)
    if is_dead and why[0] is Reason.NOT_IN_FORCE:
        why = (Reason.BOTH_LEGS_BAD, f"{why[1]}; the primary answers badly still")
    judged = _judged(action, Outcome.UNKNOWN, why)
    if action.phase is not ActionPhase.APPLIED or not (is_dead or action.share < 100):
        return judged
    back = Retarget(
        action_id=action.id,
        writes=undone(action.writes),
        given_back=100,
        reason=Reason.GIVING_BACK,
        because=f"{in_words(action)} is given back: {why[1]}"[:1024],
        undo=True,
    )
    return Move(commands=(*judged.commands, back))


def _overtaken(s: Situation, status: AIIncidentStatus, action: Action) -> _Why | None:
    """Whether the step can no longer be judged: what serves is something else."""
    current, is_seen = s.revision.current, action.phase is ActionPhase.IN_FORCE
    if is_seen and any(a.kind is ActionKind.SWITCH_TRAFFIC for a in helping(status)):
        return Reason.OVERTAKEN, "traffic has left the primary, so it is judged no longer"
    if action.kind is not ActionKind.ROLL_BACK or current is None or current.name == action.subject:
        return None
    if action.phase is ActionPhase.INTENDED or (current.name == status.revision and not is_seen):
        return None
    return Reason.OVERTAKEN, f"revision {current.name} has taken the place of {action.subject} before it was judged"


def _asked(incident: AIIncident) -> _Why | None:
    if contain_is_asked(incident):
        return Reason.REQUESTED_BY_PERSON, "a person asked for the next step before it was judged"
    if release_is_asked(incident):
        return Reason.REQUESTED_BY_PERSON, "a person asked to give back before it was judged"
    return None


def _no_longer(s: Situation, status: AIIncidentStatus) -> Move:
    """What was shown to help does so no longer: it is bad again, or what was rolled back is back."""
    held, current = helping(status), s.revision.current
    if anew := breached_anew(s, status):
        words = "; ".join(f"{name}: {s.verdicts[name].because}" for name in anew)
        why = (Reason.NO_LONGER_HELPS, f"it is bad again: {words}")
        return Move(commands=tuple(c for a in held for c in _judged(a, Outcome.UNKNOWN, why).commands))
    for action in held:
        is_back = current is not None and current.name != action.subject and not may_be_the_fix(s.revision, status)
        if action.kind is ActionKind.ROLL_BACK and is_back and current is not None:
            by = s.drifts.get(action.id)
            words = f"revision {current.name} is back" + (f": {by}" if by else "")
            return _judged(action, Outcome.UNKNOWN, (Reason.QUARANTINE_MISSING, words))
    return Move()


def _after_all(s: Situation, status: AIIncidentStatus, stable: timedelta, now: datetime) -> Move:
    """What fell short of its time and is in force still may contain the incident after all.

    Then it is not over by itself, and must not be given back without a fix.
    """
    current = s.revision.current
    held = [
        a
        for a in status.actions
        if changes_answers(a.kind)
        and a.phase is ActionPhase.IN_FORCE
        and not (a.kind is ActionKind.ROLL_BACK and (current is None or current.name != a.subject))
    ]
    for action in held:
        if action.kind is ActionKind.SWITCH_TRAFFIC:
            return _judged(action, Outcome.RECOVERED, (Reason.TRAFFIC_MOVED, helped(s, status, action).because))
    met_at = over_at(s, status, stable)
    if not held or met_at is None:
        return Move()
    if now < met_at:
        return Move(wake_at=met_at)
    return _judged(held[-1], Outcome.RECOVERED, (Reason.OBJECTIVE_RECOVERED, _met(stable)))


def _met(stable: timedelta) -> str:
    return f"every objective has been met for {format_duration(stable)}"


def _judged(action: Action, outcome: Outcome, why: _Why) -> Move:
    reason, because = why
    words = f"{in_words(action)}: {because}"[:1024]
    return Move(commands=(Judge(action_id=action.id, outcome=outcome, reason=reason, because=words),))
