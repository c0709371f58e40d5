"""What do the metrics say of what is being proven: a step, a fix, or a revision that has still to prove itself?

Asked by app/observe.py. A proof is counted from its own beginning, and where the metrics tell revisions apart on the
series of one revision alone.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import DetectorKind, Objective
from firebreak.app.sampler import Sampler
from firebreak.core.attribution import SLACK
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.proof import Question
from firebreak.core.revision import RevisionFacts
from firebreak.core.situation import Situation
from firebreak.core.soak import soak_began
from firebreak.core.verdict import Finding, Health, RecoveryVerdict, Verdict

_UNSEEN_AT_FIRST = timedelta(minutes=3)
"""So long no step may lie wholly after a revision that has just come."""


class Proofs:
    """Reads them from what has been sampled."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def recoveries(
        self, service: AIService, incident: AIIncident | None, asked: Question | None, now: datetime
    ) -> Mapping[str, RecoveryVerdict]:
        """By objective that counts: whether what is asked about has got better."""
        if asked is None:
            return {}
        key = ServiceKey(service.metadata.namespace, service.metadata.name)
        labelled = service.spec.revision is not None and service.spec.revision.metric_label is not None
        rates = {o.name: o.rate for o in incident.status.objectives} if incident else {}
        return {
            o.name: self._sampler.recovery(
                objective_key(key, o.name), asked.since, asked.revision if labelled else None, rates.get(o.name), now
            )
            for o in watched(self._sampler, service)
            if o.detector.kind is not DetectorKind.THRESHOLD
        }

    def still(
        self, key: ServiceKey, verdicts: Mapping[str, Verdict], last_resolved: datetime | None
    ) -> Question | None:
        """Whether what began before the last incident ended is bad still: an incident that ended too early is no end."""
        if last_resolved is None or not any(v.finding is Finding.BREACHED for v in verdicts.values()):
            return None
        return Question(since=last_resolved, revision=None, about="what is left of the last incident")

    def exposed(self, service: AIService, key: ServiceKey, asked: Question | None) -> bool | None:
        """Whether the service has given answers since then; None where that is not known."""
        if service.spec.answers is None or asked is None:
            return None
        answered = self._sampler.answers(key, asked.since)
        return None if answered is None else sum(step.answers for step in answered) > 0

    def untried(
        self, service: AIService, key: ServiceKey, incident: AIIncident | None, revision: RevisionFacts, now: datetime
    ) -> bool:
        """Whether the revision that serves came after the onset, and has not been seen to answer anybody since.

        That nothing can be seen is no proof of it: only one that has just come is given the time to answer.
        """
        onset = incident.status.onset if incident else None
        if service.spec.answers is None or onset is None or revision.since is None or revision.since <= onset + SLACK:
            return False
        answered = self._sampler.answers(key, revision.since)
        if not answered:
            return answered is not None and now - revision.since < _UNSEEN_AT_FIRST
        return sum(step.answers for step in answered) == 0

    def health(self, service: AIService, s: Situation, now: datetime) -> Mapping[str, Health]:
        """Only asked for while the revision that serves has still to prove itself."""
        facts, began = s.revision, soak_began(s)
        if facts.current is None or began is None or facts.current.known_good_since or s.incident:
            return {}
        labelled = service.spec.revision is not None and service.spec.revision.metric_label is not None
        revision = facts.current.name if labelled else None
        return {
            o.name: self._sampler.health(objective_key(s.service, o.name), began, revision, now)
            for o in watched(self._sampler, service)
            if o.target is not None
        }


def watched(sampler: Sampler, service: AIService) -> tuple[Objective, ...]:
    """The objectives of which something may be asked: one just declared is read with the next step."""
    key = ServiceKey(service.metadata.namespace, service.metadata.name)
    return tuple(o for o in service.spec.objectives if sampler.watches(objective_key(key, o.name)))


def objective_key(service: ServiceKey, name: str) -> ObjectiveKey:
    """Of the objective with this name."""
    return ObjectiveKey(service.namespace, service.name, name)
