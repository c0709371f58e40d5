"""Does what was put in force still stand, and if not, who has changed it?

Asked in each turn by app/observe.py with the objects as they are now, and by `decide`, which tells it, asks people, and
goes on only by what has been measured since. What someone has changed is never written again: two that fight over a
field serve nobody.
"""

from collections.abc import Mapping
from datetime import datetime

from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncidentStatus, FieldWrite
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.autoscaling import is_floor
from firebreak.core.field_paths import FieldPath, Found, find, same
from firebreak.core.field_writes import RESTART_PATH, is_primary, value_of
from firebreak.core.owners import owner_of
from firebreak.core.ports import Absent, Held, KubeObject, Unmatched
from firebreak.core.revision import Snapshot
from firebreak.core.steps import changes_answers


def is_drifted(action: Action) -> bool:
    """Someone has changed it since it was in force, and has not put it back."""
    return action.phase is ActionPhase.BLOCKED and action.drifted_at is not None


def drifted_since(status: AIIncidentStatus) -> datetime | None:
    """Since when something that changed what users get no longer stands; None while all of it does."""
    moments = [a.drifted_at for a in status.actions if is_drifted(a) and changes_answers(a.kind)]
    return max((m for m in moments if m is not None), default=None)


def is_watched(action: Action) -> bool:
    """Whether the action's places should hold what it wants, and have been seen to."""
    if is_drifted(action):
        return True
    is_settled = action.given_back == 0 or action.given_back_at is not None
    return action.phase is ActionPhase.IN_FORCE and is_settled and all(w.landed or w.left for w in action.writes)


def drift_of(action: Action, live: Mapping[TargetRef, KubeObject | None], history: tuple[Snapshot, ...]) -> str:
    """Which of the action's places no longer hold what it wants, and by whom; empty while all of them do.

    An object that was not looked at says nothing.
    """
    if not is_watched(action):
        return ""
    said = [
        words
        for write in action.writes
        if write.target in live and not write.left and write.path != RESTART_PATH
        if (words := _changed(action, write, live[write.target], history))
    ]
    return "; ".join(said)[:900]


def _changed(action: Action, write: FieldWrite, object_: KubeObject | None, history: tuple[Snapshot, ...]) -> str:
    where = f"{write.target.kind} {write.target.name}"
    desired = value_of(write.desired, history)
    if desired is None:
        return ""
    if object_ is None:
        return f"{where} does not exist any more"
    path = FieldPath.parse(write.path)
    found = find(object_, path)
    match found:
        case Found(value=value) if same(value, desired) or _does_as_well(action, write, value, desired):
            return ""
        case Found(value=value):
            what = f"{where} {write.path} holds {_short(value)}, not {_short(desired)}"
        case Unmatched(message=message):
            what = f"{where}: {message}"
    by = owner_of(object_, path)
    return f"{what}; changed by {by or 'someone'}"


def _does_as_well(action: Action, write: FieldWrite, value: Held, desired: Held) -> bool:
    """More reviewers than asked for, or any weight for a fallback beside a primary that has none, contain as well."""
    if isinstance(value, bool) or not isinstance(value, int) or not isinstance(desired, int):
        return False
    if is_floor(write.path):
        return value >= desired
    return action.kind is ActionKind.SWITCH_TRAFFIC and not action.given_back and not is_primary(write) and value > 0


def _short(value: Held) -> str:
    if isinstance(value, Absent):
        return "nothing"
    text = str(value)
    return text if len(text) <= 80 and "\n" not in text else f"a text of {len(text)} characters"
