"""Earlier incidents count although they were deleted, once each, and by their own record while that is there."""

from dataclasses import replace
from datetime import datetime

from tests.builders import KEY, ROLL_BACK, T0, a_policy, an_incident, at, opened, settled, status_of

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.aiservice import AIServiceStatus
from firebreak.api.v1alpha1.incident import AIIncidentStatus, Resolution
from firebreak.core.commands import Reason
from firebreak.core.memory import LONGEST, kept, remembered
from firebreak.core.situation import PastContainment

NAME = KEY.name
NOTHING = AIServiceStatus()


def ended(number: int, *, begun: datetime, over: datetime, kind: str = "RollBack") -> AIIncident:
    action = {
        "id": "l0-s0",
        "ladder": 0,
        "step": 0,
        "kind": kind,
        "phase": "Kept",
        "reason": "EvidenceReached",
        "because": "surely bad",
        "intendedAt": begun,
        "appliedAt": begun,
    }
    status = {"phase": "Resolved", "detectedAt": begun, "resolvedAt": over, "actions": [action]}
    incident = an_incident(AIIncidentStatus.model_validate(status))
    return incident.model_copy(update={"metadata": incident.metadata.model_copy(update={"name": f"{NAME}-{number}"})})


def test_a_deleted_incident_counts_still() -> None:
    """What the status was told before the incident could be deleted is what the limits go by afterwards."""
    incident = ended(4, begun=at(hours=-1), over=at(minutes=-5))
    memory = remembered(NAME, kept(NOTHING, remembered(NAME, NOTHING, (incident,))), ())
    assert memory.past == (PastContainment(incident=f"{NAME}-4", at=at(hours=-1), ended_at=at(minutes=-5)),)
    assert memory.last_resolved == at(minutes=-5)
    assert memory.incident_count == 4


def test_what_was_bad_is_remembered_from_its_onset_and_a_false_alarm_as_that() -> None:
    """What clustering is measured on is cut by it, long after the incident was deleted."""
    incident = ended(4, begun=at(hours=-1), over=at(minutes=-5))
    incident = incident.model_copy(update={"status": incident.status.model_copy(update={"onset": at(hours=-2)})})
    (known,) = kept(NOTHING, remembered(NAME, NOTHING, (incident,))).containments
    assert (known.onset, known.false_alarm) == (at(hours=-2), False)
    spec = incident.spec.model_copy(update={"resolution": Resolution.FALSE_ALARM})
    called = kept(NOTHING, remembered(NAME, NOTHING, (incident.model_copy(update={"spec": spec}),)))
    assert called.containments[0].false_alarm
    again = kept(called, remembered(NAME, called, ()))
    assert again.containments == called.containments


def test_an_incident_that_is_there_and_remembered_counts_once() -> None:
    """Killed between the memory and the record, the record is written later: it knows best when the incident was over."""
    early = kept(NOTHING, remembered(NAME, NOTHING, (ended(1, begun=at(hours=-1), over=at(minutes=-5)),)))
    memory = remembered(NAME, early, (ended(1, begun=at(hours=-1), over=at(minutes=-4)),))
    assert [p.ended_at for p in memory.past] == [at(minutes=-4)]


def test_a_number_is_never_used_again() -> None:
    """The highest ever given counts, although that incident is gone and older ones are still there."""
    status = AIServiceStatus(incident_count=7)
    assert remembered(NAME, status, (ended(5, begun=T0, over=at(minutes=1)),)).incident_count == 7
    assert remembered(NAME, status, (ended(9, begun=T0, over=at(minutes=1)),)).incident_count == 9


def test_review_alone_is_no_containment() -> None:
    """It changes nothing for users, so it uses up no limit; that the incident is over is known all the same."""
    memory = remembered(NAME, NOTHING, (ended(1, begun=T0, over=at(minutes=1), kind="RaiseHumanReview"),))
    assert memory.past == ()
    assert memory.last_resolved == at(minutes=1)


def test_the_latest_are_kept() -> None:
    """As many as a policy can count; what reaches further back cannot matter."""
    incidents = tuple(ended(i, begun=at(minutes=i), over=at(minutes=i, seconds=30)) for i in range(LONGEST + 20))
    status = kept(NOTHING, remembered(NAME, NOTHING, incidents))
    assert len(status.containments) == LONGEST
    assert status.containments[0].incident == f"{NAME}-20"


def test_the_cooldown_holds_although_the_incident_was_deleted() -> None:
    """Deleting a resolved incident is tidying up, not a wish for the next containment."""
    status = kept(NOTHING, remembered(NAME, NOTHING, (ended(1, begun=at(hours=-1), over=at(minutes=-5)),)))
    s = replace(opened(policy=a_policy(ROLL_BACK)), past=remembered(NAME, status, ()).past)
    page = status_of(settled(s, T0)).page
    assert page is not None
    assert page.reason == Reason.COOLDOWN
