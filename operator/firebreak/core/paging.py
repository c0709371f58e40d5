"""When are people asked, and when again?

Asked by `decide` at the end of a turn in which nothing else was to be done.
A page repeats until someone acknowledges it on the incident, or until it is no longer so.
"""

from datetime import datetime, timedelta

from firebreak.api.v1alpha1.incident import AIIncident
from firebreak.core.commands import AskPeople, Concern, Move, Reason, StopAsking

PAGE_EVERY = timedelta(minutes=15)


def page(incident: AIIncident, concern: Concern | None, now: datetime) -> Move:
    """Ask about the most pressing concern; stop asking when there is none."""
    asked = incident.status.page
    if concern is None:
        if asked is None:
            return Move()
        return Move(
            commands=(StopAsking(reason=Reason(asked.reason), because=f"no longer so: {asked.message}"[:1024]),)
        )
    ask = AskPeople(reason=concern.reason, because=concern.because[:1024])
    if asked is None or asked.reason != concern.reason:
        return Move(commands=(ask,))
    if incident.spec.acknowledged:
        return Move()
    again = asked.repeated_at + PAGE_EVERY
    return Move(commands=(ask,)) if now >= again else Move(wake_at=again)
