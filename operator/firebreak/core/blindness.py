"""Has a change of revision broken a judge, and is that over?

Asked by `decide`. Nobody can see what the answers are like then: an incident is opened and people are asked, and nothing
else follows from it. A step is taken only on a breach, which an objective that cannot be seen never has
(app/sampler.py), or on a person's word. It ends by itself when as much is judged again as half of what was usual.
A judge that stops while the revision stays what it was opens nothing: that is told as a condition.
"""

from datetime import datetime

from firebreak.api.v1alpha1.incident import AIIncident, AIIncidentStatus, CoverageLoss
from firebreak.api.v1alpha1.policy import Release
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.attribution import SLACK
from firebreak.core.commands import BeginClosing, Concern, Move, Reason, UpdateCoverage
from firebreak.core.containment import is_anything_in_force
from firebreak.core.coverage import BACK_ABOVE, Coverage, CoverageOf
from firebreak.core.situation import Situation


def losses(s: Situation, after: datetime | None = None) -> tuple[CoverageLoss, ...]:
    """The objectives whose judges have stopped since the revision changed; what was known when one ended is no news."""
    found = []
    for objective in s.spec.objectives:
        coverage = s.coverage.get(objective.name)
        if coverage is None or coverage.lost_since is None or s.revision.since is None or s.revision.current is None:
            continue
        began = coverage.lost_since
        # Usual was seen before the change, and it was lost after it.
        if not coverage.known_from <= s.revision.since <= began + SLACK + objective.detector.step:
            continue
        if after is not None and began <= after:
            continue
        words = f"{coverage}, since {began:%H:%M:%SZ}, after revision {s.revision.current.name} came at "
        words += f"{s.revision.since:%H:%M:%SZ}: does it break the judge?"
        found.append(
            CoverageLoss(name=objective.name, of=coverage.of, lost_since=began, usual=coverage.usual, because=words)
        )
    return tuple(found)


def is_blind(status: AIIncidentStatus) -> bool:
    """Whether something that the incident began with cannot be seen still."""
    return any(c.lost for c in status.coverage)


def watch(s: Situation, incident: AIIncident, now: datetime) -> Move:
    """Follow the judges of an incident that began because one stopped; ask people meanwhile, and end it after."""
    status = incident.status
    if not status.coverage:
        return Move()
    known = {c.name for c in status.coverage}
    seen = tuple(_seen(s, c, now) for c in status.coverage) + tuple(c for c in losses(s) if c.name not in known)
    if seen != status.coverage:
        moved = [c for c in seen if c not in status.coverage]
        words = "; ".join(f"{c.name}: {c.because}" if c.lost else f"{c.name} is judged again" for c in moved)
        reason = Reason.JUDGE_COVERAGE_LOST if any(c.lost for c in moved) else Reason.COVERAGE_BACK
        return Move(commands=(UpdateCoverage(coverage=seen[:16], reason=reason, because=words[:1024]),))
    lost = [c for c in seen if c.lost]
    if lost:
        told = "; ".join(f"{c.name}: {c.because}" for c in lost)
        words = f"it cannot be seen what the answers are like, and nothing is done about that: {told[:800]} Repair the "
        words += "judge, or deploy a revision that it can judge"
        subject = ", ".join(sorted(c.name for c in lost))[:253]
        return Move(concern=Concern(reason=Reason.JUDGE_COVERAGE_LOST, subject=subject, because=words))
    if status.objectives or status.remediating_since is not None or is_anything_in_force(status):
        return Move()
    stable = (status.policy.release if status.policy else Release()).stable_for
    over = max(c.back_at for c in seen if c.back_at) + stable
    if now < over:
        return Move(wake_at=over)
    because = f"the judge has been back for {format_duration(stable)}, and no objective is breached"
    return Move(commands=(BeginClosing(reason=Reason.COVERAGE_BACK, because=because),))


def _seen(s: Situation, loss: CoverageLoss, now: datetime) -> CoverageLoss:
    still = s.spec.answers is not None or loss.of == CoverageOf.ATTEMPTS
    is_asked = still and any(o.name == loss.name for o in s.spec.objectives)
    coverage = s.coverage.get(loss.name)
    if is_asked and coverage is None:
        return loss  # while it cannot be said it is neither lost nor back
    if is_asked and coverage is not None and (coverage.is_lost or not _is_back(loss, coverage)):
        return loss if loss.lost or not coverage.is_lost else loss.model_copy(update={"lost": True, "back_at": None})
    return loss.model_copy(update={"lost": False, "back_at": now}) if loss.lost else loss


def _is_back(loss: CoverageLoss, coverage: Coverage) -> bool:
    """Held against what was usual before the loss: a loss that lasts becomes what is usual now."""
    if loss.of != coverage.of:
        return True  # of what was lost nothing is said any more, and the other is not lost
    return coverage.judged >= BACK_ABOVE * loss.usual * coverage.answers
