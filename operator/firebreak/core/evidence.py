"""How strong is the evidence against a service, and which objectives speak?

Asked by `decide`. Only what is breached speaks; Inconclusive and Error say nothing in either direction.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from firebreak.api.v1alpha1.aiservice import AIServiceSpec, Category, DetectorKind, Objective
from firebreak.api.v1alpha1.incident import AIIncidentStatus, BreachedObjective
from firebreak.api.v1alpha1.policy import Evidence
from firebreak.core.situation import Situation
from firebreak.core.verdict import Finding, RecoveryFinding, Tier, Verdict

TIER_OF = {Evidence.SUSPECTED: Tier.SUSPECTED, Evidence.CONFIRMED: Tier.CONFIRMED}


def speaking(s: Situation, after: datetime | None = None) -> tuple[BreachedObjective, ...]:
    """The objectives breached at tier Suspected or above.

    What a detector still holds against the service from before the last incident ended is no news: it counts only when
    its onset is later.
    """
    return tuple(breached(o, v) for o, v in _loud(s) if _is_news(s, o, v, after))


def _loud(s: Situation) -> Iterator[tuple[Objective, Verdict]]:
    for objective in s.spec.objectives:
        verdict = s.verdicts.get(objective.name)
        if verdict is not None and verdict.reaches(Tier.SUSPECTED):
            yield objective, verdict


def _is_news(s: Situation, objective: Objective, verdict: Verdict, after: datetime | None) -> bool:
    if after is None or verdict.onset is None or verdict.onset.at > after:
        return True
    return _renewed(s, objective)


def _renewed(s: Situation, objective: Objective) -> bool:
    fresh = s.recoveries.get(objective.name)
    return fresh is not None and fresh.finding is RecoveryFinding.NOT_HELPED


def breached(objective: Objective, verdict: Verdict) -> BreachedObjective:
    """The objective as the incident records it."""
    return BreachedObjective(
        name=objective.name,
        category=objective.category,
        tier=verdict.tier.label,
        rate=verdict.estimate if objective.target is not None else None,
        onset=verdict.onset.at if verdict.onset else None,
        onset_earliest=verdict.onset.earliest if verdict.onset else None,
        onset_latest=verdict.onset.latest if verdict.onset else None,
        because=verdict.because[:1024],
    )


def merged(known: tuple[BreachedObjective, ...], s: Situation, now: datetime) -> tuple[BreachedObjective, ...]:
    """The incident's objectives brought up to date; the first onset and the strongest tier stay.

    One that is no longer declared can neither be breached nor be seen to recover: it counts as over.
    """
    by_name = {o.name: o for o in known}
    for objective, verdict in _loud(s):
        old, new = by_name.get(objective.name), breached(objective, verdict)
        if old is not None:
            first = old if old.onset else new
            kept = {"onset": first.onset, "onset_earliest": first.onset_earliest, "onset_latest": first.onset_latest}
            since = old.breached_since if old.breached else now
            new = new.model_copy(update=kept | {"tier": max(old.tier, new.tier, key=_rank), "breached_since": since})
        elif not _is_news(s, objective, verdict, s.last_resolved):
            continue
        else:
            new = new.model_copy(update={"breached_since": now})
        by_name[new.name] = new
    declared = {o.name for o in s.spec.objectives}
    for name, old in by_name.items():
        now_said = s.verdicts.get(name)
        is_over = name not in declared or (now_said is not None and now_said.finding is Finding.MET)
        if is_over and old.breached:
            by_name[name] = old.model_copy(update={"breached": False, "cleared_at": now})
    return tuple(by_name.values())


def declared_of(s: Situation, status: AIIncidentStatus) -> tuple[str, ...]:
    """The incident's objectives that the service still declares."""
    declared = {o.name for o in s.spec.objectives}
    return tuple(o.name for o in status.objectives if o.name in declared)


def _rank(tier: str) -> int:
    return next((t.value for t in Tier if t.label == tier), 0)


def strongest(s: Situation, status: AIIncidentStatus) -> Tier:
    """The strongest evidence now among the incident's objectives."""
    names = {o.name for o in status.objectives}
    tiers = [v.tier for n, v in s.verdicts.items() if n in names and v.finding is Finding.BREACHED]
    return max(tiers, default=Tier.NONE)


def unread(s: Situation, status: AIIncidentStatus) -> tuple[str, ...]:
    """The incident's objectives of which nothing can be said now: neither that they are met, nor that they are not."""
    said = (Finding.MET, Finding.BREACHED)
    return tuple(n for n in declared_of(s, status) if (v := s.verdicts.get(n)) is None or v.finding not in said)


def is_gauge(spec: AIServiceSpec, name: str) -> bool:
    """Whether the objective is a gauge: it speaks of a pipeline, not of answers, so no fold judges it."""
    return any(o.name == name and o.detector.kind is DetectorKind.THRESHOLD for o in spec.objectives)


def categories_of(objectives: Iterable[BreachedObjective]) -> set[Category]:
    """The categories of the objectives that are breached."""
    return {o.category for o in objectives if o.breached}


def onset_of(objectives: Iterable[BreachedObjective]) -> datetime | None:
    """The earliest beginning."""
    return min((o.onset for o in objectives if o.onset), default=None)
