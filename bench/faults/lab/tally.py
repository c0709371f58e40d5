"""How many points have been tried, which came to another end, and what is told of those?"""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.faults.lab.lane import Lived
from bench.faults.lab.points import Point


@dataclass(slots=True)
class Tally:
    """What has been tried so far."""

    folder: Path
    began: float = field(default_factory=time.monotonic)
    wanted: int = 0
    tried: Counter[str] = field(default_factory=Counter)
    missed: list[Point] = field(default_factory=list)
    """Points whose boundary was not met: a record is written a time more or less, as things come."""
    failed: list[Point] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Where the bench itself could not go on; it says nothing of the operator."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def broke(self, what: object, error: BaseException) -> None:
        """The bench itself could not go on there."""
        with self._lock:
            self.broken.append(f"{what}: {type(error).__name__}: {str(error)[:600]}")
            print(f"BROKEN {self.broken[-1]}", flush=True)

    def add(self, point: Point, lived: Lived, wrong: Sequence[str]) -> None:
        """One more."""
        with self._lock:
            if point.mishap is not None and not lived.is_reached:
                self.missed.append(point)
            else:
                replicas = "alone" if point.replicas == 1 else "with a second replica"
                self.tried[f"{point.story}, {point.what}, {replicas}"] += 1
            if wrong:
                self.failed.append(point)
                print(f"FAIL {point}", *wrong, sep="\n     ", flush=True)
                print(f"     told in {self._write(point, lived, wrong)}", flush=True)
            done = self.tried.total() + len(self.missed)
            print(
                f"[{done}/{self.wanted}] {time.monotonic() - self.began:.0f} s  {point}  {lived.ending.took:.0f} s",
                flush=True,
            )

    def _write(self, point: Point, lived: Lived, wrong: Sequence[str]) -> Path:
        path = self.folder / f"{str(point).replace('/', '_')}.txt"
        path.write_text("\n".join((*wrong, "", *told(lived), "", *lived.told)) + "\n")
        return path

    def summary(self) -> Iterator[str]:
        """What is printed at the end."""
        for what, count in sorted(self.tried.items()):
            yield f"{count:6} {what}"
        tried = self.tried.total()
        yield (
            f"{tried} of {self.wanted} points tried on the lab in {time.monotonic() - self.began:.0f} s; "
            f"{len(self.failed)} came to another end"
        )
        if self.missed:
            yield f"{len(self.missed)} points were not met: {', '.join(map(str, self.missed))}"
        yield from (f"the bench itself failed at {what}" for what in self.broken)
        left = self.wanted - tried - len(self.missed)
        if left:
            yield f"{left} were not tried; for want of time, --minutes 0 tries all"
        if self.failed:
            yield "live through one again: python -m bench.faults.lab replay NAME"


def told(lived: Lived) -> Iterator[str]:
    """A story as its record tells it."""
    yield from (f"{number:4} {asked}" for number, asked in enumerate(lived.ending.boundaries))
    yield from (f"{spot} was set to {value!r}" for spot, value in lived.ending.written)
    for incident in lived.ending.incidents:
        yield f"\n{incident['metadata']['name']}"
        for entry in incident.get("status", {}).get("timeline", ()):
            yield f"  {entry['at'][11:19]} {entry['reason']}: {entry['message']}"
