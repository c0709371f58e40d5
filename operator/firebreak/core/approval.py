"""Does a step wait for a person's approval, and has it been given?

Asked by core/containment.py before a step that changes what users get. A wish has a number of its own: an approval
answers that wish alone, so one that was given counts neither for another step nor for the same step on other evidence.
Who may give it is for admission to say (the chart's admission/approval.yaml).
"""

from firebreak.api.v1alpha1.incident import ActionPhase, AIIncident, AIIncidentStatus
from firebreak.api.v1alpha1.policy import Approval
from firebreak.core.commands import AskApproval, Concern, Move, Reason, WithdrawApproval
from firebreak.core.severity import severity_of
from firebreak.core.steps import changes_answers


def is_required(status: AIIncidentStatus) -> bool:
    """Whether the policy wants a person's approval at this severity.

    At the policy's own severity too: otherwise whoever may override it could do without the approval.
    """
    policy = status.policy
    if policy is None or status.category is None:
        return False
    severities = {severity_of(policy, status.category), status.severity}
    return any(s is not None and policy.approval.of(s) is Approval.REQUIRED for s in severities)


def awaited(incident: AIIncident, step: str, words: str, why: str) -> Move | None:
    """What keeps this step from being taken: nobody was asked, or nobody has answered; None once it is approved."""
    wish, said = incident.status.approval, incident.spec.approval
    if wish is None or wish.step != step:
        return Move(commands=(AskApproval(step=step, because=f"{words} waits for approval: {why}"[:1024]),))
    if said is not None and said.request == wish.request:
        return None
    meta = incident.metadata
    because = f"{words} waits for approval (kubectl firebreak approve {meta.name} -n {meta.namespace}): {why}"
    return Move(concern=Concern(reason=Reason.APPROVAL_REQUIRED, subject=wish.request, because=because, holds=True))


def kept_up(incident: AIIncident, move: Move) -> Move:
    """The move; where the step is not called for any more, its wish is withdrawn first."""
    if incident.status.approval is None or move.commands:
        return move
    if any(a.phase is ActionPhase.UNDOING and changes_answers(a.kind) for a in incident.status.actions):
        return move  # what makes room for the step is awaited: whether that is called for is asked after it
    if move.concern is not None and move.concern.reason is Reason.APPROVAL_REQUIRED:
        return move
    because = "the approval that was asked for is needed no longer: the step is not called for now"
    return Move(commands=(WithdrawApproval(because=because),))
