"""Is the change the cause? By time, and by the numbers of the two revisions where they are clear."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from tests.builders import T0, V1, a_snapshot, revisions

from firebreak.core.attribution import Attributed, NotAttributed, attribution
from firebreak.core.commands import Reason
from firebreak.core.comparison import Comparison
from firebreak.core.detectors.regression import before_after, side_by_side
from firebreak.core.estimates import interval
from firebreak.core.revision import RevisionFacts

STEP = timedelta(minutes=1)
ALLOWED = 0.05


def compared(
    known: float, new: float, *, together: bool = False, labelled: bool = True, known_steps: int = 600, steps: int = 300
) -> Comparison:
    """Exactly these shares of bad, at 100 judged a step."""
    if together:
        known_steps = steps
    known_bad, known_judged = np.full(known_steps, 100 * known), np.full(known_steps, 100.0)
    bad, judged = np.full(steps, 100 * new), np.full(steps, 100.0)
    found = (
        side_by_side(known_bad, known_judged, bad, judged, 0.1)
        if together
        else before_after(known_bad, known_judged, bad, judged, 0.1)
    )
    return Comparison(
        found=found,
        labelled=labelled,
        side_by_side=together,
        known_judged=known_judged.sum(),
        known_bad=known_bad.sum(),
        known_interval=interval(known_bad.sum(), known_judged.sum(), 11.0),
        allowed=ALLOWED,
    )


def answer(**comparisons: Comparison) -> Attributed | NotAttributed:
    """What began just after v2 came, with these objectives breached."""
    return attribution(revisions(), T0, STEP, tuple(comparisons), comparisons)


def after_a_third(onset_minutes: int, **marks: bool) -> Attributed | NotAttributed:
    """v1 was good until T0, v2 served for twenty minutes, and v3 serves now."""
    second = replace(a_snapshot("v2", seen=T0), **marks)
    third = a_snapshot("v3", seen=T0 + timedelta(minutes=20))
    facts = RevisionFacts(
        current=third, since=third.first_seen, left_known_good=T0, history=(V1, second, third), known_good=V1
    )
    return attribution(facts, T0 + timedelta(minutes=onset_minutes), STEP)


def test_a_deployment_after_the_bad_one_does_not_hide_it():
    """It began under v2; v3 came before anybody could tell, and going back to v1 cures both."""
    found = after_a_third(2)
    assert isinstance(found, Attributed)
    assert (found.known_good, f"changed at {T0:%H:%M:%SZ}" in found.because) == (V1, True)


def test_what_began_under_the_known_good_revision_is_not_the_change():
    """Going back to what it began with is no cure."""
    found = after_a_third(-10)
    assert isinstance(found, NotAttributed)
    assert (found.reason, "when v1 still served" in found.because) == (Reason.CHANGE_AFTER_ONSET, True)


def test_a_migration_on_the_way_back_is_not_crossed():
    """The revision that serves may be gone back from; the one before it may not."""
    found = after_a_third(2, rollbackable=False)
    assert isinstance(found, NotAttributed)
    assert (found.reason, "v2" in found.because) == (Reason.NOT_ROLLBACKABLE, True)


def test_a_regression_is_attributed_with_its_numbers():
    """The time says when, the numbers say by how much."""
    found = answer(quality=compared(0.01, 0.2))
    assert isinstance(found, Attributed)
    assert found.known_good == V1
    assert "6000 of 30000 judged (20.0%) bad since the change" in found.because
    assert "(1.0%" in found.because


def test_both_worse_together_is_upstream():
    """The known-good revision serves beside and is as bad: going back to it cures nothing."""
    found = answer(quality=compared(0.2, 0.2, together=True))
    assert isinstance(found, NotAttributed)
    assert found.reason is Reason.WORSE_TOGETHER
    assert "20.0%" in found.because


def test_as_bad_before_the_change_is_not_the_change():
    """What is called known good missed the objective itself."""
    found = answer(quality=compared(0.2, 0.2))
    assert isinstance(found, NotAttributed)
    assert found.reason is Reason.NOT_WORSE


@pytest.mark.parametrize(
    "comparison",
    [
        compared(0.01, 0.2, known_steps=1, steps=1),
        compared(0.2, 0.2, known_steps=1),
        compared(0.2, 0.2, steps=1),
        compared(0.2, 0.2, labelled=False),
        compared(0.04, 0.06),
    ],
    ids=["thin", "thin known-good", "thin since", "not told apart by label", "known-good met the objective"],
)
def test_what_the_numbers_leave_open_is_decided_by_time(comparison):
    """Thin knowledge vetoes nothing, and a known-good revision that met its objective is worth going back to."""
    assert isinstance(answer(quality=comparison), Attributed)


def test_one_objective_that_is_not_compared_leaves_it_to_time():
    """A gauge or a count of events may be the one that the change has broken."""
    found = attribution(
        revisions(), T0, STEP, ("quality", "violations"), {"quality": compared(0.2, 0.2, together=True)}
    )
    assert isinstance(found, Attributed)


def test_what_began_before_the_change_is_not_the_change():
    """Whatever the numbers say."""
    facts = revisions(since=T0 + timedelta(hours=1))
    found = attribution(facts, T0, STEP, ("quality",), {"quality": compared(0.01, 0.2)})
    assert isinstance(found, NotAttributed)
    assert found.reason is Reason.CHANGE_AFTER_ONSET
