"""Which revision served at each moment of a history? Told from the counts, since nobody recorded the cluster.

Asked by app/backtest/replayed.py once a step. A revision that answers for the first time, or again after it was gone, is
the one that was deployed then; one that is gone while others answer was taken back. Gone is what has not answered for so
long that ten of its answers are missing: a canary with little traffic is not gone between two of its answers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

_MISSING = 10.0
_LEAST_STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """From `at` on the service's fields held this revision."""

    at: datetime
    revision: str


@dataclass(slots=True)
class _Presence:
    arrived: int
    last: int
    last_at: datetime
    answers: float

    def is_gone(self, step: int) -> bool:
        per_step = self.answers / (self.last - self.arrived + 1)
        return step - self.last >= max(_LEAST_STEPS, _MISSING / per_step)


class Served:
    """Follows the counts, step by step, and tells of each change."""

    def __init__(self, declared: Iterable[Deployed] = ()) -> None:
        """`declared`: deployments that people know of, for metrics that carry no revision."""
        self._declared = sorted(declared, key=lambda d: d.at)
        self._seen: dict[str, _Presence] = {}
        self._step = 0
        self.current = ""
        self.changes: list[Deployed] = []

    def follow(self, start: datetime, end: datetime, answered: Mapping[str, float]) -> Deployed | None:
        """One step: how much was answered by each revision in it. The change that it shows, if any."""
        self._step += 1
        changed: Deployed | None = None
        for name, count in sorted(answered.items()):
            known = self._seen.get(name)
            if known is None or known.is_gone(self._step):
                self._seen[name] = _Presence(arrived=self._step, last=self._step, last_at=end, answers=count)
                changed = Deployed(at=start, revision=name)
            else:
                known.last, known.last_at, known.answers = self._step, end, known.answers + count
        if changed is None:
            changed = self._taken_back(answered)
        while self._declared and self._declared[0].at <= end:
            changed = self._declared.pop(0)
        if changed is None or changed.revision == self.current:
            return None
        self.current = changed.revision
        self.changes.append(changed)
        return changed

    def _taken_back(self, answered: Mapping[str, float]) -> Deployed | None:
        current = self._seen.get(self.current)
        others = {name: self._seen[name] for name in answered if name != self.current}
        if current is None or not others or not current.is_gone(self._step):
            return None
        return Deployed(at=current.last_at, revision=max(others, key=lambda name: others[name].arrived))
