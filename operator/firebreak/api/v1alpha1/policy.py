"""ContainmentPolicy and ClusterContainmentPolicy: what to do about which incident, and the limits of it."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from firebreak.api.v1alpha1.aiservice import Category, FallbackRole
from firebreak.api.v1alpha1.model import AGE, ApiModel, Column, Crd, Name, ObjectName, Resource, cel, matching
from firebreak.api.v1alpha1.quantities import Duration, SomeDuration, parse_duration


class Severity(StrEnum):
    """How bad; P1 is the worst."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class When(ApiModel):
    """Which incidents a rule is for."""

    categories: Annotated[tuple[Category, ...], Field(min_length=1, max_length=4)]
    """Any of these categories."""


class SeverityRule(ApiModel):
    """A severity for some incidents."""

    when: When | None = None
    """Which incidents; left out: all."""
    severity: Severity
    """P1 to P4."""


class ActionKind(StrEnum):
    """What a step does."""

    RAISE_HUMAN_REVIEW = "RaiseHumanReview"
    ROLL_BACK = "RollBack"
    SWITCH_TRAFFIC = "SwitchTraffic"
    DISABLE_FEATURE = "DisableFeature"


class Evidence(StrEnum):
    """How sure a step must be; docs/detection.md gives the false-alarm rates."""

    SUSPECTED = "Suspected"
    CONFIRMED = "Confirmed"


class FallbackChoice(ApiModel):
    """Which fallback of the service: by name, or by role so that a policy fits many services."""

    model_config = {"json_schema_extra": cel(("has(self.name) != has(self.role)", "give exactly one of name and role"))}

    name: Name | None = None
    """The fallback's name."""
    role: FallbackRole | None = None
    """The first fallback with this role."""


class Step(ApiModel):
    """One rung of a ladder."""

    model_config = {
        "json_schema_extra": cel(
            ("(self.action == 'SwitchTraffic') == has(self.fallback)", "SwitchTraffic, and only it, needs fallback"),
            ("!has(self.weights) || self.action == 'SwitchTraffic'", "weights belong to SwitchTraffic"),
            (
                "!has(self.weights) || (self.weights.isSorted() && self.weights.all(p, self.weights.exists_one(q, q == p))"
                " && self.weights[size(self.weights) - 1] == 100)",
                "weights must rise with every step and end at 100, as in [10, 50, 100]",
            ),
            ("(self.action == 'DisableFeature') == has(self.feature)", "DisableFeature, and only it, needs feature"),
            (
                "self.action == 'RaiseHumanReview' ? !has(self.verifyWithin) : has(self.verifyWithin)",
                "verifyWithin is needed by every step but RaiseHumanReview, which is not expected to cure anything",
            ),
            (
                "!has(self.evidence) || self.evidence == 'Confirmed' || self.action == 'RaiseHumanReview'",
                "only RaiseHumanReview may act at evidence Suspected: the others change what users get",
            ),
        )
    }

    action: ActionKind
    """RaiseHumanReview, RollBack, SwitchTraffic or DisableFeature."""
    evidence: Evidence = Evidence.CONFIRMED
    """Suspected or Confirmed (default)."""
    fallback: FallbackChoice | None = None
    """SwitchTraffic: where to."""
    weights: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(min_length=1, max_length=8)] | None = None
    """SwitchTraffic: shares of traffic that go to the fallback one after the other, in percent; each is seen in force,
    and the fallback ready, before the next. Default: all at once. verifyWithin is for all of them together."""
    feature: Name | None = None
    """DisableFeature: which."""
    verify_within: SomeDuration | None = None
    """Within this time the step must be in force and shown to help; else the next one follows, or people are asked."""


class ReleaseWhen(StrEnum):
    """What proves that control can be given back."""

    NEW_REVISION = "NewRevision"
    GAUGE_RECOVERED = "GaugeRecovered"
    PERSON = "Person"


class LadderRelease(ApiModel):
    """How control is given back after the steps of one ladder."""

    when: ReleaseWhen
    """NewRevision, GaugeRecovered or Person, instead of the policy's release.when."""


class Ladder(ApiModel):
    """Steps for some incidents, in order."""

    model_config = {
        "json_schema_extra": cel(
            (
                "self.steps.filter(s, s.action == 'RollBack').size() <= 1",
                "RollBack may stand once in a ladder: a second one could only return to the same revision",
            ),
        )
    }

    when: When | None = None
    """Which incidents; left out: all."""
    release: LadderRelease | None = None
    """What begins the way back for these incidents; left out: as the policy's release says."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=8)]
    """Each is verified before the next is needed."""


class MaxContainments(ApiModel):
    """A limit on how often Firebreak acts by itself."""

    count: Annotated[int, Field(ge=1, le=100)] = 3
    """How many containments, at most 100; default 3."""
    per: SomeDuration = parse_duration("24h")
    """Within this time; default 24h."""


def _cron() -> str:
    """Five fields, as in a CronJob: numbers or names, lists, ranges and steps."""
    fields = (
        "[0-5]?[0-9]",
        "[01]?[0-9]|2[0-3]",
        "0?[1-9]|[12][0-9]|3[01]",
        "0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC",
        "[0-7]|SUN|MON|TUE|WED|THU|FRI|SAT",
    )
    terms = (rf"(\*|({f})(-({f}))?)(/[1-9][0-9]?)?" for f in fields)
    return "(?i)^" + " ".join(f"{t}(,{t})*" for t in terms) + "$"


Cron = Annotated[
    str,
    Field(
        max_length=128,
        json_schema_extra=matching(
            _cron(), "must be five cron fields, such as 0 18 * * FRI: minute, hour, day, month, weekday"
        ),
    ),
]
"""Minute, hour, day of the month, month, weekday, as in a CronJob."""
TimeZone = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$")]
"""The name of a zone of the IANA time zone database."""


class Freeze(ApiModel):
    """A time in which Firebreak changes nothing of what users get by itself."""

    cron: Cron
    """When it begins: minute, hour, day of the month, month, weekday, as in a CronJob."""
    time_zone: TimeZone = "UTC"
    """The IANA time zone of cron, such as Europe/Berlin; default UTC."""
    duration: SomeDuration
    """How long it lasts, in real time: a night in which the clocks change makes it no longer or shorter."""


class UnmeasuredClustering(StrEnum):
    """What to do while it is not known how strongly failures cluster."""

    ASSUME = "Assume"
    HOLD = "Hold"


class Guardrails(ApiModel):
    """Limits that hold whatever the evidence says."""

    cooldown: Duration = parse_duration("15m")
    """Between the end of one incident and the first containment of the next; default 15m."""
    max_containments: MaxContainments = MaxContainments()
    """How many incidents of a service are contained within a time; default 3 per 24h."""
    freeze: Annotated[tuple[Freeze, ...], Field(max_length=16)] = ()
    """When RollBack, SwitchTraffic and DisableFeature are held. RaiseHumanReview, a P1 whose events were counted
    (detector Count) and what a person asks for go ahead; so does giving back."""
    unmeasured_clustering: UnmeasuredClustering = UnmeasuredClustering.ASSUME
    """Until an objective has fourteen days of healthy history, of which is measured how strongly its failures cluster:
    Assume (default) a G of 0.1, or Hold the first step on its evidence alone, until a person says so."""


class ReleaseValidation(ApiModel):
    """A Job that must succeed before users are sent to a fix."""

    cron_job: ObjectName
    """A CronJob in the service's namespace (suspended, if it is for this alone) whose jobTemplate is run once for each
    fix: golden questions against the primary, and the inputs that failed. Its environment says which incident, service,
    revision, objectives, onset and segments it is about (FIREBREAK_INCIDENT and so on)."""
    timeout: SomeDuration = parse_duration("30m")
    """A Job that has not ended in this time has failed; default 30m."""


class Release(ApiModel):
    """How control is given back."""

    model_config = {
        "json_schema_extra": cel(
            (
                "!has(self.ramp) || (self.ramp.isSorted() && self.ramp.all(p, self.ramp.exists_one(q, q == p)))",
                "ramp must rise with every step, as in [10, 50, 100]",
            ),
            (
                "!has(self.ramp) || self.ramp[size(self.ramp) - 1] == 100",
                "the last step of ramp must be 100, or traffic never comes back whole",
            ),
        )
    }

    when: ReleaseWhen = ReleaseWhen.NEW_REVISION
    """NewRevision (default): a revision that is neither the one that failed nor one that Firebreak rolled back to.
    GaugeRecovered: the breached gauges are back (an incident without one waits for a new revision). Person: someone sets
    the incident's spec.release."""
    stable_for: Duration = parse_duration("30m")
    """How long the proof must hold, at each step of the ramp too; default 30m."""
    ramp: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(min_length=1, max_length=8)] = (10, 50, 100)
    """Shares of traffic given back, in percent; the first is the probe. Default 10, 50, 100."""
    validation: ReleaseValidation | None = None
    """What must pass before any share is given back, and before an incident ends as fixed; a person's word
    (spec.release of the incident) needs none."""


class Approval(StrEnum):
    """Whether Firebreak takes steps by itself."""

    AUTOMATIC = "Automatic"
    REQUIRED = "Required"


class Approvals(ApiModel):
    """Whether steps that change what users get wait for a person's approval, by severity."""

    p1: Annotated[Approval, Field(alias="P1")] = Approval.AUTOMATIC
    """Automatic (default) or Required."""
    p2: Annotated[Approval, Field(alias="P2")] = Approval.AUTOMATIC
    """Automatic (default) or Required."""
    p3: Annotated[Approval, Field(alias="P3")] = Approval.AUTOMATIC
    """Automatic (default) or Required."""
    p4: Annotated[Approval, Field(alias="P4")] = Approval.AUTOMATIC
    """Automatic (default) or Required."""

    def of(self, severity: Severity) -> Approval:
        """What holds at this severity."""
        match severity:
            case Severity.P1:
                return self.p1
            case Severity.P2:
                return self.p2
            case Severity.P3:
                return self.p3
            case Severity.P4:
                return self.p4


class ContainmentPolicySpec(ApiModel):
    """What to do about which incident."""

    model_config = {
        "json_schema_extra": cel(
            (
                "self.ladders.filter(l, !has(l.when)).size() <= 1 "
                "&& (self.ladders.all(l, has(l.when)) || !has(self.ladders[size(self.ladders) - 1].when))",
                "a ladder without when matches every incident, so those after it are never taken: put it last",
            ),
            (
                "!has(self.severity) || size(self.severity) == 0 || (self.severity.filter(s, !has(s.when)).size() <= 1 "
                "&& (self.severity.all(s, has(s.when)) || !has(self.severity[size(self.severity) - 1].when)))",
                "a severity without when matches every incident, so those after it are never taken: put it last",
            ),
        )
    }

    severity: Annotated[tuple[SeverityRule, ...], Field(max_length=16)] = ()
    """The first match wins; without one P3."""
    ladders: Annotated[tuple[Ladder, ...], Field(min_length=1, max_length=16)]
    """The first match wins; an incident that none matches is told to people and not contained."""
    guardrails: Guardrails = Guardrails()
    """Limits that hold whatever the evidence says."""
    approval: Approvals = Approvals()
    """At which severities RollBack, SwitchTraffic and DisableFeature wait for a person's approval, each step anew."""
    release: Release = Release()
    """How control is given back."""


_COLUMNS = (
    Column(name="Release", path=".spec.release.when"),
    Column(name="Cooldown", path=".spec.guardrails.cooldown"),
    Column(name="First Steps", path=".spec.ladders[*].steps[0].action"),
    AGE,
)


class ContainmentPolicy(Resource):
    """A policy for the services of its namespace."""

    crd: ClassVar = Crd(plural="containmentpolicies", short_names=("cpol",), columns=_COLUMNS)
    spec: ContainmentPolicySpec


class ClusterContainmentPolicy(Resource):
    """A policy that every service may name."""

    crd: ClassVar = Crd(plural="clustercontainmentpolicies", short_names=("ccpol",), columns=_COLUMNS, namespaced=False)
    spec: ContainmentPolicySpec
