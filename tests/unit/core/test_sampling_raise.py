"""When the judge's sampling rate is raised, for how long, and what is said of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import (
    ROLL_BACK,
    SWITCHES,
    T0,
    a_gauge,
    a_policy,
    a_ratio,
    a_service,
    a_verdict,
    at,
    contained_by_rollback,
    inconclusive,
    met,
    opened,
    rolled_back,
    settled,
)

from firebreak.api.v1alpha1.aiservice import Mode, SamplingRate, SamplingState
from firebreak.api.v1alpha1.sampling import RaisedSpan, RaisePhase, SamplingRaiseStatus
from firebreak.core.claims import claims_of, conflicts
from firebreak.core.commands import Reason
from firebreak.core.feasibility import infeasible_steps
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import Absent, Landed, Missing, Refused
from firebreak.core.sampling_evidence import proof_awaited, strongest_evidence, times_judged
from firebreak.core.sampling_raise import QUIET_STEPS, Decided, Sampling, Unrecorded, decide_sampling
from firebreak.core.sampling_record import after_write
from firebreak.core.sampling_time import spent_today
from firebreak.core.situation import Hold
from firebreak.core.verdict import Tier

RATE = {"target": SWITCHES.dump(), "path": "$.data['sampling']", "raised": "20%"}
DECLARED = SamplingRate.model_validate(RATE)
LANDED = Landed(generation=1, changed=True)
PAUSED = Hold(reason=Reason.PAUSED, because="the installation is paused")


def sampling(**changes: Any) -> Sampling:
    """An objective is at Watch, and nothing is in the way."""
    known: dict[str, Any] = {
        "declared": DECLARED,
        "record": SamplingRaiseStatus(),
        "held": "2%",
        "mode": Mode.ENFORCE,
        "tier": Tier.WATCH,
        "because": "groundedness is at Watch",
    }
    return Sampling(**known | changes)


def raised(now: datetime = T0, **changes: Any) -> Sampling:
    """It was raised at `now`."""
    intended = decide_sampling(sampling(), now).record
    return sampling(record=after_write(intended, LANDED, now), held="20%", quiet_steps=0, **changes)


def decided(s: Sampling, now: datetime = T0) -> Decided:
    return decide_sampling(s, now)


def test_at_watch_it_is_raised_and_what_stood_there_is_recorded_first() -> None:
    """Intent before effect: the record can undo what it has not even done yet."""
    intended = decided(sampling())
    assert (intended.record.phase, intended.record.reason) == (RaisePhase.INTENDED, Reason.EVIDENCE_AT_WATCH)
    write = intended.record.write
    assert write is not None
    assert (write.original.value, write.desired.value, write.landed) == ("2%", "20%", False)
    assert after_write(intended.record, LANDED, T0).phase is RaisePhase.RAISED


def test_it_is_given_back_when_the_evidence_was_weak_for_an_hour() -> None:
    """Not a step earlier, and not while it cannot be read; then the value that stood there is put back."""
    s = replace(raised(), tier=Tier.NONE)
    assert decided(replace(s, quiet_steps=QUIET_STEPS - 1), at(hours=1)).record == s.record
    assert decided(replace(s, quiet_steps=None), at(hours=1)).record == s.record
    back = decided(replace(s, quiet_steps=QUIET_STEPS), at(hours=1)).record
    assert (back.phase, back.reason) == (RaisePhase.GIVING_BACK, Reason.EVIDENCE_GONE)
    assert back.write is not None
    assert (back.write.last.value, back.write.desired.value) == ("20%", "2%")
    over = after_write(back, LANDED, at(hours=1))
    assert (over.phase, over.write, over.spent) == (RaisePhase.NORMAL, None, timedelta(hours=1))


def test_the_first_hour_after_a_change_of_revision_is_watched_closely() -> None:
    """Then the evidence alone decides; the first revision that is known is no change."""
    s = sampling(tier=Tier.NONE, changed_ago=timedelta(minutes=5))
    assert decided(s).record.reason == Reason.REVISION_CHANGED
    assert decided(replace(s, changed_ago=timedelta(hours=1))).record.phase is RaisePhase.NORMAL
    assert decided(replace(s, changed_ago=None)).record.phase is RaisePhase.NORMAL
    assert decided(replace(s, changed_ago=timedelta(minutes=5), step=timedelta(seconds=2))).record.phase is (
        RaisePhase.NORMAL
    ), "an hour of steps"


def test_each_day_has_a_budget() -> None:
    """Past it the rate is given back, and raised again the next day; a proof is not cut short by it."""
    s = raised()
    six_hours_later = at(hours=6)
    spent = decided(s, six_hours_later).record
    assert (spent.phase, spent.reason) == (RaisePhase.GIVING_BACK, Reason.SAMPLING_BUDGET_SPENT)
    proving = replace(s, proof="whether RollBack helps is being proven")
    assert decided(proving, six_hours_later).record == s.record

    over = replace(sampling(), record=after_write(spent, LANDED, six_hours_later))
    refused = decided(over, six_hours_later)
    assert refused.record.phase is RaisePhase.NORMAL
    assert (refused.told.state, "today's budget of 6h is spent" in refused.told.message) == (SamplingState.WANTED, True)
    assert decided(replace(over, proof="whether RollBack helps is being proven"), six_hours_later).record.phase is (
        RaisePhase.INTENDED
    )
    assert decided(over, at(hours=21)).record.phase is RaisePhase.INTENDED


@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 10**5)), max_size=6), st.integers(0, 10**5))
def test_what_is_spent_is_what_lies_within_the_day(runs: list[tuple[int, int]], then: int) -> None:
    """Whenever it was raised and given back, over midnights too."""
    now, record, spans = T0, SamplingRaiseStatus(), []
    for pause, length in runs:
        began = now + timedelta(seconds=pause)
        now = began + timedelta(seconds=length)
        spans.append((began, now))
        unbounded = record.model_copy(update={"runs": ()})
        up = decided(sampling(record=unbounded, proof="p"), began).record
        down = decided(replace(sampling(), record=after_write(up, LANDED, began), declared=None), now).record
        record = after_write(down, LANDED, now)
    now += timedelta(seconds=then)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    within = sum((max(timedelta(0), b - max(a, midnight)) for a, b in spans), timedelta(0))
    assert spent_today(record, now) == within


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mode": Mode.OBSERVE}, "mode is Observe"),
        ({"holds": (Hold(reason=Reason.TARGET_CONFLICT, because="claimed twice"),)}, "claimed twice"),
        ({"free": False}, "as many services as the installation allows"),
        ({"held": Missing()}, "the object does not exist"),
    ],
)
def test_what_is_in_the_way_is_said(change: dict[str, Any], words: str) -> None:
    """Nothing is written, and whoever looks sees what would have been, and why not."""
    found = decided(sampling(**change))
    assert found.record == SamplingRaiseStatus()
    assert found.told.state is SamplingState.WANTED
    assert words in found.told.message


def test_a_pause_changes_nothing_in_either_direction() -> None:
    """And a service that is only to be observed again is given back what was raised."""
    s = replace(raised(), tier=Tier.NONE, quiet_steps=QUIET_STEPS)
    assert decided(replace(s, holds=(PAUSED,)), at(hours=9)).record == s.record
    assert decided(replace(s, mode=Mode.OBSERVE)).record.phase is RaisePhase.GIVING_BACK


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"holds": (PAUSED,)}, Reason.PAUSED),
        ({"mode": Mode.OBSERVE}, Reason.OBSERVING),
        ({"declared": None}, Reason.NOT_DECLARED),
    ],
)
def test_an_intent_is_taken_back_by_what_comes_before_the_write(change: dict[str, Any], reason: Reason) -> None:
    """Where the original stands it simply ends, and nothing is written."""
    intended = decided(sampling()).record
    over = decided(sampling(record=intended, **change))
    assert (over.record.phase, over.record.reason, over.record.write) == (RaisePhase.NORMAL, reason, None)
    assert over.record.because.startswith("it was not raised after all")
    assert not over.writes


def test_an_intent_that_landed_unseen_is_given_back_by_the_rules_of_what_is_raised() -> None:
    """What stands decides: killed after the write, the operator finds its own value, and does not raise first."""
    intended = decided(sampling()).record
    gone = decided(sampling(record=intended, held="20%", declared=None)).record
    assert (gone.phase, gone.reason) == (RaisePhase.GIVING_BACK, Reason.NOT_DECLARED)
    assert gone.write is not None
    assert (gone.write.last.value, gone.write.desired.value) == ("20%", "2%")
    watched = decided(sampling(record=intended, held="20%", mode=Mode.OBSERVE)).record
    assert watched.phase is RaisePhase.GIVING_BACK
    paused = decided(sampling(record=intended, held="20%", holds=(PAUSED,)))
    assert (paused.record.phase, paused.record.since, paused.writes) == (RaisePhase.RAISED, T0, False)


def test_an_intent_for_another_value_makes_way_for_the_one_that_is_declared_now() -> None:
    """And one at another place ends: what stands there is looked at first."""
    intended = decided(sampling()).record
    other = DECLARED.model_copy(update={"raised": "50%"})
    anew = decided(sampling(record=intended, declared=other)).record
    assert anew.write is not None
    assert (anew.phase, anew.write.original.value, anew.write.desired.value) == (RaisePhase.INTENDED, "2%", "50%")
    elsewhere = DECLARED.model_copy(update={"path": "$.data['rate']"})
    assert decided(sampling(record=intended, declared=elsewhere)).record.phase is RaisePhase.NORMAL


def test_what_someone_set_before_the_write_of_an_intent_that_is_taken_back_is_left() -> None:
    """As it is when the write itself finds it."""
    intended = decided(sampling()).record
    for held in ("5%", Absent(), Missing()):
        left = decided(sampling(record=intended, held=held, holds=(PAUSED,))).record
        assert (left.phase, left.reason) == (RaisePhase.NORMAL, Reason.LEFT_AS_CHANGED)


def test_a_pause_stops_giving_back_too() -> None:
    """Until it is over; what is declared no more is given back all the same."""
    back = decided(replace(raised(), mode=Mode.OBSERVE)).record
    assert back.phase is RaisePhase.GIVING_BACK
    held_up = decided(sampling(record=back, held="20%", mode=Mode.OBSERVE, holds=(PAUSED,)))
    assert (held_up.record, held_up.writes, held_up.told.state) == (back, False, SamplingState.GIVING_BACK)
    assert "the installation is paused" in held_up.told.message
    assert decided(sampling(record=back, held="20%", mode=Mode.OBSERVE)).writes
    assert decided(sampling(record=back, held="20%", declared=None, holds=(PAUSED,))).writes


def test_a_proof_may_take_longer_than_the_budget_but_not_for_ever() -> None:
    """What is raised for most of a day is the usual rate, and giving it back would look like a judge that has stopped."""
    proving = replace(raised(), proof="whether RollBack helps is being proven")
    assert decided(proving, at(hours=13, minutes=59)).record == proving.record
    back = decided(proving, at(hours=14)).record
    assert (back.phase, back.reason) == (RaisePhase.GIVING_BACK, Reason.SAMPLING_BUDGET_SPENT)
    assert "raised for 14h of the last 1d" in back.because

    over = sampling(record=after_write(back, LANDED, at(hours=14)), proof="whether the repair holds is being proven")
    waits = decided(over, at(hours=26, minutes=59))
    assert (waits.record.phase, waits.told.state) == (RaisePhase.NORMAL, SamplingState.WANTED)
    assert "it was raised for 11h1m of the last 1d" in waits.told.message
    assert decided(over, at(hours=27)).record.phase is RaisePhase.INTENDED, "with two hours to be of use"


def test_many_short_raises_are_bounded_sooner_than_a_long_one() -> None:
    """Each leaves an hour that is neither raised nor as usual: five deployments cost four hours of the fourteen."""
    runs = tuple(RaisedSpan(since=at(hours=2 * n), until=at(hours=2 * n + 1)) for n in range(4))
    proving = replace(raised(at(hours=8)), proof="whether RollBack helps is being proven")
    s = replace(proving, record=proving.record.model_copy(update={"runs": runs}))
    assert decided(s, at(hours=13, minutes=59)).record.phase is RaisePhase.RAISED
    assert decided(s, at(hours=14)).record.phase is RaisePhase.GIVING_BACK


def test_the_bound_on_all_raises_counts_steps() -> None:
    """The hours from which the usual rate is told are hours of steps."""
    s = replace(raised(), step=timedelta(seconds=1))
    assert decided(s, at(minutes=13)).record.phase is RaisePhase.RAISED
    assert decided(s, at(minutes=14)).record.phase is RaisePhase.GIVING_BACK


def test_a_record_that_is_refused_is_not_tried_at_every_turn() -> None:
    """Nothing is raised without one, and the service says why it is not."""
    refused = sampling(unrecorded=Unrecorded(at=T0, because="the SamplingRaise cannot be created: 403 quota"))
    waits = decided(refused, at(minutes=59))
    assert (waits.record.phase, waits.told.state) == (RaisePhase.NORMAL, SamplingState.WANTED)
    assert "not before 04:00:00Z: the SamplingRaise cannot be created: 403 quota" in waits.told.message
    assert decided(refused, at(hours=1)).record.phase is RaisePhase.INTENDED


def test_whose_rights_are_used_stands_in_the_record() -> None:
    """Who raised it gives it back, whatever the service says meanwhile; an intent of another account is taken back."""
    intended = decided(sampling(account="robot")).record
    assert intended.account == "robot"
    assert decided(sampling(record=intended, account="robot")).writes
    anew = decided(sampling(record=intended, account="other")).record
    assert (anew.phase, anew.account) == (RaisePhase.INTENDED, "other")
    up = after_write(intended, LANDED, T0)
    assert decided(sampling(record=up, held="20%", account="other", declared=None)).record.account == "robot"


@pytest.mark.parametrize("change", [{"declared": None}, {"declared": DECLARED.model_copy(update={"raised": "50%"})}])
def test_what_is_declared_no_more_is_given_back(change: dict[str, Any]) -> None:
    """Also while there is evidence, and when the whole service is gone."""
    back = decided(replace(raised(), **change)).record
    assert (back.phase, back.reason) == (RaisePhase.GIVING_BACK, Reason.NOT_DECLARED)


def test_what_someone_else_has_set_is_left_and_not_fought_over() -> None:
    """Git may have won: it is not tried again for an hour."""
    s = replace(raised(), held="2%")
    left = decided(s, at(minutes=3)).record
    assert (left.phase, left.reason, left.write) == (RaisePhase.NORMAL, Reason.LEFT_AS_CHANGED, None)
    again = replace(sampling(), record=left)
    assert decided(again, at(minutes=62)).record.phase is RaisePhase.NORMAL
    assert decided(again, at(minutes=63)).record.phase is RaisePhase.INTENDED


def test_a_write_that_is_refused_is_not_tried_at_every_turn() -> None:
    """Of a raise it is given up for an hour; what is to be given back is tried until it gets through."""
    intended = decided(sampling()).record
    refused = after_write(intended, Refused(code=403, message="no"), T0)
    assert (refused.phase, refused.reason) == (RaisePhase.NORMAL, Reason.WRITE_BLOCKED)
    assert decided(replace(sampling(), record=refused), at(minutes=59)).record == refused
    back = decided(replace(raised(), declared=None)).record
    kept = after_write(back, Refused(code=403, message="no"), T0)
    assert kept.phase is RaisePhase.GIVING_BACK
    assert "403" in kept.message
    assert after_write(kept, Refused(code=403, message="no"), T0) == kept, "the same words are not written again"


def test_a_rate_that_is_high_already_is_nobodys_business() -> None:
    """Nothing is written, so nothing has to be given back."""
    found = decided(sampling(held="20%"))
    assert (found.record, found.told.state) == (SamplingRaiseStatus(), SamplingState.NORMAL)


def test_a_place_that_was_empty_is_emptied_again() -> None:
    """The replaced value is the truth, also where there was none."""
    intended = decided(sampling(held=Absent())).record
    back = decided(sampling(record=after_write(intended, LANDED, T0), held="20%", declared=None)).record
    assert back.write is not None
    assert back.write.desired.value is None


def test_the_strongest_verdict_speaks() -> None:
    """Thin evidence says nothing."""
    assert strongest_evidence([met(), inconclusive()]) == (Tier.NONE, "")
    tier, because = strongest_evidence([a_verdict("a", tier=Tier.WATCH), a_verdict("b", tier=Tier.SUSPECTED), met("c")])
    assert tier is Tier.SUSPECTED
    assert because.startswith("b is at Suspected")


def test_it_is_held_until_a_step_is_proven() -> None:
    """From the rollback's intent until it has recovered; what a gauge says needs no judged answers."""
    judged = {"groundedness"}
    assert proof_awaited(None, judged) == ""
    assert proof_awaited(opened(policy=a_policy(ROLL_BACK)).incident, judged) == ""
    assert "RollBack to v1" in proof_awaited(rolled_back().incident, judged)
    assert proof_awaited(contained_by_rollback().incident, judged) == ""
    gauge = a_service(a_gauge())
    stale = settled(
        opened(
            service=gauge,
            policy=a_policy({"action": "DisableFeature", "feature": "date-summaries", "verifyWithin": "5m"}),
        ),
        T0,
    )
    assert proof_awaited(stale.incident, set()) == ""


@pytest.mark.parametrize(
    ("written", "held", "times"),
    [("20%", "2%", 10.0), ("0.5", "0.1", 5.0), ("100%", "0.5", 2.0), ("all", "2%", None), ("20%", "0%", None)],
)
def test_rates_are_compared_where_they_are_rates(written: str, held: str, times: float | None) -> None:
    """As percentages or shares; anything else has no hint."""
    found = times_judged(written, held)
    assert found == (None if times is None else pytest.approx(times))


def test_the_rate_is_a_place_like_any_other() -> None:
    """Two services may not both write it."""
    one = a_service(judge={"samplingRate": RATE})
    assert ("spec.judge.samplingRate.target", SWITCHES) in one.spec.targets()
    claims = [c for n in ("a", "b") for c in claims_of(ServiceKey("docs", n), one.spec) if "judge" in c.place]
    assert set(conflicts(claims)) == {ServiceKey("docs", "a"), ServiceKey("docs", "b")}


def test_a_step_that_the_raised_rate_proves_in_time_is_feasible() -> None:
    """Since it is raised while it is being proven; where that is too slow as well, both times are told."""
    spec, policy = a_service(a_ratio()).spec, a_policy(ROLL_BACK)
    slow = {"groundedness": timedelta(hours=3)}
    assert len(infeasible_steps(spec, policy, slow)) == 1
    assert infeasible_steps(spec, policy, slow, {"groundedness": timedelta(minutes=20)}) == ()
    told = infeasible_steps(spec, policy, slow, {"groundedness": timedelta(hours=1)})[0].message
    assert "about 3h at the last hour's rate of judging, and 1h at the raised sampling rate" in told
