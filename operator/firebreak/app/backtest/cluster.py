"""A cluster that is not there: the objects that a service may write to, made up from its spec, in memory.

The same actuator writes to it as to a real one. A write takes effect at once. What history does not tell (replicas, flags,
the text of a prompt) holds a value that says so; a revision's fields hold what its name in the metrics tells of them.
"""

import re
from collections.abc import Mapping
from typing import Any

from firebreak.api.v1alpha1 import AIService
from firebreak.api.v1alpha1.aiservice import Revision, autoscaler_target, workload_target
from firebreak.api.v1alpha1.references import HPA, SCALED_OBJECT, TargetRef
from firebreak.app.catalog import target_key
from firebreak.core.field_paths import FieldPath, Item, Member, find, same
from firebreak.core.field_writes import route_target
from firebreak.core.ports import (
    ABSENT,
    Absent,
    Changed,
    Held,
    KubeObject,
    Landed,
    Missing,
    ObjectKey,
    Unmatched,
    WriteResult,
)
from firebreak.core.revision import Values

RESPONDER = "firebreak-responder"
_ROOM = {
    HPA: {"minReplicas": 1, "maxReplicas": 10_000},
    SCALED_OBJECT: {"minReplicaCount": 1, "maxReplicaCount": 10_000},
}
_UNKNOWN = "as it was (not recorded)"


class SimulatedCluster:
    """Implements core/ports.py's Cluster."""

    def __init__(self, service: AIService) -> None:
        self._namespace = service.metadata.namespace
        self._objects: dict[ObjectKey, dict[str, Any]] = {}
        spec = service.spec
        for _, target in spec.targets():
            self._object(target)
        for route in spec.traffic.routes if spec.traffic else ():
            rule = f"$.spec.rules[?@.name=='{route.rule}'].backendRefs[?@.name=='{{}}'].weight"
            for fallback in spec.fallbacks:
                name = fallback.backend.name if fallback.backend else RESPONDER
                self.put(route_target(route), rule.format(name), 0)
            self.put(route_target(route), rule.format(route.primary.name), 100)
        for field in spec.revision.fields if spec.revision else ():
            if field.reload:
                # So that a restart's annotation finds its map.
                self._object(workload_target(field.reload)).setdefault("spec", {}).setdefault(
                    "template", {}
                ).setdefault("metadata", {})
        if spec.human_review and spec.human_review.workload:
            self.put(workload_target(spec.human_review.workload), "$.spec.replicas", 1)
        if spec.human_review and spec.human_review.workload and spec.human_review.autoscaler:
            autoscaler = autoscaler_target(spec.human_review.autoscaler)
            scaled = {"kind": "Deployment", "name": spec.human_review.workload.name}
            self._object(autoscaler).setdefault("spec", {}).update({"scaleTargetRef": scaled, **_ROOM[autoscaler.kind]})
        if spec.human_review and spec.human_review.rate:
            self.put(spec.human_review.rate.target, spec.human_review.rate.path, _UNKNOWN)
        if spec.judge:
            self.put(spec.judge.sampling_rate.target, spec.judge.sampling_rate.path, _UNKNOWN)
        for feature in spec.features:
            self.put(feature.flag.target, feature.flag.path, _UNKNOWN)

    def put(self, target: TargetRef, path: str, value: Held) -> None:
        """Someone (history, or the making of this cluster) sets a field; what is missing on the way is made."""
        _put(self._object(target), FieldPath.parse(path), value)

    def deploy(self, declared: Revision, values: Values) -> None:
        """The revision's fields hold these values from now on."""
        for field in declared.fields:
            self.put(field.target, field.path, values[field.name])

    def values(self, declared: Revision) -> Values:
        """What the revision's fields hold."""
        held = {f.name: find(self._object(f.target), FieldPath.parse(f.path)) for f in declared.fields}
        return {
            name: found.value
            for name, found in held.items()
            if not isinstance(found, Unmatched) and isinstance(found.value, str | int)
        }

    def objects(self, service: AIService) -> Mapping[TargetRef, KubeObject | None]:
        """Every object that the service may write to."""
        return {target: self._objects.get(target_key(self._namespace, target)) for _, target in service.spec.targets()}

    async def read(self, key: ObjectKey) -> KubeObject | None:
        return self._objects.get(key)

    async def set_field(
        self, key: ObjectKey, path: str, *, expected: tuple[Held, ...], desired: Held, dry_run: bool = False
    ) -> WriteResult:
        live = self._objects.get(key)
        if live is None:
            return Missing()
        parsed = FieldPath.parse(path)
        found = find(live, parsed)
        if isinstance(found, Unmatched):
            return found
        if same(found.value, desired):
            return Landed(generation=1, changed=False)
        if not any(same(found.value, value) for value in expected):
            return Changed(actual=found.value)
        if not dry_run:
            _put(live, parsed, desired)
        return Landed(generation=1, changed=True)

    async def disown(self, key: ObjectKey) -> None:
        """Nobody else applies anything here."""

    def _object(self, target: TargetRef) -> dict[str, Any]:
        key = target_key(self._namespace, target)
        if key not in self._objects:
            metadata = {"name": target.name, "namespace": self._namespace, "resourceVersion": "1", "generation": 1}
            self._objects[key] = {"apiVersion": target.api_version, "kind": target.kind, "metadata": metadata}
        return self._objects[key]


def values_told_by(declared: Revision, name: str) -> Values:
    """What a revision's name in the metrics tells of its fields, by `metricLabel.format` read backwards.

    A field that the name does not tell of holds the name itself: that it changed with it cannot be ruled out.
    """
    values: dict[str, str | int] = {f.name: f"of revision {name}" for f in declared.fields}
    if declared.metric_label is None:
        return values
    pattern, at = "", 0
    template = declared.metric_label.format
    for match in re.finditer(r"\{([^{}|]*)(?:\|(tag|sha8))?\}", template):
        part = "[0-9a-f]{8}" if match[2] == "sha8" else ".+?"
        pattern += f"{re.escape(template[at : match.start()])}(?P<{_group(match[1])}>{part})"
        at = match.end()
    try:
        told = re.fullmatch(pattern + re.escape(template[at:]), name)
    except re.error:  # a field that is named twice: nothing can be told apart
        return values
    for field in declared.fields if told else ():
        value = (told or {}).groupdict().get(_group(field.name)) if told else None
        if value is not None:
            values[field.name] = value
    return values


def _group(field: str) -> str:
    return "f_" + field.replace("-", "_")


def _put(object_: dict[str, Any], path: FieldPath, value: Held) -> None:
    place: Any = object_
    for segment, after in zip(path.segments, path.segments[1:], strict=False):
        empty: Any = [] if isinstance(after, Item) else {}
        match segment:
            case Member(name=name):
                place = place.setdefault(name, empty)
            case Item(key=key, literal=literal):
                place = _item(place, key, literal)
    last = path.segments[-1]
    assert isinstance(last, Member), "an item of a list is no single value"
    if isinstance(value, Absent):
        place.pop(last.name, ABSENT)
    else:
        place[last.name] = value


def _item(items: list[dict[str, Any]], key: str, literal: str) -> dict[str, Any]:
    for item in items:
        if item.get(key) == literal:
            return item
    items.append({key: literal})
    return items[-1]
