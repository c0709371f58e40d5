"""Has the fix passed the team's own questions? Asked by core/release.py before users are sent to it.

A Job is the only proof there is while the primary has no traffic. One that fails, or does not end in time, holds the
release and asks people; another revision is tried anew, and a person's word needs no Job.
"""

from collections.abc import Mapping
from datetime import datetime

from firebreak.api.v1alpha1.incident import AIIncident, AIIncidentStatus, ValidationOutcome
from firebreak.api.v1alpha1.policy import Release
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.commands import BeginValidation, Concern, Move, Reason, SeeValidated
from firebreak.core.observations import Failed, InForce
from firebreak.core.situation import Situation


def validated(s: Situation, incident: AIIncident, release: Release, now: datetime) -> Move | None:
    """What is to be done before the fix counts as validated; None when it is, or need not be."""
    status = incident.status
    if release.validation is None:
        return None
    if status.validation is None:
        assert status.remediating_since is not None
        job = f"{incident.metadata.name[:44]}-validate-{int(status.remediating_since.timestamp())}"
        because = f"Job {job} of CronJob {release.validation.cron_job} is to pass before anything is given back"
        return Move(commands=(BeginValidation(job=job, reason=Reason.VALIDATING, because=because),))
    match status.validation.outcome:
        case ValidationOutcome.PASSED:
            return None
        case ValidationOutcome.FAILED:
            words = f"{status.validation.message}: deploy another revision, or give back by kubectl firebreak release"
            concern = Concern(reason=Reason.VALIDATION_FAILED, subject=status.validation.job, because=words)
            return Move(concern=concern)
        case ValidationOutcome.PENDING:
            return _awaited(s, status, release, now)


def _awaited(s: Situation, status: AIIncidentStatus, release: Release, now: datetime) -> Move:
    assert release.validation is not None
    assert status.validation is not None
    due = status.validation.since + release.validation.timeout
    if isinstance(s.validation, InForce):
        return _seen(ValidationOutcome.PASSED, Reason.VALIDATED, s.validation.because)
    if isinstance(s.validation, Failed):
        return _seen(ValidationOutcome.FAILED, Reason.VALIDATION_FAILED, s.validation.because)
    if now >= due:
        words = f"Job {status.validation.job} has not ended within {format_duration(release.validation.timeout)}"
        return _seen(ValidationOutcome.FAILED, Reason.VALIDATION_FAILED, words)
    return Move(wake_at=due)


def _seen(outcome: ValidationOutcome, reason: Reason, because: str) -> Move:
    return Move(commands=(SeeValidated(outcome=outcome, reason=reason, because=because[:1024]),))


def told_to_the_job(incident: AIIncident) -> Mapping[str, str]:
    """What the Job gets to know, as its environment: enough to find the inputs that failed, of which Firebreak has none."""
    status = incident.status
    onset = status.onset or status.detected_at
    return {
        "FIREBREAK_INCIDENT": f"{incident.metadata.namespace}/{incident.metadata.name}",
        "FIREBREAK_SERVICE": incident.spec.service,
        "FIREBREAK_REVISION": status.remediated_revision,
        "FIREBREAK_BAD_REVISION": status.revision,
        "FIREBREAK_OBJECTIVES": ",".join(o.name for o in status.objectives),
        "FIREBREAK_ONSET": onset.isoformat(timespec="seconds") if onset else "",
        "FIREBREAK_SEGMENTS": "\n".join(status.exposure.segments),
    }
