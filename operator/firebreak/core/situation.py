"""Everything that `decide` looks at, gathered by app/observe.py (live), a drill or a backtest.

Plain values: nothing in here can be asked for more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.aiservice import AIServiceSpec
from firebreak.api.v1alpha1.incident import Exposure
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.commands import Reason
from firebreak.core.comparison import Comparison
from firebreak.core.coverage import Coverage
from firebreak.core.dependencies import Missing
from firebreak.core.objectives import ServiceKey
from firebreak.core.observations import Effect
from firebreak.core.ports import KubeObject
from firebreak.core.revision import RevisionFacts
from firebreak.core.suspects import JudgeSeen
from firebreak.core.verdict import RecoveryVerdict, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Something that forbids containments of this service now, whatever the evidence says."""

    reason: Reason
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastContainment:
    """An earlier incident of the service in which Firebreak acted on what users get."""

    incident: str
    at: datetime
    ended_at: datetime
    onset: datetime | None = None
    is_false_alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One service at one moment."""

    service: ServiceKey
    spec: AIServiceSpec
    incident_count: int
    policy: ContainmentPolicySpec | None
    verdicts: Mapping[str, Verdict]
    revision: RevisionFacts
    responder: str
    """The Service name of Firebreak's static responder, as routes name it."""
    incident: AIIncident | None = None
    recoveries: Mapping[str, RecoveryVerdict] = field(default_factory=dict)
    """By objective: the fresh fold that core/proof.py asked for."""
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    """By objective: what serves since the last change of revision, held against the known-good one."""
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    """By objective: how much of the answers is judged; without those of which it cannot be said."""
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """The objectives whose clustering is assumed, each with how much healthy history there is, in words."""
    exposed: bool | None = None
    """Whether the primary has given answers since core/proof.py's `since`; None when the service declares no answers."""
    untried: bool = False
    """Whether the revision that serves came after the onset, and has not been seen to answer anybody since."""
    objects: Mapping[TargetRef, KubeObject | None] = field(default_factory=dict)
    effects: Mapping[str, Effect] = field(default_factory=dict)
    """By action: whether what was written is in force."""
    drifts: Mapping[str, str] = field(default_factory=dict)
    """By action: what someone else has changed of what was in force, and who (core/drift.py)."""
    rollout: Effect | None = None
    """While something is to be proven: whether the workloads of the revision run what they are declared to."""
    validation: Effect | None = None
    """While a fix is being validated: what came of its Job; in force means passed."""
    fallbacks: Mapping[str, Effect] = field(default_factory=dict)
    """By fallback: whether it could serve now."""
    missing: tuple[Missing, ...] = ()
    """What the pods of a rollback to the known-good revision would lack."""
    holds: tuple[Hold, ...] = ()
    breaker: Hold | None = None
    """What the installation's circuit breaker holds; people are asked about it once, not by each incident."""
    past: tuple[PastContainment, ...] = ()
    last_resolved: datetime | None = None
    exposure: Exposure = field(default_factory=Exposure)
    """Of the open incident, as estimated now."""
    judges: tuple[JudgeSeen, ...] = ()
    """Who gave the verdicts of the objectives, and since when."""

    @property
    def not_before(self) -> datetime | None:
        """Of when the newest evidence is that has been read: it cannot be earlier now, whatever the clock says."""
        return max((v.at for v in self.verdicts.values()), default=None)
