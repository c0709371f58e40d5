"""What stands in the simulated cluster when a story begins: one service with everything that Firebreak may write to."""

from dataclasses import dataclass
from typing import Any

from bench.faults.api import Doc, FakeApi, Place

from firebreak.adapters.kube.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    FIREBREAK,
    HTTP_ROUTE,
    Kind,
)
from firebreak.adapters.kube.snapshots import FIRST_SEEN, KNOWN_GOOD_SINCE, NAME, SERVICE_LABEL
from firebreak.core.field_writes import RESTART_PATH
from firebreak.core.objectives import ServiceKey
from firebreak.core.revision import digest_of

SERVICE = ServiceKey("docs", "summarizer")
RESPONDER = "firebreak-responder"
STEP = 15.0
"""Seconds between two readings of the counters."""

WORKLOAD = Place("apps/v1", "deployments", "docs", "summarizer")
REVIEW = Place("apps/v1", "deployments", "docs", "summarizer-review")
SMALL = Place("apps/v1", "deployments", "docs", "summarizer-small")
PROMPT = Place("v1", "configmaps", "docs", "summarizer-prompt")
SWITCHES = Place("v1", "configmaps", "docs", "summarizer-firebreak")
ROUTE = Place("gateway.networking.k8s.io/v1", "httproutes", "docs", "summarizer")
AIS = Place("firebreak.dev/v1alpha1", "aiservices", "docs", "summarizer")
DRILL = Place("firebreak.dev/v1alpha1", "containmentdrills", "docs", "weekly")
RAISE = Place("firebreak.dev/v1alpha1", "samplingraises", "docs", "summarizer")

_WEIGHT = "$.spec.rules[?@.name=='answers'].backendRefs[?@.name=='{}'].weight"


@dataclass(frozen=True, slots=True)
class Spot:
    """A place that an action may write: the object and the path in it."""

    place: Place
    path: str


SPOTS = {
    "image": Spot(WORKLOAD, "$.spec.template.spec.containers[?@.name=='server'].image"),
    "prompt": Spot(PROMPT, "$.data['system.txt']"),
    "restarted": Spot(WORKLOAD, RESTART_PATH),
    "primary": Spot(ROUTE, _WEIGHT.format("summarizer")),
    "small": Spot(ROUTE, _WEIGHT.format("summarizer-small")),
    "responder": Spot(ROUTE, _WEIGHT.format(RESPONDER)),
    "replicas": Spot(REVIEW, "$.spec.replicas"),
    "rate": Spot(SWITCHES, "$.data['review-rate']"),
    "dates": Spot(SWITCHES, "$.data['dates']"),
    "judged": Spot(SWITCHES, "$.data['judge-rate']"),
}
"""All of them, by a short name."""

IMAGE_FIELD = ("spec", "template", "spec", "containers", "[server]", "image")
PROMPT_FIELD = ("data", "system.txt")


def revision(name: str) -> dict[str, str]:
    """The values of a revision: v1 is the known-good one, v2 the bad one, v3 the fix."""
    return {"model": f"registry/summarizer:{name}", "prompt": f"prompt {name}"}


LADDERS: dict[str, list[dict[str, Any]]] = {
    "RaiseHumanReview": [{"action": "RaiseHumanReview", "evidence": "Suspected"}],
    "RollBack": [{"action": "RollBack", "verifyWithin": "10m"}],
    "SwitchTraffic": [{"action": "SwitchTraffic", "fallback": {"name": "small-model"}, "verifyWithin": "10m"}],
    "DisableFeature": [{"action": "DisableFeature", "feature": "date-summaries", "verifyWithin": "10m"}],
    "All": [
        {"action": "RaiseHumanReview", "evidence": "Suspected"},
        {"action": "DisableFeature", "feature": "date-summaries", "verifyWithin": "2m"},
        {"action": "RollBack", "verifyWithin": "10m"},
        {"action": "SwitchTraffic", "fallback": {"name": "small-model"}, "verifyWithin": "10m"},
    ],
}
"""One story for each kind of action, and one that climbs: the feature is off and does not help, so it rolls back."""

STORIES = (*LADDERS, "Drill", "SamplingRaise")
"""All of them: also a drill of the whole ladder that is executed, and a sampling rate that is raised."""


def set_up(api: FakeApi, story: str) -> None:
    """Put everything there."""
    for place, kind, body in _objects(story):
        meta = {"name": place.name, "namespace": place.namespace} if place.namespace else {"name": place.name}
        given = body.pop("metadata", {})
        api.seed(place, {"kind": kind.kind, "metadata": meta | given, **body})


def _at(kind: Kind, name: str, namespace: str = "docs") -> Place:
    return Place(kind.api_version, kind.plural, namespace, name)


def _objects(story: str) -> list[tuple[Place, Kind, Doc]]:
    v1 = revision("v1")
    known_good = {
        "metadata": {
            "labels": {SERVICE_LABEL: "summarizer"},
            "annotations": {
                NAME: digest_of(v1),
                FIRST_SEEN: "2026-04-01T00:00:00Z",
                KNOWN_GOOD_SINCE: "2026-04-08T00:00:00Z",
            },
        },
        "revision": 1,
        "data": {"fields": v1},
    }
    backends = [
        {"name": n, "port": 80, "weight": w} for n, w in (("summarizer", 100), ("summarizer-small", 0), (RESPONDER, 0))
    ]
    gateway = {"name": "lab", "namespace": "gateways"}
    route = {"spec": {"parentRefs": [gateway], "rules": [{"name": "answers", "backendRefs": backends}]}}
    switches = {"data": {"review-rate": "2%", "dates": "true", "judge-rate": "2%"}}
    ladder = {"steps": LADDERS.get(story, LADDERS["All"])}
    policy = {
        "spec": {
            "ladders": [ladder],
            "guardrails": {"cooldown": "0s"},
            "release": {"stableFor": "1m", "ramp": [20, 100]},
        }
    }
    ready = {"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]}
    return [
        (WORKLOAD, DEPLOYMENT, _deployment(v1["model"], 3)),
        (REVIEW, DEPLOYMENT, _deployment("registry/review:1", 2)),
        (SMALL, DEPLOYMENT, _deployment("registry/small:1", 2)),
        (PROMPT, CONFIG_MAP, {"data": {"system.txt": v1["prompt"]}}),
        (SWITCHES, CONFIG_MAP, switches),
        (ROUTE, HTTP_ROUTE, route),
        *(
            (
                _at(ENDPOINT_SLICE, f"{name}-1"),
                ENDPOINT_SLICE,
                ready | {"metadata": {"labels": {"kubernetes.io/service-name": name}}},
            )
            for name in ("summarizer", "summarizer-small", RESPONDER)
        ),
        (_at(CONTROLLER_REVISION, f"summarizer-{digest_of(v1)}"), CONTROLLER_REVISION, known_good),
        (_at(FIREBREAK["ContainmentPolicy"], "careful"), FIREBREAK["ContainmentPolicy"], policy),
        (AIS, FIREBREAK["AIService"], {"spec": _service_spec(story)}),
    ]


def _deployment(image: str, replicas: int) -> Doc:
    return {
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {"annotations": {}},
                "spec": {"containers": [{"name": "server", "image": image}]},
            },
        },
        "status": {
            "observedGeneration": 1,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": replicas,
            "availableReplicas": replicas,
        },
    }


def _target(spot: str) -> Doc:
    place = SPOTS[spot].place
    kind = {"deployments": "Deployment", "configmaps": "ConfigMap", "httproutes": "HTTPRoute"}[place.plural]
    return {
        "target": {"apiVersion": place.api_version, "kind": kind, "name": place.name},
        "path": SPOTS[spot].path,
    }


def _service_spec(story: str) -> Doc:
    judge = {"judge": {"samplingRate": _target("judged") | {"raised": "20%"}}} if story == "SamplingRaise" else {}
    return judge | {
        "revision": {
            "fields": [
                {"name": "model"} | _target("image"),
                {"name": "prompt", "reload": {"name": "summarizer"}} | _target("prompt"),
            ]
        },
        "metrics": {"labels": {"service": "summarizer"}},
        "answers": {"selector": "ai_answers_total"},
        "objectives": [
            {
                "name": "groundedness",
                "category": "Hallucination",
                "indicator": {"name": "groundedness"},
                "target": "99%",
                "detector": {"kind": "Sequential", "step": f"{STEP:.0f}s"},
            }
        ],
        "traffic": {
            "routes": [{"name": "summarizer", "rule": "answers", "primary": {"name": "summarizer", "port": 80}}]
        },
        "fallbacks": [
            {
                "name": "small-model",
                "role": "SimplerModel",
                "backend": {"name": "summarizer-small", "port": 80},
                "readiness": {"workload": {"name": "summarizer-small"}, "minReady": 1},
            }
        ],
        "humanReview": {
            "workload": {"name": "summarizer-review"},
            "replicas": 6,
            "rate": _target("rate") | {"value": "100%"},
        },
        "features": [{"name": "date-summaries", "flag": _target("dates") | {"disabledValue": "false"}}],
        "containment": {
            "policy": {"kind": "ContainmentPolicy", "name": "careful"},
            "mode": "Enforce",
            "executeDrills": story == "Drill",
        },
    }
