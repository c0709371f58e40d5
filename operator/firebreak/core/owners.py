"""Who set a field last, and when, as far as metadata.managedFields tell?

Asked by core/drift.py, so that whoever is woken knows whom to call: "argocd-controller (Apply)"; and by
adapters/kube/observers.py, which asks whether pods are newer than what they have read.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from firebreak.core.field_paths import FieldPath, Member
from firebreak.core.ports import KubeObject

OURS = "firebreak"


def owner_of(object_: KubeObject, path: FieldPath) -> str:
    """The field manager that owns the place, else who wrote the object last; empty when nothing tells.

    Lists that the API server takes as a whole (all rules of an HTTPRoute) are owned as a whole. Where several own the
    place the latest is named, and Firebreak itself never: it is asked about what others have done.
    """
    entries = [e for e in object_["metadata"].get("managedFields") or () if e.get("manager") not in (None, OURS)]
    spec = [e for e in entries if e.get("subresource") != "status"]
    owning = [e for e in spec if _covers(e.get("fieldsV1") or {}, path)]
    latest = max(owning or spec, key=lambda e: str(e.get("time") or ""), default=None)
    if latest is None:
        return ""
    how = latest.get("operation", "")
    subresource = latest.get("subresource")
    return f"{latest['manager']} ({how}{f' of {subresource}' if subresource else ''})"[:200]


def written_at(object_: KubeObject, path: FieldPath) -> datetime | None:
    """When the place was written last by whoever owns it, to the second; None when nothing tells."""
    entries = object_["metadata"].get("managedFields") or ()
    times = [e["time"] for e in entries if e.get("time") and _covers(e.get("fieldsV1") or {}, path)]
    return max(map(datetime.fromisoformat, times), default=None)


def _covers(fields: Mapping[str, Any], path: FieldPath) -> bool:
    node: Any = fields
    for segment in path.segments:
        if isinstance(segment, Member):
            node = node.get(f"f:{segment.name}")
        else:
            quoted = f'"{segment.key}":"{segment.literal}"'
            node = next((v for k, v in node.items() if k.startswith("k:") and quoted in k), None)
        if node is None:
            return False
        if not node:
            return True
    return True
