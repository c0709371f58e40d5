"""Has the revision that serves only just changed, and what is it to be held against?

Asked by app/measuring.py in each turn, of a service that declares its revision. What must stay true: there is one
comparison for each change, begun when the revision began to serve, so that its rate of error is per change however
often one looks; and what is found long after a change is no longer put down to it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from firebreak.api.v1alpha1.aiservice import AIServiceSpec
from firebreak.api.v1alpha1.incident import AIIncident
from firebreak.core.revision import RevisionFacts

COMPARED_STEPS = 720
"""Half of the counts that are kept, so that as much is left of what served before."""
COMPARED_AT_MOST = timedelta(hours=24)
_FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of the revision, away from the known-good one."""

    since: datetime  # the new one serves
    left_known_good: datetime  # the known-good one stopped serving: then, or before others that came and went
    known_good: str
    revision: str
    labelled: bool  # the service says how its metrics name a revision
    decides_until: datetime  # so long a regression may be a breach by itself; then it only tells of the cause

    @property
    def what(self) -> tuple[datetime, datetime, str, str, bool]:
        """Which comparison it is, whatever may follow from it."""
        return self.since, self.left_known_good, self.known_good, self.revision, self.labelled


def change_of(
    spec: AIServiceSpec, facts: RevisionFacts, incident: AIIncident | None, step: timedelta, now: datetime
) -> Change | None:
    """The change to judge, by steps of this length; None when there is none, or it is too long ago.

    While an incident is open, whatever opened it, the change is compared on to tell whether it is the cause. One that
    was opened in time is judged by it to its end: what is asked of people must not vanish with the hour.
    """
    if spec.revision is None or facts.current is None or facts.since is None or facts.known_good is None:
        return None
    if facts.current.digest == facts.known_good.digest:
        return None
    detected = incident.status.detected_at if incident else None
    fresh_until = facts.since + min(COMPARED_STEPS * step, COMPARED_AT_MOST)
    is_proven = facts.current.known_good_since is not None
    if incident is None and (is_proven or now >= fresh_until):
        return None
    decides_until = facts.since if is_proven else fresh_until
    if detected is not None and detected < decides_until:
        decides_until = _FOR_EVER
    return Change(
        since=facts.since,
        left_known_good=facts.left_known_good or facts.since,
        known_good=facts.known_good.name,
        revision=facts.current.name,
        labelled=spec.revision.metric_label is not None,
        decides_until=decides_until,
    )
