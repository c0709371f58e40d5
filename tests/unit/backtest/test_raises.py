"""When the judge's sampling rate would have been raised over a history, and what that would have cost."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.unit.backtest.histories import History, as_declared, lived, minute, the_example

from firebreak.api.v1alpha1.aiservice import Judge
from firebreak.app.backtest.manifests import Declared
from firebreak.app.backtest.replayed import Replayed
from firebreak.app.backtest.report import report_of
from firebreak.app.backtest.report_shape import Report
from firebreak.app.backtest.simulation import Assume
from firebreak.cli.backtest_text import told
from firebreak.core.commands import Reason

DOCUMENTED = Path("docs/backtest.md").read_text()
JUDGED = 10
"""Of a hundred answers a minute: a rate of 10%."""


def sampled(**rate: Any) -> Declared:
    """The example, whose judge may be asked for more."""
    found = the_example()
    target = {"apiVersion": "v1", "kind": "ConfigMap", "name": "judge"}
    judge = Judge.model_validate(
        {"samplingRate": {"target": target, "path": "$.data['rate']", "raised": "50%", "dailyBudget": "6h"} | rate}
    )
    spec = found.service.spec.model_copy(update={"judge": judge})
    return replace(found, service=found.service.model_copy(update={"spec": spec}))


async def replayed(history: History, found: Declared) -> Replayed:
    return await lived(history.store, end=minute(history.minute), variant=as_declared(found))


async def reported(history: History, found: Declared) -> Report:
    return report_of(await replayed(history, found), assume=Assume.HELPS, healthy=())


async def test_it_would_have_been_raised_after_a_change_and_while_there_was_doubt() -> None:
    """For the first hour of a revision, and until the evidence had been weak for an hour in a row."""
    history = History().count(0, JUDGED, minutes=300).count(0, JUDGED, revision="v2", minutes=200)
    history.count(4, JUDGED, revision="v2", minutes=2).count(0, JUDGED, revision="v2", minutes=200)
    found = await replayed(history, sampled())

    changed, doubted = found.raises
    assert (changed.reason, changed.ended) == (Reason.REVISION_CHANGED, Reason.EVIDENCE_GONE)
    assert changed.until is not None
    assert abs(changed.since - minute(300)) <= timedelta(minutes=2)
    assert abs(changed.until - changed.since - timedelta(hours=1)) <= timedelta(minutes=2)
    assert (doubted.reason, doubted.ended) == (Reason.EVIDENCE_AT_WATCH, Reason.EVIDENCE_GONE)
    assert minute(500) < doubted.since < minute(504)
    assert found.declared.incidents == ()


async def test_what_more_would_have_been_judged_follows_from_the_answers() -> None:
    """A hundred a minute, of which half instead of a tenth."""
    history = History().count(0, JUDGED, minutes=300).count(0, JUDGED, revision="v2", minutes=200)
    sampling = (await reported(history, sampled())).sampling

    assert sampling is not None
    (one,) = sampling.raises
    assert one.judged_raised == pytest.approx(5.0 * one.judged)
    assert 55 * JUDGED <= one.judged <= 62 * JUDGED
    assert sampling.more == pytest.approx(4.0 * one.judged / (500 * JUDGED), rel=0.01)
    assert "is not in the history" in sampling.unknown
    assert "not known" not in sampling.unknown


async def test_a_budget_that_is_spent_ends_it() -> None:
    """As live, with the reason."""
    history = History().count(0, JUDGED, minutes=300).count(0, JUDGED, revision="v2", minutes=200)
    (one,) = (await replayed(history, sampled(dailyBudget="30m"))).raises
    assert one.ended == Reason.SAMPLING_BUDGET_SPENT
    assert one.until is not None
    assert abs(one.until - one.since - timedelta(minutes=30)) <= timedelta(minutes=2)


async def test_it_is_raised_while_a_step_is_being_proven() -> None:
    """A rollback is played, and its proof with it."""
    history = History().count(0, JUDGED, minutes=150).count(3, JUDGED, revision="v2", minutes=120)
    found = await replayed(history, sampled())
    assert found.declared.incidents
    assert found.raises[0].reason == Reason.REVISION_CHANGED
    without = await replayed(history, the_example())
    assert without.raises == ()
    assert [a.in_force_at for i in without.declared.incidents for a in i.status.actions] == [
        a.in_force_at for i in found.declared.incidents for a in i.status.actions
    ], "what was not judged is not in the history, so nothing comes sooner here"


async def test_the_json_of_it_is_documented() -> None:
    """Key by key, as the rest of it."""
    history = History().count(0, JUDGED, minutes=300).count(0, JUDGED, revision="v2", minutes=100)
    sampling = (await reported(history, sampled())).dump()["sampling"]
    assert [key for key in (*sampling, *sampling["raises"][0]) if f"`{key}`" not in DOCUMENTED] == []


async def test_the_text_tells_it_and_what_cannot_be_known() -> None:
    """Also where the raised value is no rate, or nothing is declared."""
    history = History().count(0, JUDGED, minutes=300).count(0, JUDGED, revision="v2", minutes=100)

    def printed(report: Report) -> str:
        console = Console(width=160)
        with console.capture() as captured:
            console.print(told(report))
        return captured.get()

    words = printed(await reported(history, sampled()))
    assert "the judge's sampling rate would have been raised to 50% once, for 59m" in words
    assert "RevisionChanged" in words
    assert "what the answers that were not judged would have said is not in the history" in words
    assert "'all' is no rate, such as 20%" in printed(await reported(history, sampled(raised="all")))
    assert "sampling rate" not in printed(await reported(history, the_example()))
