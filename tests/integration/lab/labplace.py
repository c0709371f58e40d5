"""A namespace of the lab in which a test runs workloads, and asks them through the gateway."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.cluster import Lab

Manifest = dict[str, Any]
PAUSE = 0.05


def eventually(question: Callable[[], bool], seconds: float = 15.0) -> float:
    """Ask until the answer is yes; the seconds that it took."""
    began = time.monotonic()
    while not question():
        assert time.monotonic() - began < seconds, f"not so within {seconds:g} s"
        time.sleep(PAUSE)
    return time.monotonic() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A namespace, and a host name at the gateway."""

    lab: Lab
    namespace: str

    @property
    def host(self) -> str:
        return f"{self.namespace}.example"

    def apply(self, *manifests: Manifest) -> None:
        content = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(content))

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        return self.lab.kubectl("-n", self.namespace, *arguments, input=input)

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def pods(self, name: str) -> list[Any]:
        """The pods of a workload that are not on their way out."""
        found: list[Any] = self.get("pods", "-l", f"app={name}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def rolled_out(self, name: str) -> None:
        self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")

    def ask(self, path: str = "/") -> str:
        """What a user of the gateway gets; the status when it is no answer."""
        request = urllib.request.Request(self.lab.gateway_url + path, headers={"Host": self.host})
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                text: str = response.read().decode()
                return text
        except urllib.error.HTTPError as error:
            return str(error.code)

    def query(self, expression: str) -> list[dict[str, str]]:
        """The labels of the series that Prometheus finds."""
        url = f"{self.lab.prometheus_url}/api/v1/query?query={urllib.request.quote(expression)}"  # type: ignore[attr-defined]
        with urllib.request.urlopen(url, timeout=5) as response:
            return [series["metric"] for series in json.load(response)["data"]["result"]]


def deployment(name: str, image: str, *, replicas: int = 1, **container: Any) -> Manifest:
    """A workload of one container that serves at port 8080."""
    own: Manifest = {
        "name": "server",
        "image": image,
        "ports": [{"name": "metrics", "containerPort": 8080}],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "GREETING", "value": "hello from $(POD_IP)"},
        ],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "metrics"},
            "periodSeconds": 1,
            "failureThreshold": 1,
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": {"prometheus.io/scrape": "true"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [own | container]},
            },
        },
    }


def with_settings(manifest: Manifest) -> Manifest:
    """The workload with the ConfigMap `settings` mounted."""
    pod = manifest["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "settings", "configMap": {"name": "settings"}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "settings", "mountPath": "/etc/settings"}]
    return manifest


def settings(**data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}


def service(name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def route(host: str, **weights: int) -> Manifest:
    """All of a host's traffic to services by weight."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "route"},
        "spec": {
            "parentRefs": [{"name": "lab", "namespace": "gateway-system"}],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": name, "port": 80, "weight": w} for name, w in weights.items()]}],
        },
    }
