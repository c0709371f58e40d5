"""When has a revision proven itself, and when does it lose that again?

Asked in each turn of app/loop.py. A revision that is known to be good is what a rollback returns to, so the proof is the
objectives' own: enough judged answers, an upper bound that meets the target, for long enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from firebreak.api.v1alpha1.aiservice import AIServiceSpec
from firebreak.api.v1alpha1.incident import Outcome
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.commands import Command, Judge, OpenIncident
from firebreak.core.observations import InForce
from firebreak.core.revision import RevisionFacts, Snapshot
from firebreak.core.situation import Situation
from firebreak.core.verdict import Finding, Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The revision that serves has met every objective for long enough."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """What is missing, and when it can be there at the earliest."""

    because: str
    again_at: datetime | None = None


def soak_began(s: Situation) -> datetime | None:
    """Since when what serves speaks for itself: it was declared, its pods are the ones that answer, nothing was wrong."""
    if s.revision.since is None:
        return None
    served = s.rollout.since if isinstance(s.rollout, InForce) else None
    return max(m for m in (s.revision.since, served, s.last_resolved) if m is not None)


def proof_of_revision(s: Situation, health: Mapping[str, Health], now: datetime) -> Proven | NotYet:
    """Judge the revision that serves now, on its own series since soak_began().

    A revision whose pods never came up is not proven by those of the one before, and an incident begins the soak anew.
    """
    facts, declared, began = s.revision, s.spec.revision, soak_began(s)
    if facts.current is None or began is None or declared is None:
        return NotYet(because=facts.problem or "no revision is declared")
    if facts.current.known_good_since is not None:
        return NotYet(because=f"{facts.current.name} is proven already")
    if facts.current.name in declared.known_good.exclude or facts.current.name in facts.quarantined:
        return NotYet(because=f"{facts.current.name} is excluded or quarantined")
    if s.incident is not None:
        return NotYet(because="an incident is open")
    if s.rollout is not None and not isinstance(s.rollout, InForce):
        return NotYet(because=f"{facts.current.name} does not serve yet: {s.rollout.because}")
    over = began + declared.known_good.after
    if now < over:
        return NotYet(
            because=f"{facts.current.name} has served well since {began:%Y-%m-%d %H:%M:%SZ}, "
            f"{format_duration(declared.known_good.after)} are asked for",
            again_at=over,
        )
    missing = _missing(s.spec, s, health)
    return NotYet(because=missing) if missing else Proven(snapshot=facts.current)


def _missing(spec: AIServiceSpec, s: Situation, health: Mapping[str, Health]) -> str:
    assert spec.revision is not None
    least = spec.revision.known_good.min_judged
    for objective in spec.objectives:
        if objective.target is not None:
            found = health.get(objective.name)
            if found is None or found.judged < least:
                return f"{objective.name}: {0 if found is None else found.judged:.0f} of {least} judged answers"
            if not found.meets:
                return f"{objective.name}: {found.because}"
        else:
            verdict = s.verdicts.get(objective.name)
            if verdict is None or verdict.finding is not Finding.MET:
                return f"{objective.name}: {verdict.because if verdict else 'has not been read'}"
    return ""


def revoked_by(commands: Sequence[Command], facts: RevisionFacts, rolled_back_to: str) -> Snapshot | None:
    """The revision that loses its standing: its soak hid an onset, or going back to it did not help."""
    for command in commands:
        match command:
            case OpenIncident(onset=onset) if onset is not None:
                current = facts.current
                if (
                    current
                    and current.known_good_since
                    and facts.since
                    and facts.since <= onset < current.known_good_since
                ):
                    return current
            case Judge(outcome=Outcome.NOT_RECOVERED, action_id=action_id) if action_id.endswith(
                ActionKind.ROLL_BACK.lower()
            ):
                return next((s for s in facts.history if s.name == rolled_back_to), None)
            case _:
                continue
    return None
