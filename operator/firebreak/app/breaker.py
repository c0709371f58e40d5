"""Does the circuit breaker hold the installation back?

`follow` is called by app/evaluate.py after each round, before the services have their turns; on every replica, so that
the next leader knows what it must hold. What app/breaker_status.py has written is taken up after a restart. Costs grow
with what has changed: only such services are looked at.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import structlog

from firebreak.api.conditions import ConditionType
from firebreak.api.v1alpha1 import AIIncident, AIService, ClusterMetricSource, FirebreakControl, MetricSource
from firebreak.api.v1alpha1.control import Breaker, BreakerState
from firebreak.api.v1alpha1.model import ConditionStatus
from firebreak.app.catalog import Catalog
from firebreak.app.measuring import oddities
from firebreak.app.queue import Turns
from firebreak.app.sampler import Sampler
from firebreak.app.telemetry import Telemetry
from firebreak.core.breaker import (
    BreakerRules,
    Wave,
    hold_of_breaker,
    is_breached,
    judge,
    seen,
)
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.situation import Hold
from firebreak.core.verdict import Finding

log = structlog.get_logger()

CONTROL = "firebreak"
"""The one FirebreakControl that counts."""
_SIGNS_EVERY = timedelta(seconds=5)
"""Whether metrics are well is asked of every breached service, so not in every round."""


class CircuitBreaker:
    """The one breaker of the installation; without rules it never trips."""

    def __init__(
        self,
        *,
        rules: BreakerRules | None,
        catalog: Catalog,
        sampler: Sampler,
        turns: Turns,
        telemetry: Telemetry,
    ) -> None:
        self._rules = rules
        self._catalog = catalog
        self._sampler = sampler
        self._turns = turns
        self._telemetry = telemetry
        self._wave: Wave | None = None
        self._state = Breaker()
        self._signs: Mapping[ServiceKey, str] = {}
        self._signs_at = datetime.min.replace(tzinfo=UTC)

    def follow(self, changed: Iterable[ServiceKey], now: datetime) -> None:
        """Bring it up to date after these services' verdicts have changed in kind."""
        if self._rules is None:
            return
        services = {
            ServiceKey(s.metadata.namespace, s.metadata.name): s
            for s in self._catalog.all(AIService)
            if not s.spec.suspend
        }
        wave = self._wave or Wave(since=self._from_incidents())
        for key in (*changed, *(k for k in wave.since if k not in services)):
            service = services.get(key)
            wave = seen(wave, key, False if service is None else self._is_breached(service, key, now), now)
        self._wave = Wave(since=wave.since, total=len(services))
        control = self.control()
        self._take_up(control.status.breaker if control else None)
        if now >= self._signs_at + _SIGNS_EVERY:
            self._signs_at = now
            self._signs = self._ill(services, now) if len(wave.since) > self._rules.services else {}
        confirmed = control.spec.confirmed_trip if control else None
        before, self._state = self._state, judge(self._state, self._wave, self._signs, confirmed, self._rules, now)
        self._telemetry.breaker(self._state)
        if (before.state, before.cause, before.trip) != (self._state.state, self._state.cause, self._state.trip):
            log.warning("circuit_breaker", state=self._state.state, trip=self._state.trip, because=self._state.because)
            for key in self._catalog.services_with_open_incidents():
                self._turns.touch(key)

    @property
    def rules(self) -> BreakerRules | None:
        """What it goes by; None when it is turned off."""
        return self._rules

    @property
    def state(self) -> Breaker | None:
        """Where it stands; None before the first round."""
        return None if self._wave is None else self._state

    def asked(self, now: datetime) -> None:
        """People were asked about it."""
        self._state = self._state.model_copy(update={"asked_at": now})

    def control(self) -> FirebreakControl | None:
        """The object in which it stands; None where someone has deleted it."""
        found = self._catalog.get(FirebreakControl, "", CONTROL)
        return found if isinstance(found, FirebreakControl) else None

    def hold(self, incident: AIIncident | None) -> Hold | None:
        """What holds this incident's next step."""
        if self._rules is None or incident is None:
            return None
        return hold_of_breaker(self._state, self._rules, incident.metadata.namespace, incident.metadata.name)

    def _take_up(self, held: Breaker | None) -> None:
        """What another replica, or this one before a restart, has written."""
        if held is None:
            return
        if held.trip > self._state.trip:
            self._state = held
        elif held.trip == self._state.trip and held.state is BreakerState.CONFIRMED:
            self._state = held if self._state.state is BreakerState.TRIPPED else self._state

    def _from_incidents(self) -> Mapping[ServiceKey, datetime]:
        """Who was breached before this process began, and since when."""
        return {
            ServiceKey(i.metadata.namespace, i.spec.service): i.status.detected_at
            for i in self._catalog.open_incidents()
            if i.status.detected_at is not None and any(o.breached for o in i.status.objectives)
        }

    def _is_breached(self, service: AIService, key: ServiceKey, now: datetime) -> bool | None:
        measured = (ObjectiveKey(key.namespace, key.name, o.name) for o in service.spec.objectives)
        return is_breached(service.spec, [self._sampler.verdict(o, now) for o in measured if self._sampler.watches(o)])

    def _ill(self, services: Mapping[ServiceKey, AIService], now: datetime) -> Mapping[ServiceKey, str]:
        """Of the breached services, why their metrics may be wrong."""
        assert self._wave is not None
        found = {}
        for key in self._wave.since:
            service = services.get(key)
            if service is not None and (sign := self._sign(service, key, now)):
                found[key] = sign
        return found

    def _sign(self, service: AIService, key: ServiceKey, now: datetime) -> str:
        ref = service.spec.metrics.source
        source = (
            self._catalog.get(MetricSource, key.namespace, ref.name)
            if ref.kind == MetricSource.__name__
            else self._catalog.get(ClusterMetricSource, "", ref.name)
        )
        if isinstance(source, MetricSource | ClusterMetricSource):
            for condition in source.status.conditions:
                if condition.type == ConditionType.REACHABLE and condition.status is ConditionStatus.FALSE:
                    return f"{ref.kind} {ref.name} does not answer: {condition.message}"
        objectives = (ObjectiveKey(key.namespace, key.name, o.name) for o in service.spec.objectives)
        measured = tuple(o for o in objectives if self._sampler.watches(o))
        for problem in oddities(self._sampler, measured):
            return problem.message
        unread = [v for o in measured if (v := self._sampler.verdict(o, now)).finding is Finding.ERROR]
        return f"{unread[0].objective.objective}: {unread[0].because}" if unread else ""
