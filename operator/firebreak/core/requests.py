"""What does a person ask for in the incident's spec, and has it been followed?

Asked by `decide`. A request is a field that stays set, so the record says when it was followed, or did not pass: it
counts once, and again only after it was unset in between.
"""

from firebreak.api.v1alpha1.aiservice import OnDelete
from firebreak.api.v1alpha1.incident import AIIncident, Resolution
from firebreak.api.v1alpha1.policy import ReleaseWhen
from firebreak.core.commands import BeginClosing, HearAgain, Move, Reason
from firebreak.core.evidence import declared_of, is_gauge
from firebreak.core.situation import Situation
from firebreak.core.verdict import Finding


def contain_is_asked(incident: AIIncident) -> bool:
    """A person asks for the next step, and it has not been taken."""
    return incident.spec.contain and not incident.status.contain_followed


def release_is_asked(incident: AIIncident) -> bool:
    """A person asks to give back, and it has not been tried in vain."""
    return incident.spec.release and ReleaseWhen.PERSON not in incident.status.refuted


def resolution(incident: AIIncident) -> Move:
    """A person ends the incident, by its spec or by deleting it (the finalizer holds it until all is given back)."""
    match incident.spec.resolution:
        case Resolution.KNOWN_GOOD_ACCEPTED:
            because = "a person accepted the known-good revision"
            return Move(commands=(BeginClosing(reason=Reason.KNOWN_GOOD_ACCEPTED, because=because),))
        case Resolution.FALSE_ALARM:
            because = "a person says that it was a false alarm"
            return Move(commands=(BeginClosing(reason=Reason.FALSE_ALARM, because=because, lift_quarantine=True),))
        case None:
            if incident.metadata.deletion_timestamp is None:
                return Move()
            leave = is_left(incident)
            because = "the incident was deleted" + (", and what is in force stays" if leave else "")
            return Move(commands=(BeginClosing(reason=Reason.REQUESTED_BY_PERSON, because=because, leave=leave),))


def is_left(incident: AIIncident) -> bool:
    """Whether a deletion leaves what is in force as it is; the incident's own word goes before its service's."""
    return (incident.spec.on_delete or incident.status.on_delete) is OnDelete.LEAVE


def heard_again(s: Situation, incident: AIIncident) -> Move:
    """Whatever was followed or refuted, and is gone now, counts once more when it comes back."""
    status, gone = incident.status, []
    if ReleaseWhen.PERSON in status.refuted and not incident.spec.release:
        gone.append(ReleaseWhen.PERSON)
    if ReleaseWhen.GAUGE_RECOVERED in status.refuted and gauges_breached(s, incident):
        gone.append(ReleaseWhen.GAUGE_RECOVERED)
    contain = status.contain_followed and not incident.spec.contain
    return Move(commands=(HearAgain(contain=contain, refuted=tuple(gone)),)) if gone or contain else Move()


def gauges_breached(s: Situation, incident: AIIncident) -> tuple[str, ...]:
    """What the incident's gauges that are beyond their limits say."""
    found = [s.verdicts.get(name) for name in declared_of(s, incident.status) if is_gauge(s.spec, name)]
    return tuple(
        f"{v.objective.objective}: {v.because}" for v in found if v is not None and v.finding is Finding.BREACHED
    )
