"""A service and its incident as the API server would hold them: valid by default, name only what matters."""

from datetime import UTC, datetime
from typing import Any

from firebreak.api.v1alpha1 import AIIncident, AIService, Quarantine

NOW = datetime(2026, 5, 4, 3, 20, tzinfo=UTC)


def at(clock: str) -> str:
    """A moment of that night."""
    return f"2026-05-04T{clock}Z"


def a_service(name: str = "summarizer", mode: str = "Enforce", **status: Any) -> AIService:
    return AIService.model_validate(
        {
            "metadata": {"name": name, "namespace": "docs", "creationTimestamp": at("00:00:00"), "generation": 3},
            "spec": {
                "owner": {"team": "docs-ai"},
                "revision": {
                    "fields": [
                        {
                            "name": "image",
                            "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                            "path": "$.spec.template.spec.containers[?@.name=='server'].image",
                        }
                    ]
                },
                "metrics": {"labels": {"service": name}},
                "objectives": [
                    {
                        "name": "groundedness",
                        "category": "Hallucination",
                        "indicator": {"name": "groundedness"},
                        "target": "99%",
                        "detector": {"kind": "Sequential"},
                    }
                ],
                "containment": {"policy": {"name": "customer-facing"}, "mode": mode},
            },
            "status": status,
        }
    )


def a_write(**changes: Any) -> dict[str, Any]:
    return {
        "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "summarizer"},
        "path": "$.spec.template.spec.containers[?@.name=='server'].image",
        "original": {"value": "summarizer:v2"},
        "last": {"value": "summarizer:v1"},
        "desired": {"value": "summarizer:v1"},
        "landed": True,
    } | changes


def an_action(kind: str = "RollBack", **changes: Any) -> dict[str, Any]:
    return {
        "id": f"l0-s1-{kind.lower()}",
        "ladder": 0,
        "step": 1,
        "kind": kind,
        "phase": "InForce",
        "outcome": "Recovered",
        "reason": "EvidenceReached",
        "because": "v2 serves since 03:00:58Z, 20 s before the onset; v1 was proven",
        "subject": "v1" if kind == "RollBack" else "",
        "writes": [a_write()],
        "intendedAt": at("03:03:21"),
        "appliedAt": at("03:03:22"),
        "inForceAt": at("03:03:41"),
        "provenAt": at("03:05:02"),
    } | changes


POLICY = {
    "ladders": [
        {
            "steps": [
                {"action": "RaiseHumanReview", "evidence": "Suspected"},
                {"action": "RollBack", "verifyWithin": "30m"},
                {"action": "SwitchTraffic", "fallback": {"name": "small-model"}, "verifyWithin": "30m"},
            ]
        }
    ]
}


def an_incident(
    name: str = "summarizer-3", *, spec: dict[str, Any] | None = None, by: str = "detector", **status: Any
) -> AIIncident:
    return AIIncident.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": "docs",
                "creationTimestamp": at("03:03:20"),
                "labels": {"firebreak.dev/opened-by": by} if by else {},
            },
            "spec": {"service": "summarizer"} | (spec or {}),
            "status": {
                "phase": "Contained",
                "mode": "Enforce",
                "category": "Hallucination",
                "severity": "P2",
                "summary": "P2 Hallucination: groundedness; suspect: image changed",
                "detectedAt": at("03:03:20"),
                "containedAt": at("03:05:02"),
                "onset": at("03:01:18"),
                "revision": "v2",
                "objectives": [
                    {
                        "name": "groundedness",
                        "category": "Hallucination",
                        "tier": "Confirmed",
                        "rate": 0.2,
                        "onset": at("03:01:18"),
                        "because": "43 of 210 judged (20.5%) bad since 03:01:18Z, 1.00% allowed",
                    }
                ],
                "exposure": {"badAnswers": 340, "segments": ["feature=dates"]},
                "suspects": [
                    {
                        "field": "image",
                        "before": "summarizer:v1",
                        "after": "summarizer:v2",
                        "changedAt": at("03:00:58"),
                    }
                ],
                "policy": POLICY,
                "ladder": 0,
                "actions": [an_action()],
                "timeline": [
                    {
                        "at": at("03:03:20"),
                        "reason": "BreachConfirmed",
                        "message": "groundedness: 43 of 210 judged bad",
                    },
                    {"at": at("03:05:02"), "reason": "ObjectiveRecovered", "message": "groundedness is met again"},
                ],
            }
            | status,
        }
    )


def a_quarantine() -> Quarantine:
    return Quarantine.model_validate(
        {
            "metadata": {"name": "summarizer-3", "namespace": "docs"},
            "spec": {
                "service": "summarizer",
                "incident": "summarizer-3",
                "revision": "v2",
                "reason": "bad",
                "denied": [
                    {
                        "name": "image",
                        "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "summarizer"},
                        "container": "server",
                        "value": "summarizer:v2",
                    }
                ],
            },
        }
    )
