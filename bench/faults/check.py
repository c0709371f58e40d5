"""Has anything been lost, doubled, left half done, or overwritten silently?

The witness looks at every change at the API server as it happens; `differences` holds an ending against the ending of
the same story without any mishap.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.faults.api import Change, Doc, FakeApi, Place
from bench.faults.manifests import SERVICE, SPOTS, revision

from firebreak.adapters.kube.client import FIELD_MANAGER
from firebreak.core.field_paths import FieldPath, find
from firebreak.core.ports import ABSENT, Unmatched
from firebreak.core.revision import digest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Somebody set one of the places that an action may write."""

    at: float
    by: str
    spot: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a story came to."""

    is_over: bool
    took: float
    values: Mapping[str, Any]
    owned: tuple[str, ...]
    """Objects on which Firebreak's name is still."""
    incidents: tuple[Doc, ...]
    drills: tuple[Doc, ...]
    raises: tuple[Doc, ...]
    """Of the judge's sampling rate."""
    quarantines: tuple[str, ...]
    snapshots: tuple[str, ...]
    written: tuple[tuple[str, Any], ...]
    """What Firebreak set, in order: place and value."""
    boundaries: tuple[str, ...]
    failures: tuple[str, ...]
    """Mistakes of ours that showed as exceptions."""
    wrong: tuple[str, ...]
    """What was seen on the way: a value that was replaced without a record of it, two incidents open at once."""
    settings: tuple[Setting, ...]
    """Who set what, in order."""
    wanted: frozenset[tuple[str, Any]]
    """Every value that a record ever said was to stand somewhere, by the place's path."""
    changes: tuple[Change, ...]
    events: tuple[tuple[str, str], ...]


class Witness:
    """Sees who sets what, and whether Firebreak's record had said so before."""

    def __init__(self, api: FakeApi, elapsed: Callable[[], float]) -> None:
        self._api = api
        self._elapsed = elapsed
        self.settings: list[Setting] = []
        self.wrong: list[str] = []
        self.wanted: set[tuple[str, Any]] = set()
        """Every value that a record ever said was to stand somewhere, by the place's path."""
        api.before_change = self._sees

    @property
    def written(self) -> list[tuple[str, Any]]:
        """What Firebreak set, in order."""
        return [(s.spot, s.after) for s in self.settings if s.by == FIELD_MANAGER]

    def _sees(self, place: Place, before: Doc, after: Doc, by: str) -> None:
        if place.plural == "aiincidents":
            self._sees_record(place)
        self.wanted |= {(w["path"], self._meant(w["desired"])) for w in _writes_of(place.plural, after)}
        for name, spot in SPOTS.items():
            if spot.place != place:
                continue
            held, set_to = _value(before, spot.path), _value(after, spot.path)
            if held == set_to:
                continue
            self.settings.append(Setting(at=self._elapsed(), by=by, spot=name, before=held, after=set_to))
            if by == FIELD_MANAGER and not self._is_announced(spot.path, place, held, set_to):
                self.wrong.append(f"{name}: {held!r} was replaced by {set_to!r}, and no record says so")

    def _sees_record(self, place: Place) -> None:
        others = [
            i["metadata"]["name"]
            for i in self._api.all("aiincidents")
            if i["metadata"]["name"] != place.name and i.get("status", {}).get("phase") != "Resolved"
        ]
        if others:
            self.wrong.append(f"{place.name} is written while {others} is open")

    def _is_announced(self, path: str, place: Place, held: Any, set_to: Any) -> bool:
        for write in (w for plural in _RECORDS for record in self._api.all(plural) for w in _writes_of(plural, record)):
            if write["path"] != path or write["target"]["name"] != place.name:
                continue
            known = [write["last"], *write.get("attempted", ())]
            if held in [self._meant(v) for v in known] and set_to == self._meant(write["desired"]):
                return True
        return False

    def _meant(self, value: Mapping[str, Any]) -> Any:
        return value.get("value")


_RECORDS = ("aiincidents", "containmentdrills", "samplingraises")


def _writes_of(plural: str, record: Doc) -> list[Doc]:
    """What a record says is to be written, or was."""
    status = record.get("status") or {}
    match plural:
        case "aiincidents":
            return [w for action in status.get("actions", ()) for w in action["writes"]]
        case "containmentdrills":
            return list((status.get("action") or {}).get("writes", ()))
        case "samplingraises":
            return [status["write"]] if status.get("write") else []
        case _:
            return []


def _value(object_: Doc, path: str) -> Any:
    found = find(object_, FieldPath.parse(path))
    return None if isinstance(found, Unmatched) or found.value is ABSENT else found.value


_REVISIONS = {f"{SERVICE.name}-{digest_of(revision(name))}" for name in ("v1", "v2", "v3")}
_OPEN = ("Intended", "Applied", "Undoing")


def half_done(ending: Ending) -> list[str]:
    """What is wrong with an ending whatever the story was."""
    wrong = [f"an exception in a turn: {failure}" for failure in ending.failures]
    wrong += ending.wrong
    if not ending.is_over:
        wrong.append("never over")
    wrong += [f"Firebreak's name is still on {name}" for name in ending.owned]
    wrong += [f"quarantine {name} is still there" for name in ending.quarantines]
    for incident in ending.incidents:
        name, status = incident["metadata"]["name"], incident.get("status", {})
        if incident["metadata"].get("finalizers"):
            wrong.append(f"{name} is still held by a finalizer")
        wrong += [f"{name}: {a['id']} is {a['phase']}" for a in status.get("actions", ()) if a["phase"] in _OPEN]
        for action in status.get("actions", ()):
            done = [bool(w.get("landed")) for w in action["writes"]]
            if action["phase"] == "Blocked" and any(done) and not all(done):
                wrong.append(f"{name}: {action['id']} is written by half")
    return wrong + _half_done_beside(ending)


def _half_done_beside(ending: Ending) -> list[str]:
    """What drills and raises have left behind."""
    wrong = [f"{o['metadata']['name']} is still held" for o in (*ending.drills, *ending.raises) if _is_held(o)]
    for drill in ending.drills:
        status = drill.get("status") or {}
        if status.get("action") or not (status.get("run") or {}).get("endedAt"):
            wrong.append(f"drill {drill['metadata']['name']} has not ended: {status.get('state')}")
    for raised in ending.raises:
        status = raised.get("status") or {}
        if status.get("phase", "Normal") != "Normal" or status.get("write"):
            wrong.append(f"the sampling rate is {status.get('phase')} still")
    return wrong


def _is_held(object_: Doc) -> bool:
    return bool(object_["metadata"].get("finalizers"))


def summary(ending: Ending) -> dict[str, Any]:
    """What must be the same in two stories that came to the same end."""
    return {
        "values": dict(ending.values),
        "incidents": [
            (
                i["metadata"]["name"],
                i["status"]["phase"],
                [(a["id"], a["phase"], a["outcome"]) for a in i["status"].get("actions", ())],
            )
            for i in ending.incidents
        ],
        "drills": [
            (d["status"]["state"], [(o["name"], o["result"]) for o in d["status"]["options"]]) for d in ending.drills
        ],
        # What stood there between two writes of one deployment may or may not have been seen.
        "snapshots": [n for n in ending.snapshots if n in _REVISIONS],
    }


def differences(ending: Ending, undisturbed: Ending, *, same_writes: bool = True) -> list[str]:
    """Everything in which an ending falls short of the undisturbed one."""
    wrong = half_done(ending)
    mine, theirs = summary(ending), summary(undisturbed)
    wrong += [f"{what}: {mine[what]} instead of {theirs[what]}" for what in mine if mine[what] != theirs[what]]
    if same_writes and ending.written != undisturbed.written:
        wrong.append(f"written: {ending.written} instead of {undisturbed.written}")
    return wrong
