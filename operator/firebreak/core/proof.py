"""Which fresh evidence is needed to judge what is in force: from when on, and of which revision.

Asked by app/observe.py, which gathers it, and by `decide`, which reads the answers.
A fold that began before an effect says nothing about it, so each question has its own beginning.
"""

from dataclasses import dataclass
from datetime import datetime

from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncidentStatus, Outcome
from firebreak.api.v1alpha1.policy import ActionKind

ACTIVE = frozenset({ActionPhase.INTENDED, ActionPhase.APPLIED, ActionPhase.IN_FORCE, ActionPhase.BLOCKED})
OVER = frozenset({ActionPhase.UNDONE, ActionPhase.TAKEN_BACK, ActionPhase.KEPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Judge the objectives on evidence since this moment, on this revision's series only (None: on all)."""

    since: datetime
    revision: str | None
    about: str


def active(status: AIIncidentStatus, kind: ActionKind) -> Action | None:
    """The action of this kind that is, or is coming, into force."""
    return next((a for a in reversed(status.actions) if a.kind is kind and a.phase in ACTIVE), None)


def question(status: AIIncidentStatus) -> Question | None:
    """The one question that is open now; None while nothing is in force."""
    switch = active(status, ActionKind.SWITCH_TRAFFIC)
    if status.remediating_since is not None:
        since = status.remediating_since
        if switch is not None:
            # Before the probe the primary answers nobody, so there is nothing to judge.
            if not switch.given_back or switch.given_back_at is None:
                return None
            since = switch.given_back_at
        return Question(since=since, revision=status.remediated_revision or None, about="the fix")
    if switch is not None and switch.phase is ActionPhase.IN_FORCE:
        return None
    for action in reversed(status.actions):
        if action.phase is ActionPhase.IN_FORCE and action.kind in (ActionKind.ROLL_BACK, ActionKind.DISABLE_FEATURE):
            if action.outcome is Outcome.NOT_RECOVERED or action.in_force_at is None:
                continue
            revision = action.subject if action.kind is ActionKind.ROLL_BACK else None
            return Question(since=action.in_force_at, revision=revision, about=str(action.kind))
    drifted = [a.drifted_at for a in status.actions if a.phase is ActionPhase.BLOCKED and a.drifted_at is not None]
    return Question(since=max(drifted), revision=None, about="what someone has changed") if drifted else None
