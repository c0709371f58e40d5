"""Which conditions do Firebreak's objects carry, and how is one changed?

The types and reasons are for programs and may be relied on; docs/reference-reasons.md is made from the sentences here.
"""

from datetime import datetime
from enum import StrEnum

from firebreak.api.v1alpha1.model import Condition, ConditionStatus


class ConditionType(StrEnum):
    """What is said to be so."""

    READY = "Ready"
    OBJECTIVES_MET = "ObjectivesMet"
    INDICATOR_HEALTHY = "IndicatorHealthy"
    CONTAINMENT_READY = "ContainmentReady"
    VERIFICATION_FEASIBLE = "VerificationFeasible"
    QUARANTINE_READY = "QuarantineReady"
    NO_REGRESSION = "NoRegression"
    REACHABLE = "Reachable"
    CONTAINED = "Contained"
    HELD = "Held"
    NEEDS_HUMAN = "NeedsHuman"
    RESOLVED = "Resolved"
    BREAKER_READY = "BreakerReady"
    COMPLETE = "Complete"
    PASSED = "Passed"

    @property
    def sentence(self) -> str:
        """What True means."""
        return _TYPES[self]


_TYPES = {
    ConditionType.READY: "Firebreak can do its work for this service: it can see, and it could contain.",
    ConditionType.OBJECTIVES_MET: "Every objective is met; Unknown when the evidence is missing or too thin.",
    ConditionType.INDICATOR_HEALTHY: "The series of every objective are there and can be read.",
    ConditionType.CONTAINMENT_READY: "What is declared for containment could be carried out now.",
    ConditionType.VERIFICATION_FEASIBLE: "Enough is judged for every step to be proven within its time.",
    ConditionType.QUARANTINE_READY: "A revision that is rolled back would be kept from coming back.",
    ConditionType.NO_REGRESSION: "What serves is not worse than the known-good revision; Unknown while that cannot be told.",
    ConditionType.REACHABLE: "The metric source answers.",
    ConditionType.CONTAINED: "Something is in force that was shown to help.",
    ConditionType.HELD: "A step or giving back is called for and held; the message says why, and what ends that.",
    ConditionType.NEEDS_HUMAN: "People are asked to do something; the message says what.",
    ConditionType.BREAKER_READY: "The circuit breaker holds nothing; False: it has tripped, and the message says what ends that.",
    ConditionType.RESOLVED: "The incident is over, and what could be given back was.",
    ConditionType.COMPLETE: "The drill's last run is over, and what it had changed is given back.",
    ConditionType.PASSED: "The drill's last run found nothing in the way; Unknown when it did not come to its end.",
}


class ConditionReason(StrEnum):
    """Why, in one word. Beside these, a verdict's reason and the reason of a command stand as they are."""

    WORKING = "Working"
    WITHIN_OBJECTIVE = "WithinObjective"
    BREACHED = "Breached"
    EVIDENCE_MISSING = "EvidenceMissing"
    READABLE = "Readable"
    NOT_SAMPLED_YET = "NotSampledYet"
    READY = "Ready"
    OBSERVING = "Observing"
    NO_KNOWN_GOOD = "NoKnownGood"
    KNOWN_GOOD_SERVES = "KnownGoodServes"
    NOT_TWICE_AS_BAD = "NotTwiceAsBad"
    WORSE_THAN_KNOWN_GOOD = "WorseThanKnownGood"
    COMPARING = "Comparing"
    NOT_COMPARED = "NotCompared"
    SEVERAL = "Several"
    INVALID_SPEC = "InvalidSpec"
    INDICATOR_MISSING = "IndicatorMissing"
    SOURCE_MISSING = "SourceMissing"
    INDICATOR_ODD = "IndicatorOdd"
    JUDGE_COVERAGE_LOST = "JudgeCoverageLost"
    TOO_LITTLE_EVIDENCE = "TooLittleEvidence"
    ENOUGH_EVIDENCE = "EnoughEvidence"
    REVISION_UNREADABLE = "RevisionUnreadable"
    TARGET_MISSING = "TargetMissing"
    POLICY_MISSING = "PolicyMissing"
    AUTOSCALER_UNFIT = "AutoscalerUnfit"
    NOT_DENIED = "NotDenied"
    STEP_NOT_DECLARED = "StepNotDeclared"
    RELEASE_UNREACHABLE = "ReleaseUnreachable"
    FREEZE_WINDOW = "FreezeWindow"
    FREEZE_UNREADABLE = "FreezeUnreadable"
    BREAKER_TRIPPED = "BreakerTripped"
    BREAKER_CONFIRMED = "BreakerConfirmed"
    IN_FORCE = "InForce"
    NOTHING_IN_FORCE = "NothingInForce"
    OPEN = "Open"
    ANSWERING = "Answering"
    NOT_ANSWERING = "NotAnswering"

    @property
    def sentence(self) -> str:
        """What it means, for the reference."""
        return _REASONS[self]


_REASONS = {
    ConditionReason.WORKING: "Nothing is in the way.",
    ConditionReason.WITHIN_OBJECTIVE: "Every objective is met.",
    ConditionReason.BREACHED: "At least one objective is breached; the message names it with its numbers.",
    ConditionReason.EVIDENCE_MISSING: "Nothing can be said of at least one objective: its evidence is missing or thin.",
    ConditionReason.READABLE: "The series of every objective are there.",
    ConditionReason.NOT_SAMPLED_YET: "The metric source has not been asked yet.",
    ConditionReason.READY: "Every step that the service declares could be taken.",
    ConditionReason.OBSERVING: "Mode is Observe: what would be done is said, and nothing is changed.",
    ConditionReason.NO_KNOWN_GOOD: "All but RollBack could be done: no revision has been proven yet.",
    ConditionReason.KNOWN_GOOD_SERVES: "The revision that serves is proven itself.",
    ConditionReason.NOT_TWICE_AS_BAD: "Of every objective the new revision was shown not to be twice as bad as the known-good one.",
    ConditionReason.WORSE_THAN_KNOWN_GOOD: "The new revision is worse than the known-good one, within the objective or beyond it.",
    ConditionReason.COMPARING: "The revision has just changed, and the numbers do not tell yet.",
    ConditionReason.NOT_COMPARED: "There is no known-good revision, the change is too long ago, or nothing that is judged can be compared.",
    ConditionReason.SEVERAL: "More than one thing is wrong; the message lists them.",
    ConditionReason.INVALID_SPEC: "The spec cannot be understood.",
    ConditionReason.INDICATOR_MISSING: "An objective names an indicator that does not exist.",
    ConditionReason.SOURCE_MISSING: "The service names a metric source that does not exist.",
    ConditionReason.INDICATOR_ODD: "What an indicator has told lately cannot be quite right; the message says what.",
    ConditionReason.JUDGE_COVERAGE_LOST: "Answers flow, and less than a tenth of what usually is judged is judged now.",
    ConditionReason.TOO_LITTLE_EVIDENCE: "A step has less time to be proven than the evidence takes at this rate.",
    ConditionReason.ENOUGH_EVIDENCE: "At this rate of judging every step can be proven within its time.",
    ConditionReason.REVISION_UNREADABLE: "A field of spec.revision does not match one place in its object.",
    ConditionReason.TARGET_MISSING: "An object that the service names does not exist.",
    ConditionReason.POLICY_MISSING: "The service names a containment policy that does not exist.",
    ConditionReason.AUTOSCALER_UNFIT: "An autoscaler would not let human review be raised as far as asked.",
    ConditionReason.NOT_DENIED: "An admission policy of the quarantine is missing, or does not deny.",
    ConditionReason.STEP_NOT_DECLARED: "The policy has a step for which the service declares nothing.",
    ConditionReason.RELEASE_UNREACHABLE: "What a step changes would be given back by a person alone.",
    ConditionReason.FREEZE_WINDOW: "The policy says that nothing is to be changed at this time; the message says until when.",
    ConditionReason.FREEZE_UNREADABLE: "A freeze window of the policy cannot be read, so containments are held until it is corrected.",
    ConditionReason.BREAKER_TRIPPED: "So many services became bad at once that containments are held everywhere.",
    ConditionReason.BREAKER_CONFIRMED: "It has tripped, and a person confirmed that so many services are really bad.",
    ConditionReason.IN_FORCE: "A step is in force and was shown to help.",
    ConditionReason.NOTHING_IN_FORCE: "No step is in force that was shown to help.",
    ConditionReason.OPEN: "The incident is open.",
    ConditionReason.ANSWERING: "The metric source has answered the last query.",
    ConditionReason.NOT_ANSWERING: "The metric source answers no query, or cannot be asked as declared.",
}

_LONGEST = 2048


def set_condition(
    conditions: tuple[Condition, ...],
    *,
    type: ConditionType,
    status: ConditionStatus,
    reason: str,
    message: str,
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """The conditions with this one in its place; the time of transition moves only when the status does."""
    before = next((c for c in conditions if c.type == type), None)
    changed = Condition(
        type=type,
        status=status,
        reason=reason[:64],
        message=message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…",
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and before.status == status else now,
    )
    if before is None:
        return (*conditions, changed)
    return tuple(changed if c.type == type else c for c in conditions)
