"""Does the circuit breaker hold the installation back?

`follow` is called by app/evaluate.py after each round, before the services have their turns; on every replica, so that
the next leader knows what it must hold. What the leader has written by app/breaker_status.py is what is so: it is taken
up after a restart, and a replica that does not lead ends no trip by its own view. Costs grow with what has changed: only
such services are looked at.
"""

from collections.abc import Callable, Iterable, Mapping
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
    breached_since,
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
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._leads = leads
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
        """Bring it up to date after these services' verdicts have changed in kind.

        After an exception nothing has changed: call again with the same services, or they are no part of the wave.
        """
        if self._rules is None:
            return
        services = {
            ServiceKey(s.metadata.namespace, s.metadata.name): s
            for s in self._catalog.all(AIService)
            if not s.spec.suspend
        }
        control = self.control()
        held = control.status.breaker if control else None
        self._take_up(held)  # first: whatever fails below, what was held is held
        wave = self._wave or Wave(since=self._from_before(held, services))
        for key in (*changed, *(k for k in wave.since if k not in services)):
            service = services.get(key)
            wave = seen(wave, key, False if service is None else self._is_breached(service, key, now), now)
        self._wave = Wave(since=wave.since, total=len(services))
        if now >= self._signs_at + _SIGNS_EVERY:
            self._signs_at = now
            self._signs = self._ill(services, now) if len(wave.since) > self._rules.services else {}
        confirmed = control.spec.confirmed_trip if control else None
        before = self._state
        self._state = self._as_led(judge(before, self._wave, self._signs, confirmed, self._rules, now), held)
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
        """What holds this incident's next step; before the first round, what was held before this process began."""
        if self._rules is None or incident is None:
            return None
        state, wave = self._state, self._wave
        if wave is None and (control := self.control()) is not None:
            state = control.status.breaker
        key = ServiceKey(incident.metadata.namespace, incident.spec.service)
        since = wave.since.get(key) if wave is not None else self._as_recorded(incident)
        return hold_of_breaker(state, self._rules, incident.metadata.namespace, incident.metadata.name, since)

    def _take_up(self, held: Breaker | None) -> None:
        """What another replica, or this one before a restart, has written."""
        if held is None:
            return
        if held.trip > self._state.trip:
            self._state = held
        elif held.trip == self._state.trip and held.state is BreakerState.CONFIRMED:
            self._state = held if self._state.state is BreakerState.TRIPPED else self._state

    def _as_led(self, judged: Breaker, held: Breaker | None) -> Breaker:
        """A replica that does not lead goes by what is written, and by its own view only where that is a new trip."""
        if held is None or self._leads() or judged.trip > held.trip:
            return judged
        return held

    def _as_recorded(self, incident: AIIncident) -> datetime | None:
        service = self._catalog.get(AIService, incident.metadata.namespace, incident.spec.service)
        return breached_since(service.spec, incident.status) if isinstance(service, AIService) else None

    def _from_before(
        self, held: Breaker | None, services: Mapping[ServiceKey, AIService]
    ) -> Mapping[ServiceKey, datetime]:
        """Who was breached before this process began, and since when: by the incidents, and by the trip that holds.

        A service that the trip names may have no incident yet; it is part of the wave until it has been looked at.
        """
        known = {
            ServiceKey(i.metadata.namespace, i.spec.service): since
            for i in self._catalog.open_incidents()
            if (since := self._as_recorded(i)) is not None
        }
        if held is None or held.state is BreakerState.READY or held.since is None:
            return known
        named = (ServiceKey(*name.split("/", 1)) for name in held.services)
        return known | {key: max(held.since, known.get(key, held.since)) for key in named if key in services}

    def _is_breached(self, service: AIService, key: ServiceKey, now: datetime) -> bool | None:
        measured = (ObjectiveKey(key.namespace, key.name, o.name) for o in service.spec.objectives)
        try:
            verdicts = [self._sampler.verdict(o, now) for o in measured if self._sampler.watches(o)]
            return is_breached(service.spec, verdicts)
        except Exception:
            # One service that cannot be judged must not make the breaker blind to all others.
            log.exception("breach_not_judged", namespace=key.namespace, service=key.name)
            return None

    def _ill(self, services: Mapping[ServiceKey, AIService], now: datetime) -> Mapping[ServiceKey, str]:
        """Of the breached services, why their metrics may be wrong."""
        assert self._wave is not None
        found = {}
        for key in self._wave.since:
            service = services.get(key)
            try:
                sign = self._sign(service, key, now) if service is not None else ""
            except Exception:
                log.exception("metrics_not_judged", namespace=key.namespace, service=key.name)
                sign = "it cannot be found out whether they are well"
            if sign:
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
