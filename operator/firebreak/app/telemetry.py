"""What can be counted and timed of Firebreak itself? Its own metrics, all with the prefix firebreak_.

Fed with the same commands that become Events, timeline and log lines, so that all of them say the same. Labels are
bounded by what people declare: namespaces, services and objectives; never a revision, a segment or a message.
docs/reference-metrics.md is made from what is declared here.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.aiservice import ClusteringBasis, ClusteringStatus
from firebreak.api.v1alpha1.control import Breaker, BreakerState
from firebreak.api.v1alpha1.incident import Action, ActionPhase
from firebreak.api.v1alpha1.quantities import parse_duration
from firebreak.app.readiness_metrics import ReadinessMetrics
from firebreak.core.commands import (
    AskPeople,
    Command,
    Judge,
    NoteHold,
    OpenIncident,
    Reason,
    Resolve,
    SeeInForce,
    SkipStep,
    TakeStep,
)
from firebreak.core.comparison import Comparison
from firebreak.core.coverage import Coverage
from firebreak.core.detectors.burn_rate import Budget
from firebreak.core.objectives import ServiceKey
from firebreak.core.opening import DETECTOR, OPENED_BY
from firebreak.core.paging import said_of
from firebreak.core.verdict import Finding, Verdict

_disable_created: Callable[[], None] = disable_created_metrics  # not annotated there

_LONG = (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)
_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_HELD = frozenset(
    {
        Reason.COOLDOWN,
        Reason.MAX_CONTAINMENTS,
        Reason.FREEZE_WINDOW,
        Reason.CLUSTERING_UNMEASURED,
        Reason.PAUSED,
        Reason.SUSPENDED,
        Reason.TARGET_CONFLICT,
        Reason.TARGET_NOT_ALLOWED,
        Reason.EVIDENCE_THIN,
    }
)
_STATE = {Finding.ERROR: -2, Finding.INCONCLUSIVE: -1, Finding.MET: 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A metric, for the reference."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


class Telemetry:
    """Firebreak's own metrics, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        _disable_created()  # a second series for each counter, which nobody reads
        self.registry = registry or CollectorRegistry()
        self.described: list[Described] = []
        self._open: _OpenIncidents | None = None
        self._objectives: dict[ServiceKey, set[str]] = {}
        self._listed = False

        self._opened = self._counter(
            "firebreak_incidents_opened",
            "Incidents opened; found_by is detector or person: those found by people were missed by the objectives.",
            ("namespace", "category", "severity", "found_by"),
        )
        self._resolved = self._counter(
            "firebreak_incidents_resolved",
            "Incidents that ended; reason as in the timeline, such as FixProven or FalseAlarm.",
            ("namespace", "category", "severity", "found_by", "reason"),
        )
        self._containments = self._counter(
            "firebreak_containments",
            "Steps by what became of them: Taken, InForce, Recovered, NotRecovered, Unknown, Blocked, GivenBack, "
            "Skipped, or WouldDo (mode Observe).",
            ("namespace", "action", "outcome"),
        )
        self._suppressed = self._counter(
            "firebreak_containments_suppressed",
            "Steps that were called for and not taken, by reason: skipped, held, or only observed.",
            ("namespace", "reason"),
        )
        self._pages = self._counter(
            "firebreak_pages", "How often people were asked to do something, repeats included.", ("namespace", "reason")
        )
        self._breaker_tripped = self._gauge(
            "firebreak_circuit_breaker_tripped",
            "1 while so many services are newly breached that containments are held everywhere, else 0.",
            (),
        )
        self._breaker_trip = self._gauge(
            "firebreak_circuit_breaker_trip", "The number of the last trip: how often it has tripped.", ()
        )
        self._drills = self._counter(
            "firebreak_drills",
            "Runs of ContainmentDrills by how they ended: Passed, Failed, Yielded (to an incident), Stopped or Missed.",
            ("namespace", "mode", "outcome"),
        )
        self._detection = self._histogram(
            "firebreak_detection_delay_seconds",
            "From the estimated onset to the opening of the incident.",
            ("namespace", "category"),
            _LONG,
        )
        self._contained = self._histogram(
            "firebreak_time_to_contain_seconds",
            "From the opening of the incident to the first containment that was shown to help.",
            ("namespace", "category"),
            _LONG,
        )
        self._recovered = self._histogram(
            "firebreak_time_to_recover_seconds",
            "From the opening of the incident to its end, with everything given back.",
            ("namespace", "category"),
            _LONG,
        )
        self._state = self._gauge(
            "firebreak_objective_state",
            "What is known of an objective: -2 error, -1 inconclusive, 0 met, 1 watch, 2 suspected, 3 confirmed breach.",
            ("namespace", "service", "objective"),
        )
        self._estimate = self._gauge(
            "firebreak_objective_value",
            "The measured value behind it: the share of bad answers (0 to 1), the gauge's value, or the count.",
            ("namespace", "service", "objective"),
        )
        self._expected = self._gauge(
            "firebreak_expected_detection_delay_seconds",
            "Until a breach at four times the allowed rate would be Confirmed, at the last hour's rate of judging; "
            "+Inf: never.",
            ("namespace", "service", "objective"),
        )
        self._coverage = self._gauge(
            "firebreak_judge_coverage_ratio",
            "The share of answers judged in the last hour, against what is usual: 1 is as usual, below 0.1 is lost.",
            ("namespace", "service", "objective"),
        )
        self._regression = self._gauge(
            "firebreak_regression_evidence_ratio",
            "How strongly what serves since a change of revision looks worse than the known-good one, now; from 1 on it is "
            "called a regression. Only right after a change, and while an incident is open.",
            ("namespace", "service", "objective"),
        )
        self._clustering = self._gauge(
            "firebreak_objective_clustering",
            "How strongly failures cluster, G in force: what is counted is discounted by it; basis is Assumed or "
            "Measured.",
            ("namespace", "service", "objective", "basis"),
        )
        self._healthy = self._gauge(
            "firebreak_clustering_history_ratio",
            "How much of the fourteen healthy days that measuring the clustering needs there is; 1 is enough.",
            ("namespace", "service", "objective"),
        )
        self._budget = self._gauge(
            "firebreak_error_budget_left_ratio",
            "How much of the error budget is left over its period, of objectives with detector BurnRate; below 0 it is "
            "overspent.",
            ("namespace", "service", "objective"),
        )
        self._raised = self._gauge(
            "firebreak_sampling_raised",
            "1 while the judge's sampling rate is raised, for services that declare one or had it raised.",
            ("namespace", "service"),
        )
        self._raises = self._counter(
            "firebreak_sampling_raises",
            "How often a judge's sampling rate was raised, by reason: EvidenceAtWatch, RevisionChanged or ProofAwaited.",
            ("namespace", "reason"),
        )
        self._evaluation = self._histogram(
            "firebreak_evaluation_seconds", "One round of the evaluation loop over all services.", (), _SHORT
        )
        self._turn = self._histogram("firebreak_turn_seconds", "One turn of one service.", (), _SHORT)
        self._turn_errors = self._counter(
            "firebreak_turn_errors", "Turns and rounds that ended in an error of Firebreak's own: each is a bug.", ()
        )
        self._query = self._histogram(
            "firebreak_query_seconds",
            "Queries to metric sources; outcome is ok, or the error's kind.",
            ("outcome",),
            _SHORT,
        )
        self._write = self._histogram(
            "firebreak_write_seconds",
            "Guarded writes of a field; result is Landed, Changed (by someone else), Unmatched, Missing, Refused, or "
            "Error when the answer is not known.",
            ("result",),
            _SHORT,
        )
        self._leader = self._gauge("firebreak_leader", "1 on the replica that acts, 0 on the others.", ())
        self._gaps = self._gauge(
            "firebreak_quarantine_gaps",
            "Admission policies and bindings of the quarantine that are missing, and quarantines that do not deny; above "
            "0 a bad revision may come back.",
            (),
        )
        self._watch_restarts = self._counter(
            "firebreak_watch_restarts", "How often the watches died and were started again.", ()
        )
        self._missed = self._counter(
            "firebreak_watch_missed_changes",
            "Changes that the watches had not told when the periodic list found them; rising means a dead watch.",
            (),
        )
        self._relisted_at = self._gauge(
            "firebreak_last_list_timestamp_seconds", "When the cluster was last listed whole.", ()
        )
        self._gauge("firebreak_build_info", "1; the version is a label.", ("version",)).labels(
            version=version("firebreak")
        ).set(1)
        self.readiness = ReadinessMetrics(self._gauge)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    # --- what happened

    def decided(self, incident: AIIncident, command: Command) -> None:
        """A command that has been recorded; `incident` is the record after it."""
        status, namespace = incident.status, incident.metadata.namespace
        category, severity = str(status.category or ""), str(incident.spec.severity or status.severity or "")
        match command:
            case OpenIncident(onset=onset):
                self._opened.labels(namespace, category, severity, found_by(incident)).inc()
                # Of an incident that a person declares the onset is their word, not an estimate.
                if onset is not None and status.detected_at is not None and found_by(incident) == DETECTOR:
                    _observe(self._detection.labels(namespace, category), onset, status.detected_at)
            case TakeStep(action=action):
                self._containments.labels(namespace, action.kind, "Taken").inc()
            case SkipStep(action=action):
                self._containments.labels(namespace, action.kind, action.phase).inc()
                self._suppressed.labels(namespace, command.reason).inc()
            case SeeInForce(action_id=action_id):
                self._containments.labels(namespace, _kind(incident, action_id), "InForce").inc()
            case Judge(action_id=action_id, outcome=outcome):
                self._containments.labels(namespace, _kind(incident, action_id), outcome).inc()
                judged = _action(incident, action_id)
                first = judged is not None and judged.proven_at is not None and judged.proven_at == status.contained_at
                if first and status.detected_at is not None and status.contained_at is not None:
                    _observe(self._contained.labels(namespace, category), status.detected_at, status.contained_at)
            case AskPeople(reason=reason, subject=subject):
                self._pages.labels(namespace, reason).inc()
                said = said_of(status, reason, subject)
                if reason in _HELD and (said is None or said.times == 1):
                    self._suppressed.labels(namespace, reason).inc()
            case NoteHold(reason=Reason.CIRCUIT_BREAKER, message=message) if message:
                self._suppressed.labels(namespace, Reason.CIRCUIT_BREAKER).inc()
            case Resolve(reason=reason):
                self._resolved.labels(namespace, category, severity, found_by(incident), reason).inc()
                if status.detected_at is not None and status.resolved_at is not None:
                    _observe(self._recovered.labels(namespace, category), status.detected_at, status.resolved_at)
            case _:
                pass

    def asked(self, namespace: str, reason: Reason) -> None:
        """People were asked about something that belongs to no incident."""
        self._pages.labels(namespace, reason).inc()

    def breaker(self, breaker: Breaker) -> None:
        """Where the circuit breaker stands."""
        self._breaker_tripped.set(breaker.state is BreakerState.TRIPPED)
        self._breaker_trip.set(breaker.trip)

    def acted(self, incident: AIIncident, action: Action) -> None:
        """An action whose phase the actuator has moved."""
        outcome = {ActionPhase.BLOCKED: "Blocked", ActionPhase.UNDONE: "GivenBack"}.get(action.phase)
        if outcome:
            self._containments.labels(incident.metadata.namespace, action.kind, outcome).inc()

    def drilled(self, namespace: str, mode: str, outcome: str) -> None:
        """A run of a drill is over."""
        self._drills.labels(namespace, mode, outcome).inc()

    # --- what is so

    def covered(self, service: ServiceKey, coverage: Mapping[str, Coverage]) -> None:
        """How much of the answers is judged; of the objectives of which it is known, after `observed`."""
        for unknown in self._objectives.get(service, set()) - set(coverage):
            self._remove(self._coverage, service, unknown)
        for name, seen in coverage.items():
            self._coverage.labels(service.namespace, service.name, name).set(seen.of_usual)

    def compared(self, service: ServiceKey, comparisons: Mapping[str, Comparison]) -> None:
        """How the last change of revision compares, after `observed`; what is not compared says nothing."""
        for unknown in self._objectives.get(service, set()) - set(comparisons):
            self._remove(self._regression, service, unknown)
        for name, comparison in comparisons.items():
            evidence = 0.0 if comparison.incomparable else comparison.found.evidence_now / comparison.found.threshold
            self._regression.labels(service.namespace, service.name, name).set(evidence)

    def observed(
        self, service: ServiceKey, verdicts: Mapping[str, Verdict], delays: Mapping[str, timedelta | None] | None = None
    ) -> None:
        """The verdicts of a service now, and how long a breach would go unseen (None: for ever).

        Objectives that are no longer declared disappear.
        """
        for gone in self._objectives.get(service, set()) - set(verdicts):
            self._drop(service, gone)
        self._objectives[service] = set(verdicts)
        for name, verdict in verdicts.items():
            state = int(verdict.tier) if verdict.finding is Finding.BREACHED else _STATE[verdict.finding]
            self._state.labels(service.namespace, service.name, name).set(state)
            value = verdict.estimate if verdict.estimate is not None else verdict.bad
            if value is not None:
                self._estimate.labels(service.namespace, service.name, name).set(value)
        for unread in set(verdicts) - set(delays or {}):
            self._remove(self._expected, service, unread)
        for name, delay in (delays or {}).items():
            seconds = delay.total_seconds() if delay is not None else math.inf
            self._expected.labels(service.namespace, service.name, name).set(seconds)

    def clustered(self, service: ServiceKey, clusterings: Mapping[str, ClusteringStatus]) -> None:
        """G of each objective, and what it rests on; objectives without one say nothing."""
        for name in self._objectives.get(service, set()):
            told = clusterings.get(name)
            for basis in ClusteringBasis:
                if told is None or told.basis is not basis:
                    self._remove(self._clustering, service, name, basis=basis)
            if told is None:
                self._remove(self._healthy, service, name)
                continue
            self._clustering.labels(service.namespace, service.name, name, told.basis).set(float(told.value))
            share = parse_duration(told.healthy or "0s") / parse_duration(told.needed)
            self._healthy.labels(service.namespace, service.name, name).set(share)

    def budgeted(self, service: ServiceKey, budgets: Mapping[str, Budget]) -> None:
        """How much of each error budget is left."""
        for name in self._objectives.get(service, set()):
            budget = budgets.get(name)
            if budget is None or budget.left is None:
                self._remove(self._budget, service, name)
            else:
                self._budget.labels(service.namespace, service.name, name).set(budget.left)

    def sampled(self, service: ServiceKey, is_raised: bool) -> None:
        """Whether the judge's sampling rate is raised now."""
        self._raised.labels(service.namespace, service.name).set(is_raised)

    def raised(self, service: ServiceKey, reason: str) -> None:
        """The judge's sampling rate was raised."""
        self._raises.labels(service.namespace, reason).inc()

    def forgotten(self, service: ServiceKey) -> None:
        """A service that is gone."""
        self._raised.remove_by_labels({"namespace": service.namespace, "service": service.name})
        self.readiness.forgotten(service)
        for name in self._objectives.pop(service, set()):
            self._drop(service, name)

    def leads(self, is_leader: bool) -> None:
        """Whether this replica acts; one that does not says nothing of services, for it does not look at them."""
        self._leader.set(is_leader)
        if not is_leader:
            for service in tuple(self._objectives):
                self.forgotten(service)

    def quarantine_gaps(self, gaps: int) -> None:
        """How much of what keeps bad revisions out is missing."""
        self._gaps.set(gaps)

    def watch_incidents(self, open_incidents: Callable[[], Iterable[AIIncident]]) -> None:
        """Count open incidents whenever the metrics are read, from what is known then: right after a restart too."""
        if self._open is not None:
            self.registry.unregister(self._open)
        self._open = _OpenIncidents(open_incidents)
        self.registry.register(self._open)

    # --- how well it works

    def evaluated(self, seconds: float) -> None:
        """One round of the evaluation loop."""
        self._evaluation.observe(seconds)

    def turned(self, seconds: float) -> None:
        """One turn of one service."""
        self._turn.observe(seconds)

    def turn_failed(self) -> None:
        """An error of our own."""
        self._turn_errors.inc()

    def queried(self, seconds: float, outcome: str = "ok") -> None:
        """One query to a metric source; of a failed one the error's class."""
        self._query.labels(outcome).observe(seconds)

    def wrote(self, seconds: float, result: str) -> None:
        """One guarded write; `result` is the class of what came of it."""
        self._write.labels(result).observe(seconds)

    def watch_restarted(self) -> None:
        """The watches died and are started again."""
        self._watch_restarts.inc()

    def relisted(self, missed: int, at: datetime) -> None:
        """The cluster was listed whole, and this much of it was news; the first time that is everything."""
        if self._listed:
            self._missed.inc(missed)
        self._listed = True
        self._relisted_at.set(at.timestamp())

    # --- declared

    def _drop(self, service: ServiceKey, objective: str) -> None:
        for gauge in (
            *(self._state, self._estimate, self._expected, self._coverage),
            *(self._clustering, self._healthy, self._budget, self._regression),
        ):
            self._remove(gauge, service, objective)

    def _remove(self, gauge: Gauge, service: ServiceKey, objective: str, **labels: str) -> None:
        named = {"namespace": service.namespace, "service": service.name, "objective": objective}
        gauge.remove_by_labels(named | labels)

    def _describe(self, name: str, type_: str, labels: tuple[str, ...], help_: str) -> None:
        self.described.append(Described(name=name, type=type_, labels=labels, help=help_))

    def _counter(self, name: str, help_: str, labels: tuple[str, ...]) -> Counter:
        self._describe(f"{name}_total", "counter", labels, help_)
        return Counter(name, help_, labels, registry=self.registry)

    def _gauge(self, name: str, help_: str, labels: tuple[str, ...]) -> Gauge:
        self._describe(name, "gauge", labels, help_)
        return Gauge(name, help_, labels, registry=self.registry)

    def _histogram(self, name: str, help_: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        self._describe(name, "histogram", labels, help_)
        return Histogram(name, help_, labels, registry=self.registry, buckets=buckets)


class _OpenIncidents(Collector):
    """A gauge made when it is read."""

    described = Described(
        name="firebreak_incidents_open",
        type="gauge",
        labels=("namespace", "category", "severity", "phase"),
        help="Incidents that are open; every replica says the same, so take the maximum over them.",
    )

    def __init__(self, open_incidents: Callable[[], Iterable[AIIncident]]) -> None:
        self._incidents = open_incidents

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self.described.name, self.described.help, labels=self.described.labels)
        counts: dict[tuple[str, ...], int] = {}
        for incident in self._incidents():
            status = incident.status
            said = (
                incident.metadata.namespace,
                str(status.category or incident.spec.category or ""),
                str(incident.spec.severity or status.severity or ""),
                str(status.phase),
            )
            counts[said] = counts.get(said, 0) + 1
        for labels, count in counts.items():
            family.add_metric(labels, count)
        yield family


def every_metric() -> tuple[Described, ...]:
    """All metrics of Firebreak, by name."""
    described = [*Telemetry().described, _OpenIncidents.described]
    return tuple(sorted(described, key=lambda d: d.name))


def found_by(incident: AIIncident) -> str:
    """Who found it: `detector` or `person`."""
    return DETECTOR if incident.metadata.labels.get(OPENED_BY) == DETECTOR else "person"


def _action(incident: AIIncident, action_id: str) -> Action | None:
    return next((a for a in incident.status.actions if a.id == action_id), None)


def _kind(incident: AIIncident, action_id: str) -> str:
    action = _action(incident, action_id)
    return action.kind if action else ""


def _observe(histogram: Histogram, start: datetime, end: datetime) -> None:
    histogram.observe(max(0.0, (end - start).total_seconds()))
