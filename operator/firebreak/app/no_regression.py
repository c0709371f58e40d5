"""What does an AIService's status say of its last change of revision: is it worse than the known-good one?

Pure; asked by app/status.py. A regression within the objective opens no incident and keeps no revision from becoming
known good: what was promised is kept. So this condition, its Event and its metric are all that tells of it.
"""

from collections.abc import Mapping

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.api.v1alpha1 import AIService
from firebreak.api.v1alpha1.aiservice import AIServiceStatus
from firebreak.api.v1alpha1.model import ConditionStatus
from firebreak.core.comparison import Comparison
from firebreak.core.detectors.regression import RegressionFinding
from firebreak.core.revision import RevisionFacts

_Said = tuple[ConditionType, ConditionStatus, str, str]
_TYPE = ConditionType.NO_REGRESSION


def no_regression(service: AIService, facts: RevisionFacts, comparisons: Mapping[str, Comparison]) -> tuple[_Said, ...]:
    """The condition; nothing for a service that declares no revision."""
    if service.spec.revision is None:
        return ()
    current, good = facts.current, facts.known_good
    if current is None or good is None:
        words = (
            "no revision is known to be good yet" if good is None else f"what serves cannot be read: {facts.problem}"
        )
        return ((_TYPE, ConditionStatus.UNKNOWN, ConditionReason.NOT_COMPARED, words),)
    if current.digest == good.digest or current.known_good_since is not None:
        words = f"{current.name} is proven itself"
        return ((_TYPE, ConditionStatus.TRUE, ConditionReason.KNOWN_GOOD_SERVES, words),)
    pair = f"{current.name} against the known-good {good.name}"
    if worse := {name: c for name, c in comparisons.items() if c.is_regression}:
        words = f"{pair}: {_words(worse)}"
        return ((_TYPE, ConditionStatus.FALSE, ConditionReason.WORSE_THAN_KNOWN_GOOD, words),)
    if not comparisons:
        words = f"{pair}: nothing is compared; the change is too long ago, or no objective judges shares of answers"
        return ((_TYPE, ConditionStatus.UNKNOWN, ConditionReason.NOT_COMPARED, words),)
    words = f"{pair}: {_words(comparisons)}"
    if all(c.found.finding is RegressionFinding.NO_REGRESSION and not c.incomparable for c in comparisons.values()):
        return ((_TYPE, ConditionStatus.TRUE, ConditionReason.NOT_TWICE_AS_BAD, words),)
    return ((_TYPE, ConditionStatus.UNKNOWN, ConditionReason.COMPARING, words),)


def newly_worse(before: AIServiceStatus, after: AIServiceStatus) -> str:
    """What is to be told once: the words when the condition has become False, else none."""

    def said(status: AIServiceStatus) -> str:
        found = next((c for c in status.conditions if c.type == _TYPE), None)
        return found.message if found is not None and found.status is ConditionStatus.FALSE else ""

    return "" if said(before) else said(after)


def _words(comparisons: Mapping[str, Comparison]) -> str:
    return "; ".join(f"{name}: {_one(c)}" for name, c in comparisons.items())


def _one(comparison: Comparison) -> str:
    beyond = "beyond the objective" if comparison.is_breach else "within the objective"
    told = f"{comparison.because}, {beyond}" if comparison.is_regression else comparison.because
    needed = comparison.found.judged_needed
    return told if needed is None or comparison.incomparable else f"{told}, about {needed:.0f} more answers needed"
