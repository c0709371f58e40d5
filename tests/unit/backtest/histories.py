"""Histories for tests of the backtest: minutes of counts by revision, as a store or as a file in OpenMetrics format."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.recorded import RecordedStore

from firebreak.app.backtest.manifests import Declared, declared
from firebreak.app.backtest.replayed import Range, Replayed, Variant, replay
from firebreak.app.backtest.served import Deployed
from firebreak.app.backtest.simulation import Assume
from firebreak.app.grid import Grid
from firebreak.core.ports_metrics import MetricsPort

GRID = Grid(timedelta(seconds=60), timedelta(seconds=15))
START = datetime(2026, 5, 1, 22, tzinfo=UTC)
"""Two hours before the detectors' folds begin anew."""
EXAMPLE = Path("examples/backtest")
METRICS = ("ai_judged_bad_total", "ai_judged_total", "ai_answers_total")


def minute(number: float) -> datetime:
    """The end of a minute of the history."""
    return START + timedelta(minutes=number)


class History:
    """A service, minute by minute; its counters begin at 0."""

    def __init__(self) -> None:
        self.store = RecordedStore(GRID)
        self.minute = 0
        self._totals: dict[tuple[str, str], float] = {}
        self._first = round((START - GRID.end(0)) / GRID.step)

    def count(self, bad: float, judged: float, *, revision: str = "v1", minutes: int = 1) -> "History":
        """So much in each of some minutes; ten times as many answers as judged."""
        for _ in range(minutes):
            self._write(revision, (0.0, 0.0, 0.0))
            self.minute += 1
            self._write(revision, (bad, judged, judged * 10.0))
        return self

    def silent(self, minutes: int = 1) -> "History":
        """The metrics are away."""
        self.minute += minutes
        return self

    def _write(self, revision: str, grown: Iterable[float]) -> None:
        for metric, more in zip(METRICS, grown, strict=True):
            total = self._totals.setdefault((metric, revision), 0.0) + more
            self._totals[metric, revision] = total
            labels = {"namespace": "docs", "service": "summarizer", "revision": revision}
            self.store.write(metric, labels, {self._first + self.minute: total})

    def as_file(self, path: Path) -> Path:
        """The same history in OpenMetrics text format."""
        lines = []
        for metric, series in self.store.readings.items():
            lines.append(f"# TYPE {metric.removesuffix('_total')} counter")
            for labels, readings in series.items():
                told = ",".join(f'{name}="{value}"' for name, value in labels)
                lines += [f"{metric}{{{told}}} {value:g} {step * 60}" for step, value in sorted(readings.items())]
        path.write_text("\n".join([*lines, "# EOF", ""]))
        return path


def the_example() -> Declared:
    """The service of examples/backtest, whose revisions need two hours to prove themselves, and whose judge is left alone."""
    found = declared([EXAMPLE / "service.yaml", EXAMPLE / "policy.yaml"])
    spec = found.service.spec
    assert spec.revision is not None
    soon = spec.revision.known_good.model_copy(update={"after": timedelta(hours=2), "min_judged": 1000})
    revision = spec.revision.model_copy(update={"known_good": soon})
    spec = spec.model_copy(update={"revision": revision, "judge": None})
    return replace(found, service=found.service.model_copy(update={"spec": spec}))


def as_declared(found: Declared | None = None) -> Variant:
    """The service as it is declared."""
    found = found or the_example()
    return Variant(name="", service=found.service, policy=found.policy, watched=found.compiled().watched)


async def lived(
    port: MetricsPort,
    *,
    start: datetime = START,
    end: datetime,
    variant: Variant | None = None,
    assume: Assume = Assume.HELPS,
    deployed: tuple[Deployed, ...] = (),
) -> Replayed:
    """Live through a history without what was before it."""
    asked = Range(start=start, end=end, warm_up=timedelta(0))
    return await replay([variant or as_declared()], port, asked, assume=assume, deployed=deployed)
