"""When a revision has proven itself: on its own answers, for long enough, with nothing wrong meanwhile."""

from dataclasses import replace
from datetime import timedelta

from tests.builders import T0, V2, a_situation, met, revisions

from firebreak.core.observations import Effect, Failed, InForce, Waiting
from firebreak.core.situation import Situation
from firebreak.core.soak import NotYet, Proven, proof_of_revision, soak_began
from firebreak.core.verdict import Health

AFTER = timedelta(hours=24)
HEALTHY = {
    "groundedness": Health(
        meets=True, because="", judged=99_999, bad=0, upper_bound=0.0, expected_delay=None, span=AFTER
    )
}
DECLARED = T0 - timedelta(hours=30)


def serving(rollout: Effect | None = None) -> Situation:
    """v2 was deployed thirty hours ago, a day is asked for, and every answer is good."""
    return replace(a_situation(met(), revision=revisions(V2, since=DECLARED)), rollout=rollout)


def test_a_day_of_good_answers_proves_a_revision() -> None:
    """It serves since thirty hours, and a day is asked for."""
    up = InForce(because="3 of 3 pods", since=DECLARED + timedelta(minutes=2))
    assert proof_of_revision(serving(up), HEALTHY, T0) == Proven(snapshot=V2)


def test_a_revision_whose_pods_never_came_up_is_not_proven_by_the_old_ones() -> None:
    """Going back to it would be going back to an image that cannot start."""
    for rollout in (Failed(because="ImagePullBackOff"), Waiting(because="1 of 3 pods")):
        found = proof_of_revision(serving(rollout), HEALTHY, T0)
        assert isinstance(found, NotYet)
        assert rollout.because in found.because


def test_the_soak_begins_when_the_pods_are_its_own() -> None:
    """The rollout was stuck until two hours ago: these two hours are what counts."""
    late = T0 - timedelta(hours=2)
    found = proof_of_revision(serving(InForce(because="3 of 3 pods", since=late)), HEALTHY, T0)
    assert isinstance(found, NotYet)
    assert found.again_at == late + AFTER


def test_an_incident_begins_the_soak_anew() -> None:
    """What was bad for an hour has not met its objectives for a day, whichever hours the history still holds."""
    s = replace(serving(), last_resolved=T0 - timedelta(hours=3))
    assert soak_began(s) == T0 - timedelta(hours=3)
    assert isinstance(proof_of_revision(s, HEALTHY, T0), NotYet)
