"""Where does the circuit breaker stand, for people? In the status of FirebreakControl, and asked once for all services.

Called by the leader every few seconds; nothing is written while nothing changes.
"""

from datetime import datetime

import structlog

from firebreak.adapters.kube.events import Events
from firebreak.adapters.kube.objects import FirebreakObjects, Stored
from firebreak.api.conditions import ConditionReason, ConditionType, set_condition
from firebreak.api.v1alpha1 import FirebreakControl
from firebreak.api.v1alpha1.control import Breaker, BreakerState, FirebreakControlStatus
from firebreak.api.v1alpha1.model import API_VERSION, ConditionStatus
from firebreak.app.breaker import CircuitBreaker
from firebreak.app.catalog import Catalog
from firebreak.app.telemetry import Telemetry
from firebreak.core.breaker import BreakerRules, in_words, is_to_be_asked, ways_out
from firebreak.core.commands import Reason
from firebreak.core.ports import ClusterError, ObjectKey

log = structlog.get_logger()


class BreakerStatus:
    """Keeps the status of FirebreakControl."""

    def __init__(
        self,
        *,
        breaker: CircuitBreaker,
        objects: FirebreakObjects,
        events: Events,
        catalog: Catalog,
        telemetry: Telemetry,
    ) -> None:
        self._breaker = breaker
        self._objects = objects
        self._events = events
        self._catalog = catalog
        self._telemetry = telemetry

    async def tell(self, now: datetime) -> None:
        """Write what has changed; a write that does not come through is tried again next time."""
        control, rules, state = self._breaker.control(), self._breaker.rules, self._breaker.state
        if control is None or rules is None or state is None:
            return
        asks = is_to_be_asked(state, now)
        if asks:
            state = state.model_copy(update={"asked_at": now})
        wanted = _told(state, rules, control, now)
        if wanted.dump() == control.status.dump():
            return
        where = ObjectKey(API_VERSION, FirebreakControl.__name__, "", control.metadata.name)
        try:
            stored = await self._objects.write_status(where, control.metadata.resource_version, wanted)
        except ClusterError as failed:
            log.debug("breaker_untold", error=str(failed))
            return
        if not isinstance(stored, Stored):
            return
        self._catalog.see(stored.object)
        if asks:
            self._breaker.asked(now)
            self._telemetry.asked("", Reason.CIRCUIT_BREAKER)
            words = f"{in_words(state, rules)}; {ways_out(state)}"
            await self._events.tell(
                where, uid=control.metadata.uid, reason=Reason.CIRCUIT_BREAKER, message=words, warning=True
            )


def _told(state: Breaker, rules: BreakerRules, control: FirebreakControl, now: datetime) -> FirebreakControlStatus:
    words, reason = "no containment is held by it", ConditionReason.WORKING
    if state.state is BreakerState.TRIPPED:
        words, reason = f"{in_words(state, rules)}; {ways_out(state)}", ConditionReason.BREAKER_TRIPPED
    elif state.state is BreakerState.CONFIRMED:
        words, reason = f"a person confirmed {in_words(state, rules)}", ConditionReason.BREAKER_CONFIRMED
    conditions = set_condition(
        control.status.conditions,
        type=ConditionType.BREAKER_READY,
        status=ConditionStatus.FALSE if state.state is BreakerState.TRIPPED else ConditionStatus.TRUE,
        reason=reason,
        message=words,
        generation=control.metadata.generation,
        now=now,
    )
    return FirebreakControlStatus(breaker=state, conditions=conditions)
