"""A backtest from the question to the answer: manifests and a history in, a report out.

Asked by cli/backtest.py. What cannot be answered is refused with a message that says what to change: an empty range, no
series at all, an objective that a file cannot answer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from firebreak.adapters.openmetrics import OpenMetricsFile
from firebreak.adapters.prometheus import Endpoint, PrometheusHistory
from firebreak.app.backtest.hindsight import Span
from firebreak.app.backtest.manifests import Declared, ManifestRefused, declared
from firebreak.app.backtest.replayed import Range, Replayed, replay
from firebreak.app.backtest.report import report_of
from firebreak.app.backtest.report_shape import Report
from firebreak.app.backtest.served import Deployed
from firebreak.app.backtest.simulation import Assume
from firebreak.app.backtest.what_if import Change, variants
from firebreak.core.history import HISTORY_STEPS
from firebreak.core.objectives import ObjectiveSpec
from firebreak.core.ports_metrics import MetricsPort
from firebreak.core.verdict import Finding, VerdictReason

_DEFAULT_RANGE = timedelta(days=7)
Progress: TypeAlias = Callable[[int, int], None]


class NothingToJudge(Exception):
    """There is nothing in the range that could be judged; the message says what was looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The question, as it was put."""

    files: tuple[Path, ...]
    history: Endpoint | Path
    start: datetime | None
    end: datetime | None
    now: datetime
    service: str | None = None
    namespace: str | None = None
    healthy: tuple[Span, ...] = ()
    deployed: tuple[tuple[datetime, str], ...] = ()
    assume: Assume = Assume.HELPS
    warm_up: timedelta | None = None
    changes: tuple[Change, ...] = ()
    """What is to be tried beside the service as declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Of:
    """The answer, and what it is made of."""

    report: Report
    replayed: Replayed


async def answer(asked: Asked, progress: Progress) -> Of:
    """Run the backtest. Raises ManifestRefused, NothingToJudge or MetricsError (an unusable file is one)."""
    found = declared(asked.files, service=asked.service, namespace=asked.namespace)
    compiled = found.compiled()
    problems = [str(p) for p in compiled.problems]
    objectives = [w for w in compiled.watched if isinstance(w, ObjectiveSpec)]
    if not objectives:
        raise ManifestRefused("no objective can be measured as declared: " + "; ".join(problems))
    port, span = _history(asked, min(o.step for o in objectives))
    replayed = await replay(
        variants(found, asked.changes),
        port,
        span,
        assume=asked.assume,
        deployed=[Deployed(at=at, revision=revision) for at, revision in asked.deployed],
        progress=progress,
    )
    problems += [*_unread(replayed, found), *replayed.problems]
    return Of(
        report=report_of(replayed, assume=asked.assume, healthy=asked.healthy, problems=problems), replayed=replayed
    )


def _history(asked: Asked, step: timedelta) -> tuple[MetricsPort, Range]:
    port: MetricsPort
    if isinstance(asked.history, Path):
        file = OpenMetricsFile.read(asked.history)
        port, start, end = file, asked.start or file.first, asked.end or file.last
        held = f"the file holds {_moment(file.first)} to {_moment(file.last)}"
    else:
        port = PrometheusHistory(asked.history)
        end = min(asked.end or asked.now, asked.now)
        start, held = asked.start or end - _DEFAULT_RANGE, ""
    if start >= end:
        told = f"; {held}" if held else f"; it is {_moment(asked.now)}"
        raise NothingToJudge(f"--from {_moment(start)} is not before --to {_moment(end)}{told}")
    if end - start < 2 * step:
        raise NothingToJudge(
            f"{_moment(start)} to {_moment(end)} is shorter than two steps of {step.total_seconds():g} s"
        )
    if held and (isinstance(port, OpenMetricsFile) and (end <= port.first or start >= port.last)):
        raise NothingToJudge(f"nothing was recorded from {_moment(start)} to {_moment(end)}; {held}")
    warm_up = step * HISTORY_STEPS if asked.warm_up is None else asked.warm_up
    if isinstance(port, OpenMetricsFile):
        warm_up = max(timedelta(0), min(warm_up, start - port.first))
    return port, Range(start=start, end=end, warm_up=warm_up)


def _unread(replayed: Replayed, found: Declared) -> Iterable[str]:
    """What could not be judged at all; NothingToJudge if that is everything."""
    problems = {}
    for track in replayed.tracks:
        silent = [v for v in track.verdicts if v.reason is VerdictReason.NO_SERIES]
        errors = [v for v in track.verdicts if v.finding is Finding.ERROR]
        if len(silent) + len(errors) == len(track.verdicts):
            last = track.verdicts[-1] if track.verdicts else None
            problems[track.spec.key.objective] = last.because if last else "nothing was read"
    if len(problems) == len(replayed.tracks):
        told = "; ".join(f"{name}: {words}" for name, words in problems.items())
        raise NothingToJudge(f"no objective of {found.service.metadata.name} could be judged in the range: {told}")
    return [f"{name} was not judged: {words}" for name, words in problems.items()]


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"
