"""Which change of revision is judged, for how long, and what an incident that it opens says."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.builders import (
    T0,
    V1,
    a_ratio,
    a_service,
    a_situation,
    a_snapshot,
    a_verdict,
    an_incident,
    opened,
    revisions,
    status_of,
)

from firebreak.api.v1alpha1 import AIIncident
from firebreak.core.commands import OpenIncident, Reason, TakeStep
from firebreak.core.decide import decide
from firebreak.core.just_changed import COMPARED_AT_MOST, COMPARED_STEPS, change_of
from firebreak.core.revision import RevisionFacts
from firebreak.core.verdict import Verdict, VerdictReason

MINUTE = timedelta(minutes=1)
SPEC = a_service().spec
JUST_NOW = T0 + timedelta(minutes=5)


def facts(**changes: object) -> RevisionFacts:
    """v2 serves since T0, and v1 is known to be good."""
    return replace(revisions(since=T0), **changes)  # type: ignore[arg-type]


def found_at(moment: datetime) -> AIIncident:
    """An incident that was detected then."""
    incident = an_incident()
    return incident.model_copy(update={"status": incident.status.model_copy(update={"detected_at": moment})})


def test_a_change_away_from_the_known_good_revision_is_judged():
    """Since when, and of which two."""
    found = change_of(SPEC, facts(), None, MINUTE, JUST_NOW)
    assert found is not None
    assert (found.since, found.known_good, found.revision) == (T0, "v1", "v2")
    assert not found.labelled, "its metrics do not name revisions"
    assert found.decides_until > JUST_NOW


@pytest.mark.parametrize(
    "known",
    [
        facts(current=V1),
        facts(known_good=None),
        facts(current=None),
        facts(since=None),
        facts(current=replace(a_snapshot("v2", seen=T0), known_good_since=T0)),
    ],
    ids=["known-good", "none-proven", "unreadable", "since-unknown", "proven"],
)
def test_nothing_is_judged_where_nothing_can_be_compared(known):
    """The known-good one serves, none is known, or what serves is proven itself."""
    assert change_of(SPEC, known, None, MINUTE, JUST_NOW) is None


def test_a_service_without_revisions_is_not_compared():
    """What it served before is not known."""
    assert change_of(SPEC.model_copy(update={"revision": None}), facts(), None, MINUTE, JUST_NOW) is None


@pytest.mark.parametrize(
    ("step", "longest"),
    [
        (MINUTE, timedelta(hours=12)),
        (timedelta(seconds=2), timedelta(minutes=24)),
        (timedelta(minutes=10), COMPARED_AT_MOST),
    ],
)
def test_it_is_judged_for_half_of_what_is_kept_and_a_day_at_most(step, longest):
    """So that as much is left of what served before."""
    assert min(COMPARED_STEPS * step, COMPARED_AT_MOST) == longest
    assert change_of(SPEC, facts(), None, step, T0 + longest - MINUTE) is not None
    assert change_of(SPEC, facts(), None, step, T0 + longest) is None


def test_an_incident_that_it_opened_in_time_is_judged_by_it_to_its_end():
    """An approval that is awaited is not withdrawn because twelve hours are over."""
    incident = found_at(T0 + timedelta(hours=11))
    found = change_of(SPEC, facts(), incident, MINUTE, T0 + timedelta(hours=20))
    assert found is not None
    assert T0 + timedelta(days=365) < found.decides_until


def test_in_a_later_incident_it_only_tells_whether_the_change_is_the_cause():
    """As attribution asks, and no verdict rests on it."""
    now = T0 + timedelta(hours=20)
    found = change_of(SPEC, facts(), found_at(now), MINUTE, now)
    assert found is not None
    assert found.decides_until < now


def worse(name: str = "groundedness") -> Verdict:
    """Just changed: worse than the known-good revision, and than the objective."""
    return replace(
        a_verdict(name), reason=VerdictReason.WORSE_THAN_KNOWN_GOOD, because="v2 is worse than the known-good v1"
    )


def test_an_incident_that_a_regression_opens_says_so():
    """Its reason and words name both revisions, and the ladder goes back to the known-good one."""
    (command,) = decide(a_situation(worse()), T0).commands
    assert isinstance(command, OpenIncident)
    assert command.reason is Reason.WORSE_THAN_KNOWN_GOOD
    assert "v2 is worse than the known-good v1" in command.because
    (told,) = status_of(opened(worse())).objectives
    assert (told.tier, told.because) == ("Confirmed", "v2 is worse than the known-good v1")
    steps = [c for c in decide(opened(worse()), T0 + MINUTE).commands if isinstance(c, TakeStep)]
    assert steps


def test_where_the_objective_alone_is_as_sure_it_is_named_first():
    """Two objectives, one of them found by the objective itself: a breach as any other."""
    service = a_service(a_ratio(), a_ratio("tone"))
    (command,) = decide(a_situation(worse(), a_verdict("tone"), service=service), T0).commands
    assert isinstance(command, OpenIncident)
    assert command.reason is Reason.BREACH_CONFIRMED
