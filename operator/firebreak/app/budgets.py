"""How much of each error budget is left?

For objectives with detector BurnRate, over weeks: read again whenever a block of their period (an hour of thirty days) is
over, and the same after a restart. Kept in memory only; until it was read once the status says nothing of it.
"""

import asyncio
import math
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from firebreak.app.blocks import read_blocks
from firebreak.app.grid import Grid
from firebreak.app.queue import Turns
from firebreak.app.sampler import Sampler
from firebreak.core.detectors.burn_rate import Budget, budget_left
from firebreak.core.objectives import BurnRate, ObjectiveKey, ObjectiveSpec, SourceKey
from firebreak.core.ports_metrics import MetricsError, MetricsPort
from firebreak.core.promql import SelectorRefused

BLOCKS = 720  # of a period; an hour each of thirty days

_SHORTEST_BLOCK = timedelta(minutes=1)
_ONE_SECONDS = 120.0
_RETRY = timedelta(minutes=10)

log = structlog.get_logger()


class Budgets:
    """The error budgets of all services, brought up to date by `read_next`."""

    def __init__(self, *, sampler: Sampler, source: Callable[[SourceKey], MetricsPort | None], turns: Turns) -> None:
        self._sampler = sampler
        self._source = source
        self._turns = turns
        self._left: dict[ObjectiveSpec, tuple[int, Budget]] = {}
        self._tried: dict[ObjectiveKey, datetime] = {}

    def left(self, spec: ObjectiveSpec) -> Budget | None:
        """What is left as of the last block; None if it has no budget, or it was not read yet."""
        known = self._left.get(spec)
        return known[1] if known else None

    async def read_next(self, now: datetime) -> bool:
        """Read the first budget that is due; False if none is."""
        specs = [s for s in self._sampler.objectives() if isinstance(s.rule, BurnRate)]
        self._left = {spec: self._left[spec] for spec in specs if spec in self._left}
        self._tried = {s.key: self._tried[s.key] for s in specs if s.key in self._tried}
        for spec in specs:
            known, tried = self._left.get(spec), self._tried.get(spec.key)
            last = blocks_of(spec).due(now)
            if (known is None or known[0] < last) and (tried is None or now - tried >= _RETRY):
                await self._read(spec, last, now)
                return True
        return False

    async def _read(self, spec: ObjectiveSpec, last: int, now: datetime) -> None:
        self._tried[spec.key] = now
        port = self._source(spec.source)
        if port is None:
            return
        try:
            async with asyncio.timeout(_ONE_SECONDS):
                budget = await budget_of(spec, port, last)
        except (MetricsError, SelectorRefused, TimeoutError) as error:
            log.warning("budget_not_read", objective=str(spec.key), error=str(error))
            return
        del self._tried[spec.key]
        self._left[spec] = (last, budget)
        self._turns.touch(spec.key.service_key)


async def budget_of(spec: ObjectiveSpec, port: MetricsPort, last: int) -> Budget:
    """Of the period that ends with the block `last`. Raises MetricsError."""
    assert isinstance(spec.rule, BurnRate), "others have no budget"
    grid = blocks_of(spec)
    read = await read_blocks(spec, port, grid, last - math.ceil(spec.rule.period / grid.step) + 1, last)
    return budget_left(spec.rule.allowed, float(read.bad.sum()), float(read.judged.sum()))


def blocks_of(spec: ObjectiveSpec) -> Grid:
    """The grid on which a budget is counted: whole steps, some 720 to a period, and no shorter than a minute."""
    assert isinstance(spec.rule, BurnRate), "others have no budget"
    wanted = max(spec.rule.period / BLOCKS, _SHORTEST_BLOCK)
    return Grid(spec.step * math.ceil(wanted / spec.step), spec.settle)
