"""When are people asked, and when again?

Asked by `decide` at the end of a turn in which nothing else was to be done.
A page repeats until someone acknowledges it on the incident, or until it is no longer so. The same thing is never said
twice within the time after which it repeats, however often it comes and goes in between.
"""

from datetime import datetime, timedelta

from firebreak.api.v1alpha1.incident import AIIncident
from firebreak.core.commands import AskPeople, Concern, KeepAsking, Move, NoteHold, Reason, StopAsking

PAGE_EVERY = timedelta(minutes=15)


def note_hold(incident: AIIncident, held: Concern | None) -> Move:
    """Bring up to date what the incident says of a hold; a page says it once more where people are asked."""
    noted = incident.status.held
    if held is None:
        if noted is None:
            return Move()
        # What no page has said, none takes back.
        over = "held no longer by the circuit breaker" if noted.reason == Reason.CIRCUIT_BREAKER else ""
        return Move(commands=(NoteHold(reason=Reason(noted.reason), message="", because=over),))
    message = held.because[:1024]
    if noted is not None and (noted.reason, noted.message) == (held.reason, message):
        return Move()
    return Move(commands=(NoteHold(reason=held.reason, message=message, because="" if held.pages else message),))


def page(incident: AIIncident, concern: Concern | None, now: datetime) -> Move:
    """Ask about the most pressing concern; stop asking when there is none."""
    shown = incident.status.page
    if concern is None:
        if shown is None:
            return Move()
        return Move(
            commands=(StopAsking(reason=Reason(shown.reason), because=f"no longer so: {shown.message}"[:1024]),)
        )
    because = concern.because[:1024]
    asked = next((a.at for a in incident.status.asked if a.reason == concern.reason), None)
    if asked is None and shown is not None and shown.reason == concern.reason:
        asked = shown.repeated_at
    again = asked + PAGE_EVERY if asked else now
    if asked is None or (now >= again and not incident.spec.acknowledged):
        return Move(commands=(AskPeople(reason=concern.reason, because=because),))
    if shown is None or shown.reason != concern.reason:
        return Move(commands=(KeepAsking(reason=concern.reason, message=because),))
    return Move() if incident.spec.acknowledged else Move(wake_at=again)
