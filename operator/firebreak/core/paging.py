"""When are people asked, and when again?

Asked by `decide` at the end of a turn in which nothing else was to be done.
A page repeats until someone acknowledges it on the incident, or until it is no longer so. The same thing is never said
twice within the time after which it repeats, however often it comes and goes in between.
What is the same thing: a reason and what it is about. Each has a number, higher than any that was acknowledged before it
came up, so that an acknowledgement never covers what nobody can have seen. Several things at once are each said.
"""

from datetime import datetime, timedelta

from firebreak.api.v1alpha1.incident import AIIncident, AIIncidentStatus, Asked, Page
from firebreak.core.commands import (
    AskPeople,
    Command,
    Concern,
    KeepAsking,
    Move,
    NoteAcknowledged,
    NoteHold,
    Reason,
    StopAsking,
)

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


def page(incident: AIIncident, concerns: tuple[Concern, ...], now: datetime) -> Move:
    """Say what has not been said, or is to be said again, and show the most pressing; stop when there is nothing."""
    status, shown = incident.status, incident.status.page
    concerns = tuple({(c.reason, c.subject): c for c in reversed(concerns)}.values())[::-1]
    number = max(status.pages, incident.spec.acknowledged_up_to)
    for concern in concerns:
        if said_of(status, *_key(concern)) is None and said_before_subjects(status, concern.reason) is not None:
            return Move(commands=(_show(concern, number + 1),))
    if heard := _heard(incident):
        return Move(commands=heard)
    if not concerns:
        if shown is None:
            return Move()
        over = StopAsking(reason=Reason(shown.reason), because=f"no longer so: {shown.message}"[:1024])
        return Move(commands=(over,))
    commands: list[AskPeople | KeepAsking] = []
    wakes = []
    for concern in concerns:
        said = said_of(status, *_key(concern))
        if said is None:
            number += 1
        elif is_acknowledged(incident, said):
            continue
        elif now < said.at + PAGE_EVERY:
            wakes.append(said.at + PAGE_EVERY)
            continue
        reason, subject = _key(concern)
        again = said.number if said else number
        commands.append(AskPeople(reason=reason, subject=subject, because=concern.because[:1024], number=again))
    first = next((c for c in concerns if not _is_had(incident, c)), concerns[0])
    last = commands[-1] if commands else shown
    if last is None or (last.reason, last.subject) != _key(first):
        commands.append(_show(first))
    return Move(commands=tuple(commands)) if commands else Move(wake_at=min(wakes, default=None))


def said_of(status: AIIncidentStatus, reason: str, subject: str) -> Asked | None:
    """When people were asked this, if they were."""
    return next((a for a in status.asked if a.number and (a.reason, a.subject) == (reason, subject)), None)


def said_before_subjects(status: AIIncidentStatus, reason: str) -> Asked | None:
    """What a record of an earlier version says of this reason: whatever comes up first with it is what was meant."""
    shown = status.page
    found = next((a for a in status.asked if not a.number and a.reason == reason), None)
    if found is None and shown is not None and not shown.number and shown.reason == reason:
        return Asked(reason=reason, since=shown.since, at=shown.repeated_at, times=shown.times)
    return found


def is_acknowledged(incident: AIIncident, said: Asked | Page) -> bool:
    """Whether a person has this page: what was said up to it, never what came up after."""
    by_word = incident.status.acknowledged_up_to if incident.spec.acknowledged else None
    if not said.number:
        return incident.spec.acknowledged
    return said.number <= max(incident.spec.acknowledged_up_to, by_word or 0)


def _is_had(incident: AIIncident, concern: Concern) -> bool:
    said = said_of(incident.status, *_key(concern))
    return said is not None and is_acknowledged(incident, said)


def _key(concern: Concern) -> tuple[Reason, str]:
    return concern.reason, concern.subject


def _show(concern: Concern, number: int = 0) -> KeepAsking:
    reason, subject = _key(concern)
    return KeepAsking(reason=reason, subject=subject, message=concern.because[:1024], number=number)


def _heard(incident: AIIncident) -> tuple[Command, ...]:
    """`spec.acknowledged` has no number, so what it answers is what was asked when it is first seen."""
    known = incident.status.acknowledged_up_to
    if incident.spec.acknowledged is (known is not None):
        return ()
    return (NoteAcknowledged(up_to=incident.status.pages if incident.spec.acknowledged else None),)
