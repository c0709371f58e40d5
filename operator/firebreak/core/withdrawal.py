"""Is a step that waits for approval called for still?

Asked by `decide` before the next step. A wish is withdrawn when it is known that its step is not called for: every
objective was read and none is bad enough, or something else has happened. It stays while that cannot be told, and while
a hold keeps the step from being taken: otherwise one reading that fails would take an approval away, and ask for it anew.
"""

from firebreak.api.v1alpha1.aiservice import Mode
from firebreak.api.v1alpha1.incident import AIIncident
from firebreak.core import ladder
from firebreak.core.commands import Move, WithdrawApproval
from firebreak.core.containment import is_anything_in_force, step_id
from firebreak.core.drift import drifted_since
from firebreak.core.evidence import TIER_OF, declared_of, strongest, unread
from firebreak.core.requests import contain_is_asked, release_is_asked
from firebreak.core.situation import Situation
from firebreak.core.steps import breached_anew, in_words, is_contained, under_way
from firebreak.core.verify import ProofOf, shown


def withdrawn(s: Situation, incident: AIIncident) -> Move:
    """Withdraw the wish whose step is not called for any more; what was approved meanwhile counts for nothing."""
    wish = incident.status.approval
    if wish is None:
        return Move()
    why = _moved_on(s, incident) or _not_called_for(s, incident)
    if not why:
        return Move()
    because = f"{wish.would or wish.step} needs no approval any more ({wish.request} is withdrawn): {why}"
    return Move(commands=(WithdrawApproval(because=because[:1024]),))


def _moved_on(s: Situation, incident: AIIncident) -> str:
    """What else has happened."""
    status, wish, mode = incident.status, incident.status.approval, s.spec.containment.mode
    assert wish is not None, "asked of a wish"
    if status.remediating_since is not None:
        return "a fix is being proven"
    if release_is_asked(incident) and is_anything_in_force(status):
        return "a person asks to give back what is in force"
    if (action := under_way(status)) is not None:
        return f"{in_words(action)} is under way"
    if is_contained(status) and not breached_anew(s, status):
        return "what is in force was shown to help"
    if mode is Mode.OBSERVE:
        return "the service is in mode Observe, in which steps are only said"
    upcoming = ladder.next_step(status, mode)
    if upcoming is None or step_id(status, *upcoming) != wish.step:
        skipped = next((a for a in status.actions if a.id == wish.step), None)
        return f"it was skipped: {skipped.because}" if skipped else "the next step is another one"
    since = drifted_since(status)
    if since is not None and since > wish.since and not contain_is_asked(incident):
        return "someone has changed what was in force since it was asked for"
    return ""


def _not_called_for(s: Situation, incident: AIIncident) -> str:
    """What is known of the evidence, where it is known; a person's word stands for it."""
    status, wish = incident.status, incident.status.approval
    assert wish is not None, "asked of a wish"
    upcoming = ladder.next_step(status, s.spec.containment.mode)
    if contain_is_asked(incident) or upcoming is None:
        return ""
    since, names = drifted_since(status), declared_of(s, status)
    if since is not None and shown(s, names, since).of is ProofOf.HELP:
        return "what was measured since someone changed what was in force is good"
    needed = TIER_OF[upcoming[1].evidence]
    if strongest(s, status) >= needed:
        return ""
    if wish.on_request:
        return "the person who asked for the step has taken that back"
    if unread(s, status):
        return ""
    return f"every objective was read, and none is at tier {needed.label} any more"
