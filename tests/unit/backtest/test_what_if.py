"""The same history with one thing changed, and the targets that a healthy one would have kept."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from tests.unit.backtest.histories import START, History, as_declared, minute, the_example

from firebreak.api.v1alpha1.policy import ActionKind, UnmeasuredClustering
from firebreak.app.backtest.manifests import Declared
from firebreak.app.backtest.proposal import LEAST_JUDGED, proposal
from firebreak.app.backtest.replayed import Range, Replayed, Track, replay
from firebreak.app.backtest.report import report_of
from firebreak.app.backtest.simulation import Assume
from firebreak.app.backtest.what_if import Change, ChangeRefused, parsed_change, usual_changes, variants
from firebreak.core.commands import Reason
from firebreak.core.detectors.rules import Count, Sequential
from firebreak.core.objectives import ObjectiveSpec


def rule_of(change: Change) -> Sequential:
    """The detector of the example under a change."""
    spec = next(w for w in variants(the_example(), [change])[1].watched if isinstance(w, ObjectiveSpec))
    assert isinstance(spec.rule, Sequential)
    return spec.rule


def test_a_change_changes_one_thing() -> None:
    """A target, a run length (which takes the lower tiers with it), or the share that is judged."""
    assert rule_of(parsed_change("target=97%")).allowed == pytest.approx(0.03)
    assert rule_of(parsed_change("arl=30d")).confirmed == 43_200
    assert rule_of(parsed_change("arl=30d")).suspected == 43_200
    sampled = variants(the_example(), [parsed_change("sampling=25%")])[1]
    assert [w.kept for w in sampled.watched if isinstance(w, ObjectiveSpec)] == [0.25]
    assert rule_of(parsed_change("sampling=25%")) == rule_of(Change(words="nothing"))


@pytest.mark.parametrize(
    "text", ["sampling=200%", "target=0%", "target=1.5", "arl=soon", "g=1", "target", "unmeasured=Never"]
)
def test_what_cannot_be_tried_is_refused(text: str) -> None:
    """More than was judged is not in the history."""
    with pytest.raises(ChangeRefused, match=r"must be target=97%, arl=30d .*, sampling=25% .* or unmeasured=Hold"):
        parsed_change(text)


async def with_changes(*changes: Change, revision: str = "v2") -> Replayed:
    history = History().count(0, 10, minutes=150).count(3, 10, revision=revision, minutes=60)
    asked = Range(start=START, end=minute(history.minute), warm_up=timedelta(0))
    return await replay(variants(the_example(), changes), history.store, asked)


async def test_a_change_that_changes_nothing_gives_what_the_declared_service_gives() -> None:
    """The variants are lived through beside it, and do not touch it."""
    alone = await with_changes()
    beside = await with_changes(Change(words="nothing"), parsed_change("target=60%"), parsed_change("sampling=10%"))
    assert beside.declared.incidents == alone.declared.incidents
    same = beside.others[0].incidents
    assert [a.in_force_at for i in same for a in i.status.actions] == [
        a.in_force_at for i in alone.declared.incidents for a in i.status.actions
    ]
    assert beside.others[1].incidents == ()
    assert beside.others[2].judged < 0.2 * beside.declared.judged


async def test_a_looser_detector_acts_sooner_and_a_thinner_sample_later() -> None:
    """As the table says: delay is from the onset to the containment. Nothing had changed before."""
    declared, sooner, later = await delays(revision="v1")
    assert 0.0 < sooner < declared < later


async def test_right_after_a_change_no_run_length_is_waited_for() -> None:
    """The comparison with the known-good revision finds it, for any of them, and needs as much to be judged."""
    declared, sooner, later = await delays(revision="v2")
    assert 0.0 < sooner == declared < later
    assert declared < (await delays(revision="v1"))[0]


async def delays(revision: str) -> list[float]:
    """As declared, at a run length of a day, and with half of the sample; this revision is bad."""
    changes = (parsed_change("arl=1d"), parsed_change("sampling=50%"))
    replayed = await with_changes(*changes, revision=revision)
    return [one.delay_seconds or 0.0 for one in report_of(replayed, assume=Assume.HELPS, healthy=()).what_if]


def test_the_usual_table_has_targets_run_lengths_and_sampling() -> None:
    """Each of its rows is a variant of its own; what the policy says already is none."""
    waits = with_unmeasured(UnmeasuredClustering.HOLD)
    names = [v.name for v in variants(waits, usual_changes())]
    assert names[0] == ""
    assert len(set(names)) == 1 + len(usual_changes())
    assert len(variants(the_example(), usual_changes())) == len(usual_changes())


def with_unmeasured(what: UnmeasuredClustering) -> Declared:
    """The example under a policy that says this of a clustering that is not measured."""
    found = the_example()
    guardrails = found.policy.guardrails.model_copy(update={"unmeasured_clustering": what})
    return replace(found, policy=found.policy.model_copy(update={"guardrails": guardrails}))


async def test_a_policy_that_waits_for_clustering_to_be_measured_waits_in_a_backtest_too() -> None:
    """With the reason in the record; and beside it one sees what it would have done."""
    history = History().count(0, 10, minutes=150).count(3, 10, revision="v2", minutes=60)
    asked = Range(start=START, end=minute(history.minute), warm_up=timedelta(0))
    tried = variants(with_unmeasured(UnmeasuredClustering.HOLD), [parsed_change("unmeasured=Assume")])
    replayed = await replay(tried, history.store, asked)

    (held,), (contained,) = replayed.declared.incidents, replayed.others[0].incidents
    assert [a.kind for a in held.status.actions] == [ActionKind.RAISE_HUMAN_REVIEW]
    told = next(e for e in held.status.timeline if e.reason == Reason.CLUSTERING_UNMEASURED)
    assert "groundedness (" in told.message
    assert "of 14d of healthy history" in told.message
    assert ActionKind.ROLL_BACK in [a.kind for a in contained.status.actions]


def a_track(bad: np.ndarray, judged: float) -> Track:
    """Minutes of counts of the example's objective."""
    spec = next(w for w in as_declared().watched if isinstance(w, ObjectiveSpec))
    return Track(spec=spec, first=START, bad=bad.astype(float), judged=np.full(len(bad), judged))


def test_a_target_is_proposed_that_the_healthy_history_keeps() -> None:
    """Above the whole interval of the rate, and the evidence against it stays below Suspected."""
    bad = np.random.default_rng(5).binomial(20, 0.02, 3000)
    found = proposal(a_track(bad, 20.0), sick=(), healthy=())
    assert found is not None
    assert found.allowed is not None
    assert found.interval is not None
    assert found.rate == pytest.approx(0.02, rel=0.2)
    assert found.interval.high < found.allowed <= 0.05
    assert found.highest_evidence is not None
    assert found.highest_evidence < Sequential(allowed=0.05).suspected
    assert found.delay is not None


def test_an_incident_is_cut_out_and_ranges_marked_as_healthy_are_all_that_counts() -> None:
    """Else what the service does when it is ill would pass for its usual rate."""
    bad = np.random.default_rng(5).binomial(20, 0.02, 3000)
    bad[1000:1200] = 8
    track, ill = a_track(bad, 20.0), (minute(1000), minute(1200))
    whole, cut, marked = (
        proposal(track, sick=(), healthy=()),
        proposal(track, sick=(ill,), healthy=()),
        proposal(track, sick=(), healthy=((minute(0), minute(900)),)),
    )
    assert whole is not None
    assert cut is not None
    assert marked is not None
    assert whole.rate is not None
    assert whole.rate > 0.04
    assert cut.rate == pytest.approx(0.02, rel=0.2)
    assert cut.healthy_steps == 2800
    assert marked.healthy_steps == 900


def test_too_little_healthy_history_proposes_nothing() -> None:
    """And says how much is needed."""
    found = proposal(a_track(np.zeros(30), 20.0), sick=(), healthy=())
    assert found is not None
    assert found.allowed is None
    assert f"{LEAST_JUDGED:.0f} are needed" in found.because


def test_what_is_no_ratio_has_no_target() -> None:
    """A gauge's limit is a choice."""
    track = a_track(np.zeros(30), 20.0)
    track.spec = replace(track.spec, rule=Count(at_least=1, within=timedelta(minutes=5)))
    assert proposal(track, sick=(), healthy=()) is None
