"""What changed around the onset, and could have caused it, or could have made it look so?

Asked by core/opening.py. A field of the revision that differs from the known-good one is a suspect. A judge that began
around the onset, while another was there before, is one of another kind: the measuring device has changed, and it may be
that only what is measured of the service has.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from firebreak.api.v1alpha1.incident import BreachedObjective, Suspect
from firebreak.core.attribution import SLACK
from firebreak.core.revision import RevisionFacts, changes, shorten

JUDGE_BEFORE = timedelta(hours=1)
"""How long before the earliest possible onset a change of judge is still suspect."""
NEW_DEVICE = "the measuring device has changed, not the service: let both judge the same answers before you conclude"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSeen:
    """The value of the label `judge` in an objective's series, and when it first came."""

    objective: str
    judge: str
    since: datetime


def suspects(
    facts: RevisionFacts, breached: Collection[BreachedObjective] = (), judges: Iterable[JudgeSeen] = ()
) -> tuple[Suspect, ...]:
    """What differs from the last revision proven good; and the judges of what is breached that came around its onset."""
    found: list[Suspect] = []
    if facts.current is not None and facts.known_good is not None and facts.since is not None:
        found += changes(facts.known_good, facts.current, facts.left_known_good or facts.since)
    seen = tuple(judges)
    for objective in breached:
        if objective.onset is None:
            continue
        first = (objective.onset_earliest or objective.onset) - JUDGE_BEFORE
        last = (objective.onset_latest or objective.onset) + SLACK
        own = [j for j in seen if j.objective == objective.name]
        before = sorted(j.judge for j in own if j.since < first)
        found += [
            Suspect(
                field=f"judge of {objective.name}"[:63],
                before=shorten(", ".join(before)),
                after=shorten(j.judge),
                changed_at=j.since,
                note=NEW_DEVICE,
            )
            for j in own
            if before and first <= j.since <= last
        ]
    return tuple(found[:16])
