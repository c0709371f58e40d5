"""A Job that must pass before users are sent to a fix."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import (
    ROLL_BACK,
    TO_SMALL,
    V3,
    a_cluster,
    a_gauge,
    a_policy,
    a_recovery,
    a_service,
    a_snapshot,
    a_verdict,
    at,
    contained_by_rollback,
    contained_by_switch,
    met,
    now_saying,
    revisions,
    said,
    settled,
    status_of,
)

from firebreak.adapters.kube.validations import NOT_MADE, job_from, outcome_of
from firebreak.api.v1alpha1.incident import ValidationOutcome
from firebreak.core.commands import BeginValidation, Reason, Retarget
from firebreak.core.decide import decide
from firebreak.core.observations import Failed, InForce, Waiting
from firebreak.core.situation import Situation
from firebreak.core.validation import told_to_the_job

_RELEASE = {"stableFor": "10m", "ramp": [10, 100], "validation": {"cronJob": "golden", "timeout": "20m"}}


def _a_fix_after_a_switch(**rest: Any) -> Situation:
    """v3 is deployed while all traffic is on the fallback: nothing can be measured of it."""
    s = contained_by_switch(policy=a_policy(TO_SMALL, release=_RELEASE), **rest)
    s = replace(s, revision=revisions(V3, since=at(minutes=9)), rollout=InForce(because="rolled out"))
    return settled(replace(s, objects=a_cluster(V3, weights=(0, 100, 0))), at(minutes=10))


def _shares(s: Situation, minutes: float) -> list[int]:
    return [c.given_back for c in decide(s, at(minutes=minutes)).commands if isinstance(c, Retarget)]


def test_a_job_is_called_for_before_the_first_share() -> None:
    """Its name is recorded before it is made, and is the same however often it is decided."""
    validation = status_of(_a_fix_after_a_switch()).validation
    assert validation is not None
    assert validation.job == f"summarizer-1-validate-{int(at(minutes=10).timestamp())}-1"
    assert validation.outcome is ValidationOutcome.PENDING


def test_nothing_is_given_back_before_it_has_passed() -> None:
    """And then the probe goes: it is the proof that there is without any traffic."""
    s = replace(_a_fix_after_a_switch(), validation=Waiting(because="Job runs"))
    assert _shares(s, 21) == []
    s = settled(replace(s, validation=InForce(because="Job has succeeded")), at(minutes=15))
    assert _shares(s, 21) == [10]


@pytest.mark.parametrize(
    ("seen", "minutes", "says"),
    [(Failed(because="Job has failed: 3 of 40"), 12, "3 of 40"), (Waiting(because="runs"), 31, "not ended within 20m")],
)
def test_one_that_fails_or_does_not_end_holds_the_release_and_asks(seen: Any, minutes: int, says: str) -> None:
    """What contains stays; another revision begins anew."""
    s = settled(replace(_a_fix_after_a_switch(), validation=seen), at(minutes=minutes))
    page = status_of(s).page
    assert page is not None
    assert page.reason == Reason.VALIDATION_FAILED
    assert says in page.message
    assert _shares(s, 400) == []
    another = a_snapshot("v5", seen=at(minutes=500))
    s = settled(replace(s, revision=revisions(another, since=at(minutes=500)), validation=None), at(minutes=501))
    validation = status_of(s).validation
    assert validation is not None
    assert validation.outcome is ValidationOutcome.PENDING
    assert validation.job.endswith(f"{int(at(minutes=501).timestamp())}-2")
    assert validation.revision == "v5"


def test_a_person_s_word_needs_no_job() -> None:
    """They have looked themselves."""
    s = settled(replace(_a_fix_after_a_switch(), validation=Failed(because="failed")), at(minutes=12))
    s = settled(said(s, release=True), at(minutes=13))
    assert status_of(s).actions[0].given_back == 10


def test_without_a_switch_the_incident_does_not_end_before_it_has_passed() -> None:
    """The fix serves already and looks good; the golden questions are asked all the same."""
    s = contained_by_rollback(policy=a_policy(ROLL_BACK, release=_RELEASE))
    s = replace(s, revision=revisions(V3, since=at(minutes=20), quarantined=("v2",)), objects=a_cluster(V3))
    s = settled(s, at(minutes=21))
    s = now_saying(s, met(at=at(minutes=40)), recoveries=(a_recovery(),))
    s = settled(s, at(minutes=40))
    assert status_of(s).validation is not None
    assert status_of(s).closing is None
    s = settled(replace(s, validation=InForce(because="Job has succeeded")), at(minutes=41))
    closing = status_of(s).closing
    assert closing is not None
    assert closing.reason == Reason.FIX_PROVEN


def _a_gauge_that_is_well(since: float = 60, **rest: Any) -> Situation:
    """All traffic is on the fallback because of an index that was stale; the gauge is met again."""
    release = _RELEASE | {"when": "GaugeRecovered"}
    service = a_service(a_gauge("freshness"))
    s = contained_by_switch(service=service, policy=a_policy(TO_SMALL, release=release), **rest)
    return settled(now_saying(s, met("freshness", at=at(minutes=since))), at(minutes=since))


def _flapped(s: Situation, bad: float, well: float) -> Situation:
    """The gauge is beyond its limit once more, and well again."""
    s = settled(now_saying(s, a_verdict("freshness", at=at(minutes=bad))), at(minutes=bad))
    assert status_of(s).remediating_since is None
    return settled(now_saying(s, met("freshness", at=at(minutes=well))), at(minutes=well))


def _jobs(s: Situation) -> int:
    return status_of(s).validations_asked


def test_a_gauge_must_be_well_for_a_while_before_a_job_is_run() -> None:
    """One that comes and goes runs none."""
    s = _a_gauge_that_is_well()
    for minutes in range(61, 100, 4):
        s = _flapped(s, minutes, minutes + 2)
    assert _jobs(s) == 0
    assert decide(s, at(minutes=100)).wake_at == at(minutes=109), "stableFor after the last time it got well"
    s = settled(s, at(minutes=109))
    assert _jobs(s) == 1
    assert status_of(s).validation is not None


def test_a_job_that_failed_is_not_forgotten_with_the_gauge() -> None:
    """The revision that serves has failed: nothing is given back to it, however often the gauge comes and goes."""
    s = settled(
        replace(settled(_a_gauge_that_is_well(), at(minutes=70)), validation=Failed(because="3 of 40")), at(minutes=71)
    )
    s = _flapped(s, 72, 73)
    assert _shares(s, 300) == []
    s = settled(s, at(minutes=300))
    assert _jobs(s) == 1
    page = status_of(s).page
    assert page is not None
    assert page.reason == Reason.VALIDATION_FAILED
    another = a_snapshot("v5", seen=at(minutes=290))
    fixed = settled(replace(s, revision=revisions(another, since=at(minutes=290)), validation=None), at(minutes=301))
    assert _jobs(fixed) == 2
    by_word = settled(said(s, release=True), at(minutes=302))
    assert status_of(by_word).actions[0].given_back == 10


def test_a_job_that_passed_speaks_for_its_revision_for_an_hour() -> None:
    """A try that begins within it needs no other; one that begins later, or of another revision, does."""
    s = settled(
        replace(settled(_a_gauge_that_is_well(), at(minutes=70)), validation=InForce(because="ok")), at(minutes=75)
    )
    assert status_of(_flapped(s, 76, 135)).remediating_since == at(minutes=135)
    assert _shares(_flapped(s, 76, 135), 146) == [10]
    assert _shares(_flapped(s, 76, 136), 147) == []
    assert _jobs(settled(_flapped(s, 76, 136), at(minutes=147))) == 2
    other = replace(_flapped(s, 76, 77), revision=revisions(a_snapshot("v5", seen=at(minutes=76))))
    assert _shares(other, 88) == []


def test_a_job_under_way_is_awaited_over_a_flap() -> None:
    """No second one runs beside it, and what comes of it is seen although nothing calls for it just then."""
    s = replace(settled(_a_gauge_that_is_well(), at(minutes=70)), validation=Waiting(because="Job runs"))
    s = settled(now_saying(s, a_verdict("freshness", at=at(minutes=71))), at(minutes=71))
    s = settled(replace(s, validation=Failed(because="3 of 40")), at(minutes=72))
    validation = status_of(s).validation
    assert validation is not None
    assert (validation.outcome, validation.ended_at) == (ValidationOutcome.FAILED, at(minutes=72))
    s = settled(now_saying(s, met("freshness", at=at(minutes=73))), at(minutes=73))
    assert _shares(s, 90) == []
    assert _jobs(settled(s, at(minutes=90))) == 1


def test_no_more_than_three_jobs_are_run_within_an_hour() -> None:
    """One revision after the other is deployed: the fourth waits, and the incident says until when."""
    s = _a_fix_after_a_switch()
    for i, minutes in enumerate((20, 30, 40), start=1):
        s = replace(s, revision=revisions(a_snapshot(f"w{i}", seen=at(minutes=minutes))), validation=None)
        s = settled(s, at(minutes=minutes))
    assert _jobs(s) == 3
    validation, held = status_of(s).validation, status_of(s).held
    assert validation is not None
    assert validation.revision == "w2"
    assert held is not None
    assert "held until 04:10:00Z: 3 were run within the last hour" in held.message
    assert status_of(s).page is None
    assert decide(s, at(minutes=41)).wake_at == at(minutes=50), "the Job of w2 is due first"
    s = settled(s, at(minutes=70))
    assert _jobs(s) == 4
    assert status_of(s).held is None


def test_the_name_of_a_job_fits_a_label_and_is_never_used_twice() -> None:
    """However long the incident's name is; a Job's pods carry its name as a label."""
    s = _a_gauge_that_is_well()
    assert s.incident is not None
    metadata = s.incident.metadata.model_copy(update={"name": "s" * 60 + "-1"})
    long = replace(s, incident=s.incident.model_copy(update={"metadata": metadata}))
    (begun,) = decide(long, at(minutes=70)).commands
    assert isinstance(begun, BeginValidation)
    assert len(begun.job) <= 61


def _cron_job() -> dict[str, Any]:
    container = {"name": "ask", "image": "golden:1", "env": [{"name": "A", "value": "1"}]}
    pod = {"metadata": {"labels": {"app": "golden"}}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    return {"metadata": {"name": "golden"}, "spec": {"suspend": True, "jobTemplate": {"spec": {"template": pod}}}}


def test_the_job_is_the_team_s_own_template_and_is_told_what_it_is_about() -> None:
    """It ends in time, is cleaned up, and goes with its incident."""
    s = _a_fix_after_a_switch()
    assert s.incident is not None
    env = told_to_the_job(s.incident)
    assert env["FIREBREAK_INCIDENT"] == "docs/summarizer-1"
    assert (env["FIREBREAK_REVISION"], env["FIREBREAK_BAD_REVISION"]) == ("v3", "v2")
    source = _cron_job()
    job = job_from(source, s.incident, "summarizer-1-validate-1", 1200, env)
    assert job["spec"]["activeDeadlineSeconds"] == 1200
    assert job["spec"]["ttlSecondsAfterFinished"] == 3600
    assert job["metadata"]["ownerReferences"][0]["name"] == "summarizer-1"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {e["name"]: e["value"] for e in container["env"]} == {"A": "1"} | dict(env)
    assert source == _cron_job(), "what was read is not changed"


@pytest.mark.parametrize(
    ("conditions", "kind"),
    [
        ([], Waiting),
        ([{"type": "Complete", "status": "True"}], InForce),
        ([{"type": "Failed", "status": "True", "message": "BackoffLimitExceeded"}], Failed),
        ([{"type": "Failed", "status": "False"}], Waiting),
    ],
)
def test_what_came_of_the_job_is_read_from_its_conditions(conditions: list[Any], kind: type) -> None:
    """One that is not there yet is to be made."""
    assert isinstance(outcome_of({"metadata": {"name": "j"}, "status": {"conditions": conditions}}), kind)
    assert outcome_of(None) == NOT_MADE


def test_the_times_add_up() -> None:
    """The fix is proven for stableFor after the Job as well as before."""
    s = replace(_a_fix_after_a_switch(), validation=Waiting(because="Job runs"))
    assert decide(s, at(minutes=12)).wake_at == at(minutes=10) + timedelta(minutes=20)
