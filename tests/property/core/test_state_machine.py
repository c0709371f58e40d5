"""No order of events makes a containment do harm, or leaves it without a way on: every reachable state is looked at."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import settings
from tests.property.core.containment_world import Setting, World, Written, acted, decided, situation_of
from tests.property.core.model_search import Found, search
from tests.property.core.questions import Case, small_cases, wide_cases

from firebreak.core.commands import (
    AskApproval,
    AskPeople,
    BeginClosing,
    BeginRemedy,
    Command,
    Decision,
    KeepAsking,
    Reason,
)
from firebreak.core.decide import decide
from firebreak.core.wish import plan_of

SMALL, WIDE = small_cases(), wide_cases()
IS_THOROUGH = settings.get_current_profile_name() == "thorough"
AT_MOST = 150_000 if IS_THOROUGH else 3_000


def searched(case: Case, at_most: int = 100_000) -> Found:
    return search(case.setting, [case.start], case.events, must_end=case.must_end, at_most=at_most)


@pytest.mark.parametrize("question", SMALL)
def test_no_order_of_events_breaks_a_rule(question: str) -> None:
    """Never two at once, never on thin evidence, never beyond the limits, never stuck, and all given back at the end."""
    found = searched(SMALL[question])
    print(f"{question}: {found.states} states, {found.steps} steps, {found.ends} ends")
    assert not found.broken, "\n".join(found.broken)
    assert found.is_complete
    assert found.ends or not SMALL[question].must_end


@pytest.mark.parametrize("question", WIDE)
def test_no_rule_is_broken_within_so_many_states(question: str) -> None:
    """The same with more that may happen, breadth first, as far as the time goes."""
    found = searched(WIDE[question], AT_MOST)
    print(f"{question}: {found.states} states, {found.steps} steps, complete: {found.is_complete}")
    assert not found.broken, "\n".join(found.broken)


def on_a_guess(setting: Setting, w: World) -> Decision:
    """Missing evidence is read as the worst."""
    return decided(setting, replace(w, verdicts=tuple("Confirmed" if v == "Inconclusive" else v for v in w.verdicts)))


def paused_or_not(setting: Setting, w: World) -> Decision:
    """The pause is not looked at."""
    return decided(setting, replace(w, is_paused=False))


def approved_for_ever(setting: Setting, w: World) -> Decision:
    """Whoever has approved once is taken to approve of everything."""
    if w.status is None or w.status.approval is None or w.said.approval is None:
        return decided(setting, w)
    request = w.status.approval.model_copy(update={"request": w.said.approval.request})
    return decided(setting, replace(w, status=w.status.model_copy(update={"approval": request})))


def approved_by_number(setting: Setting, w: World) -> Decision:
    """Whatever the step would do by now is taken for what was approved."""
    if w.status is None or w.status.approval is None:
        return decided(setting, w)
    anew = decided(setting, replace(w, status=w.status.model_copy(update={"approval": None}))).commands
    plans = [plan_of(c.action) for c in anew if isinstance(c, AskApproval)]
    wish = w.status.approval.model_copy(update={"plan": plans[0] if plans else w.status.approval.plan})
    return decided(setting, replace(w, status=w.status.model_copy(update={"approval": wish})))


def withdrawn_when_unseen(setting: Setting, w: World) -> Decision:
    """What cannot be read is taken for met, as far as a wish is concerned."""
    if w.status is None or w.status.approval is None:
        return decided(setting, w)
    return decided(setting, replace(w, verdicts=tuple("Met" if v == "Error" else v for v in w.verdicts)))


def said_by_reason(setting: Setting, w: World) -> Decision:
    """Whoever was asked to approve once is taken to have been asked of everything."""
    decision, before = decided(setting, w), w.status.asked if w.status else ()
    known = {a.subject for a in before if a.reason == Reason.APPROVAL_REQUIRED}

    def is_left_out(c: Command) -> bool:
        is_wish = isinstance(c, AskPeople | KeepAsking) and c.reason is Reason.APPROVAL_REQUIRED
        return bool(known) and is_wish and c.subject not in known

    return replace(decision, commands=tuple(c for c in decision.commands if not is_left_out(c)))


def in_a_wave_or_not(setting: Setting, w: World) -> Decision:
    """The circuit breaker is not looked at."""
    return decided(setting, replace(w, is_wave=False))


def frozen_or_not(setting: Setting, w: World) -> Decision:
    """The policy's freeze is not looked at."""
    if w.status is None or w.status.policy is None:
        return decided(setting, w)
    rails = w.status.policy.guardrails.model_copy(update={"freeze": ()})
    status = w.status.model_copy(update={"policy": w.status.policy.model_copy(update={"guardrails": rails})})
    return decided(setting, replace(w, status=status))


def of_good_hope(setting: Setting, w: World) -> Decision:
    """Every fix is taken for good."""
    return decided(setting, replace(w, folds=tuple("Recovered" for _ in w.folds)))


def without_memory(setting: Setting, w: World) -> Decision:
    """What people were asked is forgotten."""
    if w.status is None:
        return decided(setting, w)
    return decided(setting, replace(w, status=w.status.model_copy(update={"asked": (), "page": None})))


def without_end(setting: Setting, w: World) -> Decision:
    """No incident is ever closed."""
    decision = decided(setting, w)
    return Decision() if any(isinstance(c, BeginClosing) for c in decision.commands) else decision


def without_hope(setting: Setting, w: World) -> Decision:
    """No fix is ever tried."""
    decision = decided(setting, w)
    return Decision() if any(isinstance(c, BeginRemedy) for c in decision.commands) else decision


def unseen(setting: Setting, w: World) -> Decision:
    """It is not looked at whether the judge judges."""
    return decided(setting, replace(w, coverage="Usual"))


def without_looking(setting: Setting, w: World) -> Decision:
    """What others change of what is in force is not seen."""
    return decide(replace(situation_of(setting, w), drifts={}), w.now)


def without_asking(setting: Setting, w: World) -> Decision:
    """The policy's Job is forgotten."""
    if w.status is None or w.status.policy is None:
        return decided(setting, w)
    release = w.status.policy.release.model_copy(update={"validation": None})
    policy = w.status.policy.model_copy(update={"release": release})
    return decided(setting, replace(w, status=w.status.model_copy(update={"policy": policy})))


def forgiving(setting: Setting, w: World) -> Decision:
    """What came of a Job is forgotten with the try that called for it."""
    if w.status is None or w.status.validation is None or w.status.validation.outcome == "Pending":
        return decided(setting, w)
    return decided(setting, replace(w, status=w.status.model_copy(update={"validation": None})))


WRONG = {
    "forgiving": (forgiving, "a gauge that comes and goes, and a Job", "its Job has failed gets another"),
    "without looking": (without_looking, "what was in force is changed, and put back", "counts as in force"),
    "without asking": (without_asking, "a fix that a Job is to prove", "its Job has not passed"),
    "on a guess": (on_a_guess, "a rollback, and a fix for it", "is taken on"),
    "paused or not": (paused_or_not, "it is paused", "while everything is paused"),
    "approved for ever": (approved_for_ever, "steps wait for approval", "without approval"),
    "approved by number": (approved_by_number, "what is approved is changed meanwhile", "something else than what was"),
    "withdrawn when unseen": (withdrawn_when_unseen, "steps wait for approval, and cannot be seen", "is withdrawn on"),
    "said by reason": (said_by_reason, "steps wait for approval, and nobody has the pager", "nobody was asked"),
    "in a wave or not": (in_a_wave_or_not, "the circuit breaker has tripped", "circuit breaker holds"),
    "frozen or not": (frozen_or_not, "in a freeze", "in a freeze"),
    "unseen": (unseen, "a judge that stops in the middle", "is taken on"),
    "of good hope": (of_good_hope, "a switch, and a fix for it", "without proof"),
    "without memory": (without_memory, "nobody has the pager", "again within"),
    "without end": (without_end, "a rollback, and a fix for it", "nothing will ever happen"),
    "without hope": (without_hope, "a person asks to give back traffic", "nobody is asked"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_decision_is_noticed(wrong: str) -> None:
    """The rules can be broken: each of these ways of deciding breaks the one that it should."""
    decide, question, words = WRONG[wrong]
    case = SMALL[question]
    found = search(case.setting, [case.start], case.events, decide=decide, tolerate=1)
    assert any(words in broken for broken in found.broken), found.broken


def test_a_dead_end_is_noticed() -> None:
    """Nobody deploys a fix, and nobody ends it: what is contained stays so for ever, and the search says so."""
    case = SMALL["a person asks for the next step"]
    found = search(case.setting, [case.start], case.events, must_end=True)
    assert any("no way from here to an end" in broken for broken in found.broken)


def forgetful(w: World) -> Iterator[Written]:
    """An actuator that forgets what it may have written just before it was killed."""
    assert w.status is not None
    actions = tuple(
        a.model_copy(update={"writes": tuple(x.model_copy(update={"attempted": ()}) for x in a.writes)})
        for a in w.status.actions
    )
    return acted(replace(w, status=w.status.model_copy(update={"actions": actions})))


def test_an_actuator_that_forgets_is_noticed() -> None:
    """Killed between a write and its record, it takes its own value for somebody's, and leaves it behind."""
    case = SMALL["killed while a switch is written, and ended"]
    found = search(case.setting, [case.start], case.events, act=forgetful, tolerate=1)
    assert any("as before" in broken for broken in found.broken), found.broken
