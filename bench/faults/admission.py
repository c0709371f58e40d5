"""What do Quarantine objects deny? As charts/firebreak/templates/admission/quarantine.yaml has it.

Only the transition into a denied value, and never to Firebreak's own account, unless it probes whether they are in force.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from firebreak.adapters.kube.client import FIELD_MANAGER
from firebreak.adapters.kube.quarantines import PROBE

Doc = dict[str, Any]
_COVERED = ("deployments", "configmaps")


def denial(quarantines: Iterable[Doc], live: Doc, made: Doc, by: str, seen_before: datetime) -> str:
    """Why a change is refused; empty when it is not. `seen_before`: quarantines made since do not deny anything yet."""
    meta = live["metadata"]
    if f"{live['kind'].lower()}s" not in _COVERED:
        return ""
    for quarantine in quarantines:
        its = quarantine["metadata"]
        if its["namespace"] != meta["namespace"] or datetime.fromisoformat(its["creationTimestamp"]) > seen_before:
            continue
        probed = (made["metadata"].get("annotations") or {}).get(PROBE) == its["name"]
        if by == FIELD_MANAGER and not probed:
            continue
        for denied in quarantine["spec"]["denied"]:
            target = denied["target"]
            if (target["kind"], target["name"]) != (live["kind"], meta["name"]):
                continue
            if probed or (_holds(made, denied) and not _holds(live, denied)):
                return f"{denied['value'][:40]} is quarantined by AIIncident {its['name']}"
    return ""


def _holds(object_: Doc, denied: Mapping[str, Any]) -> bool:
    if denied.get("key"):
        return bool((object_.get("data") or {}).get(denied["key"]) == denied["value"])
    containers = object_["spec"]["template"]["spec"]["containers"]
    return any(c["name"] == denied.get("container") and c["image"] == denied["value"] for c in containers)
