"""Is this moment in one of a policy's freeze windows, and until when?

Asked by core/containment.py before a step that changes what users get, and by app/observe.py for the service's status.
A window begins when its cron expression says so in its time zone, and lasts for so much real time. A beginning that the
clocks skip in spring is at the first moment after the gap; one that comes twice in autumn counts the first time.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.api.v1alpha1.policy import Freeze
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.commands import Reason
from firebreak.core.guardrails import Until
from firebreak.core.problems import Problem

_FOLD = timedelta(hours=3)
"""No clocks were ever put back by more: where local times come twice, the search must begin behind them."""
_RETRY = timedelta(hours=1)


def problems_of_freeze(where: str, freeze: tuple[Freeze, ...], now: datetime) -> tuple[Problem, ...]:
    """What the service's status says of it: a window that is open now, and those that nobody can follow."""
    found = []
    for i, window in enumerate(freeze):
        try:
            last_beginning(window, now)
        except FreezeError as error:
            message = f"{where}, spec.guardrails.freeze[{i}]: {error}; until it is corrected containments are held"
            found.append(_not_ready(ConditionReason.FREEZE_UNREADABLE, message))
    held = hold_of_freeze(freeze, now)
    if not found and held is not None:
        found.append(_not_ready(ConditionReason.FREEZE_WINDOW, f"{where}: {held.because}"))
    return tuple(found)


def _not_ready(reason: ConditionReason, message: str) -> Problem:
    return Problem(condition=ConditionType.CONTAINMENT_READY, reason=reason, message=message)


class FreezeError(ValueError):
    """The window cannot be read; the message says what to change."""


def hold_of_freeze(freeze: tuple[Freeze, ...], now: datetime) -> Until | None:
    """What forbids containments now; of several windows the one that ends last.

    One that cannot be read holds too: someone wanted a freeze, and when cannot be told.
    """
    held: list[Until] = []
    for i, window in enumerate(freeze):
        try:
            ends_at = ends(window, now)
        except FreezeError as error:
            because = f"guardrails.freeze[{i}] cannot be read, so it may be a freeze now: {error}"
            held.append(Until(reason=Reason.FREEZE_WINDOW, because=because, ends_at=now + _RETRY))
            continue
        if ends_at is not None:
            because = (
                f"the freeze of guardrails.freeze[{i}] ({window.cron} {window.time_zone} for "
                f"{format_duration(window.duration)}) is in force until {ends_at:%Y-%m-%d %H:%M:%SZ}"
            )
            held.append(Until(reason=Reason.FREEZE_WINDOW, because=because, ends_at=ends_at))
    return max(held, key=lambda u: u.ends_at, default=None)


def ends(window: Freeze, now: datetime) -> datetime | None:
    """When the window that is open now ends; None while none is. Raises FreezeError."""
    began = last_beginning(window, now)
    if began is None or now >= began + window.duration:
        return None
    return began + window.duration


def last_beginning(window: Freeze, now: datetime) -> datetime | None:
    """When the window last began, as UTC; None when it never did. Raises FreezeError."""
    local = (now + _FOLD).astimezone(zone_of(window.time_zone))
    # Microseconds would make the library begin one tick late; those of `now` do not matter to whole minutes.
    try:
        found = CronSim(window.cron, local.replace(microsecond=0), reverse=True)
        began = next((b for b in (each.astimezone(UTC) for each in found) if b <= now), None)
    except CronSimError as error:
        raise FreezeError(f'cron "{window.cron}" is not one that can be followed ({error})') from error
    return began


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """The time zone. Raises FreezeError."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # an unknown zone is a KeyError
        words = f'timeZone "{name}" is not a zone of the IANA database, such as Europe/Berlin or UTC'
        raise FreezeError(words) from error
