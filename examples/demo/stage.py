"""The stage of one act: a namespace with the example in it, and what one does there with kubectl.

Every wait is a watch with a deadline (`kubectl wait`); one that runs out says which expectation was not met.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.cluster import KubectlError, Lab
from lab.paths import REPOSITORY

from examples.qa.gateway import Gateway

QA = REPOSITORY / "examples" / "qa"
DEPLOYMENTS = ("qa-indexer", "qa-server", "qa-small", "qa-review", "qa-traffic")


class NotAsItShould(Exception):
    """An expectation of the demo that was not met; the message says which."""


class ActedEarly(NotAsItShould):
    """Something was done before the service was bad: a containment of nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One namespace of the lab."""

    lab: Lab
    namespace: str

    @property
    def host(self) -> str:
        """The service's public host name."""
        return f"{self.namespace}.qa.example"

    @property
    def gateway(self) -> Gateway:
        """As a user outside reaches it."""
        return Gateway(url=self.lab.gateway_url, public_host=self.host, internal_host=f"internal.{self.host}")

    def kubectl(self, *arguments: str, input: str | None = None, timeout: float = 90.0) -> str:
        """kubectl in this namespace."""
        return self.lab.kubectl("-n", self.namespace, *arguments, input=input, timeout=timeout)

    def set_up(self) -> None:
        """Make the namespace anew and deploy the example: everything but Firebreak's own objects."""
        self.lab.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=60s")
        self.lab.kubectl("create", "namespace", self.namespace)
        for path in sorted((QA / "manifests").glob("*.yaml")):
            self.apply(path.read_text())
        # More verdicts, so that a few seconds hold as many as minutes do at the usual rate.
        self.patch("configmap", "qa-controls", {"data": {"judge-sampling-rate": "60%"}})

    def apply(self, manifest: str) -> None:
        """Apply a manifest of the example under this stage's host names."""
        own = re.sub(r"(?<![\w.-])(internal\.)?qa\.example", rf"\g<1>{self.host}", manifest)
        self.kubectl("apply", "-f", "-", input=re.sub(r"\bNAMESPACE\b", self.namespace, own))

    def declare(self, act: str) -> None:
        """Tell Firebreak about the service."""
        self.apply((QA / "firebreak" / f"{act}.yaml").read_text())

    def await_serving(self, seconds: int = 60) -> None:
        """Wait until every Deployment is rolled out."""
        for name in DEPLOYMENTS:
            self.await_rollout(name, seconds)

    def await_rollout(self, deployment: str, seconds: int = 60) -> None:
        """Wait until a Deployment is rolled out."""
        self._wait(f"{deployment} is rolled out", "rollout", "status", f"deployment/{deployment}", seconds=seconds)

    def await_value(self, kind: str, name: str, path: str, value: str, seconds: int, what: str) -> None:
        """Wait until a field of an object holds a value."""
        self._wait(what, "wait", f"{kind}/{name}", f"--for=jsonpath={{{path}}}={value}", seconds=seconds)

    def await_incident(self, name: str, seconds: int) -> None:
        """Wait until an incident is opened and its record begun."""
        self._wait("an incident is opened", "wait", f"aii/{name}", "--for=create", seconds=seconds)
        self._wait("its record is begun", "wait", f"aii/{name}", "--for=jsonpath={.status.detectedAt}", seconds=seconds)

    def await_phase(self, name: str, phase: str, seconds: int) -> None:
        """Wait until an incident is in a phase."""
        self.await_value("aii", name, ".status.phase", phase, seconds, f"incident {name} is {phase}")

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object as it is now, with its field managers."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json", "--show-managed-fields"))
        return found

    def incidents(self) -> list[dict[str, Any]]:
        """Every incident of the service."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", "aii", "-o", "json"))["items"]
        return found

    def patch(self, kind: str, name: str, change: dict[str, Any]) -> None:
        """Change an object."""
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change))

    def deploy(self, *, image: str | None = None, prompt: str | None = None) -> None:
        """Deploy a revision as people do: apply the ConfigMap, then the Deployment; restart for a prompt alone."""
        if prompt:
            self.write_prompt(QA / "prompts" / f"{prompt}.yaml")
        if image:
            self.kubectl("set", "image", "deployment/qa-server", f"server=qa-server:{image}")
        elif prompt:
            self.kubectl("rollout", "restart", "deployment/qa-server")

    def write_prompt(self, path: Path) -> None:
        """Apply a prompt."""
        self.patch("configmap", "qa-prompt", {"data": {"prompt.yaml": path.read_text()}})

    def tear_down(self) -> None:
        """Delete the namespace and everything in it."""
        self.lab.kubectl("delete", "namespace", self.namespace, "--wait=false")

    def _wait(self, what: str, *arguments: str, seconds: int) -> None:
        try:
            self.kubectl(*arguments, f"--timeout={seconds}s", timeout=seconds + 15)
        except KubectlError as error:
            raise NotAsItShould(
                f"{self.namespace}: not within {seconds} s: {what}\n{error}\n{self._situation()}"
            ) from error

    def _situation(self) -> str:
        return self.kubectl("get", "ais,aii,pods", "-o", "wide")
