"""How strongly do an objective's failures cluster, by its own healthy history in the metrics store?

Asked once a day per objective. Reads fourteen days in blocks of ten steps, through the same counting as live.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from firebreak.app.counter_feed import subject_of
from firebreak.app.grid import Grid
from firebreak.app.replay import replay
from firebreak.core.clustering import HEALTHY_DAYS_NEEDED, Clustering, measure_clustering
from firebreak.core.counting import Counting
from firebreak.core.objectives import ObjectiveSpec, Ratio
from firebreak.core.ports_metrics import MetricsPort, Vector
from firebreak.core.promql import confined

RESOLUTION_STEPS = 10
HISTORY_STEPS = HEALTHY_DAYS_NEEDED * 1440  # days of minutes: with a shorter step, as many steps

Span = tuple[datetime, datetime]


async def clustering_of(
    spec: ObjectiveSpec, port: MetricsPort, now: datetime, incidents: Sequence[Span] = ()
) -> Clustering:
    """Measure G; `incidents` (onset to recovery) are cut out. Raises MetricsError.

    The steps it rests on say whether there is enough healthy history (`HISTORY_STEPS`) to trust it.
    """
    if not isinstance(spec.indicator, Ratio):
        raise TypeError(f"{spec.key} is no ratio")
    grid = Grid(spec.step * RESOLUTION_STEPS, max(spec.settle, timedelta(0)))
    counting = Counting(spec.labels, [subject_of(spec)])
    last = grid.due(now)
    first = last - HISTORY_STEPS // RESOLUTION_STEPS
    counts: dict[int, tuple[float, float]] = {}

    def take(step: int, bad: Vector, total: Vector | None) -> None:
        found = counting.advance(step, bad, total)
        counts[step] = (float(found.bad[0]), float(found.judged[0]))

    queries = [
        confined(selector, spec.labels.namespace, [spec.key.namespace])
        for selector in (spec.indicator.bad, spec.indicator.total)
    ]
    await replay(port, queries, grid, first, last, take, afresh=True)
    # The first block is a baseline, whatever was counted in it.
    known = sorted(counts)[1:]
    healthy = np.array([not _touches(grid.end(step - 1), grid.end(step), incidents) for step in known], dtype=np.bool_)
    bad, judged = (np.array([counts[step][side] for step in known]) for side in (0, 1))
    return measure_clustering(bad, judged, healthy, RESOLUTION_STEPS)


def _touches(start: datetime, end: datetime, incidents: Sequence[Span]) -> bool:
    return any(start < until and since < end for since, until in incidents)
