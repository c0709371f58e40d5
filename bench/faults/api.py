"""What would an API server answer? One in memory, with what Firebreak rests on.

Optimistic concurrency by resourceVersion, generations, JSON patches with tests, merge patches, server-side apply with
owners of fields, dry-run, finalizers, status as a subresource, and the chart's admission by Quarantine objects. It
stands for an outside system, as the lab's real API server does; what it must do was read from one (facts in docs/).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from bench.faults.admission import denial
from bench.faults.documents import (
    NotAsTested,
    Path,
    copied,
    json_patched,
    leaves,
    merge_patched,
    with_leaf,
    without_leaf,
)
from bench.faults.owners import entries, fields, owners_after

from firebreak.adapters.kube.client import JSON_PATCH, MERGE_PATCH
from firebreak.adapters.kube.kinds import CONFIG_MAP, CONTROLLER_REVISION, ENDPOINT_SLICE, EVENT, FIREBREAK, LEASE

Doc = dict[str, Any]


class Place(NamedTuple):
    """An object's place at the server; `name` is empty for a collection, `part` for the object itself."""

    api_version: str
    plural: str
    namespace: str
    name: str
    part: str = ""

    @property
    def whole(self) -> "Place":
        return self._replace(part="")


def place_of(path: str) -> Place:
    """Read a request's path."""
    parts = path.strip("/").split("/")
    api_version, rest = (parts[1], parts[2:]) if parts[0] == "api" else (f"{parts[1]}/{parts[2]}", parts[3:])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, part = (*rest, "", "")[:3]
    return Place(api_version, plural, namespace, name, part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field that somebody has changed."""

    at: float
    by: str
    place: Place
    field: Path
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a request is answered."""

    status: int
    body: Doc


_UNGENERATED = {k.plural for k in (CONFIG_MAP, CONTROLLER_REVISION, ENDPOINT_SLICE, EVENT, LEASE)}
_KIND_OF = {k.plural: k for k in (CONFIG_MAP, CONTROLLER_REVISION, ENDPOINT_SLICE, EVENT, LEASE, *FIREBREAK.values())}
_QUARANTINES = FIREBREAK["Quarantine"]

Watcher = Callable[[str, Place, Doc], None]
Before = Callable[[Place, Doc, Doc, str], None]


class FakeApi:
    """An API server in memory. Objects are values: a change makes a new one."""

    def __init__(self, *, now: Callable[[], datetime], elapsed: Callable[[], float]) -> None:
        self._now = now
        self._elapsed = elapsed
        self._objects: dict[Place, Doc] = {}
        self._version = 1000
        self.changes: list[Change] = []
        self.watchers: list[Watcher] = []
        self.before_change: Before | None = None
        """Asked before a change is kept, with the object before and after, and who changes it."""
        self.policy_delay = 1.0
        """Seconds until a new Quarantine denies anything."""
        self.denied = 0
        self.events: list[tuple[str, str]] = []

    # --- as anybody in the cluster sees it

    def read(self, place: Place) -> Doc | None:
        """An object as it is now; it must not be changed."""
        return self._objects.get(place)

    def all(self, plural: str) -> list[Doc]:
        """All objects of a kind."""
        return [o for p, o in self._objects.items() if p.plural == plural]

    def seed(self, place: Place, object_: Doc) -> None:
        """Put an object there from the beginning."""
        self._keep(place, None, copied(object_), by="setup", operation="Update")

    def edit(self, place: Place, by: str, values: Mapping[Path, Any], *, part: str = "") -> Answered:
        """Somebody sets these fields, whatever they hold: an editor without a guard. None removes."""
        live = self._objects.get(place)
        if live is None:
            return _no(404, "NotFound", "gone")
        made = copied(live)
        for field, value in values.items():
            if value is None:
                without_leaf(made, field)
            else:
                with_leaf(made, field, value)
        return self._store(place._replace(part=part), live, made, by=by)

    def apply(self, place: Place, by: str, wanted: Doc, *, force: bool = True) -> Answered:
        """Server-side apply: these fields become `by`'s; what it applied before and no longer wants is removed."""
        live = self._objects[place]
        made, asked = copied(live), dict(leaves(wanted))
        held = dict(leaves(live))
        owned = {f: e["manager"] for e in entries(live) for f in fields(e)}
        clashes = [f for f, v in asked.items() if f in owned and owned[f] != by and held.get(f) != v]
        if clashes and not force:
            return _no(409, "Conflict", f"conflicts with {sorted({owned[f] for f in clashes})}")
        for entry in entries(live):
            if (entry["manager"], entry["operation"]) == (by, "Apply"):
                others = {f for e in entries(live) if e is not entry for f in fields(e)}
                for field in fields(entry) - set(asked) - others:
                    without_leaf(made, field)
        for field, value in asked.items():
            with_leaf(made, field, value)
        return self._store(place, live, made, by=by, applied=frozenset(asked))

    # --- as a client asks

    def handle(self, method: str, path: str, query: Mapping[str, str], body: Any, content_type: str) -> Answered:
        """Answer one request of Firebreak's account."""
        place = place_of(path)
        if method == "GET":
            return self._list(place, query) if not place.name else self._get(place)
        dry, by = query.get("dryRun") == "All", query.get("fieldManager", "unknown")
        if method == "POST":
            return self._create(place, body, by, dry)
        live = self._objects.get(place.whole)
        if live is None:
            return _no(404, "NotFound", f"{place.plural} {place.name} not found")
        match method, content_type:
            case "DELETE", _:
                return self._delete(place, live)
            case "PUT", _:
                made = copied(body)
            case "PATCH", kind if kind == JSON_PATCH:
                try:
                    made = json_patched(live, body)
                except NotAsTested as failed:
                    return _no(422, "Invalid", f"the server rejected our request: test {failed}")
            case "PATCH", kind if kind == MERGE_PATCH:
                made = merge_patched(live, body)
            case _:
                return _no(415, "UnsupportedMediaType", content_type)
        if made["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
            return _no(409, "Conflict", "the object has been modified")
        return self._store(place, live, made, by=by, dry=dry)

    def _get(self, place: Place) -> Answered:
        found = self._objects.get(place)
        return Answered(status=200, body=found) if found else _no(404, "NotFound", f"{place.plural} {place.name}")

    def _list(self, place: Place, query: Mapping[str, str]) -> Answered:
        name, _, value = query.get("labelSelector", "").partition("=")

        def fits(object_: Doc) -> bool:
            labels = object_["metadata"].get("labels") or {}
            return not name or (labels.get(name) == value if value else name in labels)

        items = [
            o
            for p, o in self._objects.items()
            if (p.api_version, p.plural) == (place.api_version, place.plural)
            and place.namespace in ("", p.namespace)
            and fits(o)
        ]
        return Answered(status=200, body={"items": items, "metadata": {"resourceVersion": str(self._version)}})

    def _create(self, place: Place, body: Doc, by: str, dry: bool) -> Answered:
        if place.plural == EVENT.plural:
            self.events.append((body["reason"], body["message"]))
            return Answered(status=201, body=body)
        at = place._replace(name=body["metadata"]["name"])
        if at in self._objects:
            return _no(409, "AlreadyExists", f"{at.name} already exists")
        if dry:
            return Answered(status=201, body=body)
        return Answered(status=201, body=self._keep(at, None, copied(body), by=by, operation="Update"))

    def _delete(self, place: Place, live: Doc) -> Answered:
        if live["metadata"].get("finalizers"):
            marked = copied(live)
            marked["metadata"].setdefault("deletionTimestamp", _text(self._now()))
            return Answered(status=200, body=self._keep(place, live, marked, by="someone", operation="Update"))
        self._remove(place, live)
        return Answered(status=200, body=live)

    def delete(self, place: Place) -> None:
        """Somebody deletes an object."""
        live = self._objects.get(place)
        if live is not None:
            self._delete(place, live)

    def _remove(self, place: Place, live: Doc) -> None:
        self._version += 1
        del self._objects[place]
        gone = live | {"metadata": live["metadata"] | {"resourceVersion": str(self._version)}}
        for watcher in self.watchers:
            watcher("DELETED", place, gone)

    def _store(
        self, place: Place, live: Doc, made: Doc, *, by: str, dry: bool = False, applied: frozenset[Path] | None = None
    ) -> Answered:
        whole = place.whole
        if place.part == "status":
            made = live | {"status": made.get("status")}
        elif "status" in live or whole.plural not in _UNGENERATED:
            made = {k: v for k, v in made.items() if k != "status"} | (
                {"status": live["status"]} if "status" in live else {}
            )
        if place.part == "" and (denied := self._denied(live, made, by)):
            self.denied += 1
            return _no(422, "Invalid", denied, causes=[{"message": denied}])
        if dry:
            return Answered(status=200, body=made)
        kept = self._keep(
            whole, live, made, by=by, operation="Apply" if applied else "Update", part=place.part, applied=applied
        )
        if not kept["metadata"].get("finalizers") and kept["metadata"].get("deletionTimestamp"):
            self._remove(whole, kept)
        return Answered(status=200, body=kept)

    def _denied(self, live: Doc, made: Doc, by: str) -> str:
        seen_before = self._now() - timedelta(seconds=self.policy_delay)
        return denial(self.all(_QUARANTINES.plural), live, made, by, seen_before)

    def _keep(
        self,
        place: Place,
        live: Doc | None,
        made: Doc,
        *,
        by: str,
        operation: str,
        part: str = "",
        applied: frozenset[Path] | None = None,
    ) -> Doc:
        before = dict(leaves(live)) if live else {}
        after = dict(leaves(made))
        changed = {
            f for f in before.keys() | after.keys() if before.get(f) != after.get(f) or (f in before) != (f in after)
        }
        owners = owners_after(entries(made), changed, after, by, operation, part, applied, _text(self._now()))
        meta = made["metadata"]
        same = live is not None and not changed and owners == entries(live)
        if (
            same
            and meta.get("finalizers") == live["metadata"].get("finalizers")
            and (  # type: ignore[index]
                meta.get("deletionTimestamp") == live["metadata"].get("deletionTimestamp")  # type: ignore[index]
            )
        ):
            return live  # type: ignore[return-value]
        if live is not None and self.before_change is not None:
            self.before_change(place, live, made, by)
        self._version += 1
        spec_changed = any(f[0] not in ("status", "metadata") for f in changed)
        kind = _KIND_OF.get(place.plural)
        made = {
            "apiVersion": place.api_version,
            "kind": made.get("kind") or (kind.kind if kind else ""),
            **{k: v for k, v in made.items() if k not in ("apiVersion", "kind")},
            "metadata": {
                **meta,
                "resourceVersion": str(self._version),
                "uid": meta.get("uid") or f"uid-{self._version}",
                "creationTimestamp": meta.get("creationTimestamp") or _text(self._now()),
                "managedFields": owners,
            },
        }
        if place.plural not in _UNGENERATED:
            made["metadata"]["generation"] = int(meta.get("generation") or 0) + (1 if spec_changed else 0)
        self._objects[place] = made
        if live is not None and part != "status":
            self.changes += [
                Change(at=self._elapsed(), by=by, place=place, field=f, before=before.get(f), after=after.get(f))
                for f in sorted(changed)
            ]
        for watcher in self.watchers:
            watcher("ADDED" if live is None else "MODIFIED", place, made)
        return made


def _no(status: int, reason: str, message: str, causes: list[Doc] | None = None) -> Answered:
    details = {"causes": causes} if causes else {}
    return Answered(status=status, body={"reason": reason, "message": message, "details": details})


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
