"""Which steps cannot be proven within their time at the rate at which answers are judged."""

from datetime import timedelta

from tests.builders import a_policy, a_service

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.core.feasibility import delay_in_words, infeasible_steps
from firebreak.core.severity import ladder_of

SPEC = a_service().spec
OBJECTIVE = next(o for o in SPEC.objectives if o.target is not None)
POLICY = a_policy()
LADDER = ladder_of(POLICY, OBJECTIVE.category)
assert LADDER is not None
ROLL_BACK = next(s for s in POLICY.ladders[LADDER].steps if s.action is ActionKind.ROLL_BACK)
assert ROLL_BACK.verify_within is not None
WITHIN = ROLL_BACK.verify_within


def test_a_step_with_less_time_than_the_evidence_takes_is_named():
    """With its place, its time, and how many more answers would have to be judged."""
    (found,) = infeasible_steps(SPEC, POLICY, {OBJECTIVE.name: WITHIN * 3})
    assert found.condition is ConditionType.VERIFICATION_FEASIBLE
    assert found.reason is ConditionReason.TOO_LITTLE_EVIDENCE
    assert f"ladders[{LADDER}].steps[" in found.message
    assert "RollBack" in found.message
    assert "3.0 times as many answers" in found.message


def test_a_delay_of_never_is_longer_than_any_time():
    """Where nothing is judged nothing can be proven."""
    (found,) = infeasible_steps(SPEC, POLICY, {OBJECTIVE.name: None})
    assert "nothing of" in found.message


def test_time_enough_is_no_problem():
    """Up to the whole of verifyWithin; moved traffic needs no evidence at all."""
    assert infeasible_steps(SPEC, POLICY, {OBJECTIVE.name: WITHIN}) == ()


def test_nothing_is_said_of_what_has_not_been_read():
    """Not known is not never; and without a policy nothing is promised."""
    assert infeasible_steps(SPEC, POLICY, {}) == ()
    assert infeasible_steps(SPEC, None, {OBJECTIVE.name: None}) == ()


def test_a_delay_is_told_as_a_duration():
    """In whole seconds, or as never."""
    assert delay_in_words(timedelta(minutes=14)) == "14m"
    assert delay_in_words(None) == "never"
