"""Which step is taken on which evidence, what it sets, and why one is skipped."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import (
    NO_DATES,
    REVIEW_STEP,
    ROLL_BACK,
    T0,
    TO_SMALL,
    TO_STATIC,
    V1,
    V2,
    a_cluster,
    a_policy,
    a_service,
    a_situation,
    a_snapshot,
    a_verdict,
    action_of,
    at,
    error,
    inconclusive,
    opened,
    revisions,
    said,
    settled,
    status_of,
    suspected,
)

from firebreak.core.commands import Reason, SkipStep, TakeStep
from firebreak.core.decide import decide
from firebreak.core.observations import Waiting
from firebreak.core.verdict import Verdict


def wanted(s: Any, kind: str) -> list[tuple[str, str, Any]]:
    return [(w.target.name, w.path.split("=='")[-1], w.desired.value) for w in action_of(s, kind).writes]


def skipped(step: dict[str, Any], **rest: Any) -> SkipStep:
    s = opened(**({"policy": a_policy(step)} | rest))
    (command,) = decide(s, T0).commands
    assert isinstance(command, SkipStep), command
    return command


def test_review_is_raised_on_suspicion_and_nothing_else_is() -> None:
    """It is cheap and reversible; the others change what users get and wait for surer evidence."""
    s = settled(opened(suspected()), T0)
    assert [a.kind for a in status_of(s).actions] == ["RaiseHumanReview"]


def test_a_revision_that_has_answered_nobody_yet_is_not_rolled_back() -> None:
    """It came after what was seen, perhaps as the fix: what is breached is what served before. A person may say so."""
    s = replace(opened(policy=a_policy(ROLL_BACK)), untried=True)
    decision = decide(s, at(minutes=1))
    assert not any(isinstance(c, TakeStep | SkipStep) for c in decision.commands)
    assert "has not answered anybody yet" in str(status_of(settled(s, at(minutes=1))).held)

    answered = settled(replace(s, untried=False), at(minutes=2))
    by_word = settled(said(s, contain=True), at(minutes=2))

    assert [action_of(x, "RollBack").phase for x in (answered, by_word)] == ["Intended", "Intended"]


@pytest.mark.parametrize("verdict", [inconclusive(), error()], ids=["inconclusive", "error"])
def test_no_step_is_taken_on_evidence_that_is_missing(verdict: Verdict) -> None:
    """Even in an open incident: what is not known contains nothing."""
    s = opened(suspected(), policy=a_policy(ROLL_BACK))
    s = replace(s, verdicts=a_situation(verdict).verdicts)
    assert not status_of(settled(s, T0)).actions


def test_a_rollback_sets_every_field_that_differs_config_first() -> None:
    """Pods that start then read the prompt that belongs to their image."""
    s = settled(opened(policy=a_policy(ROLL_BACK)), T0)
    assert wanted(s, "RollBack") == [
        ("summarizer-prompt", "$.data['system.txt']", "prompt v1"),
        ("summarizer", "server'].image", "registry/summarizer:v1"),
    ]


def test_a_rollback_of_the_prompt_alone_restarts_its_readers() -> None:
    """A changed ConfigMap restarts nothing by itself."""
    v2 = a_snapshot("v2", model=str(V1.values["model"]))
    s = settled(
        opened(policy=a_policy(ROLL_BACK), revision=revisions(v2, since=V2.first_seen), objects=a_cluster(v2)), T0
    )
    assert [w.path for w in action_of(s, "RollBack").writes] == [
        "$.data['system.txt']",
        "$.spec.template.metadata.annotations['firebreak.dev/restarted-for']",
    ]


def test_the_mark_of_a_restart_is_the_incident_s_own() -> None:
    """An earlier incident's annotation stands there still, and the same value would restart nothing."""
    v2 = a_snapshot("v2", model=str(V1.values["model"]))
    s = opened(policy=a_policy(ROLL_BACK), revision=revisions(v2, since=V2.first_seen), objects=a_cluster(v2))
    assert s.incident is not None
    declared = s.incident.metadata.model_copy(update={"name": "summarizer-declared-x7k2p"})
    by_a_person = replace(s, incident=s.incident.model_copy(update={"metadata": declared}))
    marks = {action_of(settled(each, T0), "RollBack").writes[-1].desired.value for each in (s, by_a_person)}
    assert len(marks) == 2


def test_a_switch_gives_the_fallback_the_weight_that_the_primary_had() -> None:
    """The fallback comes first, so that at no moment nobody answers."""
    s = settled(opened(policy=a_policy(TO_SMALL)), T0)
    assert wanted(s, "SwitchTraffic") == [
        ("summarizer", "summarizer-small'].weight", 100),
        ("summarizer", "summarizer'].weight", 0),
    ]


def test_a_role_names_a_fallback_too() -> None:
    """So that one policy fits many services; a static answer is served by the responder."""
    s = settled(opened(policy=a_policy(TO_STATIC)), T0)
    assert action_of(s, "SwitchTraffic").subject == "apology"
    assert wanted(s, "SwitchTraffic")[0] == ("summarizer", "firebreak-responder'].weight", 100)


def test_a_feature_is_turned_off_by_its_flag() -> None:
    """The value that the service declares for off."""
    s = settled(opened(policy=a_policy(NO_DATES)), T0)
    assert wanted(s, "DisableFeature") == [("summarizer-firebreak", "$.data['dates']", "false")]


def test_review_adds_reviewers_before_it_sends_them_more() -> None:
    """Replicas first, then the rate."""
    s = settled(opened(suspected()), T0)
    assert [w.desired.value for w in action_of(s, "RaiseHumanReview").writes] == [6, "100%"]


def test_replicas_are_never_lowered() -> None:
    """Somebody has more reviewers already: only the rate is raised."""
    s = settled(opened(suspected(), objects=a_cluster(replicas=9)), T0)
    assert [w.desired.value for w in action_of(s, "RaiseHumanReview").writes] == ["100%"]


def test_one_containment_at_a_time() -> None:
    """While the rollback is under way the switch waits, and when to look again is known."""
    s = settled(opened(policy=a_policy(ROLL_BACK, TO_SMALL)), T0)
    assert [a.kind for a in status_of(s).actions] == ["RollBack"]
    assert decide(s, at(minutes=1)).wake_at == T0 + timedelta(minutes=30)


def test_a_rollback_needs_a_revision_that_was_proven() -> None:
    """There is none to go back to."""
    assert skipped(ROLL_BACK, revision=revisions(known_good=None)).reason is Reason.NO_KNOWN_GOOD


def test_the_known_good_revision_is_not_rolled_back_to_itself() -> None:
    """No change precedes the onset: a rollback cannot help."""
    command = skipped(ROLL_BACK, revision=revisions(V1), objects=a_cluster(V1))
    assert command.reason is Reason.NO_REVISION_CHANGE


def test_a_change_after_the_onset_is_not_the_cause() -> None:
    """It was bad before this revision came."""
    command = skipped(ROLL_BACK, revision=revisions(V2, since=at(minutes=10)))
    assert command.reason is Reason.CHANGE_AFTER_ONSET


def test_a_revision_may_say_that_it_must_not_be_rolled_back() -> None:
    """An irreversible migration, for instance."""
    command = skipped(ROLL_BACK, revision=revisions(replace(V2, rollbackable=False)))
    assert command.reason is Reason.NOT_ROLLBACKABLE


def test_a_revision_that_cannot_be_read_is_not_rolled_back() -> None:
    """The reason says what could not be read."""
    command = skipped(ROLL_BACK, revision=revisions(None, problem="ConfigMap summarizer-prompt does not exist"))
    assert (command.reason, "does not exist" in command.because) == (Reason.CANNOT_COMPILE, True)


def test_traffic_does_not_move_to_a_fallback_that_could_not_serve() -> None:
    """The reason says what is missing."""
    command = skipped(TO_SMALL, fallbacks={"small-model": Waiting(because="0 of 2 pods are ready")})
    assert (command.reason, "0 of 2 pods" in command.because) == (Reason.FALLBACK_NOT_READY, True)


def test_a_fallback_that_was_not_looked_at_is_not_ready() -> None:
    """What is not known is not good."""
    assert skipped(TO_SMALL, fallbacks={}).reason is Reason.FALLBACK_NOT_READY


@pytest.mark.parametrize(
    ("step", "without"),
    [(ROLL_BACK, "revision"), (TO_SMALL, "traffic"), (NO_DATES, "features"), (REVIEW_STEP, "humanReview")],
)
def test_a_step_needs_what_it_works_on_to_be_declared(step: dict[str, Any], without: str) -> None:
    """A policy fits many services; what one of them lacks is skipped and said."""
    left_out = (without, "fallbacks") if without == "traffic" else (without,)
    command = skipped(step, service=a_service(without=left_out))
    assert (command.reason, without in command.because) in {(Reason.NOT_DECLARED, True), (Reason.NOT_DECLARED, False)}


def test_a_flag_that_is_off_already_is_not_turned_off() -> None:
    """Nothing would change, so nothing is claimed to."""
    assert skipped(NO_DATES, objects=a_cluster(dates="false")).reason is Reason.ALREADY_SO


def test_a_fallback_that_has_weight_already_is_a_mistake_in_the_route() -> None:
    """A fallback is declared with weight 0; the reason says which one to change."""
    command = skipped(TO_SMALL, objects=a_cluster(weights=(90, 10, 0)))
    assert (command.reason, "summarizer-small with weight 0" in command.because) == (Reason.CANNOT_COMPILE, True)


def test_an_object_that_is_gone_is_told_by_name() -> None:
    """The step is skipped, and the next one is not held up by it."""
    command = skipped(NO_DATES, objects={})
    assert (command.reason, "summarizer-firebreak does not exist" in command.because) == (Reason.CANNOT_COMPILE, True)


def test_what_is_skipped_is_followed_by_the_next_step() -> None:
    """A step that cannot help costs no time."""
    s = settled(opened(policy=a_policy(ROLL_BACK, TO_SMALL), revision=revisions(known_good=None)), T0)
    assert [(a.kind, a.phase) for a in status_of(s).actions] == [("RollBack", "Skipped"), ("SwitchTraffic", "Intended")]


def test_every_command_says_why() -> None:
    """With the numbers that it rests on."""
    s = opened(a_verdict(), policy=a_policy(ROLL_BACK))
    (command,) = decide(s, T0).commands
    assert isinstance(command, TakeStep)
    assert "registry/summarizer:v1 -> registry/summarizer:v2" in command.because


def test_the_account_that_a_service_names_is_recorded_with_the_intent() -> None:
    """Who takes an action also gives it back, whatever the service says then."""
    containment = {"policy": {"name": "customer-facing"}, "mode": "Enforce", "serviceAccountName": "tenant"}
    s = settled(opened(service=a_service(containment=containment), policy=a_policy(ROLL_BACK)), T0)
    assert action_of(s, "RollBack").account == "tenant"
