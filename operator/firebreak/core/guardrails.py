"""The limits that hold whatever the evidence says: cooldown, and how many containments within a time.

Asked by `decide` before each step that changes what users get; RaiseHumanReview changes nothing for them and is free.
"""

from dataclasses import dataclass
from datetime import datetime

from firebreak.api.v1alpha1.policy import ActionKind, Guardrails
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.commands import Reason
from firebreak.core.situation import Hold, PastContainment


@dataclass(frozen=True, slots=True, kw_only=True)
class Until(Hold):
    """A hold that ends by itself."""

    ends_at: datetime


def hold_of(guardrails: Guardrails, past: tuple[PastContainment, ...], kind: ActionKind, now: datetime) -> Until | None:
    """What forbids the first containment of an incident now; None when nothing does."""
    if kind is ActionKind.RAISE_HUMAN_REVIEW or not past:
        return None
    last = max(past, key=lambda p: p.ended_at)
    if now < (over := last.ended_at + guardrails.cooldown):
        return Until(
            reason=Reason.COOLDOWN,
            because=f"{last.incident} ended at {last.ended_at:%H:%M:%SZ}, less than the cooldown of "
            f"{format_duration(guardrails.cooldown)} ago; containments are allowed from {over:%H:%M:%SZ}, "
            f"or at once with spec.contain: true on this incident",
            ends_at=over,
        )
    limit = guardrails.max_containments
    recent = sorted(p.at for p in past if now - p.at < limit.per)
    if len(recent) >= limit.count:
        ends_at = recent[-limit.count] + limit.per
        return Until(
            reason=Reason.MAX_CONTAINMENTS,
            because=f"{len(recent)} incidents of this service were contained within {format_duration(limit.per)}, "
            f"the policy allows {limit.count}; allowed again from {ends_at:%Y-%m-%d %H:%MZ}, "
            f"or at once with spec.contain: true on this incident",
            ends_at=ends_at,
        )
    return None
