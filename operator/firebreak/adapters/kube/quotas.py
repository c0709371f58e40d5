"""Have the pods that a step would add room in the namespace's quotas?

Pure functions over objects as the API server holds them; asked by app/rehearsal.py. A dry run of a changed Deployment
says nothing of this: its pods are created later, by a controller, and one that is refused is an Event that nobody reads.
Quotas that count only some pods (scopes) are left out: whether these are among them is not known beforehand.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from firebreak.core.ports import KubeObject

_parse: Callable[[Any], Decimal] = parse_quantity  # not annotated there


def lacking(quotas: Iterable[KubeObject], deployment: KubeObject, pods: int) -> str:
    """What is missing for this many more pods of a Deployment, in words; empty when there is room."""
    needed = _needed(deployment["spec"]["template"]["spec"], pods)
    for quota in quotas:
        spec, status = quota.get("spec") or {}, quota.get("status") or {}
        if spec.get("scopes") or spec.get("scopeSelector"):
            continue
        hard, used = status.get("hard") or {}, status.get("used") or {}
        for resource, limit in hard.items():
            more = needed.get(_NAMES.get(resource, resource), Decimal(0))
            if more and _parse(used.get(resource, "0")) + more > _parse(limit):
                where = f"Deployment {deployment['metadata']['name']}"
                return (
                    f"ResourceQuota {quota['metadata']['name']} has {used.get(resource, '0')} of {limit} {resource} in "
                    f"use, and {pods} more pods of {where} need {more.normalize():f}; raise the quota"
                )
    return ""


_NAMES = {"cpu": "requests.cpu", "memory": "requests.memory", "count/pods": "pods"}
"""A quota may name the same thing in two ways."""


def surge(deployment: KubeObject) -> int:
    """How many pods a rollout needs at least beside those that run."""
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0
    most = (strategy.get("rollingUpdate") or {}).get("maxSurge", "25%")
    return 0 if str(most) in ("0", "0%") else 1


def _needed(pod: Mapping[str, Any], pods: int) -> dict[str, Decimal]:
    """What these pods count for, as quotas count: containers together, or the largest init container."""
    total: dict[str, Decimal] = {}
    for container in pod.get("containers") or ():
        for name, amount in _of(container).items():
            total[name] = total.get(name, Decimal(0)) + amount
    for container in pod.get("initContainers") or ():
        for name, amount in _of(container).items():
            total[name] = max(total.get(name, Decimal(0)), amount)
    return {"pods": Decimal(pods)} | {name: amount * pods for name, amount in total.items()}


def _of(container: Mapping[str, Any]) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    requests = limits | (resources.get("requests") or {})  # what is only limited is requested as much
    named = {f"requests.{name}": value for name, value in requests.items()}
    named |= {f"limits.{name}": value for name, value in limits.items()}
    return {name: _parse(value) for name, value in named.items()}
