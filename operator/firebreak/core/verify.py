"""Has what is in force helped? The second of the two proofs of a step.

Asked by `decide` for the step under way and, about a fix, by core/release.py.
Only fresh evidence counts (core/proof.py says since when), and what cannot be told is said to be so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from firebreak.api.v1alpha1.incident import Action, AIIncidentStatus
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.core.evidence import declared_of, is_gauge
from firebreak.core.situation import Situation
from firebreak.core.verdict import Finding, RecoveryFinding


class ProofOf(StrEnum):
    """What the evidence shows."""

    HELP = "Help"
    NO_HELP = "NoHelp"
    NOTHING = "Nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the evidence shows, in words."""

    of: ProofOf
    because: str


def helped(s: Situation, status: AIIncidentStatus, action: Action) -> Proof:
    """Judge a step that is in force."""
    names = declared_of(s, status)
    if action.kind is ActionKind.SWITCH_TRAFFIC:
        return Proof(
            of=ProofOf.HELP, because=f"users are answered by {action.subject}; the failing answers reach nobody"
        )
    if action.kind is ActionKind.DISABLE_FEATURE and names and all(is_gauge(s.spec, n) for n in names):
        return Proof(of=ProofOf.HELP, because=f"{action.subject} is off; what it would have answered reaches nobody")
    return shown(s, names, action.in_force_at)


def shown(s: Situation, names: Iterable[str], since: datetime | None) -> Proof:
    """What evidence from after `since` shows of these objectives taken together: the worst of them decides."""
    proofs = [_of_one(s, name, since) for name in names]
    if not proofs:
        return Proof(of=ProofOf.NOTHING, because="no objective was breached, so none can be seen to recover")
    for kind in (ProofOf.NO_HELP, ProofOf.NOTHING):
        found = [p.because for p in proofs if p.of is kind]
        if found:
            return Proof(of=kind, because="; ".join(found))
    return Proof(of=ProofOf.HELP, because="; ".join(p.because for p in proofs))


def _of_one(s: Situation, name: str, since: datetime | None) -> Proof:
    if is_gauge(s.spec, name):
        verdict = s.verdicts.get(name)
        if verdict is None or (since is not None and verdict.at < since):
            return Proof(of=ProofOf.NOTHING, because=f"{name} has not been read since")
        of = {Finding.MET: ProofOf.HELP, Finding.BREACHED: ProofOf.NO_HELP}.get(verdict.finding, ProofOf.NOTHING)
        return Proof(of=of, because=f"{name}: {verdict.because}")
    fresh = s.recoveries.get(name)
    if fresh is None:
        return Proof(of=ProofOf.NOTHING, because=f"{name}: there is no fresh evidence yet")
    of = {RecoveryFinding.RECOVERED: ProofOf.HELP, RecoveryFinding.NOT_HELPED: ProofOf.NO_HELP}.get(
        fresh.finding, ProofOf.NOTHING
    )
    if of is ProofOf.HELP and s.exposed is False:
        return Proof(of=ProofOf.NOTHING, because=f"{name}: the primary has given no answers that could be judged")
    return Proof(of=of, because=f"{name}: {fresh.because}")
