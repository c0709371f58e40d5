"""Who owns which field after a change, as managedFields tell it?

What the API server in memory writes into them, by update and by server-side apply.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from bench.faults.documents import Path, fields_v1, places_of

Doc = dict[str, Any]


def entries(object_: Doc) -> list[Doc]:
    """What an object's managedFields say."""
    return list(object_["metadata"].get("managedFields") or ())


def fields(entry: Doc) -> set[Path]:
    """The fields that one of them names."""
    return set(places_of(entry["fieldsV1"]))


def owners_after(
    entries: list[Doc],
    changed: set[Path],
    after: Mapping[Path, Any],
    by: str,
    operation: str,
    part: str,
    applied: frozenset[Path] | None,
    time: str,
) -> list[Doc]:
    """Whoever changes a field owns it alone; whoever applies one that holds the value already owns it as well."""
    taken: Iterable[Path] = applied if applied is not None else {f for f in changed if f in after}
    found, mine = [], False
    for entry in entries:
        is_mine = (entry["manager"], entry["operation"], entry.get("subresource", "")) == (by, operation, part)
        kept = fields(entry) - changed
        if is_mine:
            mine = True
            kept = set(applied) if applied is not None else kept | set(taken)
        if kept:
            # Of an entry's time the API server says when its manager last changed a value, or the set of fields.
            moved = is_mine and (bool(changed & set(taken)) or kept != fields(entry))
            found.append({**entry, "fieldsV1": fields_v1(kept), "time": time if moved else entry["time"]})
    if not mine and taken:
        entry = {"manager": by, "operation": operation, "time": time, "fieldsV1": fields_v1(taken)}
        found.append(entry | ({"subresource": part} if part else {}))
    return found
