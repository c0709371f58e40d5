"""When does an incident begin, and what stands in its record from the first moment?"""

from dataclasses import replace

import pytest
from tests.builders import (
    T0,
    V1,
    a_policy,
    a_ratio,
    a_service,
    a_situation,
    a_verdict,
    an_incident,
    at,
    error,
    inconclusive,
    met,
    opened,
    revisions,
    status_of,
    suspected,
)

from firebreak.core.commands import OpenIncident, Reason
from firebreak.core.decide import decide
from firebreak.core.verdict import Verdict


@pytest.mark.parametrize("verdict", [met(), inconclusive(), error()], ids=["met", "inconclusive", "error"])
def test_nothing_is_opened_without_a_breach(verdict: Verdict) -> None:
    """Missing evidence and a source that cannot be read are not breaches."""
    assert not decide(a_situation(verdict), T0).commands


def test_suspected_evidence_opens_an_incident() -> None:
    """The lower tier is enough to begin a record; what is done about it is for the ladder to say."""
    (command,) = decide(a_situation(suspected()), T0).commands
    assert isinstance(command, OpenIncident)
    assert command.reason is Reason.BREACH_SUSPECTED


def test_the_record_says_what_changed_before() -> None:
    """Both fields of the revision that differ from the known-good one are suspects, with before and after."""
    found = [(x.field, x.before, x.after) for x in status_of(opened()).suspects]
    assert found == [
        ("model", "registry/summarizer:v1", "registry/summarizer:v2"),
        ("prompt", "prompt v1", "prompt v2"),
    ]


def test_the_policy_in_force_is_copied() -> None:
    """A later edit changes the next incident, not this one."""
    policy = a_policy()
    assert status_of(opened(policy=policy)).policy == policy


def test_the_worst_category_names_the_incident() -> None:
    """Of two objectives that are breached at once, the one with the worse severity chooses severity and ladder."""
    service = a_service(a_ratio(), a_ratio("violations", category="PolicyViolation"))
    policy = a_policy(
        severity=[{"when": {"categories": ["PolicyViolation"]}, "severity": "P1"}],
        ladders=[
            {"when": {"categories": ["Hallucination"]}, "steps": [{"action": "RaiseHumanReview"}]},
            {"when": {"categories": ["PolicyViolation"]}, "steps": [{"action": "RaiseHumanReview"}]},
        ],
    )
    status = status_of(opened(a_verdict(), a_verdict("violations"), service=service, policy=policy))
    assert (status.category, status.severity, status.ladder) == ("PolicyViolation", "P1", 1)


def test_what_a_detector_still_holds_from_before_is_no_news() -> None:
    """An incident that was ended is not opened again on the evidence that it was ended on."""
    s = a_situation(a_verdict(since=T0), last_resolved=at(minutes=5))
    assert not decide(s, at(minutes=6)).commands


def test_a_new_onset_opens_another_incident() -> None:
    """What begins after the last one ended is another incident."""
    s = a_situation(a_verdict(since=at(minutes=10)), last_resolved=at(minutes=5))
    assert decide(s, at(minutes=11)).commands


def test_old_evidence_does_not_join_the_next_incident() -> None:
    """An objective that an earlier incident was ended on joins the next one only with an onset of its own."""
    service = a_service(a_ratio(), a_ratio("tone", category="QualityDegradation"))
    s = opened(a_verdict(since=at(minutes=10)), service=service, last_resolved=at(minutes=5), now=at(minutes=11))
    both = a_situation(a_verdict(since=at(minutes=10)), a_verdict("tone", since=T0)).verdicts
    s = replace(s, verdicts=both)
    assert not any(o.name == "tone" for o in status_of(s).objectives)
    commands = decide(s, at(minutes=11)).commands
    assert not any("tone" in c.because for c in commands)


def test_a_suspended_service_opens_nothing() -> None:
    """It is to be left alone."""
    assert not decide(a_situation(a_verdict(), service=a_service(suspend=True)), T0).commands


def test_a_person_may_declare_one() -> None:
    """Their description stands in the record, with the ladder of the category that they named."""
    incident = an_incident(by="person", description="answers in the wrong language", category="Hallucination")
    (command,) = decide(a_situation(met(), incident=incident), T0).commands
    assert isinstance(command, OpenIncident)
    assert (command.reason, command.because) == (Reason.DECLARED_BY_PERSON, "answers in the wrong language")


def test_a_record_that_was_not_begun_is_begun_after_a_restart() -> None:
    """Killed between making the incident and writing its record, the operator goes on from it."""
    (command,) = decide(a_situation(met(), incident=an_incident()), T0).commands
    assert isinstance(command, OpenIncident)


def test_there_are_no_suspects_without_a_known_good_revision() -> None:
    """What changed cannot be told without something to hold it against."""
    assert not status_of(opened(revision=revisions(V1, known_good=None))).suspects


def test_words_that_are_too_long_are_cut_and_hold_nothing_up() -> None:
    """Sixteen objectives with long names: the incident is opened, and what is wrong can be read."""
    names = [f"objective-{'x' * 48}-{i}" for i in range(16)]
    service = a_service(*(a_ratio(name=name) for name in names))
    s = opened(*(a_verdict(name) for name in names), service=service)
    assert 800 < len(status_of(s).summary) <= 1024
    assert "suspect:" in status_of(s).summary
