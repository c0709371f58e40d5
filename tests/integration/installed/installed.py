"""What the tests of the installed parts share: kubectl as a person uses it, and manifests that are valid by default."""

import copy
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "firebreak"
NAMESPACE = "firebreak-system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What kubectl said."""

    ok: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """kubectl in one namespace, as the cluster's admin or as somebody else."""

    program: Path
    kubeconfig: Path
    namespace: str
    user: str = ""

    def run(self, *arguments: str, stdin: str = "") -> Said:
        """Run a command; its whole output is what a person would see."""
        who = [f"--as={self.user}"] if self.user else []
        done = subprocess.run(
            [str(self.program), f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *who, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return Said(ok=done.returncode == 0, text=done.stdout + done.stderr)

    def create(self, *manifests: Manifest, dry_run: bool = False) -> Said:
        """Create objects, validated strictly by the API server."""
        shown = ["--dry-run=server"] if dry_run else []
        return self.run("create", *shown, "-f", "-", stdin=as_stream(*manifests))

    def apply(self, *manifests: Manifest, dry_run: bool = False) -> Said:
        """Apply objects server-side, taking over what others have set."""
        how = ["--server-side", "--force-conflicts", *(["--dry-run=server"] if dry_run else [])]
        return self.run("apply", *how, "-f", "-", stdin=as_stream(*manifests))

    def must(self, said: Said) -> str:
        """The text of something that has to work."""
        assert said.ok, said.text
        return said.text

    def as_account(self, name: str, namespace: str = "") -> "Kubectl":
        """The same, as a ServiceAccount."""
        return replace(self, user=f"system:serviceaccount:{namespace or self.namespace}:{name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Helm:
    """helm, for rendering the chart."""

    program: Path

    def template(self, *arguments: str, namespace: str = NAMESPACE) -> tuple[Manifest, ...]:
        """What `helm install firebreak` would create."""
        done = self.run("template", "firebreak", str(CHART), "--namespace", namespace, *arguments)
        assert done.returncode == 0, done.stderr
        return tuple(each for each in yaml.safe_load_all(done.stdout) if each)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        return subprocess.run([str(self.program), *arguments], capture_output=True, text=True, timeout=60, check=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where Firebreak is installed."""

    name: str
    namespace: str


def until(question: Callable[[], bool], seconds: float = 10.0) -> float:
    """Ask again until it is so; returns after how many seconds it was."""
    start = time.monotonic()
    while not question():
        assert time.monotonic() - start < seconds
    return time.monotonic() - start


def as_stream(*manifests: Manifest) -> str:
    """The manifests as one stream of documents."""
    return "\n---\n".join(json.dumps(each) for each in manifests)


def a(kind: str, spec: Manifest, name: str = "it") -> Manifest:
    """An object of one of Firebreak's kinds."""
    return {"apiVersion": "firebreak.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def changed(manifest: Manifest, change: Callable[[Manifest], object]) -> Manifest:
    """A copy with one thing changed in its spec."""
    other = copy.deepcopy(manifest)
    change(other["spec"])
    return other


def deployment(name: str) -> Manifest:
    """A Deployment as a target."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}


def config_map(name: str) -> Manifest:
    """A ConfigMap as a target."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name}


IMAGE = "$.spec.template.spec.containers[?@.name=='server'].image"

SERVICE = a(
    "AIService",
    {
        "owner": {"team": "docs-ai"},
        "revision": {
            "fields": [
                {"name": "model", "target": deployment("summarizer"), "path": IMAGE},
                {
                    "name": "prompt",
                    "target": config_map("summarizer-prompt"),
                    "path": "$.data['system.txt']",
                    "reload": {"name": "summarizer"},
                },
            ],
            "metricLabel": {"name": "revision", "format": "{model|tag}-{prompt|sha8}"},
            "knownGood": {"after": "10m", "minJudged": 200, "exclude": ["r-3"]},
        },
        "metrics": {"labels": {"service": "summarizer"}},
        "answers": {"selector": "ai_answers_total"},
        "objectives": [
            {
                "name": "groundedness",
                "category": "Hallucination",
                "indicator": {"kind": "ClusterQualityIndicator", "name": "groundedness"},
                "target": "99.5%",
                "detector": {"kind": "Sequential", "step": "60s"},
                "segments": ["feature"],
            },
            {
                "name": "freshness",
                "category": "Pipeline",
                "indicator": {"gauge": "time() - ai_pipeline_last_success_timestamp_seconds"},
                "detector": {"kind": "Threshold", "above": 86400, "for": "10m"},
            },
            {
                "name": "policy",
                "category": "PolicyViolation",
                "indicator": {"badSelector": "ai_policy_violations_total"},
                "detector": {"kind": "Count", "atLeast": 3, "window": "5m"},
            },
            {
                "name": "budget",
                "category": "Hallucination",
                "indicator": {"kind": "ClusterQualityIndicator", "name": "groundedness"},
                "target": "99%",
                "detector": {
                    "kind": "BurnRate",
                    "windows": [{"factor": 6, "long": "1h", "short": "5m"}],
                    "budgetPeriod": "7d",
                },
            },
        ],
        "judge": {
            "samplingRate": {
                "target": config_map("judge"),
                "path": "$.data.rate",
                "raised": "20%",
                "dailyBudget": "14h",
            }
        },
        "traffic": {
            "routes": [{"name": "summarizer", "rule": "answers", "primary": {"name": "summarizer", "port": 80}}]
        },
        "fallbacks": [
            {
                "name": "small",
                "role": "SimplerModel",
                "backend": {"name": "small", "port": 80},
                "readiness": {"workload": {"name": "small"}, "minReady": 2},
            },
            {"name": "apology", "role": "Static", "static": {"status": 503, "body": '{"text": "sorry"}'}},
        ],
        "humanReview": {
            "workload": {"name": "review"},
            "replicas": 6,
            "rate": {"target": config_map("review"), "path": "$.data.rate", "value": "100%"},
        },
        "features": [
            {
                "name": "dates",
                "flag": {"target": config_map("flags"), "path": "$.data.dates", "disabledValue": "false"},
            }
        ],
        "containment": {"policy": {"name": "customer-facing"}, "mode": "Enforce", "executeDrills": True},
    },
)

_POLICY_SPEC: Manifest = {
    "severity": [{"when": {"categories": ["PolicyViolation"]}, "severity": "P1"}, {"severity": "P3"}],
    "ladders": [
        {
            "when": {"categories": ["PolicyViolation"]},
            "release": {"when": "Person"},
            "steps": [{"action": "SwitchTraffic", "fallback": {"role": "Static"}, "verifyWithin": "1m"}],
        },
        {
            "steps": [
                {"action": "RaiseHumanReview", "evidence": "Suspected"},
                {"action": "RollBack", "verifyWithin": "30m"},
                {"action": "SwitchTraffic", "fallback": {"name": "small"}, "verifyWithin": "30m"},
                {"action": "DisableFeature", "feature": "dates", "verifyWithin": "10m"},
            ]
        },
    ],
    "guardrails": {
        "cooldown": "15m",
        "maxContainments": {"count": 3, "per": "24h"},
        "freeze": [
            {"cron": "0 18 * * FRI", "timeZone": "America/Argentina/Buenos_Aires", "duration": "62h"},
            {"cron": "*/20,55 0-4/2 1,15 nov-DEC 1-5", "duration": "10m"},
        ],
    },
    "approval": {"P3": "Required"},
    "release": {"when": "NewRevision", "stableFor": "30m", "ramp": [10, 50, 100]},
}
POLICY = a("ContainmentPolicy", _POLICY_SPEC)
CLUSTER_POLICY = a("ClusterContainmentPolicy", _POLICY_SPEC)
INCIDENT = a("AIIncident", {"service": "summarizer", "category": "Hallucination", "description": "invents dates"})
QUARANTINE = a(
    "Quarantine",
    {
        "service": "summarizer",
        "incident": "summarizer-1",
        "revision": "summarizer-7",
        "reason": "groundedness 91.2% against 99.5%,\n431 judged",
        "denied": [
            {"name": "model", "target": deployment("summarizer"), "container": "server", "value": "summarizer:bad"},
            {
                "name": "prompt",
                "target": config_map("summarizer-prompt"),
                "key": "system.txt",
                "value": "Be inventive.",
            },
        ],
    },
)
_INDICATOR_SPEC: Manifest = {"badSelector": "ai_judged_bad_total", "totalSelector": "ai_judged_total"}
INDICATOR = a("QualityIndicator", _INDICATOR_SPEC)
CLUSTER_INDICATOR = a("ClusterQualityIndicator", _INDICATOR_SPEC)
_SOURCE_SPEC: Manifest = {
    "url": "https://prometheus.example:9090/prom",
    "timeout": "10s",
    "tenant": "docs",
    "bearerToken": {"name": "prometheus", "key": "token"},
    "tls": {"ca": {"name": "prometheus", "key": "ca.crt"}},
}
SOURCE = a("MetricSource", _SOURCE_SPEC)
CLUSTER_SOURCE = a("ClusterMetricSource", _SOURCE_SPEC)
CONTROL = a("FirebreakControl", {"paused": True, "reason": "load test"}, "firebreak")
DRILL = a(
    "ContainmentDrill",
    {
        "service": "it",
        "mode": "Execute",
        "allowExecution": True,
        "steps": [
            {"action": "RaiseHumanReview"},
            {"action": "SwitchTraffic", "fallback": {"role": "Static"}},
            {"action": "DisableFeature", "feature": "dates"},
        ],
        "schedule": {"cron": "0 9 * * MON", "timeZone": "Europe/Berlin"},
        "suspend": True,
        "historyLimit": 5,
    },
)

VALID = (
    SERVICE,
    POLICY,
    CLUSTER_POLICY,
    INCIDENT,
    QUARANTINE,
    INDICATOR,
    CLUSTER_INDICATOR,
    SOURCE,
    CLUSTER_SOURCE,
    CONTROL,
    DRILL,
)
"""One valid object of each kind, with every optional part."""
