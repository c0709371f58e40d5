"""When does an incident begin, and what is known of it then?

Asked by `decide` while a service has no open incident, or one that a person has just created.
"""

from datetime import datetime

from firebreak.api.v1alpha1.aiservice import Category
from firebreak.core.blindness import losses
from firebreak.core.commands import Move, OpenIncident, Reason
from firebreak.core.evidence import categories_of, onset_of, speaking
from firebreak.core.severity import ladder_of, severity_of, worst
from firebreak.core.situation import Situation
from firebreak.core.suspects import suspects
from firebreak.core.verdict import Tier, VerdictReason

OPENED_BY = "firebreak.dev/opened-by"
"""Label of an incident: which of the two found it. A person who creates one sets nothing."""
DETECTOR = "detector"


def opening(s: Situation, now: datetime) -> Move:
    """Open when an objective is breached at tier Suspected or above, a change has broken a judge, or a person says so."""
    ours = s.incident is not None and s.incident.metadata.labels.get(OPENED_BY) == DETECTOR
    declared = s.incident.spec if s.incident and not ours else None
    objectives = speaking(s, s.last_resolved)
    # An incident of ours without a record: killed between the two writes, so the record follows now.
    blind = () if objectives or declared else losses(s, s.last_resolved)
    if declared is None and not ours and (not (objectives or blind) or s.spec.suspend):
        return Move()
    unseen = {c.name for c in blind}
    categories = categories_of(objectives) | {o.category for o in s.spec.objectives if o.name in unseen}
    if declared and declared.category:
        categories = categories | {declared.category}
    category = worst(s.policy, categories or {Category.QUALITY_DEGRADATION})
    words = "; ".join([f"{o.name}: {o.because}" for o in objectives] + [f"{c.name}: {c.because}" for c in blind])
    sure = [v for o in objectives if (v := s.verdicts[o.name]).reaches(Tier.CONFIRMED)]
    reason = Reason.BREACH_CONFIRMED if sure else Reason.BREACH_SUSPECTED
    if sure and all(v.reason is VerdictReason.WORSE_THAN_KNOWN_GOOD for v in sure):
        reason = Reason.WORSE_THAN_KNOWN_GOOD
    if blind:
        reason = Reason.JUDGE_COVERAGE_LOST
    if declared is not None:
        reason, words = Reason.DECLARED_BY_PERSON, declared.description or words or "declared by a person"
    opened = OpenIncident(
        number=s.incident_count + 1,
        severity=(declared.severity if declared else None) or severity_of(s.policy, category),
        category=category,
        objectives=objectives,
        suspects=suspects(s.revision, objectives, s.judges),
        onset=onset_of(objectives) or min((c.lost_since for c in blind), default=now if declared else None),
        ladder=ladder_of(s.policy, category),
        reason=reason,
        because=words[:1024] or "opened before a restart; the evidence has passed since",
        coverage=blind,
    )
    return Move(commands=(opened,))
