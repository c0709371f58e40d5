"""What did the operator write, in order, and had its record said so before? Read from what passes through its door.

The operator reads an object right before it changes it, and a guarded patch goes through only if nobody has changed it
since: so what the last answer held is what was replaced.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.faults.lab.proxy import Asked

from firebreak.core.field_paths import FieldPath, find
from firebreak.core.field_writes import RESTART_PATH
from firebreak.core.ports import ABSENT, Unmatched

Doc = dict[str, Any]
_WEIGHT = "$.spec.rules[?@.name=='answers'].backendRefs[?@.name=='{}'].weight"


@dataclass(frozen=True, slots=True)
class Spot:
    """A place that an action may write."""

    plural: str
    name: str
    path: str

    def value(self, object_: Mapping[str, Any]) -> Any:
        found = find(object_, FieldPath.parse(self.path))
        return None if isinstance(found, Unmatched) or found.value is ABSENT else found.value


SPOTS = {
    "image": Spot("deployments", "shop", "$.spec.template.spec.containers[?@.name=='server'].image"),
    "restarted": Spot("deployments", "shop", RESTART_PATH),
    "prompt": Spot("configmaps", "shop-prompt", "$.data['system.txt']"),
    "rate": Spot("configmaps", "shop-controls", "$.data['review-rate']"),
    "dates": Spot("configmaps", "shop-controls", "$.data.dates"),
    "replicas": Spot("deployments", "review", "$.spec.replicas"),
    "primary": Spot("httproutes", "shop", _WEIGHT.format("shop")),
    "responder": Spot("httproutes", "shop", _WEIGHT.format("firebreak-responder")),
}
"""All of them, by a short name."""


class Witness:
    """Sees the answers to one namespace's operators."""

    def __init__(self) -> None:
        self.written: list[tuple[str, Any]] = []
        """What Firebreak set, in order: place and value."""
        self.wrong: list[str] = []
        self._held: dict[tuple[str, str], Doc] = {}
        self._before: dict[tuple[str, str], Doc] = {}
        """What stood there before that."""
        self._records: dict[str, Doc] = {}

    def begin(self) -> None:
        """A new story: what was seen of objects still holds."""
        self.written, self.wrong, self._records = [], [], {}

    def sees(self, asked: Asked, plural: str, name: str, status: int, body: bytes) -> None:
        """An answer of the API server about one object."""
        watched = {(spot.plural, spot.name) for spot in SPOTS.values()}
        is_record = plural == "aiincidents"
        if status >= 400 or asked.query.get("dryRun") or not (is_record or (plural, name) in watched):
            return
        object_ = json.loads(body)
        if is_record:
            self._records[name] = object_
            return
        held = self._held.get((plural, name))
        if held is not None and _version(held) != _version(object_):
            self._before[plural, name] = held
        self._held[plural, name] = object_
        # A write whose answer is late may have been read before it is heard of.
        before = self._before.get((plural, name))
        if asked.method == "GET" or before is None:
            return
        for short, spot in SPOTS.items():
            if (spot.plural, spot.name) != (plural, name):
                continue
            held, set_to = spot.value(before), spot.value(object_)
            if held != set_to:
                self.written.append((short, set_to))
                if not self._is_announced(spot, held, set_to):
                    self.wrong.append(f"{short}: {held!r} was replaced by {set_to!r}, and no record says so")

    def _is_announced(self, spot: Spot, held: Any, set_to: Any) -> bool:
        for record in self._records.values():
            for action in record.get("status", {}).get("actions", ()):
                for write in action["writes"]:
                    if write["path"] != spot.path or write["target"]["name"] != spot.name:
                        continue
                    known = [v.get("value") for v in (write["last"], *write.get("attempted", ()))]
                    if held in known and set_to == write["desired"].get("value"):
                        return True
        return False


def _version(object_: Doc) -> str:
    return str(object_["metadata"]["resourceVersion"])
