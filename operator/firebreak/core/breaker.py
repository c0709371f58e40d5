"""Have so many services become bad at once that one cause for all of them is likelier than one each?

Asked by app/breaker.py after each round of measuring, before any service has its turn. While it is tripped the steps
that change what users get are held everywhere (core/containment.py), except for counted violations at P1 and for what
a person asks for: fifty rollbacks at once cure neither a broken metrics pipeline nor a provider's new model.
It counts what is at least Suspected, since that comes before a step: the wave is seen before the first one acts.
A person's confirmation is about what they could see: what was breached when they said it. What comes later is counted
anew, trips it again under the next number, and leaves what was confirmed alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from firebreak.api.v1alpha1.aiservice import AIServiceSpec, DetectorKind
from firebreak.api.v1alpha1.control import Breaker, BreakerCause, BreakerState
from firebreak.api.v1alpha1.incident import AIIncidentStatus
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.commands import Reason
from firebreak.core.objectives import ServiceKey
from firebreak.core.paging import PAGE_EVERY
from firebreak.core.situation import Hold
from firebreak.core.verdict import Finding, Tier, Verdict, VerdictReason

_UNREAD = (VerdictReason.NOT_SAMPLED_YET, VerdictReason.STALE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When it trips: more than so many services, and more than this share of all, newly breached within this time."""

    services: int = 5
    share: float = 0.2
    within: timedelta = timedelta(minutes=5)

    def limit(self, total: int) -> float:
        """More than these trip it."""
        return max(float(self.services), self.share * total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Which services are breached, and since when each is known to be."""

    since: Mapping[ServiceKey, datetime]
    total: int = 0

    def newly(self, within: timedelta, now: datetime, after: datetime | None = None) -> tuple[ServiceKey, ...]:
        """Those that have become so within this time, and after this moment."""
        return tuple(
            sorted(key for key, at in self.since.items() if now - at < within and (after is None or at > after))
        )


def is_breached(spec: AIServiceSpec, verdicts: Iterable[Verdict]) -> bool | None:
    """Whether any objective that is estimated or gauged is breached; None where that cannot be read now.

    Events that were counted tell of themselves, so they are no part of a wave.
    """
    counted = _counted(spec)
    asked = [v for v in verdicts if v.objective.objective not in counted]
    if any(v.reaches(Tier.SUSPECTED) for v in asked):
        return True
    unread = any(v.finding is Finding.ERROR or v.reason in _UNREAD for v in asked)
    return None if unread else False


def breached_since(spec: AIServiceSpec, status: AIIncidentStatus) -> datetime | None:
    """Since when a service is breached as its open incident has it; None where it is not."""
    counted = _counted(spec)
    found = [o.breached_since or status.detected_at for o in status.objectives if o.breached and o.name not in counted]
    return min((moment for moment in found if moment is not None), default=None)


def _counted(spec: AIServiceSpec) -> set[str]:
    return {o.name for o in spec.objectives if o.detector.kind is DetectorKind.COUNT}


def seen(wave: Wave, key: ServiceKey, breached: bool | None, now: datetime) -> Wave:
    """The wave after a look at one service; what cannot be read stays what it was."""
    if breached is None or breached == (key in wave.since):
        return wave
    others = {k: at for k, at in wave.since.items() if k != key}
    return replace(wave, since={**others, key: now} if breached else others)


def judge(
    before: Breaker,
    wave: Wave,
    signs: Mapping[ServiceKey, str],
    confirmed: int | None,
    rules: BreakerRules,
    now: datetime,
) -> Breaker:
    """Where the breaker stands now.

    `signs`: of some breached services, why their metrics may be wrong. `confirmed`: the trip that a person confirmed.
    """
    limit = rules.limit(wave.total)
    before = _heard(before, confirmed, now)
    if before.state is BreakerState.READY or before.heard_at is not None:
        newly = wave.newly(rules.within, now, after=before.heard_at or before.confirmed_at)
        if len(newly) > limit:
            return _diagnosed(_tripped(before, newly, wave.total, confirmed, now), newly, signs)
    if before.state is BreakerState.READY:
        return _forgotten(before, wave)
    cohort = _cohort(before, wave, rules, now)
    # Well below the limit, or it would come and go with one service.
    if len(cohort) <= limit / 2:
        return before.model_copy(update={"state": BreakerState.READY, "asked_at": None, "heard_at": None})
    if before.state is BreakerState.CONFIRMED:
        return before
    after = _diagnosed(before, cohort, signs)
    if after.heard_at is not None and after.cause is BreakerCause.COMMON_CAUSE:
        followed = {"state": BreakerState.CONFIRMED, "confirmed_at": after.heard_at, "asked_at": None}
        return after.model_copy(update=followed)
    return after


def _forgotten(breaker: Breaker, wave: Wave) -> Breaker:
    """A confirmation is over when nothing is breached any more of which it was said."""
    if breaker.confirmed_at is None or any(is_confirmed(breaker, since) for since in wave.since.values()):
        return breaker
    return breaker.model_copy(update={"confirmed_at": None})


def _heard(breaker: Breaker, confirmed: int | None, now: datetime) -> Breaker:
    """When a person's word on this trip was first heard: that is how much of the wave they can have seen."""
    match breaker.state:
        case BreakerState.TRIPPED:
            heard_at = (breaker.heard_at or now) if confirmed == breaker.trip else None
            return breaker.model_copy(update={"heard_at": heard_at})
        case BreakerState.CONFIRMED if breaker.heard_at is None:
            # Written by a version that did not keep the moment: all that is breached by now is taken for confirmed.
            return breaker.model_copy(update={"heard_at": now, "confirmed_at": now})
        case _:
            return breaker


def _tripped(
    before: Breaker, newly: tuple[ServiceKey, ...], total: int, confirmed: int | None, now: datetime
) -> Breaker:
    """Under a number that nobody can have confirmed: what was said before it happened is no word on it."""
    return Breaker(
        trip=max(before.trip, confirmed or 0) + 1,
        state=BreakerState.TRIPPED,
        since=now,
        breached=len(newly),
        total=total,
        services=tuple(f"{k.namespace}/{k.name}"[:128] for k in newly[:64]),
        confirmed_at=before.confirmed_at,
    )


def _cohort(breaker: Breaker, wave: Wave, rules: BreakerRules, now: datetime) -> tuple[ServiceKey, ...]:
    """The services of its wave that are breached still; what was confirmed in an earlier one is no part of it."""
    began = (breaker.since or now) - rules.within
    return tuple(
        sorted(
            key
            for key, since in wave.since.items()
            if since >= began and (breaker.state is BreakerState.CONFIRMED or not is_confirmed(breaker, since))
        )
    )


def is_confirmed(breaker: Breaker, since: datetime | None) -> bool:
    """Whether a person has confirmed that a service which is breached since then is really bad."""
    return since is not None and breaker.confirmed_at is not None and since <= breaker.confirmed_at


def _diagnosed(breaker: Breaker, cohort: tuple[ServiceKey, ...], signs: Mapping[ServiceKey, str]) -> Breaker:
    """One whose metrics are ill in half of the cases is taken for broken metrics, and the other way round."""
    ill = [key for key in cohort if key in signs]
    if 2 * len(ill) >= len(cohort):
        first = ill[0]
        because = f"the metrics of {len(ill)} of {len(cohort)} breached services are not well, as in {first.namespace}"
        told = {"cause": BreakerCause.METRICS_PIPELINE, "because": f"{because}/{first.name}: {signs[first]}"[:300]}
    else:
        told = {"cause": BreakerCause.COMMON_CAUSE, "because": "sources and judges of the breached services are well"}
    # The words would change with every service that comes and goes; they are said again when the cause is another one.
    if breaker.because and breaker.cause is told["cause"]:
        return breaker
    return breaker.model_copy(update=told)


def in_words(breaker: Breaker, rules: BreakerRules) -> str:
    """What has happened, for people."""
    percent = f"{rules.share:.0%}"
    looks = "broken metrics" if breaker.cause is BreakerCause.METRICS_PIPELINE else "something that they share"
    earlier = ""
    if breaker.state is BreakerState.TRIPPED and breaker.confirmed_at is not None:
        earlier = f"; what was breached by {breaker.confirmed_at:%Y-%m-%d %H:%M:%SZ} is confirmed, and not held by it"
    return (
        f"trip {breaker.trip} of the circuit breaker: {breaker.breached} of {breaker.total} services were newly "
        f"breached within {format_duration(rules.within)}, more than {rules.services} and {percent} of them; "
        f"it looks like {looks} ({breaker.because}){earlier}"
    )


def ways_out(breaker: Breaker) -> str:
    """What ends the hold for all."""
    if breaker.cause is BreakerCause.METRICS_PIPELINE:
        return (
            f"repair the metrics; a confirmation (kubectl firebreak confirm {breaker.trip}) counts once they are well"
        )
    return f"if so many are really bad, have all of them contained: kubectl firebreak confirm {breaker.trip}"


def hold_of_breaker(
    breaker: Breaker, rules: BreakerRules, namespace: str, incident: str, breached_since: datetime | None = None
) -> Hold | None:
    """What holds this incident's next step, and how that ends; None while the breaker does not hold it."""
    if breaker.state is not BreakerState.TRIPPED or is_confirmed(breaker, breached_since):
        return None
    alone = f"this one alone: kubectl firebreak contain {incident} -n {namespace}"
    words = f"{in_words(breaker, rules)}; {ways_out(breaker)}; {alone}"
    return Hold(reason=Reason.CIRCUIT_BREAKER, because=words)


def is_to_be_asked(breaker: Breaker, now: datetime) -> bool:
    """Whether people are to be told of it, once for all services, and again while it lasts."""
    if breaker.state is not BreakerState.TRIPPED:
        return False
    return breaker.asked_at is None or now >= breaker.asked_at + PAGE_EVERY
