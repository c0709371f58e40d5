"""Whatever holds a step or asks people says what is held, why, and what to do, so that nobody has to look that up."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.builders import (
    REVIEW_STEP,
    ROLL_BACK,
    T0,
    TO_SMALL,
    V1,
    a_policy,
    a_situation,
    action_of,
    an_incident,
    at,
    contained_by_switch,
    error,
    met,
    now_saying,
    opened,
    revisions,
    rolled_back,
    settled,
    status_of,
    with_status,
)

from firebreak.core.commands import Reason
from firebreak.core.incident_conditions import with_conditions
from firebreak.core.observations import Failed
from firebreak.core.record import blocked, with_action
from firebreak.core.situation import Hold, PastContainment, Situation

BACK = a_policy(ROLL_BACK)
FROZEN = a_policy(
    ROLL_BACK,
    guardrails={"freeze": [{"cron": "0 3 4 5 *", "timeZone": "UTC", "duration": "5h"}]},
)
APPROVED = a_policy(ROLL_BACK, approval={"P3": "Required"})
LIMITED = a_policy(ROLL_BACK, guardrails={"cooldown": "1m", "maxContainments": {"count": 1, "per": "24h"}})
EARLIER = PastContainment(incident="summarizer-0", at=T0, ended_at=T0)
LONG_AGO = replace(EARLIER, at=at(hours=-5), ended_at=at(hours=-4))


def _refused() -> Situation:
    s = settled(opened(policy=BACK), T0)
    return with_status(s, with_action(status_of(s), blocked(action_of(s, "RollBack"), "refused (403): a webhook")))


def _drifted() -> Situation:
    s = contained_by_switch(policy=a_policy(TO_SMALL))
    return replace(s, drifts={action_of(s, "SwitchTraffic").id: "its weight holds 100, not 0"})


def _fails() -> Situation:
    s = settled(opened(policy=BACK), T0)
    action = action_of(s, "RollBack")
    written = action.model_copy(update={"phase": "Applied", "applied_at": T0})
    return replace(with_status(s, with_action(status_of(s), written)), effects={action.id: Failed(because="no quota")})


CASES: dict[str, tuple[Callable[[], Situation], str, str, tuple[str, ...]]] = {
    "cooldown": (
        lambda: opened(policy=BACK, past=(EARLIER,)),
        "Held",
        Reason.COOLDOWN,
        ("RollBack is held", "less than the cooldown", "spec.contain: true"),
    ),
    "limit": (
        lambda: opened(policy=LIMITED, past=(LONG_AGO,)),
        "Held",
        Reason.MAX_CONTAINMENTS,
        ("RollBack is held", "the policy allows 1", "spec.contain: true"),
    ),
    "freeze": (
        lambda: opened(policy=FROZEN),
        "Held",
        Reason.FREEZE_WINDOW,
        ("RollBack is held", "in force until 2026-05-04 08:00:00Z", "spec.contain: true"),
    ),
    "approval": (
        lambda: opened(policy=APPROVED),
        "Held",
        Reason.APPROVAL_REQUIRED,
        ("RollBack to v1 waits for approval", "Why: ", "kubectl firebreak approve"),
    ),
    "several at once": (
        lambda: opened(
            policy=BACK,
            holds=(
                Hold(reason=Reason.SUSPENDED, because="AIService summarizer has spec.suspend: true"),
                Hold(reason=Reason.PAUSED, because="the whole installation is paused (move)"),
            ),
        ),
        "Held",
        Reason.SUSPENDED,
        ("RollBack is held", "spec.suspend: true; and the whole installation is paused"),
    ),
    "exhausted": (
        lambda: opened(policy=BACK, revision=revisions(V1)),
        "NeedsHuman",
        Reason.LADDER_EXHAUSTED,
        ("every step of the ladder was taken or skipped", "contain it by hand"),
    ),
    "no policy": (
        lambda: opened(without_policy=True),
        "NeedsHuman",
        Reason.POLICY_MISSING,
        ("does not exist", "nothing is contained", "apply it"),
    ),
    "no ladder": (
        lambda: opened(policy=a_policy(ladders=[{"when": {"categories": ["Pipeline"]}, "steps": [TO_SMALL]}])),
        "NeedsHuman",
        Reason.NO_LADDER,
        ("no ladder for Hallucination", "nothing is contained", "by hand"),
    ),
    "refused": (
        _refused,
        "NeedsHuman",
        Reason.WRITE_BLOCKED,
        ("RollBack to v1 could not be carried out", "a webhook", "mend that place by hand"),
    ),
    "drifted": (
        _drifted,
        "NeedsHuman",
        Reason.DRIFTED,
        ("SwitchTraffic to small-model is not in force any more", "holds 100", "put it back"),
    ),
    "not in force": (
        _fails,
        "NeedsHuman",
        Reason.NOT_IN_FORCE,
        ("RollBack to v1 is not in force", "no quota", "repair what keeps it"),
    ),
    "cannot tell": (
        lambda: now_saying(rolled_back(), error()),
        "NeedsHuman",
        Reason.EVIDENCE_THIN,
        ("cannot tell whether RollBack to v1 helped", "the next step is not taken", "see that the judge judges"),
    ),
    "declared": (
        lambda: a_situation(met(), incident=an_incident(by="person"), policy=a_policy(REVIEW_STEP, ROLL_BACK)),
        "NeedsHuman",
        Reason.EVIDENCE_THIN,
        ("no objective is breached", "spec.contain", "spec.resolution"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_held_why_and_what_to_do_stand_in_the_condition(case: str) -> None:
    """`kubectl describe aii` shows conditions first; they are all that somebody woken at night has to read."""
    make, type_, reason, words = CASES[case]
    late = {"cannot tell": at(hours=9)}.get(case, at(minutes=1))
    s = settled(make(), late)
    conditions = with_conditions(status_of(s), 1, late).conditions
    told = next(c for c in conditions if c.type == type_)
    assert (told.status, told.reason) == ("True", reason)
    assert [w for w in words if w not in told.message] == []
