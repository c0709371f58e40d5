"""ContainmentDrill: rehearses a service's ladder while nothing is wrong, and reports step by step.

`spec` is what is to be rehearsed and when, `status` what came of it. The status is also the operator's only memory of a
drill under way: what mode Execute writes to the cluster stands here first, as an incident's does in its record.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from firebreak.api.v1alpha1.incident import Action
from firebreak.api.v1alpha1.model import (
    AGE,
    ApiModel,
    Column,
    Condition,
    Crd,
    Name,
    Resource,
    Text,
    Time,
    cel,
    list_map,
)
from firebreak.api.v1alpha1.policy import ActionKind, Cron, FallbackChoice, TimeZone
from firebreak.api.v1alpha1.quantities import SomeDuration


class DrillMode(StrEnum):
    """How far a drill goes; each does what the one before it does, and more."""

    VALIDATE = "Validate"
    DRY_RUN = "DryRun"
    EXECUTE = "Execute"


class DrillSchedule(ApiModel):
    """When a drill is repeated."""

    cron: Cron
    """Minute, hour, day of month, month, day of week, as in cron: `0 9 * * MON`."""
    time_zone: TimeZone = "UTC"
    """A name of the IANA time zone database, such as Europe/Berlin; default UTC."""


class DrillStep(ApiModel):
    """A step to rehearse, named as a ladder names it."""

    model_config = {
        "json_schema_extra": cel(
            ("(self.action == 'SwitchTraffic') == has(self.fallback)", "SwitchTraffic, and only it, needs fallback"),
            ("(self.action == 'DisableFeature') == has(self.feature)", "DisableFeature, and only it, needs feature"),
        )
    }

    action: ActionKind
    """RaiseHumanReview, RollBack, SwitchTraffic or DisableFeature."""
    fallback: FallbackChoice | None = None
    """SwitchTraffic: where to."""
    feature: Name | None = None
    """DisableFeature: which."""


class ContainmentDrillSpec(ApiModel):
    """What is to be rehearsed, how far, and when."""

    model_config = {
        "json_schema_extra": cel(
            (
                "self.service == oldSelf.service && self.mode == oldSelf.mode",
                "service and mode cannot be changed: create another drill",
            ),
            (
                "self.mode != 'Execute' || (has(self.allowExecution) && self.allowExecution)",
                "mode Execute changes what users get while it runs: say allowExecution: true here, and "
                "spec.containment.executeDrills: true on the AIService",
            ),
            (
                "self.mode == 'Execute' || !has(self.allowExecution) || !self.allowExecution",
                "allowExecution belongs to mode Execute: the other modes change nothing",
            ),
            (
                "self.mode != 'Execute' || !has(self.steps) || self.steps.all(s, s.action != 'RollBack')",
                "a drill never executes RollBack: it would take out a revision that serves well; rehearse it with DryRun",
            ),
        )
    }

    service: Name
    """The AIService in the same namespace whose ladders are rehearsed."""
    mode: DrillMode = DrillMode.VALIDATE
    """Validate (default): compile each step and have the API server check each write without storing it. DryRun: also
    whether fallbacks could serve, pods have room in the quotas, and a bad revision would be kept out. Execute: also do
    each step, see it in force, and give it back."""
    steps: Annotated[tuple[DrillStep, ...], Field(max_length=16)] = ()
    """Which steps; left out: every step of every ladder of the policy. Execute then leaves what users would notice as an
    outage (SwitchTraffic to role Static) at DryRun: it is executed only when it is named here."""
    schedule: DrillSchedule | None = None
    """When it is repeated; left out: once, now."""
    suspend: bool = False
    """Begin no run, and end one that is under way, with what it has changed given back. Default false."""
    allow_execution: bool = False
    """Must be true for mode Execute, so that nobody executes by accident."""
    history_limit: Annotated[int, Field(ge=0, le=50)] = 10
    """How many earlier runs the status keeps; default 10."""


class OptionResult(StrEnum):
    """What a drill says of one step."""

    PENDING = "Pending"
    READY = "Ready"
    NOT_NOW = "NotNow"
    BLOCKED = "Blocked"


class DrillOption(ApiModel):
    """One step, and whether it can be carried out."""

    name: Annotated[str, Field(max_length=128)]
    """The step in words, such as SwitchTraffic to apology."""
    step: DrillStep
    """The step as the ladder names it."""
    mode: DrillMode
    """How far this step was rehearsed; an Execute drill leaves some at DryRun, and the message says why."""
    within: SomeDuration
    """In mode Execute: how long its effect is waited for."""
    result: OptionResult = OptionResult.PENDING
    """Ready: it can be carried out now. Blocked: something is in the way that someone must change. NotNow: an incident
    would skip it as things are, and nothing is wrong. Pending: not rehearsed yet."""
    reason: Annotated[str, Field(max_length=64)] = ""
    """One word for programs."""
    message: Text = ""
    """What was found, or what is in the way and what to change."""
    at: Time | None = None
    """When it was rehearsed."""
    checked_at: Time | None = None
    """In mode Execute: when the dry run before the execution passed."""
    giving_back_at: Time | None = None
    """In mode Execute: when it was told to give back."""
    accepted_seconds: float | None = None
    """In mode Execute: from the recorded intent until the API server had accepted every write."""
    in_force_seconds: float | None = None
    """In mode Execute: from the recorded intent until the effect was seen."""
    given_back_seconds: float | None = None
    """In mode Execute: from the order to give back until everything stood as before and was in force again."""


class DrillOutcome(StrEnum):
    """How a run has ended."""

    PASSED = "Passed"
    FAILED = "Failed"
    YIELDED = "Yielded"
    STOPPED = "Stopped"
    MISSED = "Missed"


class DrillStop(ApiModel):
    """Why a run ends before its time; what it has changed is being given back."""

    at: Time
    """Since when."""
    outcome: DrillOutcome
    """Yielded (to an incident) or Stopped."""
    reason: Annotated[str, Field(max_length=64)]
    """One word for programs."""
    message: Text
    """Why, in words."""


class DrillRun(ApiModel):
    """One rehearsal."""

    number: int
    """Counts the runs of this drill, from 1."""
    mode: DrillMode
    """How far it goes."""
    due_at: Time
    """When it was to begin."""
    started_at: Time
    """When it began."""
    ended_at: Time | None = None
    """When it was over."""
    outcome: DrillOutcome | None = None
    """Passed: every step is Ready or NotNow. Failed: at least one is Blocked. Yielded: an incident came. Stopped: someone
    has forbidden it meanwhile. Missed: it could not begin in time."""
    reason: Annotated[str, Field(max_length=64)] = ""
    """Of a run that ended before its time: why, in one word."""
    message: Text = ""
    """The result in a sentence."""
    policy: Annotated[str, Field(max_length=320)] = ""
    """The policy whose ladders were rehearsed, by kind and name."""
    policy_hash: Annotated[str, Field(max_length=64)] = ""
    """A digest of the policy's spec: two clusters with the same one have rehearsed the same ladders."""
    service_generation: int = 0
    """The generation of the AIService that was rehearsed."""
    revision: Annotated[str, Field(max_length=63)] = ""
    """The revision that served."""
    stop: DrillStop | None = None
    """Why it is ending before its time."""


class PastRun(ApiModel):
    """An earlier run, in short."""

    number: int
    """Which run."""
    mode: DrillMode
    """How far it went."""
    started_at: Time
    """When it began."""
    ended_at: Time
    """When it was over."""
    outcome: DrillOutcome
    """How it ended."""
    policy_hash: Annotated[str, Field(max_length=64)] = ""
    """The policy that was rehearsed."""
    message: Text = ""
    """The result in a sentence."""


class ContainmentDrillStatus(ApiModel):
    """What came of it."""

    observed_generation: int = 0
    """The generation of the spec that this status is about."""
    state: Annotated[str, Field(max_length=32)] = ""
    """Waiting, Running, GivingBack, or how the last run ended: Passed, Failed, Yielded, Stopped, Missed."""
    summary: Annotated[str, Field(max_length=128)] = ""
    """How many steps can be carried out, such as 3 of 4 ready."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=list_map("type"))] = ()
    """Ready (could a run begin?), Complete (is the last one over?), Passed (and how did it end?)."""
    run: DrillRun | None = None
    """The run under way, else the last one."""
    options: Annotated[tuple[DrillOption, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    """What that run says of each step."""
    action: Action | None = None
    """In mode Execute: the one step that is being carried out or given back; it stands here before anything is written."""
    last_schedule_time: Time | None = None
    """The last time of the schedule that was begun or missed."""
    next_run: Time | None = None
    """When the schedule calls for the next run."""
    history: Annotated[tuple[PastRun, ...], Field(max_length=50, json_schema_extra=list_map("number"))] = ()
    """Earlier runs, the latest first."""


class ContainmentDrill(Resource):
    """A rehearsal of a service's ladder."""

    crd: ClassVar = Crd(
        plural="containmentdrills",
        short_names=("drill",),
        columns=(
            Column(name="Service", path=".spec.service"),
            Column(name="Mode", path=".spec.mode"),
            Column(name="State", path=".status.state"),
            Column(name="Result", path=".status.summary"),
            Column(name="Last Run", path=".status.run.startedAt", type="date"),
            Column(name="Schedule", path=".spec.schedule.cron"),
            Column(name="Next Run", path=".status.nextRun", priority=1),
            Column(name="Message", path=".status.run.message", priority=1),
            AGE,
        ),
    )
    spec: ContainmentDrillSpec
    status: ContainmentDrillStatus = ContainmentDrillStatus()
