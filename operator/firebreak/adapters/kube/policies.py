"""Are the admission policies there that keep a bad revision from coming back? What the API server holds of them.

The chart ships them and Firebreak may only read them: what is missing is told, and is for whoever installs to mend.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from firebreak.adapters.kube.client import KubeClient

_GROUP = "/apis/admissionregistration.k8s.io/v1"
_KIND, _BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"


async def missing_policies(client: KubeClient, names: Iterable[str]) -> tuple[str, ...]:
    """What keeps each of these policies from denying, in words; empty when all are there and bound. Raises ClusterError."""
    found: list[str] = []
    for name in names:
        policy = await client.get(f"{_GROUP}/validatingadmissionpolicies/{name}")
        binding = await client.get(f"{_GROUP}/validatingadmissionpolicybindings/{name}")
        found += faults_of(name, policy, binding)
    return tuple(found)


def faults_of(name: str, policy: Mapping[str, Any] | None, binding: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What is wrong with one policy and its binding, which bears the same name."""
    said = []
    if policy is None:
        said.append(f"{_KIND} {name} does not exist")
    elif warned := ((policy.get("status") or {}).get("typeChecking") or {}).get("expressionWarnings"):
        said.append(f"{_KIND} {name}: {str(warned[0].get('warning') or '').strip()[:200]}")
    if binding is None:
        said.append(f"{_BINDING} {name} does not exist")
    elif binding["spec"].get("policyName") != name:
        said.append(f"{_BINDING} {name} is about policy {binding['spec'].get('policyName')}")
    elif "Deny" not in (binding["spec"].get("validationActions") or ()):
        said.append(f"{_BINDING} {name} does not deny: its validationActions lack Deny")
    return tuple(said)
