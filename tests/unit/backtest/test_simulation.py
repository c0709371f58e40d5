"""What would have been done over a history, and what hindsight says of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.backtest.histories import History, as_declared, lived, minute, the_example

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.aiservice import AIService
from firebreak.api.v1alpha1.incident import ActionPhase, Outcome, Phase
from firebreak.api.v1alpha1.policy import ActionKind, Approval, Approvals
from firebreak.app.backtest.hindsight import Truth, hindsight
from firebreak.app.backtest.replayed import Replayed
from firebreak.app.backtest.served import Deployed
from firebreak.app.backtest.simulation import Assume
from firebreak.core.commands import Reason

PROVEN = 150
"""Minutes after which v1 has proven itself."""


def good_then_bad(bad_minutes: int = 180, *, revision: str = "v2") -> History:
    """v1 serves long enough to prove itself, then another revision fails three answers in ten."""
    return History().count(0, 10, minutes=PROVEN).count(3, 10, revision=revision, minutes=bad_minutes)


def only_incident(replayed: Replayed) -> AIIncident:
    (incident,) = replayed.declared.incidents
    return incident


def taken(incident: AIIncident) -> list[ActionKind]:
    return [a.kind for a in incident.status.actions if a.phase is not ActionPhase.SKIPPED]


async def test_a_bad_revision_is_rolled_back_in_the_simulation() -> None:
    """It opens, raises review, rolls back to the revision that had proven itself, and says what changed."""
    history = good_then_bad()
    incident = only_incident(await lived(history.store, end=minute(history.minute)))
    assert taken(incident) == [ActionKind.RAISE_HUMAN_REVIEW, ActionKind.ROLL_BACK]
    assert [(s.field, s.before, s.after) for s in incident.status.suspects] == [("model", "v1", "v2")]
    rolled_back = incident.status.actions[1]
    assert rolled_back.subject == "v1"
    assert rolled_back.outcome is Outcome.RECOVERED
    assert minute(PROVEN) < rolled_back.in_force_at < minute(PROVEN + 30)  # type: ignore[operator]


async def test_a_person_ends_it_once_the_record_has_been_good_for_as_long_as_the_policy_asks() -> None:
    """What was deployed then is the known-good revision again: nothing new proves itself, so someone has to say so."""
    history = good_then_bad().count(0, 10, minutes=180)
    incident = only_incident(await lived(history.store, end=minute(history.minute)))
    assert incident.status.phase is Phase.RESOLVED
    assert incident.status.closing is not None
    assert incident.status.closing.reason == Reason.KNOWN_GOOD_ACCEPTED


async def test_a_fix_proves_itself_on_its_own_counts() -> None:
    """A third revision that answers well is the fix, as it would be live."""
    history = good_then_bad().count(0, 10, revision="v3", minutes=240)
    incident = only_incident(await lived(history.store, end=minute(history.minute)))
    assert incident.status.closing is not None
    assert incident.status.closing.reason == Reason.FIX_PROVEN
    assert incident.status.remediated_revision == "v3"


async def test_if_nothing_is_assumed_to_help_the_ladder_goes_on() -> None:
    """The recorded counts go on being bad, so the rollback is judged not to have helped, and traffic is switched."""
    history = good_then_bad()
    incident = only_incident(await lived(history.store, end=minute(history.minute), assume=Assume.NOTHING))
    assert taken(incident) == [ActionKind.RAISE_HUMAN_REVIEW, ActionKind.ROLL_BACK, ActionKind.SWITCH_TRAFFIC]
    assert incident.status.actions[1].outcome is Outcome.NOT_RECOVERED


async def test_what_was_bad_before_the_deployment_is_not_rolled_back() -> None:
    """Without a proven revision, or with an onset before the change, traffic is switched instead."""
    history = History().count(0, 10, minutes=100).count(3, 10, revision="v2", minutes=60)
    incident = only_incident(await lived(history.store, end=minute(history.minute)))
    skipped = [a.reason for a in incident.status.actions if a.phase is ActionPhase.SKIPPED]
    assert skipped == [Reason.NO_KNOWN_GOOD]
    assert taken(incident)[-1] is ActionKind.SWITCH_TRAFFIC


async def test_a_deployment_that_people_tell_of_is_a_suspect_too() -> None:
    """Metrics that carry no revision leave it to --deployed."""
    history = good_then_bad(revision="v1")
    told = (Deployed(at=minute(0), revision="1.4"), Deployed(at=minute(PROVEN), revision="1.5"))
    unlabelled = History()
    unlabelled.store = history.store
    for metric, series in list(history.store.readings.items()):
        unlabelled.store.readings[metric] = {
            tuple(pair for pair in labels if pair[0] != "revision"): readings for labels, readings in series.items()
        }
    found = the_example()
    spec = found.service.spec
    revision = spec.revision.model_copy(update={"metric_label": None}) if spec.revision else None
    service = found.service.model_copy(update={"spec": spec.model_copy(update={"revision": revision})})
    variant = replace(as_declared(found), service=service)
    replayed = await lived(unlabelled.store, end=minute(history.minute), variant=variant, deployed=told)
    assert only_incident(replayed).status.actions[1].subject == "1.4"


async def test_a_healthy_history_is_left_alone() -> None:
    """Two bad in a hundred are within five: nothing is opened."""
    history = History()
    for i in range(200):
        history.count(1 if i % 5 == 0 else 0, 10)
    replayed = await lived(history.store, end=minute(history.minute))
    assert replayed.declared.incidents == ()


def declared_with_suspend(service: AIService) -> AIService:
    return service.model_copy(update={"spec": service.spec.model_copy(update={"suspend": True})})


async def test_mode_and_suspend_do_not_matter() -> None:
    """What is asked is what it would do if it were to act."""
    variant = as_declared()
    suspended = replace(variant, service=declared_with_suspend(variant.service))
    history = good_then_bad(60)
    incident = only_incident(await lived(history.store, end=minute(history.minute), variant=suspended))
    assert ActionKind.ROLL_BACK in taken(incident)


async def test_an_approval_that_a_step_needs_is_given_at_once() -> None:
    """Else a policy that asks people would seem to do nothing."""
    variant = as_declared()
    asks = variant.policy.model_copy(update={"approval": Approvals(p2=Approval.REQUIRED)})
    history = good_then_bad(60)
    replayed = await lived(history.store, end=minute(history.minute), variant=replace(variant, policy=asks))
    assert ActionKind.ROLL_BACK in taken(only_incident(replayed))


# --- hindsight


async def test_what_stays_bad_after_the_containment_was_contained_rightly() -> None:
    """The hour after it, which the decision could not know, lies above what is allowed; so much was spared."""
    history = good_then_bad(180).count(0, 10, minutes=180)
    replayed = await lived(history.store, end=minute(history.minute))
    seen = hindsight(only_incident(replayed), replayed.declared.variant, replayed, ())
    assert seen.truth is Truth.TRUE
    assert seen.spared_bad is not None
    assert seen.served_bad is not None
    assert seen.contained_at is not None
    left = minute(PROVEN + 180) - seen.contained_at
    assert seen.spared_bad.value == pytest.approx(left / timedelta(minutes=1) * 30, rel=0.05)
    assert seen.spared_bad.low < seen.spared_bad.value < seen.spared_bad.high
    assert seen.served_bad.value + seen.spared_bad.value == pytest.approx(180 * 30, rel=0.05)
    assert seen.ended_at == minute(PROVEN + 180)


async def test_what_passes_by_itself_was_contained_for_nothing() -> None:
    """Bad for five minutes, good for the whole hour after the containment, and nobody had deployed anything."""
    history = History().count(0, 10, minutes=PROVEN).count(6, 10, minutes=5).count(0, 10, minutes=180)
    replayed = await lived(history.store, end=minute(history.minute))
    seen = hindsight(only_incident(replayed), replayed.declared.variant, replayed, ())
    assert seen.truth is Truth.FALSE
    assert "nobody had changed anything" in seen.because
    assert seen.answers_contained is not None
    assert seen.answers_contained > 0


async def test_good_numbers_after_a_deployment_say_nothing_against_the_containment() -> None:
    """People had taken the bad revision back minutes later: whether it was right is unclear, not false."""
    history = good_then_bad(26).count(0, 10, minutes=120)
    replayed = await lived(history.store, end=minute(history.minute))
    seen = hindsight(only_incident(replayed), replayed.declared.variant, replayed, ())
    assert seen.truth is not Truth.FALSE


async def test_a_containment_in_a_range_marked_as_healthy_is_false() -> None:
    """Whoever marks it knows better than the counts."""
    history = good_then_bad()
    replayed = await lived(history.store, end=minute(history.minute))
    marked = ((minute(0), minute(history.minute)),)
    seen = hindsight(only_incident(replayed), replayed.declared.variant, replayed, marked)
    assert seen.truth is Truth.FALSE
