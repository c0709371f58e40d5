"""explain: everything about an incident in the order in which it is asked, and nothing lost on the way to the screen."""

from typing import Any

import pytest
from rich.console import RenderableType
from tests.unit.cli.cli_objects import NOW, POLICY, a_quarantine, a_service, a_write, an_action, an_incident, at

from firebreak.api.v1alpha1 import AIIncident, AIService, Quarantine
from firebreak.cli.explain import explanation
from firebreak.cli.show import tell


def printed(renderable: RenderableType, capsys: pytest.CaptureFixture[str]) -> str:
    tell(renderable)
    return capsys.readouterr().out


def explained(
    capsys: pytest.CaptureFixture[str],
    incident: AIIncident,
    service: AIService | None = None,
    quarantines: tuple[Quarantine, ...] = (),
) -> str:
    return printed(explanation(incident, service or a_service(), quarantines, NOW), capsys)


def test_a_containment_is_told_with_intent_effect_and_proof(capsys: pytest.CaptureFixture[str]) -> None:
    """Why it was done, what it set, when it was seen and that it helped."""
    text = explained(capsys, an_incident())

    assert "docs/summarizer-3  P2 Hallucination  Contained  mode Enforce" in text
    assert "onset      2026-05-04 03:01:18Z, 2m2s before it was detected" in text
    assert "1. RollBack to v1  InForce, Recovered" in text
    assert (
        "Deployment summarizer $.spec.template.spec.containers[?@.name=='server'].image: summarizer:v2 → summarizer:v1"
    ) in text
    assert "accepted 03:03:22Z, seen in force 03:03:41Z" in text
    assert "shown to help at 03:05:02Z" in text
    assert "image  summarizer:v1 → summarizer:v2  at 03:00:58Z" in text


@pytest.mark.parametrize(
    ("basis", "told"),
    [
        ("Assumed", "G 0.1 (assumed: 3d2h of 14d of healthy history)"),
        ("Measured", "G 0.1 (measured on 3d2h of healthy"),
    ],
)
def test_how_evidence_is_weighed_is_told(capsys: pytest.CaptureFixture[str], basis: str, told: str) -> None:
    """Whoever doubts a verdict asks first what the discount for clustered failures rests on."""
    clustering = {"value": "0.1", "basis": basis, "healthy": "3d2h", "needed": "14d", "series": "5be0cd19"}
    known = [{"name": "groundedness", "finding": "Breached", "clustering": clustering}]

    text = explained(capsys, an_incident(), a_service(objectives=known))

    assert f"groundedness is discounted for clustered failures by {told}" in text


def test_in_a_pipe_there_is_no_colour_and_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """What is piped into a ticket is text."""
    long = "x" * 400

    text = explained(capsys, an_incident(actions=[an_action(because=long)]))

    assert "\x1b" not in text
    assert text.count("x") >= 400


def test_brackets_are_not_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A value or a message may hold what a terminal library would take for a style."""
    write = a_write(original={"revision": "abc", "field": "prompt"}, desired={"value": "[bold]v1[/bold]"})

    text = explained(capsys, an_incident(actions=[an_action(writes=[write])]))

    assert "[prompt of revision abc] → [bold]v1[/bold]" in text


def test_what_is_asked_of_people_stands_first_with_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever is paged reads what is wanted before anything else."""
    page = {
        "since": at("03:10:00"),
        "reason": "EvidenceThin",
        "message": "cannot tell whether RollBack helped",
        "repeatedAt": at("03:10:00"),
        "times": 2,
    }

    text = explained(capsys, an_incident(phase="AwaitingHuman", page=page))

    assert text.index("Asked of you") < text.index("What is wrong")
    assert "EvidenceThin: cannot tell whether RollBack helped" in text
    assert "kubectl firebreak ack summarizer-3 -n docs" in text


def test_an_acknowledged_page_offers_no_acknowledgement(capsys: pytest.CaptureFixture[str]) -> None:
    """Someone has it."""
    page = {"since": at("03:10:00"), "reason": "NoLadder", "message": "m", "repeatedAt": at("03:10:00")}

    text = explained(capsys, an_incident(spec={"acknowledged": True}, page=page))

    assert "NoLadder: m" in text
    assert "firebreak ack" not in text


def test_a_later_page_is_not_covered_by_what_was_acknowledged_before(capsys: pytest.CaptureFixture[str]) -> None:
    """The command names the page that one sees."""
    page = {"since": at("03:10:00"), "reason": "NoLadder", "message": "m", "repeatedAt": at("03:10:00"), "number": 3}
    covered = explained(capsys, an_incident(spec={"acknowledgedUpTo": 3}, page=page))
    later = explained(capsys, an_incident(spec={"acknowledgedUpTo": 2}, page=page))

    assert "firebreak ack" not in covered
    assert "kubectl firebreak ack summarizer-3 -n docs --page 3" in later


def test_what_waits_for_approval_is_shown_with_all_that_it_would_set(capsys: pytest.CaptureFixture[str]) -> None:
    """And the command is bound to it; once it is approved it says by whom."""
    wish = {
        "request": "l0-s0-rollback.2",
        "step": "l0-s0-rollback",
        "since": at("03:10:00"),
        "would": "RollBack to v1",
        "changes": ["Deployment summarizer image: v2 → v1"],
    }
    text = explained(capsys, an_incident(approval=wish))
    assert "kubectl firebreak approve summarizer-3 -n docs --request l0-s0-rollback.2   (RollBack to v1" in text
    assert "Deployment summarizer image: v2 → v1" in text

    given = {"approval": {"request": "l0-s0-rollback.2", "by": "ada"}}
    text = explained(capsys, an_incident(spec=given, approval=wish))
    assert "RollBack to v1 is approved by ada (l0-s0-rollback.2)" in text


def test_what_holds_containments_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A pause or a conflict stands in the service's conditions; in an incident it is what one looks for."""
    held = {
        "type": "ContainmentReady",
        "status": "False",
        "reason": "Paused",
        "message": "someone is on a plane",
        "lastTransitionTime": at("01:00:00"),
    }

    text = explained(capsys, an_incident(actions=[], phase="Detected"), a_service(conditions=[held]))

    assert "ContainmentReady is False (Paused): someone is on a plane" in text


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"phase": "Detected", "actions": []}, "the next step is RaiseHumanReview, at evidence Suspected"),
        (
            {
                "phase": "Containing",
                "actions": [
                    an_action("RaiseHumanReview", step=0, outcome="Pending", provenAt=None),
                    an_action(outcome="Pending", provenAt=None),
                ],
            },
            "the next step is SwitchTraffic small-model, when RollBack is shown not to help",
        ),
        (
            {"phase": "Detected", "mode": "Observe", "actions": []},
            "the next step is RaiseHumanReview, at evidence Suspected, in words only: mode is Observe",
        ),
        ({}, "control is given back when a new revision is deployed and holds for 30m: deploy the fix"),
        (
            {"policy": POLICY | {"release": {"when": "GaugeRecovered", "stableFor": "5m"}}},
            "within their limits for 5m: repair the cause",
        ),
        (
            {"remediatingSince": at("03:15:00"), "remediatedRevision": "v3", "phase": "Remediating"},
            "revision v3 is being proven since 03:15:00Z: 30m",
        ),
        (
            {"closing": {"at": at("03:15:00"), "reason": "FixProven", "message": "held for 30m"}},
            "it is ending (FixProven: held for 30m)",
        ),
    ],
)
def test_what_comes_next_follows_from_where_it_stands(
    status: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One need not know the policy by heart."""
    assert says in explained(capsys, an_incident(**status))


def test_a_resolved_incident_asks_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It is a record now."""
    text = explained(capsys, an_incident(phase="Resolved", resolvedAt=at("03:19:00")))

    assert "resolved   2026-05-04 03:19:00Z, 15m after it was detected" in text
    assert "What comes next" not in text
    assert "kubectl" not in text


def test_a_quarantine_is_shown_with_the_command_that_lifts_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever cannot deploy finds out why."""
    text = explained(capsys, an_incident(), quarantines=(a_quarantine(),))

    assert "revision v2 (image): writing it back is denied" in text
    assert "kubectl delete quarantine summarizer-3 -n docs" in text


def test_an_incident_of_a_person_that_nobody_has_taken_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Before the operator has seen it there is no status: that is said, not shown as empty."""
    fresh = AIIncident.model_validate(
        {
            "metadata": {"name": "a", "namespace": "docs"},
            "spec": {"service": "summarizer", "description": "it swears"},
        }
    )

    text = explained(capsys, fresh)

    assert "found by  a person" in text
    assert "it swears" in text
    assert "the operator has not taken it up yet" in text


def test_a_place_left_alone_and_a_step_skipped_say_why(capsys: pytest.CaptureFixture[str]) -> None:
    """What was not done is as important as what was."""
    actions = [
        an_action("RaiseHumanReview", phase="Skipped", outcome="Pending", writes=[], because="no humanReview declared"),
        an_action(phase="Undone", writes=[a_write(left=True, landed=False)], message="someone else has set it"),
    ]

    text = explained(capsys, an_incident(actions=actions))

    assert "1. RaiseHumanReview  Skipped" in text
    assert "no humanReview declared" in text
    assert "(left: someone else has changed it)" in text
    assert "but     someone else has set it" in text


def test_what_cannot_be_seen_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """In an incident that began because a judge stopped there is no objective that is breached."""
    lost = {"name": "groundedness", "lostSince": at("03:01:00"), "usual": 0.05, "because": "2 of 6000 were judged"}

    text = explained(capsys, an_incident(objectives=[], coverage=[lost]))

    assert "groundedness  not seen  since 03:01:00Z  2 of 6000 were judged" in text


def test_whom_it_touched_is_told_with_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    """How many bad answers, in which segments and in which not, and between which moments it began."""
    objective = {
        "name": "groundedness",
        "category": "Hallucination",
        "tier": "Confirmed",
        "onset": at("03:01:18"),
        "onsetEarliest": at("02:58:18"),
        "onsetLatest": at("03:02:18"),
    }
    exposure = {
        "badAnswers": 340,
        "badAnswersLow": 210,
        "badAnswersHigh": 480,
        "answers": 9000,
        "segments": ["feature=dates"],
        "unaffectedSegments": ["feature=names"],
        "affectedShare": "34%",
    }

    text = explained(capsys, an_incident(objectives=[objective], exposure=exposure))

    assert "03:01:18Z (between 02:58:18Z and 03:02:18Z), 2m2s before it was detected" in text
    assert "about 340 (210 to 480) bad answers served of 9000" in text
    assert "worst in feature=dates (34% of what was judged); well in feature=names" in text
