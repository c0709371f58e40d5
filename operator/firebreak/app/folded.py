"""What has been counted and folded for some objectives: in service, or being rebuilt apart.

Asked by app/counter_feed.py. What must stay true: between two calls the state is that of a whole step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firebreak.app.grid import Grid
from firebreak.app.replay import Replay
from firebreak.core.counting import Counting, Subject
from firebreak.core.detectors.sequential import SequentialFolds
from firebreak.core.objectives import ObjectiveSpec, Watched
from firebreak.core.ports_metrics import MetricsPort, Vector

_NOTHING = Vector(labels=(), values=np.zeros(0))


@dataclass(slots=True)
class Folded:
    """The state of some objectives: counts, and a row of the folds for each ratio."""

    counting: Counting
    folds: SequentialFolds = field(default_factory=lambda: SequentialFolds(()))
    specs: list[ObjectiveSpec] = field(default_factory=list)  # of each row
    subject_of_row: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    _evidence: NDArray[np.float64] | None = None

    def evidence(self) -> NDArray[np.float64]:
        """E of each row; worked out once per step, since it is asked of each row alone."""
        if self._evidence is None:
            self._evidence = self.folds.evidence()
        return self._evidence

    def advance(self, step: int, bad: Vector, total: Vector | None) -> None:
        self._evidence = None
        counts = self.counting.advance(step, bad, total)
        if self.specs:
            self.folds.advance(step, counts.bad[self.subject_of_row], counts.judged[self.subject_of_row])

    def join(self, folds: SequentialFolds) -> None:
        self.folds, self._evidence = self.folds.join(folds), None

    def index_rows(self, subject_of: Callable[[ObjectiveSpec], Subject]) -> None:
        self.subject_of_row = np.array([self.counting.index(subject_of(s)) for s in self.specs], dtype=np.intp)


class Rebuild:
    """What is rebuilt apart from what is in service, as long as that takes; what was read is kept when a read fails."""

    def __init__(self, folded: Folded, specs: frozenset[Watched], grid: Grid, first: int) -> None:
        self.folded = folded
        self.specs = specs
        self.is_ready = False
        """Whether it has come up to what was due once; it may be behind again since."""
        self.is_busy = False
        """Whether somebody reads on."""
        self._replay = Replay(grid, first, folded.advance, afresh=True)

    @property
    def next(self) -> int:
        """The first step that it has not read."""
        return self._replay.next

    async def bring_up_to(self, upto: int, port: MetricsPort, queries: Sequence[str]) -> None:
        """Read on. Raises MetricsError."""
        self.is_busy = True
        try:
            await self._replay.read(port, queries, upto)
        finally:
            self.is_busy = False
        if self.folded.counting.last_step is None:
            # Nothing was there, and that is known up to here.
            self._replay.begun = True
            self.folded.advance(upto, _NOTHING, _NOTHING)
        self.is_ready = True
