"""AIIncident: the record of an incident, and the console for people.

`spec` is what people say, `status` is what happened.
The status is also the operator's only memory of what it has done: whatever is to be written to the cluster stands here
first, so that an operator that was killed at any line goes on from it.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from firebreak.api.v1alpha1.aiservice import Category, Mode, OnDelete, RevisionId
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
from firebreak.api.v1alpha1.policy import ActionKind, ContainmentPolicySpec, ReleaseWhen, Severity
from firebreak.api.v1alpha1.references import FieldPath, PolicyRef, TargetRef

FINALIZER = "firebreak.dev/undo"
"""There from the first intent to the last undo; what it holds back is the loss of the record, not the deletion."""


class Resolution(StrEnum):
    """How a person ends an incident."""

    KNOWN_GOOD_ACCEPTED = "KnownGoodAccepted"
    FALSE_ALARM = "FalseAlarm"


class ApprovalGiven(ApiModel):
    """A person's approval of one step."""

    request: Annotated[str, Field(min_length=1, max_length=96)]
    """What is approved: status.approval.request, which names one step of this incident, once."""
    by: Annotated[str, Field(min_length=1, max_length=512)]
    """Who approves: one's own user name, which admission compares."""


class AIIncidentSpec(ApiModel):
    """What people say."""

    model_config = {
        "json_schema_extra": cel(
            ("self.service == oldSelf.service", "service cannot be changed: declare another incident"),
            (
                "!has(oldSelf.resolution) || (has(self.resolution) && self.resolution == oldSelf.resolution)",
                "resolution cannot be changed once it is set: declare another incident",
            ),
        )
    }

    service: Name
    """The AIService in the same namespace."""
    category: Category | None = None
    """Of an incident that a person declares; default QualityDegradation."""
    severity: Severity | None = None
    """Overrides what the policy says."""
    description: Text = ""
    """What a person saw."""
    contain: bool = False
    """Take the next step of the ladder now, on this person's word instead of the metrics' evidence. Each true is one
    step that changes what users get: for another one set it to false and to true again."""
    acknowledged_up_to: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """A person has every page up to this number (status.page.number), so none of these is repeated. What comes up after
    them has a higher number: it is said at once, and repeated until it is acknowledged too."""
    acknowledged: bool = False
    """The same without a number: a person has what was asked so far when the operator sees this. What comes up later is
    not covered; for that set it to false and to true again, or say acknowledgedUpTo."""
    release: bool = False
    """Give back now, by the policy's ramp, without waiting for the policy's proof. What turns out to be bad still is
    contained again; to try once more set it to false and to true again."""
    approval: ApprovalGiven | None = None
    """Take the step that status.approval asks for, if it is called for still and does what stands there."""
    on_delete: OnDelete | None = None
    """What becomes of what is in force when this incident or its service is deleted. Restore: it is given back first.
    Leave: it stays as it is. Left out: as the service's containment.onDelete says."""
    resolution: Resolution | None = None
    """Either gives back all that can be given back, and ends the incident. KnownGoodAccepted: the known-good revision
    stays, the bad one stays out. FalseAlarm: the quarantine is lifted too, so that you can deploy the revision again."""


class Phase(StrEnum):
    """Where the incident stands."""

    DETECTED = "Detected"
    CONTAINING = "Containing"
    CONTAINED = "Contained"
    AWAITING_HUMAN = "AwaitingHuman"
    REMEDIATING = "Remediating"
    RESOLVED = "Resolved"


class ActionPhase(StrEnum):
    """Where an action stands.

    Of what is over: Undone, it was given back; TakenBack, it could not be carried through, and nothing of it stands;
    Kept, it stays, as a rollback does, or as someone else has left it.
    """

    INTENDED = "Intended"
    APPLIED = "Applied"
    IN_FORCE = "InForce"
    UNDOING = "Undoing"
    UNDONE = "Undone"
    KEPT = "Kept"
    TAKEN_BACK = "TakenBack"
    BLOCKED = "Blocked"
    SKIPPED = "Skipped"
    WOULD_DO = "WouldDo"


class Outcome(StrEnum):
    """Whether an action in force has helped."""

    PENDING = "Pending"
    RECOVERED = "Recovered"
    NOT_RECOVERED = "NotRecovered"
    UNKNOWN = "Unknown"


class FieldValue(ApiModel):
    """A value of a field: inline when short, else by reference to the snapshot that holds it; neither means absent."""

    value: Annotated[int | str, Field(json_schema_extra={"x-kubernetes-int-or-string": True})] | None = None
    """The value."""
    revision: RevisionId | None = None
    """The snapshot (ControllerRevision) that holds a long value."""
    field: Name | None = None
    """The field's name in that snapshot."""


class FieldWrite(ApiModel):
    """One place that an action sets."""

    target: TargetRef
    """The object."""
    path: FieldPath
    """The place in it."""
    original: FieldValue
    """What stood there before the action."""
    last: FieldValue
    """What we know to have put there last; the original until the first write has landed."""
    desired: FieldValue
    """What is to stand there; recorded before it is written."""
    attempted: Annotated[tuple[FieldValue, ...], Field(max_length=16)] = ()
    """What was to stand there before that, and may do: nobody saw whether it was written, and it is ours all the same."""
    landed: bool = False
    """Whether desired was seen in the cluster."""
    left: bool = False
    """Someone else has changed it since: it was left as it is."""


class Action(ApiModel):
    """One step taken, with intent, effect and proof."""

    id: Annotated[str, Field(max_length=63)]
    """Unique in the incident: ladder, step and kind."""
    ladder: int
    """The ladder of the policy, from 0."""
    step: int
    """The step of the ladder, from 0."""
    kind: ActionKind
    """What it does."""
    phase: ActionPhase
    """Where it stands. TakenBack: it could not be carried through, and nothing of it stands any more; Undone: it was
    given back; Kept: it is over and stays."""
    outcome: Outcome = Outcome.PENDING
    """Whether it has helped."""
    reason: Annotated[str, Field(max_length=64)]
    """One word for programs."""
    because: Text
    """Why, with the numbers."""
    subject: Annotated[str, Field(max_length=253)] = ""
    """The revision, fallback or feature that it is about."""
    writes: Annotated[tuple[FieldWrite, ...], Field(max_length=32)] = ()
    """What it sets."""
    account: Annotated[str, Field(max_length=253)] = ""
    """The ServiceAccount with whose rights it is written and given back; empty: Firebreak's own."""
    restores: Annotated[tuple[ObjectName, ...], Field(max_length=32)] = ()
    """Of a RollBack: the ConfigMaps that it makes again from the snapshot, since the known-good template names them."""
    intended_at: Time
    """When the intent was recorded."""
    renewed_at: Time | None = None
    """When it was tried once more, since it could not be written in its time and was called for still."""
    applied_at: Time | None = None
    """When the last of its writes was accepted."""
    in_force_at: Time | None = None
    """When its effect was seen."""
    proven_at: Time | None = None
    """When it was shown to help, or not."""
    ended_at: Time | None = None
    """When it was undone or found unneeded."""
    share: int = 100
    """Of a SwitchTraffic: percent of traffic that it takes so far, where its step says `weights`; else all."""
    given_back: int = 0
    """Of a SwitchTraffic being released: percent of traffic that the primary has again."""
    given_back_at: Time | None = None
    """When that share was seen in force."""
    unready_looks: int = 0
    """Of a SwitchTraffic in force: in how many looks in a row, at most 3, its fallback could not serve."""
    unready_at: Time | None = None
    """When that was seen last."""
    drifted_at: Time | None = None
    """When someone else was seen to have changed it while it was in force."""
    message: Text = ""
    """What stands in the way, in words."""


class Suspect(ApiModel):
    """Something that changed around the onset."""

    field: Annotated[str, Field(max_length=63)]
    """The revision's field, or "judge of" an objective."""
    before: Annotated[str, Field(max_length=256)]
    """Its value before, shortened."""
    after: Annotated[str, Field(max_length=256)]
    """Its value after, shortened."""
    changed_at: Time
    """When the change was first seen."""
    note: Text = ""
    """What it means, where it is no part of the service."""


class BreachedObjective(ApiModel):
    """An objective of this incident."""

    name: Name
    """The objective's name."""
    category: Category
    """Its category."""
    tier: Annotated[str, Field(max_length=32)]
    """The strongest evidence so far: Watch, Suspected or Confirmed."""
    rate: float | None = None
    """The estimated share of bad answers when it was last breached."""
    onset: Time | None = None
    """The estimated beginning."""
    onset_earliest: Time | None = None
    """With about 95% confidence not before."""
    onset_latest: Time | None = None
    """With about 95% confidence not after."""
    because: Text = ""
    """The numbers in words."""
    breached: bool = True
    """Whether it is breached now."""
    breached_since: Time | None = None
    """Since when, where it joined the incident or came back later; left out: since the incident was detected."""
    cleared_at: Time | None = None
    """Since when it is met again."""


class CoverageLoss(ApiModel):
    """An objective that cannot be seen: answers flow, and its judge has all but stopped."""

    name: Name
    """The objective's name."""
    lost_since: Time
    """The estimated beginning."""
    of: Annotated[str, Field(max_length=16)] = "Answers"
    """Answers, or Attempts: of what the judge tried, where it counts its errors."""
    usual: float
    """The share of them that was judged before."""
    because: Text = ""
    """The numbers in words."""
    lost: bool = True
    """Whether it is so now."""
    back_at: Time | None = None
    """Since when at least half of the usual is judged again."""


class ValidationOutcome(StrEnum):
    """What came of the Job."""

    PENDING = "Pending"
    PASSED = "Passed"
    FAILED = "Failed"


class Validation(ApiModel):
    """The Job that is to prove the fix."""

    job: ObjectName
    """Its name; recorded before it is made."""
    since: Time
    """When it was called for."""
    revision: RevisionId = ""
    """The revision that it is about; empty where the service declares none."""
    outcome: ValidationOutcome = ValidationOutcome.PENDING
    """What came of it. Failed holds for the revision; Passed for the revision, and an hour."""
    ended_at: Time | None = None
    """When that was seen."""
    message: Text = ""
    """In words."""


class TimelineEntry(ApiModel):
    """One thing that happened."""

    at: Time
    """When."""
    reason: Annotated[str, Field(max_length=64)]
    """One word for programs."""
    message: Text
    """What happened, in words."""


class Page(ApiModel):
    """What people are asked to do."""

    since: Time
    """Since when."""
    reason: Annotated[str, Field(max_length=64)]
    """One word for programs."""
    subject: Annotated[str, Field(max_length=253)] = ""
    """What it is about, such as a step or a request: asked of another one it is another page."""
    number: int = 0
    """For spec.acknowledgedUpTo."""
    message: Text
    """What is asked."""
    repeated_at: Time
    """When it was last said; repeated until acknowledged or no longer so."""
    times: int = 1
    """How often it was said."""


class Held(ApiModel):
    """What keeps the next move from being made."""

    since: Time
    """Since when."""
    reason: Annotated[str, Field(max_length=64)]
    """One word for programs."""
    message: Text
    """What is held, why, and what ends that."""


class ApprovalAsked(ApiModel):
    """The step that waits for a person's approval."""

    request: Annotated[str, Field(max_length=96)]
    """What spec.approval.request must say; another one is asked with another name, also for the same step."""
    step: Annotated[str, Field(max_length=63)]
    """The id of the step's action."""
    since: Time
    """Since when."""
    would: Text = ""
    """What would be done, in words."""
    changes: Annotated[tuple[Text, ...], Field(max_length=64)] = ()
    """What it would set, place by place, and what stands there."""
    plan: Annotated[str, Field(max_length=16)] = ""
    """A digest of all of that: when it would be something else, that is asked for anew."""
    on_request: bool = False
    """Whether it rests on a person's spec.contain instead of evidence."""


class Asked(ApiModel):
    """When something was last asked of people."""

    reason: Annotated[str, Field(max_length=64)]
    """What, in one word."""
    subject: Annotated[str, Field(max_length=253)] = ""
    """What about."""
    number: int = 0
    """The page's number."""
    since: Time | None = None
    """When it was first said."""
    at: Time
    """When; within the time after which pages repeat it is not said again, even if it was not so in between."""
    times: int = 1
    """How often it was said."""


class Closing(ApiModel):
    """Why the incident is ending; everything that can be given back is being given back."""

    at: Time
    """Since when."""
    reason: Annotated[str, Field(max_length=64)]
    """One word for programs."""
    message: Text
    """Why, in words."""
    lift_quarantine: bool = False
    """Whether the bad revision may come back."""
    leave: bool = False
    """Whether what is in force stays as it is, instead of being given back."""


class Exposure(ApiModel):
    """How many users it touched."""

    bad_answers: int | None = None
    """Estimated number of bad answers served since the onset; needs spec.answers."""
    bad_answers_low: int | None = None
    """With 95% confidence at least so many."""
    bad_answers_high: int | None = None
    """With 95% confidence at most so many."""
    answers: int | None = None
    """How many answers were given since the onset."""
    segments: Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=16)] = ()
    """The segments that are worse than the target, worst first."""
    unaffected_segments: Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=16)] = ()
    """The segments that were shown to meet the target; of the others it cannot be told."""
    affected_share: Annotated[str, Field(max_length=8)] = ""
    """The share of what was judged since the onset that lies in the worse segments, such as 34%."""
    as_of: Time | None = None
    """When this was estimated; while nothing is contained, every five minutes."""


class AIIncidentStatus(ApiModel):
    """What happened."""

    phase: Phase = Phase.DETECTED
    """Detected, Containing, Contained, AwaitingHuman, Remediating or Resolved."""
    observed_generation: int = 0
    """The generation of the spec that was last acted on."""
    mode: Mode = Mode.OBSERVE
    """Observe: everything here is what would have been done."""
    category: Category | None = None
    """The worst category of its objectives."""
    severity: Severity | None = None
    """P1 to P4."""
    summary: Text = ""
    """The incident in one sentence."""
    detected_at: Time | None = None
    """When it was opened."""
    contained_at: Time | None = None
    """When the containment was first shown to help."""
    resolved_at: Time | None = None
    """When it ended."""
    onset: Time | None = None
    """The estimated beginning."""
    revision: RevisionId = ""
    """The revision that served when it was opened."""
    objectives: Annotated[tuple[BreachedObjective, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """The objectives that are part of it."""
    coverage: Annotated[tuple[CoverageLoss, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """Of an incident that began because a judge stopped: what could not be seen."""
    exposure: Exposure = Exposure()
    """How many users it touched."""
    suspects: Annotated[tuple[Suspect, ...], Field(max_length=16)] = ()
    """What changed around the onset."""
    policy_ref: PolicyRef | None = None
    """The policy that was in force when it was opened."""
    policy: ContainmentPolicySpec | None = None
    """A copy of it: a later edit changes the next incident, not this one."""
    ladder: int | None = None
    """The ladder in use, by its number in the policy; none matches: empty."""
    actions: Annotated[tuple[Action, ...], Field(max_length=32, json_schema_extra=list_map("id"))] = ()
    """The steps, in the order they were taken."""
    last_action: Annotated[str, Field(max_length=253)] = ""
    """The last step taken and where it stands, in a few words."""
    remediated_revision: RevisionId = ""
    """The new revision that is being proven."""
    failed_revisions: Annotated[tuple[RevisionId, ...], Field(max_length=16)] = ()
    """New revisions that were tried and did not pass."""
    remediating_since: Time | None = None
    """Since when the proof for giving back is being collected."""
    remediating_on: ReleaseWhen | None = None
    """What called for it: NewRevision, GaugeRecovered or Person (spec.release)."""
    validation: Validation | None = None
    """The last Job that was to prove a fix, where the policy asks for one; it outlives a try to give back."""
    validations_asked: int = 0
    """How often a Job was called for: numbers the Jobs."""
    validations_begun: Annotated[tuple[Time, ...], Field(max_length=3)] = ()
    """When the last of them were called for: no more than three an hour."""
    refuted: Annotated[tuple[ReleaseWhen, ...], Field(max_length=3)] = ()
    """What called for giving back while it was bad still; each counts again only when it was gone in between."""
    contain_followed: bool = False
    """The step that spec.contain asks for was taken."""
    orphaned_at: Time | None = None
    """Since when the AIService does not exist, while something is in force that would be given back."""
    closing: Closing | None = None
    """Why it is ending."""
    held: Held | None = None
    """What keeps the next move from being made; empty while nothing does."""
    approval: ApprovalAsked | None = None
    """The step that waits for a person's approval; withdrawn when every objective was read and none calls for it."""
    approvals_asked: int = 0
    """How often an approval was asked for: numbers the requests."""
    on_delete: OnDelete = OnDelete.RESTORE
    """What the service said last of what becomes of what is in force when the incident or its service is deleted."""
    page: Page | None = None
    """What people are asked to do; of several things the most pressing that nobody has acknowledged."""
    asked: Annotated[tuple[Asked, ...], Field(max_length=32)] = ()
    """What they were asked so far, and when."""
    pages: int = 0
    """The number of the latest page."""
    acknowledged_up_to: int | None = None
    """The number of the latest page when spec.acknowledged was seen to be set; empty while it is not."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))] = ()
    """Contained, Held, NeedsHuman, Resolved."""
    timeline: Annotated[tuple[TimelineEntry, ...], Field(max_length=200)] = ()
    """What happened, in order; the middle is dropped when it grows too long."""


class AIIncident(Resource):
    """An AI incident."""

    crd: ClassVar = Crd(
        plural="aiincidents",
        short_names=("aii",),
        columns=(
            Column(name="Service", path=".spec.service"),
            Column(name="Severity", path=".status.severity"),
            Column(name="Category", path=".status.category"),
            Column(name="Phase", path=".status.phase"),
            Column(name="Mode", path=".status.mode"),
            Column(name="Last Action", path=".status.lastAction"),
            Column(name="Onset", path=".status.onset", type="date"),
            AGE,
            Column(name="Summary", path=".status.summary", priority=1),
        ),
    )
    spec: AIIncidentSpec
    status: AIIncidentStatus = AIIncidentStatus()
