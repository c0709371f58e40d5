"""When would the judge's sampling rate have been raised, for how long, and why?

Driven by app/backtest/simulation.py at the end of each turn, as app/raising.py is live: the same decision, the same
record, the same actuator. What no history can tell is what the answers that were never judged would have said: the
evidence goes on as it was recorded, so live a raise ends sooner or later than here, and a containment comes sooner.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from firebreak.api.v1alpha1 import AIService
from firebreak.api.v1alpha1.aiservice import SamplingState
from firebreak.api.v1alpha1.sampling import RaisePhase, SamplingRaiseStatus
from firebreak.app.actuator import Actuator
from firebreak.app.sampler import Sampler
from firebreak.app.sampling_facts import sampling_facts
from firebreak.core.field_paths import held_at
from firebreak.core.sampling_raise import decide_sampling
from firebreak.core.sampling_record import after_write
from firebreak.core.situation import Situation

_MOVES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """The rate would have been raised from one moment to another."""

    since: datetime
    reason: str
    because: str
    until: datetime | None = None
    """None while it is raised still."""
    ended: str = ""
    """Why it would have been given back, in one word."""


class Raises:
    """Of one service; nothing where it declares no sampling rate."""

    def __init__(self, service: AIService, actuator: Actuator, sampler: Sampler) -> None:
        judge = service.spec.judge
        self._declared = judge.sampling_rate if judge else None
        self._namespace = service.metadata.namespace
        self._actuator = actuator
        self._sampler = sampler
        self._record = SamplingRaiseStatus()
        self.found: list[Raise] = []

    async def look_after(self, s: Situation, now: datetime) -> bool:
        """Raise, keep or give back; whether the next step is to be looked at as well."""
        declared = self._declared
        if declared is None:
            return False
        state = SamplingState.NORMAL
        for _ in range(_MOVES):
            held = held_at(s.objects.get(declared.target), declared.path)
            facts = sampling_facts(s, self._sampler, declared=declared, record=self._record, held=held, now=now)
            decided = decide_sampling(facts, now)
            state = decided.told.state
            if decided.record != self._record:
                self._keep(decided.record, now)
            elif decided.writes and self._record.write is not None:
                # Whoever is named as the account may do it: there is no RBAC in a history.
                result = await self._actuator.set(self._namespace, "", self._record.write)
                self._keep(after_write(self._record, result, now), now)
            else:
                break
        return state is not SamplingState.NORMAL

    def _keep(self, record: SamplingRaiseStatus, now: datetime) -> None:
        before, self._record = self._record, record
        if record.phase is RaisePhase.RAISED and before.phase is not RaisePhase.RAISED:
            self.found.append(Raise(since=now, reason=record.reason, because=record.because))
        elif record.phase is RaisePhase.NORMAL and before.since is not None:
            self.found[-1] = replace(self.found[-1], until=now, ended=record.reason)
