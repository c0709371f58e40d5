"""What was done about an incident, and did it help? One paragraph for each step: why, what it sets, effect, proof. Pure."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.incident import Action, ActionPhase, FieldWrite, Outcome
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.cli.show import clock, coloured, grid
from firebreak.core.wish import value_in_words


def what_was_done(incident: AIIncident) -> Iterable[RenderableType]:
    """The steps in the order they were taken or skipped."""
    if not incident.status.actions and incident.status.detected_at:
        yield Text("nothing yet")
    for number, action in enumerate(incident.status.actions, start=1):
        outcome = "" if action.outcome is Outcome.PENDING else f", {action.outcome}"
        title = f"{action.kind}{_subject(action)}"
        yield Text.assemble(f"{number}. ", (title, "bold"), "  ", coloured(action.phase), outcome)
        yield Padding(_paragraph(action), (0, 0, 0, 3))


def _paragraph(action: Action) -> Table:
    told = grid(2)
    told.add_row("why", f"{action.reason}: {action.because}")
    for i, write in enumerate(action.writes):
        told.add_row("sets" if i == 0 else "", _write(write, action.phase))
    if action.writes and action.phase is not ActionPhase.WOULD_DO:
        told.add_row("intent", f"recorded {clock(action.intended_at)}")
    if action.applied_at:
        seen = f"seen in force {clock(action.in_force_at)}" if action.in_force_at else "not seen in force yet"
        told.add_row("effect", f"accepted {clock(action.applied_at)}, {seen}")
    if proof := _proof(action):
        told.add_row("proof", proof)
    if action.given_back and action.kind is ActionKind.SWITCH_TRAFFIC:
        seen = f", seen {clock(action.given_back_at)}" if action.given_back_at else ""
        told.add_row("given back", f"{action.given_back}% of traffic{seen}")
    if action.ended_at:
        told.add_row("ended", f"{clock(action.ended_at)}{_left(action)}")
    if action.message:
        told.add_row("but", Text(action.message, style="red" if action.phase is ActionPhase.BLOCKED else ""))
    return told


def _left(action: Action) -> str:
    """What is left of an action that is over."""
    match action.phase:
        case ActionPhase.KEPT if action.drifted_at:
            return ": someone has changed it, and it stays as they left it"
        case ActionPhase.KEPT:
            return ": stays as it is"
        case ActionPhase.TAKEN_BACK:
            return ": it could not be carried through, and nothing of it stands any more"
        case _:
            return ""


def _subject(action: Action) -> str:
    if not action.subject:
        return ""
    return f" {'of' if action.kind is ActionKind.DISABLE_FEATURE else 'to'} {action.subject}"


def _write(write: FieldWrite, phase: ActionPhase) -> str:
    place = f"{write.target.kind} {write.target.name} {write.path}"
    change = f"{value_in_words(write.original)} → {value_in_words(write.desired)}"
    if phase in (ActionPhase.UNDOING, ActionPhase.UNDONE, ActionPhase.TAKEN_BACK):
        change = f"{value_in_words(write.desired)} (as it was)"
    state = ""
    if write.left:
        state = "  (left: someone else has changed it)"
    elif not write.landed and phase is not ActionPhase.WOULD_DO:
        state = "  (not written yet)"
    return f"{place}: {change}{state}"


def _proof(action: Action) -> str:
    match action.outcome:
        case Outcome.RECOVERED:
            return f"shown to help at {clock(action.proven_at)}"
        case Outcome.NOT_RECOVERED:
            return f"shown not to help at {clock(action.proven_at)}"
        case Outcome.UNKNOWN:
            return "cannot be told"
        case Outcome.PENDING:
            awaited = action.phase in (ActionPhase.APPLIED, ActionPhase.IN_FORCE)
            cures = action.kind is not ActionKind.RAISE_HUMAN_REVIEW
            return "awaited" if awaited and cures else ""
