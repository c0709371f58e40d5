"""What is looked at to decide on a judge's sampling rate?

Asked by app/raising.py live, and by app/backtest/raises.py over a history: both decide on the same.
"""

from datetime import datetime, timedelta

from firebreak.api.v1alpha1.aiservice import AIServiceSpec, SamplingRate
from firebreak.api.v1alpha1.sampling import RaisePhase, SamplingRaiseStatus
from firebreak.app.sampler import Sampler
from firebreak.core.objectives import ObjectiveKey
from firebreak.core.ports import Held, Missing, Unmatched
from firebreak.core.sampling_evidence import proof_awaited, strongest_evidence
from firebreak.core.sampling_raise import QUIET_EVIDENCE, Sampling, Unrecorded
from firebreak.core.situation import Situation


def sampling_facts(
    s: Situation,
    sampler: Sampler,
    *,
    declared: SamplingRate | None,
    record: SamplingRaiseStatus,
    held: Held | Unmatched | Missing,
    now: datetime,
    free: bool = True,
    unrecorded: Unrecorded | None = None,
) -> Sampling:
    """Of one service at one moment; `held` is what stands in the place that the record or the service names."""
    judged = [k for o in s.spec.objectives if sampler.is_sequential(k := ObjectiveKey(*s.service, o.name))]
    tier, because = strongest_evidence([s.verdicts[k.objective] for k in judged if k.objective in s.verdicts])
    changed = s.revision.since if len(s.revision.history) > 1 else None
    is_raised = record.phase is RaisePhase.RAISED
    return Sampling(
        declared=declared,
        record=record,
        held=held,
        mode=s.spec.containment.mode,
        holds=s.holds,
        tier=tier,
        because=because,
        quiet_steps=sampler.quiet_steps(judged, QUIET_EVIDENCE, now) if is_raised else None,
        changed_ago=now - changed if changed is not None else None,
        step=step_of(s.spec),
        proof=proof_awaited(s.incident, {k.objective for k in judged}),
        free=free,
        account=s.spec.containment.service_account_name or "",
        unrecorded=unrecorded,
    )


def step_of(spec: AIServiceSpec) -> timedelta:
    """The shortest step of its objectives: new evidence comes with each."""
    return min(o.detector.step for o in spec.objectives)
