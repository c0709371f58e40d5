"""What does the sampler say? Verdicts as plain data, made from what the simulated users got.

Stands where app/sampler.py stands, and answers its questions. It reads with the replica's own clock, as queries to
Prometheus do: a clock that is ahead finds nothing there yet, and what could not be read makes an Error.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from bench.faults.cluster import CONFIRMED_AFTER, SUSPECTED_AFTER, SimulatedCluster
from bench.faults.manifests import STEP
from bench.faults.virtual import T0

from firebreak.app.sampler import Answered, Sampler
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.verdict import (
    Finding,
    Health,
    Onset,
    RecoveryFinding,
    RecoveryVerdict,
    Tier,
    Verdict,
    VerdictReason,
)

_SETTLE = 3.0
"""Seconds after a step until it can be read."""
_STALE = 5 * STEP
_SHOWN_BY = 2
"""Steps of one kind in a row that prove help, or that it did not help."""


class ScriptedSampler(Sampler):
    """The sampler's answers for the one objective of the story."""

    def __init__(self, cluster: SimulatedCluster, world_now: Callable[[], float], own_now: Callable[[], float]) -> None:
        super().__init__(lambda _: None)
        self._cluster = cluster
        self._world_now = world_now
        self._own_now = own_now
        self._step = -1
        self.is_away = False
        """Whether Prometheus cannot be reached."""

    def read(self) -> bool:
        """Read the steps that are due by this replica's clock and are there; whether there was one."""
        if self.is_away:
            return False
        due = int((min(self._own_now(), self._world_now()) - _SETTLE) // STEP) - 1
        before, self._step = self._step, max(self._step, due)
        return self._step != before

    def watches(self, key: ObjectiveKey) -> bool:
        return True

    def verdict(self, key: ObjectiveKey, now: datetime) -> Verdict:
        self.read()
        reading = self._cluster.reading(self._step)
        if reading is None or self._own_now() - (self._step + 1) * STEP > _STALE:
            if self.is_away:
                return self._said(key, Finding.ERROR, VerdictReason.SOURCE_UNREACHABLE, Tier.NONE)
            return self._said(key, Finding.INCONCLUSIVE, VerdictReason.STALE, Tier.NONE)
        row = reading.bad_in_a_row
        onset = T0 + timedelta(seconds=reading.onset)
        if reading.holds or row >= CONFIRMED_AFTER:
            return self._said(key, Finding.BREACHED, VerdictReason.EVIDENCE_OF_BREACH, Tier.CONFIRMED, onset)
        if row == SUSPECTED_AFTER:
            return self._said(key, Finding.BREACHED, VerdictReason.EVIDENCE_OF_BREACH, Tier.SUSPECTED, onset)
        if row == 1:
            return self._said(key, Finding.BREACHED, VerdictReason.EVIDENCE_OF_BREACH, Tier.WATCH, onset)
        return self._said(key, Finding.MET, VerdictReason.WITHIN_OBJECTIVE, Tier.NONE)

    def _said(
        self, key: ObjectiveKey, finding: Finding, reason: VerdictReason, tier: Tier, onset: datetime | None = None
    ) -> Verdict:
        return Verdict(
            objective=key,
            finding=finding,
            reason=reason,
            because=f"{key.objective} is {finding} ({tier.label})",
            at=T0 + timedelta(seconds=(self._step + 1) * STEP),
            query="bad / total",
            tier=tier,
            estimate=0.2 if finding is Finding.BREACHED else 0.001,
            onset=Onset(at=onset, earliest=onset, latest=onset) if onset else None,
        )

    def _since(self, since: datetime) -> range:
        """The steps that lie wholly after a moment and have been read."""
        first = int(-(-(since - T0).total_seconds() // STEP))
        return range(max(first, 0), self._step + 1)

    def recovery(
        self, key: ObjectiveKey, since: datetime, revision: str | None, incident_rate: float | None, now: datetime
    ) -> RecoveryVerdict:
        verdict = self.verdict(key, now)
        finding = RecoveryFinding.INCONCLUSIVE
        if verdict.finding is Finding.ERROR:
            finding = RecoveryFinding.ERROR
        elif verdict.reason is not VerdictReason.STALE:
            steps = [r for n in self._since(since) if (r := self._cluster.reading(n)) and r.share > 0]
            last = [r.bad for r in steps[-_SHOWN_BY:]]
            if len(last) == _SHOWN_BY and all(last):
                finding = RecoveryFinding.NOT_HELPED
            elif len(last) == _SHOWN_BY and not any(last):
                finding = RecoveryFinding.RECOVERED
        return RecoveryVerdict(objective=key, finding=finding, because=f"{key.objective}: {finding}", at=verdict.at)

    def health(self, key: ObjectiveKey, since: datetime, revision: str | None, now: datetime) -> Health:
        return Health(
            meets=False,
            because="the story is too short to prove a revision",
            judged=0.0,
            bad=0.0,
            upper_bound=None,
            expected_delay=None,
            span=timedelta(0),
        )

    def answers(self, service: ServiceKey, since: datetime, revision: str | None = None) -> tuple[Answered, ...] | None:
        self.read()
        return tuple(
            Answered(at=T0 + timedelta(seconds=(n + 1) * STEP), answers=100.0 * reading.share)
            for n in self._since(since)
            if (reading := self._cluster.reading(n))
        )

    def expected_delay(self, key: ObjectiveKey, times: float = 1.0) -> timedelta | None:
        return timedelta(seconds=CONFIRMED_AFTER * STEP)

    def is_sequential(self, key: ObjectiveKey) -> bool:
        return True

    def quiet_steps(self, keys: Collection[ObjectiveKey], below: float, now: datetime) -> int | None:
        reading = self._cluster.reading(self._step)
        if reading is None or self._own_now() - (self._step + 1) * STEP > _STALE:
            return None
        return max(-reading.bad_in_a_row, 0)

    def oddities(self, key: ObjectiveKey) -> tuple[str, ...]:
        return ()

    def segments(self, key: ObjectiveKey, since: datetime) -> list[Any]:
        return []

    def judges_seen(self, key: ObjectiveKey) -> dict[str, datetime]:
        return {}

    def revisions_seen(self, key: ObjectiveKey, since: datetime) -> dict[str, float]:
        return {}

    def _nothing_is_known(self, *_: Any, **__: Any) -> None:
        return None

    compare = comparison = bad_served = coverage = _nothing_is_known
