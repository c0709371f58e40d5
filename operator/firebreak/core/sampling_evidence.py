"""What speaks for more judged answers, and how many more would be judged?

Asked by app/raising.py for core/sampling_raise.py, and by app/measuring.py: how fast would the raised rate be?
"""

from collections.abc import Collection, Iterable

from firebreak.api.v1alpha1.incident import AIIncident, Phase
from firebreak.core.ports import Absent, Held, Missing, Unmatched
from firebreak.core.steps import in_words, under_way
from firebreak.core.verdict import Finding, Tier, Verdict


def strongest_evidence(verdicts: Iterable[Verdict]) -> tuple[Tier, str]:
    """The highest tier among these, and what the verdict at it says."""
    breached = [v for v in verdicts if v.finding is Finding.BREACHED]
    worst = max(breached, key=lambda v: v.tier, default=None)
    if worst is None:
        return Tier.NONE, ""
    return worst.tier, f"{worst.objective.objective} is at {worst.tier.label}: {worst.because}"


def proof_awaited(incident: AIIncident | None, judged: Collection[str]) -> str:
    """What is being proven by judged answers in the open incident, in words; empty where nothing is."""
    if incident is None or incident.status.phase is Phase.RESOLVED:
        return ""
    status = incident.status
    if status.objectives and not any(o.name in judged for o in status.objectives):
        return ""
    step = under_way(status)
    if step is not None:
        return f"whether {in_words(step)} helps is being proven"
    return "whether the repair holds is being proven" if status.remediating_since is not None else ""


def times_judged(raised: str, held: Held | Unmatched | Missing) -> float | None:
    """How many times as many answers the raised rate judges; None where one of the two is no rate."""
    if isinstance(held, Absent | Unmatched | Missing) or held is None:
        return None
    now, then = rate_of(str(held)), rate_of(raised)
    return then / now if now and then else None


def rate_of(written: str) -> float | None:
    """The share that "20%" or "0.2" says; None for anything else."""
    text = written.strip()
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        return None
    return value / 100 if text.endswith("%") else value
