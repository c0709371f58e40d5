"""What is said of each objective: its value, what it is held against, and which one is the worst? Asked by app/status.py."""

from collections.abc import Mapping

from firebreak.api.v1alpha1 import AIService
from firebreak.api.v1alpha1.aiservice import DetectorKind, Objective
from firebreak.api.v1alpha1.aiservice import ObjectiveStatus as Told
from firebreak.api.v1alpha1.quantities import format_duration, format_percent
from firebreak.core.verdict import Finding, Verdict, VerdictReason


def objective_told(objective: Objective, verdict: Verdict | None) -> Told:
    if verdict is None:
        because = "has not been read yet"
        return Told(
            name=objective.name, finding=Finding.INCONCLUSIVE, target=target_in_words(objective), because=because
        )
    return Told(
        name=objective.name,
        finding=verdict.finding,
        tier=verdict.tier.label if verdict.finding is Finding.BREACHED else "",
        value=value_in_words(objective, verdict),
        target=target_in_words(objective),
        because=verdict.because[:1024],
    )


def target_in_words(objective: Objective) -> str:
    """What the value is held against: "99%", "at most 86400", "fewer than 3 in 10m"."""
    detector = objective.detector
    match detector.kind:
        case DetectorKind.SEQUENTIAL | DetectorKind.BURN_RATE:
            return "" if objective.target is None else format_percent(objective.target)
        case DetectorKind.THRESHOLD:
            return f"at least {detector.below:g}" if detector.below is not None else f"at most {detector.above or 0:g}"
        case DetectorKind.COUNT:
            window = format_duration(detector.window) if detector.window else "10m"
            return f"fewer than {detector.at_least or 1} in {window}"


def value_in_words(objective: Objective, verdict: Verdict) -> str:
    """The share of good answers, the gauge's value or the number of events; empty when there is none."""
    match objective.detector.kind:
        case DetectorKind.SEQUENTIAL | DetectorKind.BURN_RATE:
            if verdict.estimate is None or objective.target is None:
                return ""
            # One digit more than the target has: enough to see on which side of it the value lies.
            digits = len(format_percent(objective.target).rstrip("%").partition(".")[2]) + 1
            return f"{(1 - verdict.estimate) * 100:.{digits}f}%"
        case DetectorKind.THRESHOLD:
            return "" if verdict.estimate is None else f"{verdict.estimate:.4g}"
        case DetectorKind.COUNT:
            return "" if verdict.bad is None else f"{verdict.bad:g}"


def worst_of(service: AIService, verdicts: Mapping[str, Verdict], told: tuple[Told, ...]) -> str:
    def badness(objective: Objective) -> tuple[int, int, float]:
        verdict = verdicts.get(objective.name)
        if verdict is None:
            return (1, 0, 0.0)
        order = {Finding.BREACHED: 3, Finding.ERROR: 2, Finding.INCONCLUSIVE: 1, Finding.MET: 0}
        return (order[verdict.finding], int(verdict.tier), _used(objective, verdict))

    name = max(service.spec.objectives, key=badness).name
    worst = next(o for o in told if o.name == name)
    if worst.value:
        return f"{name} {worst.value} ({worst.target})"[:128]
    verdict = verdicts.get(name)
    return f"{name}: {verdict.reason if verdict else VerdictReason.NOT_SAMPLED_YET}"[:128]


def _used(objective: Objective, verdict: Verdict) -> float:
    """How much of what is allowed is used up, so that unlike objectives can be compared."""
    if objective.target is not None and verdict.estimate is not None:
        return verdict.estimate / (1 - objective.target)
    if objective.detector.above and verdict.estimate is not None:
        return verdict.estimate / objective.detector.above
    if objective.detector.kind is DetectorKind.COUNT and verdict.bad is not None:
        return verdict.bad / (objective.detector.at_least or 1)
    return 0.0
