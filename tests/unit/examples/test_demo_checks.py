"""The demo's own checks can fail: a containment that comes too early, or without a bad sample, is told as such."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from examples.demo.acts import measured
from examples.demo.stage import ActedEarly, NotAsItShould

FIRST_BAD = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def an_incident(*, review_after: float, rolled_back_after: float) -> Mapping[str, Any]:
    """An incident that skipped one step, raised review, and rolled back, so many seconds after the first bad sample."""

    def an_action(kind: str, after: float, **more: str) -> Mapping[str, Any]:
        at = (FIRST_BAD + timedelta(seconds=after)).isoformat()
        return {"kind": kind, "phase": "InForce", "intendedAt": at, "appliedAt": at, "provenAt": at, **more}

    return {
        "status": {
            "actions": [
                an_action("DisableFeature", -30, phase="Skipped"),
                an_action("RaiseHumanReview", review_after),
                an_action("RollBack", rolled_back_after),
            ]
        }
    }


def test_the_seconds_run_from_the_first_bad_sample_to_the_containing_write() -> None:
    """Neither the change nor the opening of the incident is where they start; a skipped step is nothing done."""
    outcome = measured(
        an_incident(review_after=7, rolled_back_after=9.5), "RollBack", FIRST_BAD, "the first bad answer"
    )

    assert outcome.seconds_to_contain == 9.5


@pytest.mark.parametrize(("review_after", "rolled_back_after"), [(-1, 9.5), (-2, -1)])
def test_anything_done_before_the_first_bad_sample_is_too_early(review_after: float, rolled_back_after: float) -> None:
    """Whichever action it was, not only the one that contains."""
    with pytest.raises(ActedEarly):
        measured(
            an_incident(review_after=review_after, rolled_back_after=rolled_back_after), "RollBack", FIRST_BAD, "it"
        )


def test_a_containment_without_a_bad_sample_is_none() -> None:
    """Prometheus holds no bad sample, so there was nothing to contain."""
    with pytest.raises(NotAsItShould, match="holds a bad sample"):
        measured(an_incident(review_after=7, rolled_back_after=9), "RollBack", None, "it")
