"""A service, its incident and the cluster around it as the API server would hold them, for tests of what is decided.

Valid by default: name only what matters. Everything happens in one night, around `T0`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import Mode
from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncidentStatus
from firebreak.api.v1alpha1.policy import ActionKind, ContainmentPolicySpec
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.commands import Command, Decision, OpenIncident
from firebreak.core.decide import decide
from firebreak.core.objectives import ObjectiveKey, ServiceKey
from firebreak.core.observations import InForce
from firebreak.core.ports import KubeObject
from firebreak.core.record import begun, landed, recorded, with_action
from firebreak.core.revision import RevisionFacts, Snapshot
from firebreak.core.situation import Situation
from firebreak.core.verdict import Finding, Onset, RecoveryFinding, RecoveryVerdict, Tier, Verdict, VerdictReason

T0 = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)
"""When the tests' incidents begin."""
LONG_AGO = T0 - timedelta(days=30)
KEY = ServiceKey("docs", "summarizer")

WORKLOAD = TargetRef(api_version="apps/v1", kind="Deployment", name="summarizer")
PROMPT = TargetRef(api_version="v1", kind="ConfigMap", name="summarizer-prompt")
ROUTE = TargetRef(api_version="gateway.networking.k8s.io/v1", kind="HTTPRoute", name="summarizer")
REVIEW = TargetRef(api_version="apps/v1", kind="Deployment", name="summarizer-review")
SWITCHES = TargetRef(api_version="v1", kind="ConfigMap", name="summarizer-firebreak")

IMAGE_PATH = "$.spec.template.spec.containers[?@.name=='server'].image"
PROMPT_PATH = "$.data['system.txt']"


def at(**later: float) -> datetime:
    """A moment after T0: at(minutes=10)."""
    return T0 + timedelta(**later)


def a_ratio(name: str = "groundedness", category: str = "Hallucination", target: str = "99%") -> dict[str, Any]:
    """A ratio objective with the sequential detector."""
    return {
        "name": name,
        "category": category,
        "indicator": {"name": name},
        "target": target,
        "detector": {"kind": "Sequential", "step": "60s"},
    }


def a_gauge(name: str = "index-freshness", category: str = "Pipeline") -> dict[str, Any]:
    """A gauge objective with a threshold."""
    return {
        "name": name,
        "category": category,
        "indicator": {"gauge": f"time() - max({name.replace('-', '_')})"},
        "detector": {"kind": "Threshold", "above": 86400, "for": "10m", "step": "60s"},
    }


def a_count(name: str = "violations", category: str = "PolicyViolation") -> dict[str, Any]:
    """An objective whose events are counted."""
    return {
        "name": name,
        "category": category,
        "indicator": {"badSelector": "ai_policy_violations_total"},
        "detector": {"kind": "Count", "atLeast": 1, "window": "5m", "step": "60s"},
    }


def a_service(
    *objectives: dict[str, Any],
    mode: Mode = Mode.ENFORCE,
    without: tuple[str, ...] = (),
    status: Mapping[str, Any] | None = None,
    **spec: Any,
) -> AIService:
    """A service with two revision fields, a route, two fallbacks, review and one feature; `without` leaves some out."""
    full: dict[str, Any] = {
        "revision": {
            "fields": [
                {"name": "model", "target": WORKLOAD.dump(), "path": IMAGE_PATH},
                {
                    "name": "prompt",
                    "target": PROMPT.dump(),
                    "path": PROMPT_PATH,
                    "reload": {"name": WORKLOAD.name},
                },
            ]
        },
        "metrics": {"labels": {"service": "summarizer"}},
        "answers": {"selector": "ai_answers_total"},
        "objectives": list(objectives) or [a_ratio()],
        "traffic": {"routes": [{"name": ROUTE.name, "rule": "answers", "primary": {"name": "summarizer", "port": 80}}]},
        "fallbacks": [
            {"name": "small-model", "role": "SimplerModel", "backend": {"name": "summarizer-small", "port": 80}},
            {"name": "apology", "role": "Static", "static": {"body": "{}"}},
        ],
        "humanReview": {
            "workload": {"name": REVIEW.name},
            "replicas": 6,
            "rate": {"target": SWITCHES.dump(), "path": "$.data['review-rate']", "value": "100%"},
        },
        "features": [
            {
                "name": "date-summaries",
                "flag": {"target": SWITCHES.dump(), "path": "$.data['dates']", "disabledValue": "false"},
            }
        ],
        "containment": {"policy": {"name": "customer-facing"}, "mode": mode.value},
    }
    left = {k: v for k, v in full.items() if k not in without}
    return AIService.model_validate(
        {
            "metadata": {"name": KEY.name, "namespace": KEY.namespace, "generation": 1},
            "spec": left | spec,
            "status": dict(status or {}),
        }
    )


REVIEW_STEP: dict[str, Any] = {"action": "RaiseHumanReview", "evidence": "Suspected"}
ROLL_BACK: dict[str, Any] = {"action": "RollBack", "verifyWithin": "30m"}
TO_SMALL: dict[str, Any] = {"action": "SwitchTraffic", "fallback": {"name": "small-model"}, "verifyWithin": "30m"}
TO_STATIC: dict[str, Any] = {"action": "SwitchTraffic", "fallback": {"role": "Static"}, "verifyWithin": "30m"}
NO_DATES: dict[str, Any] = {"action": "DisableFeature", "feature": "date-summaries", "verifyWithin": "30m"}


def a_policy(*steps: dict[str, Any], **spec: Any) -> ContainmentPolicySpec:
    """A policy whose one ladder has these steps (review, rollback, switch by default); `ladders=` for several."""
    ladder = {"steps": list(steps) or [REVIEW_STEP, ROLL_BACK, TO_SMALL]}
    return ContainmentPolicySpec.model_validate({"ladders": [ladder]} | spec)


def a_verdict(
    name: str = "groundedness",
    finding: Finding = Finding.BREACHED,
    tier: Tier = Tier.CONFIRMED,
    *,
    since: datetime | None = T0,
    at: datetime | None = None,
) -> Verdict:
    """What the detector says of one objective now; a breach began at `since`."""
    breached = finding is Finding.BREACHED
    tier = tier if breached else Tier.NONE
    return Verdict(
        objective=ObjectiveKey(KEY.namespace, KEY.name, name),
        finding=finding,
        reason=VerdictReason.EVIDENCE_OF_BREACH if breached else VerdictReason.WITHIN_OBJECTIVE,
        because=f"{name} is {finding} ({tier.label})",
        at=at or T0,
        query="bad / total",
        tier=tier,
        estimate=0.2 if breached else 0.001,
        onset=Onset(at=since, earliest=since, latest=since) if breached and since else None,
    )


def met(name: str = "groundedness", at: datetime | None = None) -> Verdict:
    """The objective is met."""
    return a_verdict(name, Finding.MET, at=at)


def suspected(name: str = "groundedness", since: datetime = T0) -> Verdict:
    """The objective is breached, and not surely."""
    return a_verdict(name, tier=Tier.SUSPECTED, since=since)


def inconclusive(name: str = "groundedness") -> Verdict:
    """Too little is known."""
    return a_verdict(name, Finding.INCONCLUSIVE)


def error(name: str = "groundedness") -> Verdict:
    """The metric source cannot be read."""
    return a_verdict(name, Finding.ERROR)


def a_recovery(name: str = "groundedness", finding: RecoveryFinding = RecoveryFinding.RECOVERED) -> RecoveryVerdict:
    """What a fresh fold since the last effect says."""
    return RecoveryVerdict(
        objective=ObjectiveKey(KEY.namespace, KEY.name, name), finding=finding, because=f"{name}: {finding}", at=T0
    )


def a_snapshot(name: str, *, seen: datetime = LONG_AGO, proven: datetime | None = None, **values: str) -> Snapshot:
    """A revision by its name: its image's tag and its prompt carry it."""
    return Snapshot(
        digest=f"digest-{name}",
        name=name,
        values={"model": f"registry/summarizer:{name}", "prompt": f"prompt {name}"} | values,
        first_seen=seen,
        known_good_since=proven,
    )


V1 = a_snapshot("v1", proven=T0 - timedelta(days=7))
V2 = a_snapshot("v2", seen=T0 - timedelta(minutes=10))
V3 = a_snapshot("v3", seen=T0 + timedelta(hours=1))
V4 = a_snapshot("v4", seen=T0 + timedelta(hours=2))


def revisions(
    current: Snapshot | None = V2,
    *,
    since: datetime | None = None,
    known_good: Snapshot | None = V1,
    quarantined: tuple[str, ...] = (),
    problem: str = "",
) -> RevisionFacts:
    """v2 serves since ten minutes before T0, v1 is the known-good one."""
    return RevisionFacts(
        current=current,
        since=since or (current.first_seen if current else None),
        history=(V1, V2, V3, V4),
        known_good=known_good,
        quarantined=frozenset(quarantined),
        problem=problem,
    )


def a_cluster(
    revision: Snapshot = V2, *, weights: tuple[int, int, int] = (100, 0, 0), replicas: int = 2, dates: str = "true"
) -> dict[TargetRef, KubeObject | None]:
    """The objects that a service may write to; the weights are of the primary, small-model and the responder."""
    names = ("summarizer", "summarizer-small", "firebreak-responder")
    backends = [{"name": n, "port": 80, "weight": w} for n, w in zip(names, weights, strict=True)]
    image = str(revision.values["model"])
    containers = [{"name": "proxy", "image": "envoy:1"}, {"name": "server", "image": image}]
    data = {"review-rate": "2%", "dates": dates}
    return {
        WORKLOAD: _object(
            WORKLOAD,
            spec={"replicas": 3, "template": {"metadata": {"annotations": {}}, "spec": {"containers": containers}}},
        ),
        PROMPT: _object(PROMPT, data={"system.txt": revision.values["prompt"]}),
        ROUTE: _object(ROUTE, spec={"rules": [{"name": "answers", "backendRefs": backends}, {"name": "health"}]}),
        REVIEW: _object(REVIEW, spec={"replicas": replicas}),
        SWITCHES: _object(SWITCHES, data=data),
    }


def _object(target: TargetRef, **rest: Any) -> KubeObject:
    metadata = {"name": target.name, "namespace": KEY.namespace, "generation": 1}
    return {"apiVersion": target.api_version, "kind": target.kind, "metadata": metadata} | rest


def an_incident(status: AIIncidentStatus | None = None, *, by: str = "detector", **spec: Any) -> AIIncident:
    """The first incident of the service; found by the detector, or by a person with `by="person"`."""
    labels = {"firebreak.dev/opened-by": "detector"} if by == "detector" else {}
    incident = AIIncident.model_validate(
        {
            "metadata": {"name": f"{KEY.name}-1", "namespace": KEY.namespace, "generation": 1, "labels": labels},
            "spec": {"service": KEY.name} | spec,
        }
    )
    return incident.model_copy(update={"status": status}) if status else incident


def a_situation(
    *verdicts: Verdict,
    service: AIService | None = None,
    policy: ContainmentPolicySpec | None = None,
    recoveries: tuple[RecoveryVerdict, ...] = (),
    without_policy: bool = False,
    **rest: Any,
) -> Situation:
    """Everything that is decided on: v2 serves, both fallbacks are ready, nothing is held, nothing happened before."""
    ready = {name: InForce(because="2 endpoints are ready") for name in ("small-model", "apology")}
    known: dict[str, Any] = {"revision": revisions(), "objects": a_cluster(), "fallbacks": ready, "incident_count": 0}
    return Situation(
        service=KEY,
        spec=(service or a_service()).spec,
        policy=None if without_policy else policy or a_policy(),
        verdicts={v.objective.objective: v for v in verdicts},
        recoveries={r.objective.objective: r for r in recoveries},
        responder="firebreak-responder",
        **known | rest,
    )


def carried_out(s: Situation, decision: Decision, now: datetime) -> Situation:
    """The situation after these commands have been recorded, as app/loop.py does it."""
    incident = s.incident or an_incident()
    for command in decision.commands:
        incident = incident.model_copy(update={"status": after(s, incident.status, command, now)})
    return replace(s, incident=incident)


def after(s: Situation, status: AIIncidentStatus, command: Command, now: datetime) -> AIIncidentStatus:
    """The record after one command."""
    if isinstance(command, OpenIncident):
        revision = s.revision.current.name if s.revision.current else ""
        return begun(command, s.policy, s.spec.containment.policy, s.spec.containment.mode, revision, now)
    return recorded(status, command, now)


def settled(s: Situation, now: datetime) -> Situation:
    """Decide and record until there is nothing more to decide; nothing is written to the cluster."""
    for _ in range(50):
        decision = decide(s, now)
        if not decision.commands:
            return s
        s = carried_out(s, decision, now)
    raise AssertionError(f"no end of commands: {decision.commands}")


def opened(*verdicts: Verdict, now: datetime = T0, **rest: Any) -> Situation:
    """A situation whose incident has just been opened, and nothing else; by default its first objective is breached."""
    service: AIService | None = rest.get("service")
    name = service.spec.objectives[0].name if service else "groundedness"
    s = a_situation(*(verdicts or (a_verdict(name),)), **rest)
    return carried_out(s, decide(s, now), now)


def status_of(s: Situation) -> AIIncidentStatus:
    """The record of the incident that is there."""
    assert s.incident is not None, "there is no incident"
    return s.incident.status


def action_of(s: Situation, kind: str) -> Action:
    """The last action of this kind."""
    return next(a for a in reversed(status_of(s).actions) if a.kind == kind)


def said(s: Situation, **spec: Any) -> Situation:
    """The situation after a person has set these fields of the incident's spec."""
    assert s.incident is not None, "there is no incident"
    changed = s.incident.model_copy(update={"spec": s.incident.spec.model_copy(update=spec)})
    return replace(s, incident=changed)


def in_force(s: Situation, kind: str, now: datetime, **changes: Any) -> Situation:
    """The situation after the last action of this kind was written, and its effect seen."""
    action = action_of(s, kind)
    known: dict[str, Any] = {
        "writes": tuple(landed(w) for w in action.writes),
        "phase": ActionPhase.IN_FORCE,
        "applied_at": now,
        "in_force_at": now,
    }
    changed = with_status(s, with_action(status_of(s), action.model_copy(update=known | changes)))
    if kind != ActionKind.ROLL_BACK:
        return changed
    return replace(changed, revision=revisions(V1, since=now, quarantined=("v2",)), objects=a_cluster(V1))


def with_status(s: Situation, status: AIIncidentStatus) -> Situation:
    """The situation with this record."""
    assert s.incident is not None, "there is no incident"
    return replace(s, incident=s.incident.model_copy(update={"status": status}))


def now_saying(s: Situation, *verdicts: Verdict, recoveries: tuple[RecoveryVerdict, ...] = ()) -> Situation:
    """The situation with other evidence."""
    return replace(
        s,
        verdicts={v.objective.objective: v for v in verdicts} or s.verdicts,
        recoveries={r.objective.objective: r for r in recoveries},
    )


def rolled_back(now: datetime = T0 + timedelta(minutes=1), **rest: Any) -> Situation:
    """A rollback to v1 is in force, and has not been judged."""
    s = settled(opened(**({"policy": a_policy(ROLL_BACK, TO_SMALL)} | rest)), T0)
    return in_force(s, "RollBack", now)


def contained_by_rollback(now: datetime = T0 + timedelta(minutes=10), **rest: Any) -> Situation:
    """The rollback was shown to help."""
    s = now_saying(rolled_back(**rest), recoveries=(a_recovery(),))
    return carried_out(s, decide(s, now), now)


def contained_by_switch(now: datetime = T0 + timedelta(minutes=2), **rest: Any) -> Situation:
    """All traffic goes to the small model, and was seen to."""
    s = in_force(settled(opened(**({"policy": a_policy(TO_SMALL)} | rest)), T0), "SwitchTraffic", at(minutes=1))
    s = replace(s, objects=a_cluster(weights=(0, 100, 0)))
    return carried_out(s, decide(s, now), now)
