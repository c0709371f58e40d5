"""What do the parts of this service count?

The names and labels are Firebreak's metric contract. Two of its rules are kept here and nowhere else: every
combination of labels exists at 0 before the first event, and a total moves before its bad counter does.
There is no `namespace` label: Prometheus adds it, from the target.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, disable_created_metrics

from examples.qa.passages import Feature
from examples.qa.verdicts import Indicator

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it unannotated

JUDGE = "rule"
POLICY = "pii"
ERROR_REASONS = ("unknown_question", "missed")
DECISIONS = ("approve", "edit", "reject")


def new_registry() -> CollectorRegistry:
    """A registry with the process's own CPU and memory in it."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


class AnswerMetrics:
    """What a server counts of its own answers. One revision: it is read at the start and never changes after."""

    def __init__(self, registry: CollectorRegistry, service: str, revision: str) -> None:
        self._labels = (service, revision)
        self._answers = Counter("ai_answers", "Answers given", ("service", "revision", "feature"), registry=registry)
        self._depth = Gauge(
            "ai_review_queue_depth", "Answers waiting for a reviewer", ("service", "revision"), registry=registry
        ).labels(*self._labels)
        self._oldest = Gauge(
            "ai_review_oldest_seconds",
            "Age of the answer that waits longest",
            ("service", "revision"),
            registry=registry,
        ).labels(*self._labels)
        self._info = Gauge(
            "ai_revision_info",
            "What the process has loaded",
            ("service", "revision", "model", "prompt", "index", "config"),
            registry=registry,
        )
        for feature in Feature:
            self._answers.labels(*self._labels, feature.value)

    def answered(self, feature: Feature) -> None:
        """An answer went out."""
        self._answers.labels(*self._labels, feature.value).inc()

    def queue(self, depth: int, oldest_seconds: float) -> None:
        """So many answers wait for review."""
        self._depth.set(depth)
        self._oldest.set(oldest_seconds)

    def loaded(self, *, model: str, prompt: str, index: str, config: str) -> None:
        """This is what is in use now; what was in use before is no longer told."""
        self._info.clear()
        self._info.labels(*self._labels, model, prompt, index, config).set(1)


class JudgeMetrics:
    """What the judge counts, under the revision of the answer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        verdict = ("service", "revision", "feature", "indicator", "judge")
        self._judged = Counter("ai_judged", "Verdicts", verdict, registry=registry)
        self._bad = Counter("ai_judged_bad", "Verdicts that were bad", verdict, registry=registry)
        self._errors = Counter(
            "ai_judge_errors",
            "Answers that could not be judged",
            ("service", "revision", "indicator", "judge", "reason"),
            registry=registry,
        )
        self._checks = Counter(
            "ai_policy_checks",
            "Answers checked against a policy",
            ("service", "revision", "feature", "policy", "stage"),
            registry=registry,
        )
        self._violations = Counter(
            "ai_policy_confirmed_violations",
            "Answers that broke a policy and reached the user",
            ("service", "revision", "feature", "policy", "source"),
            registry=registry,
        )
        self._begun: set[tuple[str, str]] = set()

    def begin(self, service: str, revision: str) -> None:
        """Have every series of this revision at 0, before the first verdict on it."""
        if (service, revision) in self._begun:
            return
        self._begun.add((service, revision))
        for feature in Feature:
            for indicator in Indicator:
                self._judged.labels(service, revision, feature.value, indicator.value, JUDGE)
                self._bad.labels(service, revision, feature.value, indicator.value, JUDGE)
            self._checks.labels(service, revision, feature.value, POLICY, "output")
            self._violations.labels(service, revision, feature.value, POLICY, "rule")
        for indicator in Indicator:
            for reason in ERROR_REASONS:
                self._errors.labels(service, revision, indicator.value, JUDGE, reason)

    def judged(self, service: str, revision: str, feature: Feature, bad: dict[Indicator, bool]) -> None:
        """A verdict on each of these indicators."""
        for indicator, is_bad in bad.items():
            labels = (service, revision, feature.value, indicator.value, JUDGE)
            self._judged.labels(*labels).inc()
            if is_bad:
                self._bad.labels(*labels).inc()

    def checked(self, service: str, revision: str, feature: Feature, violated: bool) -> None:
        """An answer was searched for personal data."""
        self._checks.labels(service, revision, feature.value, POLICY, "output").inc()
        if violated:
            self._violations.labels(service, revision, feature.value, POLICY, "rule").inc()

    def failed(self, service: str, revision: str, reason: str, answers: int = 1) -> None:
        """So many answers got no verdict: neither judged nor bad."""
        for indicator in Indicator:
            self._errors.labels(service, revision, indicator.value, JUDGE, reason).inc(answers)


class ReviewMetrics:
    """What the reviewers decided, under the revision of the answer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._decisions = Counter(
            "ai_review_decisions",
            "Decisions of human reviewers",
            ("service", "revision", "feature", "decision"),
            registry=registry,
        )

    def begin(self, service: str, revision: str) -> None:
        """Have every series of this revision at 0. Deciding takes seconds, so a scrape sees the 0 first."""
        for feature in Feature:
            for decision in DECISIONS:
                self._decisions.labels(service, revision, feature.value, decision)

    def decided(self, service: str, revision: str, feature: Feature, decision: str) -> None:
        """A reviewer decided."""
        self._decisions.labels(service, revision, feature.value, decision).inc()


class PipelineMetrics:
    """How the index pipeline fares. No success yet means no timestamp: absent is not fresh, and not stale either."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        self._labels = (service, "index")
        labels = ("service", "pipeline")
        self._success = Gauge(
            "ai_pipeline_last_success_timestamp_seconds", "When the pipeline last succeeded", labels, registry=registry
        )
        self._documents = Gauge("ai_index_documents", "Passages in the index", labels, registry=registry)
        self._failures = Counter("ai_pipeline_failures", "Runs that failed", labels, registry=registry)
        self._failures.labels(*self._labels)

    def succeeded(self, at: float, documents: int) -> None:
        """A run published this many passages."""
        self._success.labels(*self._labels).set(at)
        self._documents.labels(*self._labels).set(documents)

    def failed(self) -> None:
        """A run ended without publishing."""
        self._failures.labels(*self._labels).inc()


class ClientMetrics:
    """What users got: the traffic generator's view, for people to look at. Firebreak does not read it."""

    def __init__(self, registry: CollectorRegistry, outcomes: Iterable[str]) -> None:
        self._requests = Counter(
            "qa_client_requests", "Requests by HTTP status and by who answered", ("status", "source"), registry=registry
        )
        self._outcomes = Counter(
            "qa_client_outcomes", "What the answer was worth", ("feature", "outcome"), registry=registry
        )
        for feature in Feature:
            for outcome in outcomes:
                self._outcomes.labels(feature.value, outcome)

    def got(self, status: str, source: str, feature: Feature, outcome: str) -> None:
        """A user got this."""
        self._requests.labels(status, source).inc()
        self._outcomes.labels(feature.value, outcome).inc()
