"""What holds a step now, whatever it rests on? Asked by core/containment.py before a step, and by core/judging.py before
one that could not be written in its time is tried again.
"""

from dataclasses import replace
from datetime import datetime

from firebreak.api.v1alpha1.incident import AIIncident
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.core.freeze import hold_of_freeze
from firebreak.core.guardrails import is_counted_p1, taken_together
from firebreak.core.situation import Hold, Situation
from firebreak.core.steps import changes_answers


def hold_now(s: Situation, incident: AIIncident, kind: ActionKind, now: datetime) -> Hold | None:
    """A pause and what else holds everything; then, but for a person's word, the circuit breaker and freeze windows."""
    status = incident.status
    if s.holds:
        return taken_together(s.holds)
    if incident.spec.contain or status.policy is None or not changes_answers(kind) or is_counted_p1(s, status):
        return None
    if s.breaker is not None:
        return s.breaker
    frozen = hold_of_freeze(status.policy.guardrails.freeze, now)
    if frozen is None:
        return None
    return replace(frozen, because=f"{frozen.because}; at once with spec.contain: true on this incident")
