"""What must exist for a rollback's pods to start, and can what is missing be restored?

Asked by app/observe.py before a rollback and by core/ladder.py, which skips one that could not come up: a rollback whose
new pods wait for a ConfigMap helps nobody, and takes the time that the next step would have had.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from firebreak.api.v1alpha1.aiservice import Revision
from firebreak.core.field_paths import FieldPath, Found, PathError, find
from firebreak.core.ports import KubeObject
from firebreak.core.revision import Snapshot

CONFIG_MAP, SECRET, CLAIM = "ConfigMap", "Secret", "PersistentVolumeClaim"


@dataclass(frozen=True, slots=True, order=True)
class Dependency:
    """Something that a pod template names and cannot do without."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A dependency of the known-good template that does not exist."""

    dependency: Dependency
    workload: str
    is_restorable: bool


def template_of(workload: KubeObject, declared: Revision, values: Mapping[str, str | int]) -> KubeObject:
    """The workload as it would be with these values in its revision's fields."""
    changed: Any = copy.deepcopy(dict(workload))
    for field in declared.fields:
        if (field.target.kind, field.target.name) != (workload["kind"], workload["metadata"]["name"]):
            continue
        try:
            found = find(workload, FieldPath.parse(field.path))
        except PathError:
            continue
        if isinstance(found, Found) and not found.creates and field.name in values:
            _put(changed, found.pointer, values[field.name])
    return dict(changed)


def dependencies_of(workload: KubeObject) -> tuple[Dependency, ...]:
    """Every ConfigMap, Secret and claim that the pods need to start; what is optional is left out."""
    spec = workload["spec"]["template"]["spec"]
    found: list[Dependency] = []
    for volume in spec.get("volumes") or ():
        found += _of_volume(volume)
        for source in (volume.get("projected") or {}).get("sources") or ():
            found += _of_reference(CONFIG_MAP, source.get("configMap")) + _of_reference(SECRET, source.get("secret"))
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for source in container.get("envFrom") or ():
            found += _of_reference(CONFIG_MAP, source.get("configMapRef"))
            found += _of_reference(SECRET, source.get("secretRef"))
        for variable in container.get("env") or ():
            value = variable.get("valueFrom") or {}
            found += _of_reference(CONFIG_MAP, value.get("configMapKeyRef"))
            found += _of_reference(SECRET, value.get("secretKeyRef"))
    return tuple(dict.fromkeys(found))


def followed(workloads: Iterable[KubeObject], declared: Revision) -> tuple[str, ...]:
    """The ConfigMaps that a snapshot keeps beside its fields: those that are named, and are no field's own object."""
    own = {f.target.name for f in declared.fields if f.target.kind == CONFIG_MAP}
    named = [d.name for workload in workloads for d in dependencies_of(workload) if d.kind == CONFIG_MAP]
    return tuple(dict.fromkeys(name for name in named if name not in own))


def missing_of(
    workload: KubeObject, declared: Revision, to: Snapshot, exists: Mapping[Dependency, bool | None]
) -> tuple[Missing, ...]:
    """What the workload would lack after a rollback; of what could not be looked at nothing is said."""
    needed = dependencies_of(template_of(workload, declared, to.values))
    kept = {f.name for f in to.follow}
    return tuple(
        Missing(
            dependency=d,
            workload=workload["metadata"]["name"],
            is_restorable=d.kind == CONFIG_MAP and d.name in kept,
        )
        for d in needed
        if exists.get(d) is False
    )


def _of_volume(volume: Mapping[str, Any]) -> list[Dependency]:
    secret, claim = volume.get("secret") or {}, volume.get("persistentVolumeClaim") or {}
    found = _of_reference(CONFIG_MAP, volume.get("configMap"))
    if secret.get("secretName") and not secret.get("optional"):
        found.append(Dependency(SECRET, str(secret["secretName"])))
    if claim.get("claimName"):
        found.append(Dependency(CLAIM, str(claim["claimName"])))
    return found


def _of_reference(kind: str, reference: Mapping[str, Any] | None) -> list[Dependency]:
    if not reference or not reference.get("name") or reference.get("optional"):
        return []
    return [Dependency(kind, str(reference["name"]))]


def _put(object_: Any, pointer: str, value: str | int) -> None:
    *way, last = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
    for token in way:
        object_ = object_[int(token)] if isinstance(object_, list) else object_[token]
    object_[int(last) if isinstance(object_, list) else last] = value
