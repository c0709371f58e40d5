"""What can be decided about a service, each with its reason in words.

`decide` answers with these; core/record.py writes them into the incident, app/actuator.py carries out what the record
then says. A command that is recorded twice changes nothing the second time.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from firebreak.api.v1alpha1.aiservice import OnDelete
from firebreak.api.v1alpha1.incident import (
    Action,
    BreachedObjective,
    CoverageLoss,
    Exposure,
    FieldWrite,
    Outcome,
    Suspect,
    ValidationOutcome,
)
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec, ReleaseWhen, Severity


class Reason(StrEnum):
    """Why, in one word: shown in Events, conditions, timeline, logs and metrics alike."""

    BREACH_SUSPECTED = "BreachSuspected"  # evidence of tier Suspected opened the incident
    BREACH_CONFIRMED = "BreachConfirmed"  # evidence of tier Confirmed
    WORSE_THAN_KNOWN_GOOD = (
        "WorseThanKnownGood"  # just changed: worse than the known-good revision; if an incident, than the objective too
    )
    JUDGE_COVERAGE_LOST = "JudgeCoverageLost"  # answers flow and hardly any is judged since a change: nobody can see
    COVERAGE_BACK = "CoverageBack"  # the judge judges again; over, if that was all
    DECLARED_BY_PERSON = "DeclaredByPerson"  # a person created the incident
    JOINED_ANOTHER = "JoinedAnother"  # declared while another incident of the service was open
    OBJECTIVE_JOINED = "ObjectiveJoined"  # one more objective is breached, or one is beyond a higher tier
    OBJECTIVE_MET = "ObjectiveMet"  # an objective of the incident is met again
    LADDER_SWITCHED = "LadderSwitched"  # a worse category asks for another ladder
    EVIDENCE_REACHED = "EvidenceReached"  # a step is taken: the evidence it needs is there
    NOT_RECOVERED = "NotRecovered"  # a step is taken: the one before it did not help
    REQUESTED_BY_PERSON = "RequestedByPerson"  # a step is taken, or control given back, because a person said so
    NO_KNOWN_GOOD = "NoKnownGood"  # RollBack skipped: no revision has been proven yet
    NO_REVISION_CHANGE = "NoRevisionChange"  # RollBack skipped: what serves is the known-good revision
    CHANGE_AFTER_ONSET = "ChangeAfterOnset"  # RollBack skipped: it was bad before the revision changed
    NOT_WORSE = "NotWorseThanKnownGood"  # RollBack skipped: the known-good revision was as bad before the change
    WORSE_TOGETHER = "WorseTogether"  # RollBack skipped: the known-good revision is as bad at the same time
    DEPENDENCY_MISSING = "DependencyMissing"  # RollBack skipped: its pods could not start
    RESTORED = "Restored"  # a ConfigMap that the known-good template names was made again
    NOT_ROLLBACKABLE = "NotRollbackable"  # RollBack skipped: a target says it must not be rolled back
    ROLLED_BACK_ALREADY = "RolledBackAlready"  # RollBack skipped: at most one per incident
    FALLBACK_NOT_READY = "FallbackNotReady"  # SwitchTraffic skipped: it could not serve
    NOT_DECLARED = "NotDeclared"  # a step skipped: the service does not declare what it needs
    CANNOT_COMPILE = "CannotCompile"  # a step skipped: a declared place does not match one place in the object
    ALREADY_SO = "AlreadySo"  # a step skipped: everything that it would set stands already
    OBSERVING = "Observing"  # mode Observe: the step would have been taken
    IN_FORCE = "InForce"  # the effect of a step was seen
    DRIFTED = "Drifted"  # someone else has changed what was in force; it is left as it is
    NOT_IN_FORCE = "NotInForce"  # the effect of a step was not seen in time
    TRIED_AGAIN = "TriedAgain"  # a step that could not be written in its time is written now: it is called for still
    SHARE_TAKEN = "ShareTaken"  # the share before is in force and the fallback ready: the next one follows
    BOTH_LEGS_BAD = "BothLegsBad"  # the primary answers badly, and the fallback cannot serve
    TRAFFIC_MOVED = "TrafficMoved"  # contained: the failing answers reach nobody
    OBJECTIVE_RECOVERED = "ObjectiveRecovered"  # contained: fresh evidence says so
    RECOVERED_BY_ITSELF = "RecoveredByItself"  # over without any containment
    OVERTAKEN = "Overtaken"  # a step was not judged: another revision has taken its place, or traffic has left
    NO_LONGER_HELPS = "NoLongerHelps"  # what was shown to help does not any more
    EVIDENCE_THIN = "EvidenceThin"  # cannot tell whether a step helped, or whether it is over
    LADDER_EXHAUSTED = "LadderExhausted"  # there is no further step
    APPROVAL_REQUIRED = "ApprovalRequired"  # held: a step waits for a person's approval
    APPROVAL_WITHDRAWN = "ApprovalWithdrawn"  # a step that waited for approval is not called for any more
    ON_DELETE_CHANGED = "OnDeleteChanged"  # the service says what a deletion does with what is in force
    NO_LADDER = "NoLadder"  # the policy has none for this category
    POLICY_MISSING = "PolicyMissing"  # the service names a policy that does not exist
    POLICY_FOUND = "PolicyFound"  # the policy that was missing is there
    WRITE_BLOCKED = "WriteBlocked"  # a write was refused, or someone else changed the place
    QUARANTINE_MISSING = "QuarantineMissing"  # the bad revision is not kept from coming back
    NOT_DENIABLE = "NotDeniable"  # no policy can deny what is rolled back: nothing keeps it from coming back
    QUARANTINE_LIFTED = "QuarantineLifted"  # a new revision is there: the old one is denied no longer
    COOLDOWN = "Cooldown"  # held: too soon after the last incident
    MAX_CONTAINMENTS = "MaxContainments"  # held: too many within the time
    FREEZE_WINDOW = "FreezeWindow"  # held: the policy says that nothing is to be changed at this time
    CIRCUIT_BREAKER = "CircuitBreaker"  # held: so many services became bad at once that one cause is likelier
    CLUSTERING_UNMEASURED = "ClusteringUnmeasured"  # held: the policy waits until clustering is measured
    EVIDENCE_AT_WATCH = "EvidenceAtWatch"  # the judge's rate is raised: an objective is at tier Watch or above
    REVISION_CHANGED = "RevisionChanged"  # the judge's rate is raised: another revision serves since less than an hour
    PROOF_AWAITED = "ProofAwaited"  # the judge's rate is raised: a step or a repair is being proven
    EVIDENCE_GONE = "EvidenceGone"  # the judge's rate is given back: the evidence was weak for an hour in a row
    SAMPLING_BUDGET_SPENT = "SamplingBudgetSpent"  # the judge's rate is given back: it was raised long enough today
    PAUSED = "Paused"  # held: the whole installation is paused
    SUSPENDED = "Suspended"  # held: the service is suspended
    TARGET_CONFLICT = "TargetConflict"  # held: another service claims the same place
    TARGET_NOT_ALLOWED = "TargetNotAllowed"  # held: a place outside this installation's reach
    FIX_SEEN = "FixSeen"  # what proves the fix is there: proof is collected
    VALIDATING = "Validating"  # the policy's Job is to pass before anything is given back
    VALIDATED = "Validated"  # the policy's Job has passed
    VALIDATION_FAILED = "ValidationFailed"  # the policy's Job has failed, or not ended in time: nothing is given back
    FIX_FAILED = "FixFailed"  # the fix did not pass: back to containment
    GIVING_BACK = "GivingBack"  # a share of what was taken is given back
    GIVEN_BACK = "GivenBack"  # all of it stands as it was
    LEFT_AS_CHANGED = "LeftAsChanged"  # not given back: someone else has changed it since
    FIX_PROVEN = "FixProven"  # over: the fix passed
    KNOWN_GOOD_ACCEPTED = "KnownGoodAccepted"  # over: a person keeps the known-good revision
    FALSE_ALARM = "FalseAlarm"  # over: a person says it was none
    SERVICE_GONE = "ServiceGone"  # over, after a while in which it may come back: the AIService was deleted
    SERVICE_BACK = "ServiceBack"  # the AIService exists again before anything was given back
    REHEARSED = "Rehearsed"  # a drill has found that the step can be carried out
    REHEARSING = "Rehearsing"  # a drill is under way
    AWAITING_SCHEDULE = "AwaitingSchedule"  # a drill waits for the next time of its schedule
    DRILL_PASSED = "DrillPassed"  # a drill found nothing in the way of any step
    DRILL_FAILED = "DrillFailed"  # a drill found something in the way of at least one step
    DRILL_YIELDED = "DrillYielded"  # a drill gave way to an incident
    DRILL_STOPPED = "DrillStopped"  # a drill was ended before its time
    DRILL_MISSED = "DrillMissed"  # a drill could not begin in time
    INCIDENT_OPEN = "IncidentOpen"  # no drill now: the service has an incident
    OBJECTIVE_BREACHED = "ObjectiveBreached"  # no drill of mode Execute now: an objective is breached
    EXECUTION_NOT_ALLOWED = "ExecutionNotAllowed"  # no drill of mode Execute: the AIService does not allow it
    SERVICE_MISSING = "ServiceMissing"  # the AIService of a drill does not exist, or cannot be read
    QUOTA_EXCEEDED = "QuotaExceeded"  # a step would need more than a ResourceQuota leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """Begin the record of an incident; also for one that a person created."""

    number: int
    severity: Severity
    category: str
    objectives: tuple[BreachedObjective, ...]
    suspects: tuple[Suspect, ...]
    onset: datetime | None
    ladder: int | None
    reason: Reason
    because: str
    coverage: tuple[CoverageLoss, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateEvidence:
    """Bring what is known of the incident's objectives up to date; `because` is empty when people need not hear it."""

    objectives: tuple[BreachedObjective, ...]
    exposure: Exposure
    reason: Reason = Reason.OBJECTIVE_JOINED
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCoverage:
    """Bring what is known of the judges up to date, in an incident that began because one stopped."""

    coverage: tuple[CoverageLoss, ...]
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptPolicy:
    """The policy that was missing when the incident was opened is there."""

    policy: ContainmentPolicySpec
    severity: Severity
    ladder: int | None
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchLadder:
    """A worse category asks for other steps, or a person sees it as more or less severe; what is in force stays."""

    category: str
    severity: Severity
    ladder: int | None
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStep:
    """Record the intent of a step; the actuator does the rest. `on_request`: it is the one that a person asked for."""

    action: Action
    reason: Reason
    because: str
    on_request: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipStep:
    """Record that a step cannot help, or (phase WouldDo) what it would have been."""

    action: Action
    reason: Reason
    because: str
    on_request: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeeInForce:
    """The effect of an action was seen."""

    action_id: str
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeeDrift:
    """Someone else has changed what was in force; it is not written again."""

    action_id: str
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteUnready:
    """How often in a row the fallback of a switch in force was seen unable to serve; 0: it can."""

    action_id: str
    looks: int
    reason: Reason = Reason.BOTH_LEGS_BAD
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeShare:
    """The next share of a SwitchTraffic that is taken step by step."""

    action_id: str
    writes: tuple[FieldWrite, ...]
    share: int
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """A step that could not be written in its time is still called for: it gets one more chance."""

    action_id: str
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """An action was shown to help, or not, or (outcome Unknown) can no longer be judged."""

    action_id: str
    outcome: Outcome
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retarget:
    """Change what an action wants to stand in its places: a share given back, all of it, or contained again."""

    action_id: str
    writes: tuple[FieldWrite, ...]
    given_back: int
    reason: Reason
    because: str
    undo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeeGivenBack:
    """The share given back was seen in force."""

    action_id: str
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRemedy:
    """What proves the fix is there; proof is collected from now on."""

    on: ReleaseWhen
    revision: str
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginValidation:
    """A Job is to prove the fix; app/loop.py makes it."""

    job: str
    revision: str
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeeValidated:
    """The Job has ended, or should have."""

    outcome: ValidationOutcome
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonRemedy:
    """The fix did not pass (`failed`), or what served as proof is gone again."""

    revision: str
    failed: bool
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HearAgain:
    """A request that was followed, or a sign that was refuted, is gone: when it comes back it counts once more."""

    contain: bool
    refuted: tuple[ReleaseWhen, ...]
    reason: Reason = Reason.REQUESTED_BY_PERSON
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskApproval:
    """A step is called for, and waits for a person's approval. `on_request`: on a person's word, not on evidence."""

    action: Action
    because: str
    on_request: bool = False
    reason: Reason = Reason.APPROVAL_REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawApproval:
    """The step is not called for any more: what was approved meanwhile counts for nothing."""

    because: str
    reason: Reason = Reason.APPROVAL_WITHDRAWN


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteOnDelete:
    """The service says what becomes of what is in force when the incident or the service itself is deleted."""

    on_delete: OnDelete
    because: str
    reason: Reason = Reason.ON_DELETE_CHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteService:
    """The AIService is gone while something is in force, or is back."""

    is_gone: bool
    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteHold:
    """What holds the next move, in words for the incident's condition; no message: nothing does any more."""

    reason: Reason
    message: str
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPeople:
    """Hold, and page until someone has it or it is no longer so."""

    reason: Reason
    because: str
    number: int
    """The page's; what is said again keeps its own."""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAsking:
    """What has been said is so still, or once more: it is shown, and not said again."""

    reason: Reason
    message: str
    subject: str = ""
    number: int = 0
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteAcknowledged:
    """A person has every page up to this number; None: that was taken back."""

    up_to: int | None
    reason: Reason = Reason.REQUESTED_BY_PERSON
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsking:
    """What was asked of people is no longer so."""

    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginClosing:
    """The incident is to end: from now on everything that can be given back is given back."""

    reason: Reason
    because: str
    lift_quarantine: bool = False
    leave: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """The incident is over, and nothing is left to give back."""

    reason: Reason
    because: str


Command: TypeAlias = (
    OpenIncident
    | UpdateEvidence
    | UpdateCoverage
    | AdoptPolicy
    | SwitchLadder
    | TakeStep
    | SkipStep
    | SeeInForce
    | SeeDrift
    | NoteUnready
    | TakeShare
    | Renew
    | Judge
    | Retarget
    | SeeGivenBack
    | BeginRemedy
    | BeginValidation
    | SeeValidated
    | AbandonRemedy
    | HearAgain
    | AskApproval
    | WithdrawApproval
    | NoteOnDelete
    | NoteService
    | NoteHold
    | AskPeople
    | KeepAsking
    | NoteAcknowledged
    | StopAsking
    | BeginClosing
    | Resolve
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now, and when to look again even if nothing changes."""

    commands: tuple[Command, ...] = ()
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Something that people should be asked about as long as it is so."""

    reason: Reason
    because: str
    subject: str = ""
    """What it is about, so that the same reason with another subject is another concern: acknowledging one of them
    says nothing about the other."""
    holds: bool = False
    """Whether it holds back what would be done otherwise."""
    pages: bool = True
    """Whether people are asked by this incident; False where they are asked once for many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The answer of one of the questions that `decide` asks in turn: commands end the turn, the rest is gathered."""

    commands: tuple[Command, ...] = ()
    wake_at: datetime | None = None
    concern: Concern | None = None


NOTHING = Move()
