"""What is known of a service's earlier incidents, whether or not they are still there?

Asked by app/observe.py, and by app/loop.py before an incident begins or ends: the limits (core/guardrails.py), the
numbers of incidents and what counts as news rest on it, and people delete incidents that are over. So the AIService's
status remembers, by the incident's name: telling it twice is telling it once.
"""

from dataclasses import dataclass
from datetime import datetime

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.aiservice import AIServiceStatus, EndedContainment
from firebreak.api.v1alpha1.incident import Resolution
from firebreak.core.situation import PastContainment
from firebreak.core.steps import changes_answers

LONGEST = 100
"""As many as a policy's maxContainments may count at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is left of earlier incidents."""

    incident_count: int = 0
    past: tuple[PastContainment, ...] = ()
    last_resolved: datetime | None = None


def remembered(service: str, status: AIServiceStatus, incidents: tuple[AIIncident, ...]) -> Memory:
    """What the service's status and the incidents that are there say together; an incident's own record knows best."""
    past = {c.incident: _past(c) for c in status.containments}
    past |= {p.incident: p for p in map(containment_of, incidents) if p is not None}
    resolved = [status.last_resolved, *(i.status.resolved_at for i in incidents)]
    return Memory(
        incident_count=max(status.incident_count, *(_number(service, i) for i in incidents), 0),
        past=tuple(sorted(past.values(), key=lambda p: (p.at, p.incident))[-LONGEST:]),
        last_resolved=max((moment for moment in resolved if moment is not None), default=None),
    )


def kept(status: AIServiceStatus, memory: Memory) -> AIServiceStatus:
    """The service's status with this memory in it."""
    return status.model_copy(
        update={
            "incident_count": memory.incident_count,
            "containments": tuple(
                EndedContainment(
                    incident=p.incident, at=p.at, ended_at=p.ended_at, onset=p.onset, false_alarm=p.is_false_alarm
                )
                for p in memory.past
            ),
            "last_resolved": memory.last_resolved,
        }
    )


def containment_of(incident: AIIncident) -> PastContainment | None:
    """An ended incident in which something that users get was changed."""
    begun = [a.intended_at for a in incident.status.actions if a.applied_at is not None and changes_answers(a.kind)]
    if not begun or incident.status.resolved_at is None:
        return None
    return PastContainment(
        incident=incident.metadata.name,
        at=min(begun),
        ended_at=incident.status.resolved_at,
        onset=incident.status.onset,
        is_false_alarm=incident.spec.resolution is Resolution.FALSE_ALARM,
    )


def _past(kept: EndedContainment) -> PastContainment:
    return PastContainment(
        incident=kept.incident,
        at=kept.at,
        ended_at=kept.ended_at,
        onset=kept.onset,
        is_false_alarm=kept.false_alarm,
    )


def _number(service: str, incident: AIIncident) -> int:
    tail = incident.metadata.name.removeprefix(f"{service}-")
    return int(tail) if tail.isdigit() else 0
