"""How bad an incident is, and which ladder it is for: the first match in the policy wins."""

from firebreak.api.v1alpha1.aiservice import Category
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec, Severity, When


def _is_for(when: When | None, category: Category) -> bool:
    return when is None or category in when.categories


def severity_of(policy: ContainmentPolicySpec | None, category: Category) -> Severity:
    """The policy's word on this category; P3 where it has none."""
    rules = policy.severity if policy else ()
    return next((r.severity for r in rules if _is_for(r.when, category)), Severity.P3)


def ladder_of(policy: ContainmentPolicySpec | None, category: Category) -> int | None:
    """The number of the ladder for this category; None where the policy has none."""
    ladders = policy.ladders if policy else ()
    return next((i for i, ladder in enumerate(ladders) if _is_for(ladder.when, category)), None)


_HARM = (Category.POLICY_VIOLATION, Category.HALLUCINATION, Category.QUALITY_DEGRADATION, Category.PIPELINE)


def worst(policy: ContainmentPolicySpec | None, categories: set[Category]) -> Category:
    """The category with the worst severity; among equals the one that does most harm."""
    return min(categories, key=lambda c: (severity_of(policy, c), _HARM.index(c)))
