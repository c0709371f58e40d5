"""How does an API server change a JSON document, and who owns which field of it then?

The parts of JSON patch, merge patch and structured merge that Firebreak and its neighbours use, on plain JSON.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

Path = tuple[str, ...]
"""A field's place: names, and `[name]` for an item of a list that is keyed by name."""

_KEYED = ("containers",)
"""Lists whose items are fields of their own; every other list is one value (an HTTPRoute's rules are, as in Gateway API)."""


class NotAsTested(Exception):
    """A JSON patch's `test` did not hold."""


def copied(document: Any) -> Any:
    """A copy that shares nothing."""
    return orjson.loads(orjson.dumps(document))


def json_patched(document: Mapping[str, Any], ops: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The document after these operations. Raises NotAsTested, also for a place that is not there."""
    made: dict[str, Any] = copied(document)
    for op in ops:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in op["path"].split("/")[1:]]
        try:
            parent: Any = made
            for part in way:
                parent = parent[int(part)] if isinstance(parent, list) else parent[part]
            at: Any = int(last) if isinstance(parent, list) else last
            match op["op"]:
                case "test":
                    if parent[at] != op["value"] or isinstance(parent[at], bool) != isinstance(op["value"], bool):
                        raise NotAsTested(op["path"])
                case "remove":
                    del parent[at]
                case "replace":
                    parent[at]  # must be there
                    parent[at] = copied(op["value"])
                case "add" if isinstance(parent, list):
                    parent.insert(at, copied(op["value"]))
                case "add":
                    parent[at] = copied(op["value"])
        except (KeyError, IndexError, TypeError) as error:
            raise NotAsTested(op["path"]) from error
    return made


def merge_patched(document: Any, patch: Any) -> Any:
    """The document after a JSON merge patch."""
    if not isinstance(patch, Mapping):
        return copied(patch)
    made = dict(document) if isinstance(document, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merge_patched(made.get(name), value)
    return made


def leaves(document: Mapping[str, Any], at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every field that can be owned, and its value."""
    for name, value in document.items():
        place = (*at, name)
        if not at and name in ("apiVersion", "kind"):
            continue
        if not at and name == "metadata":
            shown = {k: v for k, v in value.items() if k in ("annotations", "labels")}
            yield from leaves(shown, place)
        elif isinstance(value, Mapping):
            yield from leaves(value, place)
        elif name in _KEYED:
            for item in value:
                yield from leaves(item, (*place, f"[{item['name']}]"))
        else:
            yield place, value


def with_leaf(document: dict[str, Any], place: Path, value: Any) -> None:
    """Set one field; what it stands in is made where it is missing."""
    parent: Any = document
    for i, part in enumerate(place[:-1]):
        if part.startswith("["):
            found = next((item for item in parent if item["name"] == part[1:-1]), None)
            if found is None:
                found = {"name": part[1:-1]}
                parent.append(found)
            parent = found
        else:
            parent = parent.setdefault(part, [] if place[i + 1].startswith("[") else {})
    parent[place[-1]] = copied(value)


def without_leaf(document: dict[str, Any], place: Path) -> None:
    """Remove one field."""
    parent: Any = document
    for part in place[:-1]:
        parent = (
            next((item for item in parent if item["name"] == part[1:-1]), None)
            if part.startswith("[")
            else parent.get(part)
        )
        if parent is None:
            return
    parent.pop(place[-1], None)


def fields_v1(places: Iterable[Path]) -> dict[str, Any]:
    """These fields as managedFields write them."""
    made: dict[str, Any] = {}
    for place in sorted(places):
        node = made
        for part in place:
            node = node.setdefault(f'k:{{"name":"{part[1:-1]}"}}' if part.startswith("[") else f"f:{part}", {})
    return made


def places_of(fields: Mapping[str, Any], at: Path = ()) -> Iterator[Path]:
    """The fields that a managedFields entry names."""
    for name, below in fields.items():
        part = f"[{orjson.loads(name[2:])['name']}]" if name.startswith("k:") else name[2:]
        if below:
            yield from places_of(below, (*at, part))
        else:
            yield (*at, part)
