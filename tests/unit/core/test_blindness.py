"""A change of revision that breaks a judge: people are asked, nothing is done, and it ends when the judge is back."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.builders import (
    ROLL_BACK,
    T0,
    TO_SMALL,
    V1,
    a_policy,
    a_ratio,
    a_service,
    a_situation,
    a_verdict,
    action_of,
    at,
    inconclusive,
    met,
    revisions,
    said,
    settled,
    status_of,
)

from firebreak.api.v1alpha1.incident import Phase
from firebreak.core.commands import OpenIncident, Reason
from firebreak.core.coverage import Coverage, CoverageOf
from firebreak.core.decide import decide
from firebreak.core.situation import Situation

POLICY = a_policy(ROLL_BACK, TO_SMALL, release={"stableFor": "30m"})
CHANGED = T0 - timedelta(minutes=10)


def covered(judged: float = 300.0, *, lost_since: datetime | None = None) -> Coverage:
    """So much was judged in the last hour, where 300 are usual."""
    known_from = T0 - timedelta(hours=20)
    return Coverage(judged=judged, answers=6000.0, usual=0.05, known_from=known_from, lost_since=lost_since)


LOST = covered(2.0, lost_since=T0 - timedelta(minutes=8))


def blind(coverage: Coverage | None = LOST, **rest: object) -> Situation:
    """The one objective cannot be seen: its judge has stopped two minutes after v2 came."""
    known: dict[str, object] = {"policy": POLICY, "coverage": {"groundedness": coverage} if coverage else {}}
    known |= rest
    return a_situation(inconclusive(), **known)  # type: ignore[arg-type]


def begun(**rest: object) -> Situation:
    """Its incident was opened, and people were asked."""
    return settled(blind(**rest), T0)


def test_a_change_that_breaks_the_judge_opens_an_incident() -> None:
    """With what changed, since when nothing can be seen, and the numbers."""
    (command,) = decide(blind(), T0).commands
    assert isinstance(command, OpenIncident)
    assert command.reason is Reason.JUDGE_COVERAGE_LOST
    assert (command.onset, command.category, command.objectives) == (LOST.lost_since, "Hallucination", ())
    assert "2 of the last 6000 answers were judged, usually 5.0% are" in command.because
    assert "after revision v2 came" in command.because
    assert [s.field for s in status_of(begun()).suspects] == ["model", "prompt"]


def test_people_are_asked_and_nothing_is_done() -> None:
    """However long it lasts: there is no step, and the page is repeated."""
    s = begun()
    assert status_of(s).phase is Phase.AWAITING_HUMAN
    assert status_of(s).page is not None
    s = settled(s, at(hours=6))
    page = status_of(s).page
    assert page is not None
    assert (page.reason, page.times, status_of(s).actions) == (Reason.JUDGE_COVERAGE_LOST, 2, ())


@pytest.mark.parametrize(
    "lost",
    [
        covered(2.0, lost_since=CHANGED - timedelta(hours=1)),
        replace(LOST, known_from=CHANGED + timedelta(minutes=1)),
    ],
    ids=["it had stopped before the change", "the judge was seen to judge this revision"],
)
def test_a_judge_that_no_change_has_broken_opens_nothing(lost: Coverage) -> None:
    """It is told as a condition of the service, and the objective is Inconclusive."""
    assert not decide(blind(lost), T0).commands


def test_a_suspended_service_opens_nothing() -> None:
    """It is to be left alone."""
    assert not decide(blind(service=a_service(suspend=True)), T0).commands


def test_it_ends_by_itself_when_the_judge_is_back() -> None:
    """For as long as a proof takes; no sooner."""
    s = replace(begun(), coverage={"groundedness": covered()}, verdicts={"groundedness": met()})
    s = settled(s, at(hours=1))
    assert status_of(s).page is None
    assert decide(s, at(hours=1)).wake_at == at(hours=1, minutes=30)
    s = settled(s, at(hours=1, minutes=30))
    status = status_of(s)
    assert (status.phase, status.closing and status.closing.reason) == (Phase.RESOLVED, Reason.COVERAGE_BACK)


def test_half_of_what_was_usual_before_is_needed() -> None:
    """A loss that lasts becomes what is usual; the incident goes by what was usual when it began."""
    little = replace(covered(60.0), usual=0.01)
    s = settled(replace(begun(), coverage={"groundedness": little}, verdicts={"groundedness": met()}), at(hours=9))
    assert status_of(s).phase is Phase.AWAITING_HUMAN


def test_what_cannot_be_said_is_neither_lost_nor_back() -> None:
    """At night hardly anybody asks: the incident stays as it is."""
    before = begun()
    after = settled(replace(before, coverage={}), at(minutes=5))
    assert status_of(after) == status_of(before)


def test_answers_and_attempts_are_not_held_against_each_other() -> None:
    """It began with a judge that failed; now hardly one in twenty answers is judged, which is as usual."""
    failing = replace(LOST, of=CoverageOf.ATTEMPTS, judged=20.0, answers=300.0, usual=0.98)
    s = begun(coverage=failing)
    assert status_of(s).coverage[0].of == "Attempts"
    s = settled(replace(s, coverage={"groundedness": covered()}), at(hours=1))
    assert not status_of(s).coverage[0].lost


def test_a_loss_that_returns_is_told_again() -> None:
    """And the time until the end begins anew."""
    s = settled(replace(begun(), coverage={"groundedness": covered()}), at(hours=1))
    s = settled(replace(s, coverage={"groundedness": LOST}), at(hours=1, minutes=20))
    assert status_of(s).phase is Phase.AWAITING_HUMAN
    s = settled(replace(s, coverage={"groundedness": covered()}), at(hours=2))
    assert decide(s, at(hours=2)).wake_at == at(hours=2, minutes=30)


def test_a_breach_that_is_seen_after_all_is_contained() -> None:
    """By the ladder of what is breached, not of what could not be seen."""
    service = a_service(a_ratio(), a_ratio("tone", category="QualityDegradation"))
    ladders = [
        {"when": {"categories": ["Hallucination"]}, "steps": [TO_SMALL]},
        {"when": {"categories": ["QualityDegradation"]}, "steps": [ROLL_BACK]},
    ]
    s = begun(service=service, policy=a_policy(ladders=ladders))
    s = replace(s, verdicts={"groundedness": inconclusive(), "tone": a_verdict("tone")})
    s = settled(s, at(minutes=1))
    assert (status_of(s).category, [a.kind for a in status_of(s).actions]) == ("QualityDegradation", ["RollBack"])


def test_a_person_may_contain_it_all_the_same() -> None:
    """On their word, as in an incident that they declared."""
    s = settled(said(begun(), contain=True), at(minutes=1))
    assert action_of(s, "RollBack").phase == "Intended"


def test_what_was_known_when_an_incident_ended_opens_no_other() -> None:
    """A person has said that it is none."""
    assert not decide(blind(last_resolved=T0), T0).commands


def test_an_incident_without_a_record_is_begun_again() -> None:
    """Killed between the two writes, the operator writes the same record."""
    s = begun()
    assert s.incident is not None
    fresh = replace(s, incident=s.incident.model_copy(update={"status": type(s.incident.status)()}))
    assert decide(fresh, T0).commands == decide(blind(), T0).commands


def test_the_known_good_revision_without_a_change_is_not_blamed() -> None:
    """It has served for longer than is remembered."""
    assert not decide(blind(revision=revisions(V1)), T0).commands
