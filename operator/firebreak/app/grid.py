"""At which moments are counters read? Steps are numbered from 1970 on, so every process means the same ones."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Grid(NamedTuple):
    """A step's length, and how long after its end its samples are taken to have arrived."""

    step: timedelta
    settle: timedelta

    def due(self, now: datetime) -> int:
        """The last step whose samples are taken to have arrived."""
        return (now - self.settle - EPOCH) // self.step

    def end(self, step: int) -> datetime:
        return EPOCH + self.step * step

    def first_within(self, since: datetime) -> int:
        """The first step that lies wholly after a moment."""
        return -((EPOCH - since) // self.step) + 1

    def last_within(self, until: datetime) -> int:
        """The last step that lies wholly before a moment."""
        return (until - EPOCH) // self.step
