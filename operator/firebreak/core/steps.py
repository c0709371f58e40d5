"""What do the steps taken so far amount to: is one under way, is the incident contained, does that still hold?

Asked by `decide` and its questions, by the record for the phase, and by whoever tells people of a step.
"""

from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncidentStatus, Outcome
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.core.evidence import declared_of
from firebreak.core.proof import ACTIVE
from firebreak.core.situation import Situation
from firebreak.core.verdict import RecoveryFinding, Tier, Verdict


def changes_answers(kind: ActionKind) -> bool:
    """Whether a step of this kind changes what users get, so that it is limited, and expected to cure."""
    return kind is not ActionKind.RAISE_HUMAN_REVIEW


def under_way(status: AIIncidentStatus) -> Action | None:
    """The step whose proof is awaited."""
    for action in reversed(status.actions):
        if changes_answers(action.kind) and action.outcome is Outcome.PENDING and action.phase in ACTIVE:
            return action
    return None


def is_taken_back(action: Action) -> bool:
    """Whether something is left to take back of a step that could not be carried through."""
    return action.phase is ActionPhase.BLOCKED and action.applied_at is None and is_owed(action)


def is_void(action: Action) -> bool:
    """Whether nothing of it counts any more: it was refused and is taken back, or somebody has changed it."""
    return action.phase is ActionPhase.BLOCKED and not is_taken_back(action)


def is_unseen(action: Action) -> bool:
    """Whether it was written and given up, since it was not seen in force in its time; it may come into force yet."""
    return action.phase is ActionPhase.APPLIED and action.outcome is Outcome.UNKNOWN


def is_owed(action: Action) -> bool:
    """Whether something of it has still to be written."""
    return any(not (w.landed or w.left) for w in action.writes)


def helping(status: AIIncidentStatus) -> tuple[Action, ...]:
    """What is in force and was shown to help."""
    return tuple(a for a in status.actions if a.outcome is Outcome.RECOVERED and a.phase is ActionPhase.IN_FORCE)


def is_contained(status: AIIncidentStatus) -> bool:
    """Whether something is in force that was shown to help."""
    return bool(helping(status))


def breached_anew(s: Situation, status: AIIncidentStatus) -> tuple[str, ...]:
    """The objectives that are Confirmed beyond what is in force: it has stopped helping, or something else broke.

    Either the onset is later than the last proof, or the fresh fold since the effect says so: a detector by itself goes
    on holding what it saw before. While traffic is switched away the primary's series say nothing about users.
    """
    held = helping(status)
    if any(a.kind is ActionKind.SWITCH_TRAFFIC for a in held):
        return ()
    proven = max((a.proven_at for a in held if a.proven_at), default=None)
    if proven is None:
        return ()

    def beyond(verdict: Verdict | None) -> bool:
        if verdict is None or not verdict.reaches(Tier.CONFIRMED):
            return False
        fresh = s.recoveries.get(verdict.objective.objective)
        later = verdict.onset is not None and verdict.onset.at > proven
        return later or (fresh is not None and fresh.finding is RecoveryFinding.NOT_HELPED)

    return tuple(name for name in declared_of(s, status) if beyond(s.verdicts.get(name)))


def in_words(action: Action) -> str:
    """The action and what it is about: "RollBack to 1.0-312c6426"."""
    match action.kind:
        case ActionKind.ROLL_BACK | ActionKind.SWITCH_TRAFFIC if action.subject:
            return f"{action.kind} to {action.subject}"
        case ActionKind.DISABLE_FEATURE:
            return f"{action.kind} {action.subject}"
        case _:
            return str(action.kind)
