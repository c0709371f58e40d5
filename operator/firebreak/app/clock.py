"""What time is it? The only place that asks the machine.

Everything else takes the time as an argument, so that a test, a drill or a backtest can say what it is.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The wall clock, in UTC: for what people read and for comparing with the cluster's and Prometheus' times."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: for durations and deadlines within this process."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment in the past."""
        return time.monotonic()
