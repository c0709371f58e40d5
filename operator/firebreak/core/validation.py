"""Has the fix passed the team's own questions? Asked by core/release.py before users are sent to it.

A Job is the only proof there is while the primary has no traffic. One that fails, or does not end in time, holds the
release and asks people; another revision is tried anew, and a person's word needs no Job.
What came of a Job is about a revision, not about one try to give back: a gauge that comes and goes neither clears what
has failed nor runs the same questions again and again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from firebreak.api.v1alpha1.incident import AIIncident, AIIncidentStatus, Validation, ValidationOutcome
from firebreak.api.v1alpha1.policy import Release
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.commands import BeginValidation, Concern, Move, Reason, SeeValidated
from firebreak.core.observations import Failed, InForce
from firebreak.core.situation import Situation

PASSED_FOR = timedelta(hours=1)
"""A Job that has passed speaks for a try that begins so much later at most: what it asked may be different since."""
JOBS_AN_HOUR = 3
"""So many Jobs are run for an incident within any hour: they cost somebody, and may load what they ask."""
_HOUR = timedelta(hours=1)


def watch(s: Situation, incident: AIIncident, now: datetime) -> Move:
    """See what comes of the Job that is under way, also when what called for it is gone."""
    status = incident.status
    if status.validation is None or status.validation.outcome is not ValidationOutcome.PENDING:
        return Move()
    validation = status.policy.release.validation if status.policy else None
    due = status.validation.since + (validation.timeout if validation else timedelta())
    if isinstance(s.validation, InForce):
        return _seen(ValidationOutcome.PASSED, Reason.VALIDATED, s.validation.because)
    if isinstance(s.validation, Failed):
        return _seen(ValidationOutcome.FAILED, Reason.VALIDATION_FAILED, s.validation.because)
    if now >= due:
        words = f"Job {status.validation.job} has not ended within {format_duration(due - status.validation.since)}"
        return _seen(ValidationOutcome.FAILED, Reason.VALIDATION_FAILED, words)
    return Move(wake_at=due)


def validated(s: Situation, incident: AIIncident, release: Release, now: datetime) -> Move | None:
    """What is to be done before the fix counts as validated; None when it is, or need not be."""
    if release.validation is None:
        return None
    known = _of_this_fix(s, incident.status)
    if known is None:
        return _begin(s, incident, release.validation.cron_job, now)
    match known.outcome:
        case ValidationOutcome.PASSED:
            return None
        case ValidationOutcome.FAILED:
            words = f"{known.message}: deploy another revision, or give back by kubectl firebreak release"
            return Move(concern=Concern(reason=Reason.VALIDATION_FAILED, subject=known.job, because=words))
        case ValidationOutcome.PENDING:
            return Move(wake_at=known.since + release.validation.timeout)


def _of_this_fix(s: Situation, status: AIIncidentStatus) -> Validation | None:
    """What is known of the revision that serves now, if it is still to be believed."""
    known = status.validation
    if known is None or known.revision != _revision(s, status):
        return None
    assert status.remediating_since is not None, "only a fix is validated"
    is_old = (known.ended_at or known.since) + PASSED_FOR < status.remediating_since
    return None if known.outcome is ValidationOutcome.PASSED and is_old else known


def _revision(s: Situation, status: AIIncidentStatus) -> str:
    """What the Job is about: the fix, or what serves when a gauge says that its cause is gone."""
    current = s.revision.current
    return (status.remediated_revision or (current.name if current else ""))[:63]


def _begin(s: Situation, incident: AIIncident, cron_job: str, now: datetime) -> Move:
    status = incident.status
    assert status.remediating_since is not None, "only a fix is validated"
    lately = [at for at in status.validations_begun if now < at + _HOUR]
    if len(lately) >= JOBS_AN_HOUR:
        again = min(lately) + _HOUR
        words = f"the next Job is held until {again:%H:%M:%SZ}: {len(lately)} were run within the last hour"
        return Move(concern=Concern(reason=Reason.VALIDATING, because=words, holds=True, pages=False), wake_at=again)
    # Recorded before it is made, so that it is made once however often that is tried; no name is ever used twice.
    number = status.validations_asked + 1
    job = f"{incident.metadata.name[:36]}-validate-{int(status.remediating_since.timestamp())}-{number}"
    because = f"Job {job} of CronJob {cron_job} is to pass before anything is given back"
    begun = BeginValidation(job=job, revision=_revision(s, status), reason=Reason.VALIDATING, because=because)
    return Move(commands=(begun,))


def _seen(outcome: ValidationOutcome, reason: Reason, because: str) -> Move:
    return Move(commands=(SeeValidated(outcome=outcome, reason=reason, because=because[:1024]),))


def told_to_the_job(incident: AIIncident) -> Mapping[str, str]:
    """What the Job gets to know, as its environment: enough to find the inputs that failed, of which Firebreak has none."""
    status = incident.status
    onset = status.onset or status.detected_at
    return {
        "FIREBREAK_INCIDENT": f"{incident.metadata.namespace}/{incident.metadata.name}",
        "FIREBREAK_SERVICE": incident.spec.service,
        "FIREBREAK_REVISION": status.validation.revision if status.validation else status.remediated_revision,
        "FIREBREAK_BAD_REVISION": status.revision,
        "FIREBREAK_OBJECTIVES": ",".join(o.name for o in status.objectives),
        "FIREBREAK_ONSET": onset.isoformat(timespec="seconds") if onset else "",
        "FIREBREAK_SEGMENTS": "\n".join(status.exposure.segments),
    }
