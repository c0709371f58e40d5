"""The shop and what Firebreak is told about it: valid by default, name only what matters."""

from typing import Any

Manifest = dict[str, Any]

GOOD_PROMPT = "Be careful.\n"
API = "firebreak.dev/v1alpha1"
IMAGE_PATH = "$.spec.template.spec.containers[?@.name=='server'].image"
PROMPT_PATH = "$.data['system.txt']"


def shop(namespace: str) -> tuple[Manifest, ...]:
    """Everything that runs, in the state in which all is well."""
    return (
        prompt(GOOD_PROMPT),
        config_map("shop-index", {"age": "5"}),
        config_map("shop-controls", {"review-rate": "2%", "dates": "on", "sampling": "2%"}),
        _deployment("shop", "shop:one", port=True, mounts={"prompt": "shop-prompt", "index": "shop-index"}),
        _deployment("users", "shop-users:one", env={"SHOP_HOST": host(namespace)}),
        _deployment("review", "shop-review:one", replicas=0),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "shop"},
            "spec": {"selector": {"app": "shop"}, "ports": [{"port": 8080}]},
        },
        _route(namespace),
    )


def host(namespace: str) -> str:
    """Where users find the shop."""
    return f"{namespace}.shop.example"


def config_map(name: str, data: dict[str, str]) -> Manifest:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def prompt(text: str) -> Manifest:
    """The prompt, as the team deploys it."""
    return config_map("shop-prompt", {"system.txt": text})


def _deployment(
    name: str,
    image: str,
    *,
    replicas: int = 1,
    port: bool = False,
    mounts: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
) -> Manifest:
    mounts = mounts or {}
    container: Manifest = {
        "name": "server" if port else name,
        "image": image,
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "GATEWAY_URL", "value": "http://127.0.0.1:8000"},
            *({"name": key, "value": value} for key, value in (env or {}).items()),
        ],
        "volumeMounts": [{"name": volume, "mountPath": f"/etc/shop/{volume}"} for volume in mounts],
    }
    if port:
        container["ports"] = [{"name": "metrics", "containerPort": 8080}]
        probe = {"httpGet": {"path": "/healthz", "port": "metrics"}, "periodSeconds": 1}
        container["readinessProbe"] = probe
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": {"prometheus.io/scrape": "true"} if port else {}},
                "spec": {
                    "terminationGracePeriodSeconds": 5,
                    "containers": [container],
                    "volumes": [{"name": volume, "configMap": {"name": source}} for volume, source in mounts.items()],
                },
            },
        },
    }


def _route(namespace: str) -> Manifest:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop"},
        "spec": {
            "parentRefs": [{"name": "lab", "namespace": "gateway-system"}],
            "hostnames": [host(namespace)],
            "rules": [
                {
                    "name": "answers",
                    "matches": [{"path": {"type": "PathPrefix", "value": "/answer"}}],
                    "filters": [
                        {
                            "type": "RequestHeaderModifier",
                            "requestHeaderModifier": {
                                "set": [{"name": "firebreak-fallback", "value": f"{namespace}/shop/apology"}]
                            },
                        }
                    ],
                    "backendRefs": [
                        {"name": "shop", "port": 8080, "weight": 100},
                        {
                            "name": "firebreak-responder",
                            "namespace": "firebreak-system",
                            "port": 8080,
                            "weight": 0,
                        },
                    ],
                }
            ],
        },
    }


# --- what Firebreak is told

GROUNDEDNESS: Manifest = {
    "name": "groundedness",
    "category": "Hallucination",
    "indicator": {"badSelector": "shop_judged_bad_total", "totalSelector": "shop_judged_total"},
    "target": "95%",
    "detector": {"kind": "Sequential", "step": "1s"},
}
PERSONAL_DATA: Manifest = {
    "name": "personal-data",
    "category": "PolicyViolation",
    "indicator": {"badSelector": "shop_violations_total"},
    "detector": {"kind": "Count", "atLeast": 3, "window": "6s", "step": "1s"},
}
FRESHNESS: Manifest = {
    "name": "freshness",
    "category": "Pipeline",
    "indicator": {"gauge": "max(shop_index_age_seconds)"},
    "detector": {"kind": "Threshold", "above": 60, "for": "3s", "step": "1s"},
}


MORE_EVIDENCE: Manifest = {
    "samplingRate": {
        "target": {"apiVersion": "v1", "kind": "ConfigMap", "name": "shop-controls"},
        "path": "$.data.sampling",
        "raised": "100%",
    }
}


def target(kind: str, name: str) -> Manifest:
    """An object as a target."""
    versions = {"Deployment": "apps/v1", "ConfigMap": "v1"}
    return {"apiVersion": versions[kind], "kind": kind, "name": name}


def service(name: str = "shop", **spec: Any) -> Manifest:
    """An AIService; name only what differs. A part set to None is left out."""
    declared: Manifest = {
        "revision": {
            "fields": [
                {"name": "model", "target": target("Deployment", "shop"), "path": IMAGE_PATH},
                {
                    "name": "prompt",
                    "target": target("ConfigMap", "shop-prompt"),
                    "path": PROMPT_PATH,
                    "reload": {"name": "shop"},
                },
            ],
            "metricLabel": {"format": "{model|tag}-{prompt|sha8}"},
            "knownGood": {"after": "5s", "minJudged": 100},
        },
        "metrics": {"labels": {"service": "shop"}},
        "answers": {"selector": "shop_answers_total"},
        "objectives": [GROUNDEDNESS],
        "traffic": {"routes": [{"name": "shop", "rule": "answers", "primary": {"name": "shop", "port": 8080}}]},
        "fallbacks": [{"name": "apology", "role": "Static", "static": {"status": 503, "body": '{"text": "sorry"}'}}],
        "humanReview": {
            "workload": {"name": "review"},
            "replicas": 1,
            "rate": {"target": target("ConfigMap", "shop-controls"), "path": "$.data['review-rate']", "value": "50%"},
        },
        "features": [
            {
                "name": "dates",
                "flag": {
                    "target": target("ConfigMap", "shop-controls"),
                    "path": "$.data.dates",
                    "disabledValue": "off",
                },
            }
        ],
        "containment": {"policy": {"name": "shop"}, "mode": "Enforce"},
    }
    chosen = {key: value for key, value in (declared | spec).items() if value is not None}
    return {"apiVersion": API, "kind": "AIService", "metadata": {"name": name}, "spec": chosen}


def bare_service(name: str, **spec: Any) -> Manifest:
    """An AIService that only watches: it claims no place, so several fit beside each other."""
    nothing = {"revision": None, "traffic": None, "fallbacks": None, "humanReview": None, "features": None}
    return service(name, **(nothing | {"containment": {"policy": WATCH}} | spec))


def policy(when: str = "NewRevision") -> Manifest:
    """A policy with a ladder for each category, fast enough to watch."""
    switch = {"action": "SwitchTraffic", "fallback": {"role": "Static"}, "verifyWithin": "30s"}
    roll_back = {"action": "RollBack", "verifyWithin": "60s"}
    review = {"action": "RaiseHumanReview", "evidence": "Suspected"}
    return {
        "apiVersion": API,
        "kind": "ContainmentPolicy",
        "metadata": {"name": "shop"},
        "spec": {
            "severity": [{"when": {"categories": ["PolicyViolation"]}, "severity": "P1"}, {"severity": "P2"}],
            "ladders": [
                {"when": {"categories": ["PolicyViolation"]}, "steps": [switch]},
                {
                    "when": {"categories": ["Pipeline"]},
                    "steps": [roll_back, {"action": "DisableFeature", "feature": "dates", "verifyWithin": "30s"}],
                },
                {"steps": [review, roll_back, switch]},
            ],
            "guardrails": {"cooldown": "1s"},
            "release": {"when": when, "stableFor": "4s", "ramp": [30, 100]},
        },
    }


WATCH: Manifest = {"kind": "ClusterContainmentPolicy", "name": "watch"}
WATCH_POLICY: Manifest = {
    "apiVersion": API,
    "kind": "ClusterContainmentPolicy",
    "metadata": {"name": "watch"},
    "spec": {"ladders": [{"steps": [{"action": "RaiseHumanReview", "evidence": "Suspected"}]}]},
}


def incident(name: str = "declared", **spec: Any) -> Manifest:
    """An incident that a person declares."""
    return {"apiVersion": API, "kind": "AIIncident", "metadata": {"name": name}, "spec": {"service": "shop"} | spec}


def drill(name: str, mode: str, **spec: Any) -> Manifest:
    """A rehearsal of the shop's ladder; of mode Execute with its author's allowance."""
    allowed = {"allowExecution": True} if mode == "Execute" else {}
    declared: Manifest = {"service": "shop", "mode": mode} | allowed | spec
    return {"apiVersion": API, "kind": "ContainmentDrill", "metadata": {"name": name}, "spec": declared}
