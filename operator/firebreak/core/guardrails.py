"""The limits that hold whatever the evidence says: cooldown, how many containments within a time, evidence unweighed.

Asked by `decide` before each step that changes what users get; RaiseHumanReview changes nothing for them and is free.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from firebreak.api.v1alpha1.aiservice import DetectorKind
from firebreak.api.v1alpha1.incident import AIIncidentStatus
from firebreak.api.v1alpha1.policy import ActionKind, Guardrails, Severity, UnmeasuredClustering
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.commands import Reason
from firebreak.core.situation import Hold, PastContainment, Situation
from firebreak.core.verdict import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Until(Hold):
    """A hold that ends by itself."""

    ends_at: datetime


def taken_together(holds: tuple[Hold, ...]) -> Hold | None:
    """What holds everything that is done to a service, all of it in words: whoever ends one learns of the others."""
    if not holds:
        return None
    return Hold(reason=holds[0].reason, because="; and ".join(dict.fromkeys(h.because for h in holds)))


def is_counted_p1(s: Situation, status: AIIncidentStatus) -> bool:
    """Whether the worst severity rests on events that were counted now: no estimate, so nothing is waited for."""
    if status.severity is not Severity.P1:
        return False
    counted = {o.name for o in s.spec.objectives if o.detector.kind is DetectorKind.COUNT}
    found = (s.verdicts.get(o.name) for o in status.objectives if o.name in counted)
    return any(v is not None and v.reaches(Tier.CONFIRMED) for v in found)


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


def unweighed(guardrails: Guardrails, unmeasured: Mapping[str, str], names: Collection[str]) -> Hold | None:
    """What forbids a step that rests on these objectives alone; None when one of them may call for it.

    How strongly failures cluster decides how much they prove. A policy that wants this measured waits for it; what one
    violation or a gauge says needs no such weighing.
    """
    if guardrails.unmeasured_clustering is UnmeasuredClustering.ASSUME or not names:
        return None
    if any(name not in unmeasured for name in names):
        return None
    told = ", ".join(f"{name} ({unmeasured[name]})" for name in sorted(names))
    return Hold(
        reason=Reason.CLUSTERING_UNMEASURED,
        because=f"the policy has guardrails.unmeasuredClustering: Hold, and how strongly failures cluster is not measured "
        f"yet for {told}; look whether it is real, then set spec.contain: true on the incident",
    )


def waits_for_clustering(s: Situation) -> tuple[Hold, ...]:
    """What the service says of it before there is any incident."""
    if s.policy is None:
        return ()
    hold = unweighed(s.policy.guardrails, s.unmeasured, s.unmeasured)
    return (hold,) if hold else ()
