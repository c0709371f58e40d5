"""Are users sent away from bad answers to where nobody answers? Neither leg is good then, so people say which.

Asked by `decide` while a switch contains the incident. A fallback that misses one look, such as a pod that is replaced,
pages nobody: it must be seen unable to serve in a few steps in a row. That it could not be looked at is no such look,
and none that it can serve.
"""

from collections.abc import Iterator
from datetime import datetime

from firebreak.api.v1alpha1.incident import Action, AIIncident
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.core.commands import Concern, Move, NoteUnready, Reason
from firebreak.core.observations import Effect, Failed, InForce
from firebreak.core.situation import Situation
from firebreak.core.steps import helping

LOOKS = 3
"""So many in a row, at least a step of evidence apart, before people are asked."""


def both_bad(s: Situation, incident: AIIncident, now: datetime) -> Iterator[Move]:
    """What is known of the fallbacks that users are sent to, and whom to ask."""
    for action in helping(incident.status):
        ready = s.fallbacks.get(action.subject)
        if action.kind is ActionKind.SWITCH_TRAFFIC and ready is not None:
            yield _looked_at(s, action, ready, now)


def _looked_at(s: Situation, action: Action, ready: Effect, now: datetime) -> Move:
    if isinstance(ready, InForce):
        over = (NoteUnready(action_id=action.id, looks=0),)
        return Move(commands=over) if action.unready_looks else Move()
    is_known = not (isinstance(ready, Failed) and not ready.is_seen)
    if action.unready_looks < LOOKS:
        step = max(o.detector.step for o in s.spec.objectives)
        again = action.unready_at + step if action.unready_at is not None and action.unready_looks else now
        if not is_known:
            return Move()
        if now < again:
            return Move(wake_at=again)
        return Move(commands=(NoteUnready(action_id=action.id, looks=action.unready_looks + 1),))
    words = f"users are sent to {action.subject}, which cannot serve: {ready.because}; mend it, or give back"
    return Move(concern=Concern(reason=Reason.BOTH_LEGS_BAD, subject=action.id, because=words))
