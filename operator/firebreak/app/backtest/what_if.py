"""How would another target, another rate of false alarms or fewer judged answers have done?

Asked by app/backtest/session.py. Each variant is the declared service with one thing changed, lived through beside it by
the same code. A higher sampling rate cannot be had from a history: what was not judged is not in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from firebreak.api.v1alpha1 import AIService
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec, UnmeasuredClustering
from firebreak.api.v1alpha1.quantities import parse_duration
from firebreak.app.backtest.manifests import Declared
from firebreak.app.backtest.replayed import Variant
from firebreak.core.detectors.rules import Sequential
from firebreak.core.objectives import ObjectiveSpec, Watched

_TARGETS = (0.5, 1.5, 2.0)  # times the allowed share of bad
_RUN_LENGTHS = (43_800.0, 5_256_000.0)  # a month and ten years of minutes
_KEPT = (0.5, 0.25, 0.1)
_MOST_ALLOWED = 0.5


class ChangeRefused(ValueError):
    """What is asked for with --what-if cannot be tried; the message says what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is different; None leaves it as declared."""

    words: str
    allowed: float | None = None
    times_allowed: float | None = None
    confirmed: float | None = None
    run_length: timedelta | None = None
    """As `confirmed`, in time: how many steps that is depends on the objective."""
    kept: float | None = None
    unmeasured: UnmeasuredClustering | None = None
    """What the policy says of a clustering that is not measured."""


def usual_changes() -> tuple[Change, ...]:
    """The table that one gets without asking for anything."""
    return (
        *(Change(words=f"{times:g} times as many bad allowed", times_allowed=times) for times in _TARGETS),
        *(Change(words=f"Confirmed at {steps:,.0f} steps", confirmed=steps) for steps in _RUN_LENGTHS),
        *(Change(words=f"{kept:.0%} of the judged answers", kept=kept) for kept in _KEPT),
        Change(words="G assumed until it is measured", unmeasured=UnmeasuredClustering.ASSUME),
    )


def parsed_change(text: str) -> Change:
    """`target=97%`, `arl=30d`, `sampling=25%` or `unmeasured=Hold`. Raises ChangeRefused."""
    name, _, value = text.partition("=")
    try:
        match name:
            case "target" if 0.0 < (target := _share(value)) < 1.0:
                return Change(words=f"target {value}", allowed=round(1.0 - target, 9))
            case "sampling" if 0.0 < (kept := _share(value)) < 1.0:
                return Change(words=f"{value} of the judged answers", kept=kept)
            case "arl":
                return Change(words=f"Confirmed at a run length of {value}", run_length=parse_duration(value))
            case "unmeasured":
                return Change(words=f"unmeasuredClustering: {value}", unmeasured=UnmeasuredClustering(value))
    except ValueError:
        pass
    raise ChangeRefused(
        f"--what-if {text}: must be target=97%, arl=30d (a false alarm once in so long), sampling=25% "
        f"(of the judged answers; more than were judged cannot be had), unmeasured=Assume or unmeasured=Hold"
    )


def _share(text: str) -> float:
    return float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)


def variants(declared: Declared, changes: Iterable[Change]) -> Sequence[Variant]:
    """The service as declared, and each change of it that changes anything."""
    first = Variant(name="", service=declared.service, policy=declared.policy, watched=declared.compiled().watched)
    others = []
    for number, change in enumerate(changes, start=1):
        policy = _policy(declared.policy, change)
        if change.unmeasured is not None and policy == declared.policy:
            continue
        renamed = _renamed(declared.service, f"{declared.service.metadata.name}-{number}")
        watched = tuple(_changed(w, change) for w in replace(declared, service=renamed).compiled().watched)
        if any(isinstance(w, ObjectiveSpec) and isinstance(w.rule, Sequential) for w in watched):
            words = f"{change.words} ({_targets(watched)})" if change.times_allowed is not None else change.words
            others.append(Variant(name=words, service=renamed, policy=policy, watched=watched))
    return [first, *others]


def _policy(policy: ContainmentPolicySpec, change: Change) -> ContainmentPolicySpec:
    if change.unmeasured is None:
        return policy
    guardrails = policy.guardrails.model_copy(update={"unmeasured_clustering": change.unmeasured})
    return policy.model_copy(update={"guardrails": guardrails})


def _renamed(service: AIService, name: str) -> AIService:
    """Under another name its objectives are others, of the same counters."""
    return service.model_copy(update={"metadata": service.metadata.model_copy(update={"name": name})})


def _changed(watched: Watched, change: Change) -> Watched:
    if not isinstance(watched, ObjectiveSpec) or not isinstance(watched.rule, Sequential):
        return watched
    rule = watched.rule
    allowed = change.allowed or min(_MOST_ALLOWED, round(rule.allowed * (change.times_allowed or 1.0), 9))
    confirmed = change.confirmed or rule.confirmed
    if change.run_length is not None:
        confirmed = max(10.0, change.run_length / watched.step)
    suspected = min(rule.suspected, confirmed)
    changed = replace(rule, allowed=allowed, confirmed=confirmed, suspected=suspected, watch=min(rule.watch, suspected))
    return replace(watched, rule=changed, kept=change.kept or watched.kept)


def _targets(watched: Iterable[Watched]) -> str:
    allowed = [w.rule.allowed for w in watched if isinstance(w, ObjectiveSpec) and isinstance(w.rule, Sequential)]
    return ", ".join(dict.fromkeys(f"target {100.0 * (1.0 - a):.6g}%" for a in allowed))
