"""Does a step wait for a person's approval, and has it been given?

Asked by core/containment.py before a step that changes what users get. A wish has a number of its own: an approval
answers that wish alone, so one that was given counts neither for another step, nor for the same step with other writes,
nor after the wish was withdrawn (core/withdrawal.py).
Who may give it is for admission to say (the chart's admission/approval.yaml).
"""

from firebreak.api.v1alpha1.incident import Action, AIIncident, AIIncidentStatus, ApprovalAsked
from firebreak.api.v1alpha1.policy import Approval
from firebreak.core.commands import AskApproval, Concern, Move, Reason
from firebreak.core.evidence import unread
from firebreak.core.severity import severity_of
from firebreak.core.situation import Situation
from firebreak.core.wish import changes, changes_in_brief, plan_of, would


def is_required(status: AIIncidentStatus) -> bool:
    """Whether the policy wants a person's approval at this severity.

    At the policy's own severity too: otherwise whoever may override it could do without the approval.
    """
    policy = status.policy
    if policy is None or status.category is None:
        return False
    severities = {severity_of(policy, status.category), status.severity}
    return any(s is not None and policy.approval.of(s) is Approval.REQUIRED for s in severities)


def is_given(incident: AIIncident) -> bool:
    """Whether a person has approved what is asked for now."""
    wish, said = incident.status.approval, incident.spec.approval
    return wish is not None and said is not None and said.request == wish.request


def awaited(incident: AIIncident, action: Action, *, on_request: bool) -> Move | None:
    """What keeps this step from being taken: nobody was asked, or nobody has answered; None once it is approved.

    What was asked is compared with what would be done now: whoever said yes, said it to that.
    """
    wish = incident.status.approval
    if wish is None or wish.step != action.id or wish.plan != plan_of(action):
        anew = wish is not None and wish.step == action.id
        told = f"{would(action)} waits for approval{', anew, since it would do something else now' if anew else ''}"
        because = f"{told}: {changes_in_brief(changes(action))}. Why: {action.because}"[:1024]
        return Move(commands=(AskApproval(action=action, on_request=on_request, because=because),))
    if is_given(incident):
        return None
    because = f"{_waits(incident, wish)}: {changes_in_brief(wish.changes)}. Why: {action.because}"
    return Move(concern=_concern(wish, because))


def unseen(s: Situation, incident: AIIncident) -> Move:
    """A wish stays while it cannot be seen whether its step is called for; nothing is taken on that, approved or not."""
    wish = incident.status.approval
    if wish is None:
        return Move()
    blind = ", ".join(unread(s, incident.status)) or "what is in force"
    waits = f"just now nothing can be said of {blind}, so it is not taken until that is read again"
    if not is_given(incident):
        return Move(concern=_concern(wish, f"{_waits(incident, wish)}: {changes_in_brief(wish.changes)}; {waits}"))
    said = incident.spec.approval
    because = f"{_step(wish)} is approved by {said.by if said else 'a person'}; {waits}"
    concern = Concern(reason=Reason.EVIDENCE_THIN, subject=wish.request, because=because, holds=True, pages=False)
    return Move(concern=concern)


def also_waits(incident: AIIncident) -> str:
    """What a hold is to say of the wish for the same step, which stays open beside it."""
    wish = incident.status.approval
    if wish is None:
        return ""
    return "; it is approved" if is_given(incident) else f"; {_waits(incident, wish)} too"


def _concern(wish: ApprovalAsked, because: str) -> Concern:
    return Concern(reason=Reason.APPROVAL_REQUIRED, subject=wish.request, because=because, holds=True)


def _waits(incident: AIIncident, wish: ApprovalAsked) -> str:
    meta = incident.metadata
    command = f"kubectl firebreak approve {meta.name} -n {meta.namespace} --request {wish.request}"
    return f"{_step(wish)} waits for approval ({command})"


def _step(wish: ApprovalAsked) -> str:
    return wish.would or wish.step
