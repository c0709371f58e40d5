"""AIService: an AI service with its quality objectives, its fallbacks and what may be done to contain an incident."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from firebreak.api.v1alpha1.model import (
    AGE,
    ApiModel,
    Column,
    Condition,
    Crd,
    Name,
    ObjectName,
    Resource,
    Text,
    Time,
    cel,
    list_map,
)
from firebreak.api.v1alpha1.quantities import (
    BudgetDuration,
    Duration,
    SomeDuration,
    StepDuration,
    TargetPercent,
    parse_duration,
)
from firebreak.api.v1alpha1.references import (
    AutoscalerRef,
    FieldRef,
    IndicatorRef,
    PolicyRef,
    PromQL,
    ServicePort,
    SourceRef,
    TargetRef,
    WorkloadRef,
)

LabelName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
LabelValue = Annotated[str, Field(max_length=253)]
FlagValue = Annotated[str, Field(max_length=1024)]
RevisionId = Annotated[str, Field(max_length=63)]


class Category(StrEnum):
    """What kind of harm a breach does; chooses severity and ladder."""

    QUALITY_DEGRADATION = "QualityDegradation"
    HALLUCINATION = "Hallucination"
    POLICY_VIOLATION = "PolicyViolation"
    PIPELINE = "Pipeline"


class Owner(ApiModel):
    """Who answers for the service."""

    team: Annotated[str, Field(min_length=1, max_length=253)]
    """The team's name, shown by `kubectl firebreak status`."""


class RevisionField(FieldRef):
    """A field that together with the others makes the version."""

    name: Name
    """A short name, such as model, prompt or index."""
    reload: WorkloadRef | None = None
    """For a ConfigMap: the workload to restart when only such a field moved, since a changed ConfigMap restarts none."""


class MetricLabel(ApiModel):
    """Which label value in the metrics is which revision."""

    name: LabelName = "revision"
    """The label's name; default revision."""
    format: Annotated[str, Field(min_length=1, max_length=253)]
    """A template over the fields: `{model|tag}` is the image's tag, `{prompt|sha8}` the first 8 hex digits of SHA-256."""


class KnownGood(ApiModel):
    """When a revision counts as proven, so that one may roll back to it."""

    model_config = {
        "json_schema_extra": cel(
            (
                "!has(self.pin) || !has(self.exclude) || !(self.pin in self.exclude)",
                "pin is also in exclude: which of the two is meant?",
            ),
        )
    }

    after: Duration = parse_duration("24h")
    """How long it must have met every objective; default 24h."""
    min_judged: Annotated[int, Field(ge=1, le=100_000_000)] = 2000
    """How many judged answers that must rest on, per ratio objective; default 2000."""
    pin: RevisionId | None = None
    """This revision is the known-good one, whatever was measured."""
    exclude: Annotated[tuple[RevisionId, ...], Field(max_length=64)] = ()
    """Never roll back to these revisions."""


class Revision(ApiModel):
    """What together makes "the version" of the service."""

    model_config = {
        "json_schema_extra": cel(
            (
                "self.fields.all(f, self.fields.exists_one(g, g.target == f.target && g.path == f.path))",
                "two fields name the same place: leave one of them out",
            ),
        )
    }

    fields: Annotated[tuple[RevisionField, ...], Field(min_length=1, max_length=8, json_schema_extra=list_map("name"))]
    """The fields; rolling back sets all of them to the known-good revision's values."""
    metric_label: MetricLabel | None = None
    """How the metrics name a revision; without it revisions are told apart by time alone."""
    known_good: KnownGood = KnownGood()
    """When a revision counts as proven."""
    history_limit: Annotated[int, Field(ge=2, le=100)] = 10
    """How many snapshots are kept; the known-good one is always kept. Default 10."""


class Metrics(ApiModel):
    """Where the service's series are and which are its own."""

    source: SourceRef = SourceRef()
    """The metric source; default ClusterMetricSource default."""
    labels: Annotated[dict[LabelName, LabelValue], Field(min_length=1, max_length=8)]
    """Labels that a series of this service carries; a namespace matcher is always added."""


class Answers(ApiModel):
    """Exposure: how many answers users got."""

    selector: PromQL
    """Raw counter of answers given by the primary: share of traffic, number of bad answers, proof that traffic moved."""


class DetectorKind(StrEnum):
    """How a breach is found."""

    SEQUENTIAL = "Sequential"
    BURN_RATE = "BurnRate"
    THRESHOLD = "Threshold"
    COUNT = "Count"


class AbsentMeans(StrEnum):
    """What it means that a gauge has no value."""

    INCONCLUSIVE = "Inconclusive"
    BREACH = "Breach"


class BurnRateWindow(ApiModel):
    """A pair of windows, over both of which the error budget must burn too fast."""

    factor: Annotated[float, Field(ge=0.1, le=1000, json_schema_extra={"type": "number"})]
    """How many times the allowed share of bad answers."""
    long: SomeDuration
    """Over this time: that it matters. At most 1500 steps."""
    short: SomeDuration
    """And over this one, which is shorter: that it is still so."""


class Detector(ApiModel):
    """How a breach is found; docs/detection.md says which to use when."""

    model_config = {
        "json_schema_extra": cel(
            (
                "self.kind == 'Threshold' ? (has(self.above) != has(self.below)) : !(has(self.above) || has(self.below))",
                "detector Threshold needs exactly one of above and below; the others take neither",
            ),
            ("!has(self.__for__) || self.kind == 'Threshold'", "for belongs to detector Threshold"),
            ("!has(self.absent) || self.kind == 'Threshold'", "absent belongs to detector Threshold"),
            (
                "!(has(self.windows) || has(self.budgetPeriod)) || self.kind == 'BurnRate'",
                "windows and budgetPeriod belong to detector BurnRate",
            ),
            (
                "!(has(self.atLeast) || has(self.window)) || self.kind == 'Count'",
                "atLeast and window belong to detector Count",
            ),
        )
    }

    kind: DetectorKind
    """Sequential (ratios; stated false-alarm rate), BurnRate (ratios; error budget, for tickets), Threshold (a gauge for a
    time) or Count (violations in a window)."""
    step: StepDuration = parse_duration("60s")
    """The grid on which counts are read; false-alarm rates are stated per step. Default 60s."""
    above: Annotated[float, Field(json_schema_extra={"type": "number"})] | None = None
    """Threshold: breached while the gauge is above this."""
    below: Annotated[float, Field(json_schema_extra={"type": "number"})] | None = None
    """Threshold: breached while the gauge is below this."""
    for_: Duration | None = Field(default=None, alias="for")
    """Threshold: for at least this long; default one step."""
    absent: AbsentMeans | None = None
    """Threshold: what it means that the gauge has no value. Inconclusive (default), or Breach for a heartbeat: one that
    was there within the last 1500 steps and is away for as long as `for`."""
    at_least: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Count: this many events breach; default 1."""
    window: SomeDuration | None = None
    """Count: within this time; default 10m."""
    windows: Annotated[tuple[BurnRateWindow, ...], Field(max_length=4)] = ()
    """BurnRate: any of these suffices; default factor 2 over 1h and 5m, and factor 1.5 over 6h and 30m."""
    budget_period: SomeDuration | None = None
    """BurnRate: the time over which the error budget is spent; default 30d."""


class Objective(ApiModel):
    """A service level objective on quality."""

    model_config = {
        "json_schema_extra": cel(
            (
                "self.detector.kind in ['Sequential', 'BurnRate'] ? has(self.target) : !has(self.target)",
                "detectors Sequential and BurnRate need target, such as 95%; Threshold and Count take none",
            ),
            (
                "self.detector.kind != 'BurnRate' || !has(self.target) || (has(self.detector.windows) "
                "&& size(self.detector.windows) > 0 ? self.detector.windows.all(w, "
                "w.factor * (100.0 - double(self.target.replace('%', ''))) <= 50.0) "
                ": 2.0 * (100.0 - double(self.target.replace('%', ''))) <= 50.0)",
                "factor times the allowed share of bad answers must not exceed 50%, since no incident burns faster "
                "(14.4 times 5% is 72% bad): use {factor: 2, long: 1h, short: 5m} and {factor: 1.5, long: 6h, short: "
                "30m}, or detector Sequential",
            ),
            (
                "!(self.detector.kind in ['Sequential', 'BurnRate']) || !has(self.indicator.gauge)",
                "detectors Sequential and BurnRate need counters: a shared indicator, badSelector and totalSelector, or a histogram; "
                "a ratio gauge cannot be used",
            ),
            (
                "!(self.detector.kind in ['Sequential', 'BurnRate']) || !has(self.indicator.badSelector) "
                "|| has(self.indicator.totalSelector)",
                "detectors Sequential and BurnRate need totalSelector beside badSelector",
            ),
            (
                "self.detector.kind != 'Threshold' || has(self.indicator.gauge) || has(self.indicator.name)",
                "detector Threshold needs indicator.gauge, or a shared indicator that has one",
            ),
            (
                "self.detector.kind != 'Count' || (has(self.indicator.badSelector) "
                "&& !has(self.indicator.totalSelector))",
                "detector Count needs indicator.badSelector, a raw counter of violations, alone",
            ),
        )
    }

    name: Name
    """The objective's name."""
    category: Category
    """What kind of harm a breach does: QualityDegradation, Hallucination, PolicyViolation or Pipeline."""
    indicator: IndicatorRef
    """What is measured."""
    target: TargetPercent | None = None
    """The share of judged answers that must be good, above 0% and below 100%; with detectors Sequential and
    BurnRate."""
    detector: Detector
    """How a breach is found."""
    segments: Annotated[tuple[LabelName, ...], Field(max_length=4)] = ()
    """Labels by which the scope of an incident is reported, such as feature or locale."""


class Route(ApiModel):
    """A routing rule that carries the service's traffic."""

    api_version: Annotated[str, Field(pattern=r"^gateway\.networking\.k8s\.io/v1$", max_length=64)] = (
        "gateway.networking.k8s.io/v1"
    )
    """gateway.networking.k8s.io/v1."""
    kind: Annotated[str, Field(pattern=r"^HTTPRoute$", max_length=63)] = "HTTPRoute"
    """HTTPRoute."""
    name: Name
    """The route's name."""
    rule: Name
    """The name of the rule whose backendRefs' weights are moved (`spec.rules[].name`)."""
    primary: ServicePort
    """The backend that normally answers."""


class Traffic(ApiModel):
    """How traffic reaches the service."""

    routes: Annotated[tuple[Route, ...], Field(min_length=1, max_length=4, json_schema_extra=list_map("name", "rule"))]
    """Each of these is switched together."""


class FallbackRole(StrEnum):
    """What a fallback is to users; a cluster policy names roles, not names."""

    SIMPLER_MODEL = "SimplerModel"
    STATIC = "Static"
    HUMAN_HANDOFF = "HumanHandoff"


class StaticAnswer(ApiModel):
    """An answer that Firebreak's responder gives; the route's rule names it by a request header (docs/traffic)."""

    status: Annotated[int, Field(ge=200, le=599)] = 503
    """HTTP status; 200 only by choice. Default 503."""
    content_type: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x20-\x7e]+$")] = "application/json"
    """Content-Type; default application/json."""
    body: Annotated[str, Field(max_length=16384)]
    """The body, sent as it is."""


class Readiness(ApiModel):
    """What must be so before traffic moves to a fallback."""

    workload: WorkloadRef
    """The workload that serves the fallback."""
    min_ready: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How many of its pods must be ready; default 1."""


class Fallback(ApiModel):
    """Where traffic can go instead, declared beforehand as a backend with weight 0."""

    model_config = {
        "json_schema_extra": cel(
            ("has(self.backend) != has(self.static)", "give exactly one of backend and static"),
            (
                "has(self.static) == (self.role == 'Static')",
                "role Static goes with static, the other roles with backend",
            ),
            ("!has(self.readiness) || has(self.backend)", "readiness belongs to a fallback with a backend"),
        )
    }

    name: Name
    """The fallback's name."""
    role: FallbackRole
    """What it is to users: SimplerModel, Static or HumanHandoff."""
    backend: ServicePort | None = None
    """A Service in the same namespace."""
    static: StaticAnswer | None = None
    """An answer given by Firebreak's own responder."""
    readiness: Readiness | None = None
    """What must be so before traffic moves; a fallback without it needs at least one ready endpoint."""


class ReviewRate(FieldRef):
    """The place that says which share of answers people review."""

    value: FlagValue
    """What to write during an incident, such as "100%"."""


class HumanReview(ApiModel):
    """How people review more answers during an incident."""

    model_config = {
        "json_schema_extra": cel(
            ("has(self.workload) == has(self.replicas)", "workload and replicas go together"),
            ("!has(self.autoscaler) || has(self.workload)", "autoscaler needs workload: whose replicas does it set?"),
            ("has(self.workload) || has(self.rate)", "give workload with replicas, or rate, or both"),
        )
    }

    workload: WorkloadRef | None = None
    """The workload of the review sidecars."""
    replicas: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many replicas it has during an incident; never fewer than before."""
    autoscaler: AutoscalerRef | None = None
    """What sets the workload's replicas, where something does: then its floor (minReplicas, minReplicaCount) is raised
    instead, at most to its own maximum."""
    rate: ReviewRate | None = None
    """The share of answers that people review."""


class SamplingRate(FieldRef):
    """The place that says which share of the answers is judged."""

    raised: Annotated[str, Field(min_length=1, max_length=64)]
    """What to write while more evidence is wanted, such as "20%"; what stood there before is put back."""
    daily_budget: BudgetDuration = parse_duration("6h")
    """For how long a day (UTC) it may be raised, at most 14h; what a containment's proof takes is not limited by it, but
    by 14 hours in any 24 (840 in 1,440 steps). Default 6h."""


class Judge(ApiModel):
    """What judges the answers."""

    sampling_rate: SamplingRate
    """Evidence on demand: raised when an objective reaches tier Watch, for the first hour after a change of revision, and
    while a step or a repair is being proven."""


class Flag(FieldRef):
    """The place that turns a feature off."""

    disabled_value: FlagValue
    """What to write to turn the feature off."""


class Feature(ApiModel):
    """A part of the service that can be turned off by itself."""

    name: Name
    """The feature's name."""
    flag: Flag
    """The place that turns it off."""


class Mode(StrEnum):
    """Whether Firebreak acts."""

    OBSERVE = "Observe"
    ENFORCE = "Enforce"


class OnDelete(StrEnum):
    """What becomes of what is in force when an incident or its service is deleted."""

    RESTORE = "Restore"
    LEAVE = "Leave"


class ContainmentRef(ApiModel):
    """Which policy contains this service's incidents, and whether it acts."""

    policy: PolicyRef
    """The containment policy."""
    mode: Mode = Mode.OBSERVE
    """Observe (default): say what would be done. Enforce: do it."""
    on_delete: OnDelete = OnDelete.RESTORE
    """What becomes of what is in force when this service or its open incident is deleted. Restore (default): it is given
    back first. Leave: it stays as it is. An incident's spec.onDelete goes before it."""
    execute_drills: bool = False
    """Whether a ContainmentDrill of mode Execute may carry out this service's steps for the length of a drill; it needs
    mode Enforce as well. Default false."""
    service_account_name: ObjectName | None = None
    """The ServiceAccount of this namespace with whose rights the targets are written, where the installation lets
    Firebreak act as it (chart value `impersonation`); without it with Firebreak's own."""


class AIServiceSpec(ApiModel):
    """What the user declares."""

    model_config = {
        "json_schema_extra": cel(
            (
                "!has(self.fallbacks) || size(self.fallbacks) == 0 || has(self.traffic)",
                "fallbacks need traffic.routes: which route should send traffic to them?",
            ),
            (
                "!has(self.fallbacks) || !has(self.traffic) || self.fallbacks.all(f, !has(f.backend) "
                "|| self.traffic.routes.all(r, r.primary.name != f.backend.name || r.primary.port != f.backend.port))",
                "a fallback's backend is the primary backend of a route: name another Service or port",
            ),
            (
                "!has(self.judge) || self.objectives.exists(o, o.detector.kind == 'Sequential')",
                "judge.samplingRate needs an objective with detector Sequential: what would more judged answers tell?",
            ),
        )
    }

    suspend: bool = False
    """Leave this service alone: watch, say, do nothing. Default false."""
    owner: Owner | None = None
    """Who answers for the service."""
    revision: Revision | None = None
    """What makes the version; without it nothing can be rolled back."""
    metrics: Metrics
    """Where the service's series are."""
    answers: Answers | None = None
    """Exposure; without it the number of bad answers and the proof in traffic are missing."""
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map("name"))]
    """The quality objectives."""
    judge: Judge | None = None
    """What judges the answers, where it may be asked to judge more of them for a time."""
    traffic: Traffic | None = None
    """How traffic reaches the service; needed by SwitchTraffic."""
    fallbacks: Annotated[tuple[Fallback, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    """Where traffic can go instead."""
    human_review: HumanReview | None = None
    """How people review more answers; needed by RaiseHumanReview."""
    features: Annotated[tuple[Feature, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    """What can be turned off by itself; needed by DisableFeature."""
    containment: ContainmentRef
    """Which policy contains this service's incidents."""

    def targets(self) -> tuple[tuple[str, TargetRef], ...]:
        """Every object that this service may write to, with the place in the spec that names it."""
        places: list[tuple[str, TargetRef]] = []
        if self.revision:
            for i, field in enumerate(self.revision.fields):
                places.append((f"spec.revision.fields[{i}].target", field.target))
                if field.reload:
                    places.append((f"spec.revision.fields[{i}].reload", workload_target(field.reload)))
        if self.traffic:
            places += [
                (f"spec.traffic.routes[{i}]", TargetRef(api_version=r.api_version, kind=r.kind, name=r.name))
                for i, r in enumerate(self.traffic.routes)
            ]
        if self.human_review and self.human_review.workload:
            places.append(("spec.humanReview.workload", workload_target(self.human_review.workload)))
        if self.human_review and self.human_review.autoscaler:
            places.append(("spec.humanReview.autoscaler", autoscaler_target(self.human_review.autoscaler)))
        if self.human_review and self.human_review.rate:
            places.append(("spec.humanReview.rate.target", self.human_review.rate.target))
        if self.judge:
            places.append(("spec.judge.samplingRate.target", self.judge.sampling_rate.target))
        places += [(f"spec.features[{i}].flag.target", f.flag.target) for i, f in enumerate(self.features)]
        return tuple(places)


def workload_target(workload: WorkloadRef) -> TargetRef:
    """The workload as a place to write to."""
    return TargetRef(api_version=workload.api_version, kind=workload.kind, name=workload.name)


def autoscaler_target(autoscaler: AutoscalerRef) -> TargetRef:
    """The autoscaler as a place to write to."""
    return TargetRef(api_version=autoscaler.api_version, kind=autoscaler.kind, name=autoscaler.name)


class ClusteringBasis(StrEnum):
    """Where G is from."""

    ASSUMED = "Assumed"
    MEASURED = "Measured"


class ClusteringStatus(ApiModel):
    """How strongly an objective's failures cluster (G): what is counted is discounted by it (docs/detection.md)."""

    value: Annotated[str, Field(max_length=32)]
    """G in force."""
    basis: ClusteringBasis
    """Assumed (0.1), or Measured on the objective's own healthy history."""
    healthy: Annotated[str, Field(max_length=32)] = ""
    """How much healthy history it rests on; while it is assumed, how much there is so far. Incidents are cut out."""
    needed: Annotated[str, Field(max_length=32)]
    """How much is needed: fourteen days of steps of 60s."""
    measured_at: Time | None = None
    """When history was last looked at, once a day."""
    series: Annotated[str, Field(max_length=8)]
    """Names what it was measured of: another indicator under this objective's name is measured anew."""


class ObjectiveStatus(ApiModel):
    """What is known of one objective; values are refreshed at most once a minute."""

    name: Name
    """The objective's name."""
    finding: Annotated[str, Field(max_length=32)]
    """Met, Breached, Inconclusive or Error."""
    tier: Annotated[str, Field(max_length=32)] = ""
    """Of a breach: Watch, Suspected or Confirmed."""
    value: Annotated[str, Field(max_length=64)] = ""
    """The measured value, such as 98.7% or 340."""
    target: Annotated[str, Field(max_length=64)] = ""
    """What it is held against."""
    because: Text = ""
    """The numbers in words."""
    expected_delay: Annotated[str, Field(max_length=32)] = ""
    """About how long a breach at four times the allowed rate takes to be Confirmed at the last hour's rate of judging,
    such as 14m; never while nothing is judged, empty while that is not known."""
    budget: Annotated[str, Field(max_length=64)] = ""
    """How much of the error budget is left over its period, with a 95% interval, such as 63% (41% to 78%); with detector
    BurnRate."""
    clustering: ClusteringStatus | None = None
    """How strongly its failures cluster; with detector Sequential."""


class RevisionStatus(ApiModel):
    """Which revision serves, and which is proven."""

    current: RevisionId = ""
    """The revision that the declared fields hold now."""
    current_since: Time | None = None
    """When it was first seen."""
    known_good: RevisionId = ""
    """The revision that a rollback would return to; empty while none is proven."""
    known_good_reason: Text = ""
    """Why it is the known-good one, or why there is none yet."""
    left_known_good_at: Time | None = None
    """When the known-good revision last stopped serving; empty while it serves."""
    quarantined: Annotated[tuple[RevisionId, ...], Field(max_length=64)] = ()
    """Revisions that must not come back."""


class EndedContainment(ApiModel):
    """An earlier incident in which Firebreak changed what users get; remembered although it may be deleted since."""

    incident: Annotated[str, Field(max_length=253)]
    """Its name."""
    at: Time
    """When its first containment was begun."""
    ended_at: Time
    """When it was over."""
    onset: Time | None = None
    """The estimated beginning of what was bad."""
    false_alarm: bool = False
    """Whether a person has called it one: then what was counted in it was healthy."""


class SamplingState(StrEnum):
    """Whether the judge's sampling rate is raised."""

    NORMAL = "Normal"
    WANTED = "Wanted"
    RAISED = "Raised"
    GIVING_BACK = "GivingBack"


class SamplingTold(ApiModel):
    """Evidence on demand; the record of it is the SamplingRaise of the service's name."""

    state: SamplingState = SamplingState.NORMAL
    """Normal, Wanted (it would be raised, but something is in the way), Raised or GivingBack."""
    message: Text = ""
    """Why, in words."""


class LastDrill(ApiModel):
    """The last drill that said whether the ladder can be carried out."""

    name: Annotated[str, Field(max_length=253)]
    """The ContainmentDrill."""
    mode: Annotated[str, Field(max_length=32)]
    """How far it went: Validate, DryRun or Execute."""
    at: Time
    """When it ended."""
    outcome: Annotated[str, Field(max_length=32)]
    """Passed or Failed."""
    message: Text = ""
    """The result in a sentence."""
    policy_hash: Annotated[str, Field(max_length=64)] = ""
    """A digest of the policy that was rehearsed."""
    service_generation: int = 0
    """The generation of this service that was rehearsed."""


class AIServiceStatus(ApiModel):
    """What Firebreak knows of the service."""

    observed_generation: int = 0
    """The generation of the spec that this status is about."""
    state: Annotated[str, Field(max_length=32)] = ""
    """Healthy, Unknown, Watch, Suspected, Incident, Contained, NeedsHuman or Suspended: the summary."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))] = ()
    """Ready, ObjectivesMet, IndicatorHealthy, ContainmentReady, VerificationFeasible, QuarantineReady, NoRegression."""
    objectives: Annotated[tuple[ObjectiveStatus, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """What is known of each objective."""
    worst_objective: Annotated[str, Field(max_length=128)] = ""
    """The objective that is worst off, with its value."""
    budget: Annotated[str, Field(max_length=64)] = ""
    """How much of the error budget is left, of the objective with detector BurnRate that has the least."""
    revision: RevisionStatus = RevisionStatus()
    """Which revision serves, and which is proven."""
    sampling: SamplingTold = SamplingTold()
    """Whether the judge's sampling rate is raised, and why."""
    active_incident: Annotated[str, Field(max_length=253)] = ""
    """The open AIIncident."""
    incident_count: int = 0
    """How many incidents have been opened; numbers their names."""
    containments: Annotated[
        tuple[EndedContainment, ...], Field(max_length=100, json_schema_extra=list_map("incident"))
    ] = ()
    """The last incidents that were contained: what cooldown and maxContainments count, and what is cut out of the
    history that clustering is measured on, also when they are deleted."""
    last_resolved: Time | None = None
    """When the last incident was over: what began before is no news."""
    last_drill: LastDrill | None = None
    """The last drill that said whether the ladder can be carried out."""


class AIService(Resource):
    """An AI service under Firebreak's watch."""

    model_config = {
        "json_schema_extra": cel(
            (
                "self.metadata.name.size() <= 52 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
                "metadata.name must be at most 52 of a-z, 0-9 and -, since incidents and snapshots are named after it",
            ),
        )
    }
    crd: ClassVar = Crd(
        plural="aiservices",
        short_names=("ais",),
        columns=(
            Column(name="State", path=".status.state"),
            Column(name="Mode", path=".spec.containment.mode"),
            Column(name="Revision", path=".status.revision.current"),
            Column(name="Known-Good", path=".status.revision.knownGood"),
            Column(name="Worst Objective", path=".status.worstObjective"),
            Column(name="Budget", path=".status.budget"),
            Column(name="Incident", path=".status.activeIncident"),
            Column(name="Drilled", path=".status.lastDrill.at", type="date"),
            AGE,
        ),
    )
    spec: AIServiceSpec
    status: AIServiceStatus = AIServiceStatus()
