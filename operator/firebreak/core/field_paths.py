"""Which place in an object does a path mean, and which JSON patch changes exactly that place?

The declared subset of JSONPath (RFC 9535) is `$`, `.name`, `['name']` and `[?@.key=='literal']`.
Asked by the compilers, by claims and by adapters/kube/cluster.py.
A path means one place or none: several matches are an error, never a choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self, assert_never

import jsonpath_rfc9535
from jsonpath_rfc9535 import JSONPathError
from jsonpath_rfc9535.filter_expressions import (
    ComparisonExpression,
    FilterExpression,
    RelativeFilterQuery,
    StringLiteral,
)
from jsonpath_rfc9535.segments import JSONPathChildSegment, JSONPathSegment
from jsonpath_rfc9535.selectors import FilterSelector, NameSelector

from firebreak.core.ports import ABSENT, Absent, Held, KubeObject, Missing, Unmatched

SUBSET = "use only $, .name, ['name'] and [?@.key=='literal']"
_SINGLE = (str, int, float, bool, type(None), Absent)


class PathError(ValueError):
    """The text is no path of the declared subset; the message names the place and says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A key of a map."""

    name: str

    def __str__(self) -> str:
        plain = self.name.isascii() and self.name.isidentifier()
        return f".{self.name}" if plain else f"['{self.name}']"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """The one item of a list whose `key` holds `literal`."""

    key: str
    literal: str

    def __str__(self) -> str:
        return f"[?@{Member(name=self.key)}=='{self.literal}']"


Segment = Member | Item


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPath:
    """One place in an object; equal paths mean equal places, however they were written."""

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        for item, after in zip(self.segments, self.segments[1:], strict=False):
            if isinstance(item, Item) and isinstance(after, Member) and item.key == after.name:
                # Once changed, the path would no longer find it: neither to see the effect nor to undo it.
                raise PathError(f"'{self}': {after} is how the item is found, so it cannot be what is written")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a path; raises PathError."""
        return cls(segments=_segments(text))

    def __str__(self) -> str:
        return "$" + "".join(map(str, self.segments))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The place and what it holds; `creates` is the JSON pointer of the place's map where that is missing too."""

    pointer: str
    value: Held
    creates: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchOp:
    """One operation of a JSON patch (RFC 6902)."""

    op: Literal["test", "add", "replace", "remove"]
    path: str
    value: Any = ABSENT

    def dump(self) -> dict[str, Any]:
        """As it is sent."""
        return {"op": self.op, "path": self.path} | ({} if isinstance(self.value, Absent) else {"value": self.value})


def find(object_: KubeObject, path: FieldPath) -> Found | Unmatched:
    """The place that `path` means in this object.

    The last name may be missing, and the map it would stand in may be missing as well (annotations, a ConfigMap's
    data): the place then holds ABSENT. A name missing further up is taken for a mistake in the path.
    """
    walked = _walk(object_, path)
    match walked:
        case Unmatched():
            return walked
        case _Walked(pointer=pointer, value=value, creates=creates):
            if not isinstance(value, _SINGLE):
                shape = "a map" if isinstance(value, Mapping) else "a list"
                return Unmatched(message=f"{path}: holds {shape}, not a single value; name a field in it")
            return Found(pointer=pointer, value=value, creates=creates)
    assert_never(walked)


def tests(object_: KubeObject, path: FieldPath) -> tuple[PatchOp, ...]:
    """The `test`s that make a patch fail when list items on the way have moved or been renamed since."""
    walked = _walk(object_, path)
    return () if isinstance(walked, Unmatched) else walked.tests


def patch_ops(object_: KubeObject, path: FieldPath, desired: Held) -> tuple[PatchOp, ...] | Unmatched:
    """The guarded JSON patch that puts `desired` where `object_` holds another value; empty when it stands already.

    The old value is tested, so whoever changes it in between makes the patch fail. A JSON patch cannot test that
    something is absent: there the object's resourceVersion is tested instead.
    """
    found = find(object_, path)
    if isinstance(found, Unmatched):
        return found
    if same(found.value, desired):
        return ()
    neighbours = tests(object_, path)
    if isinstance(found.value, Absent):
        unchanged = PatchOp(op="test", path="/metadata/resourceVersion", value=object_["metadata"]["resourceVersion"])
        if found.creates:
            key = path.segments[-1]
            assert isinstance(key, Member), "only a map is ever created, and only for a name"
            return (*neighbours, unchanged, PatchOp(op="add", path=found.creates, value={key.name: desired}))
        return (*neighbours, unchanged, PatchOp(op="add", path=found.pointer, value=desired))
    held = PatchOp(op="test", path=found.pointer, value=found.value)
    if isinstance(desired, Absent):
        return (*neighbours, held, PatchOp(op="remove", path=found.pointer))
    return (*neighbours, held, PatchOp(op="replace", path=found.pointer, value=desired))


def same(one: Held, other: Held) -> bool:
    """Whether two values are the same JSON; Python's own `==` takes true for 1."""
    if isinstance(one, Absent) or isinstance(other, Absent):
        return isinstance(one, Absent) and isinstance(other, Absent)
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def overlaps(one: FieldPath, other: FieldPath) -> bool:
    """Whether two paths into the same object may claim the same place, or one a place inside the other's.

    Items told apart by different keys may be the same item: that counts as an overlap, since holding back is safe.
    """
    for mine, theirs in zip(one.segments, other.segments, strict=False):
        match mine, theirs:
            case (Item(key=a), Item(key=b)) if a != b:
                continue
            case _ if mine != theirs:
                return False
    return True


def pointer_token(name: str) -> str:
    """A name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walked:
    pointer: str
    value: Any
    tests: tuple[PatchOp, ...]
    creates: str = ""


def _walk(object_: KubeObject, path: FieldPath) -> _Walked | Unmatched:
    value: Any = object_
    pointer, passed = "", "$"
    tests: list[PatchOp] = []
    for i, segment in enumerate(path.segments):
        match segment:
            case Member(name=name):
                if not isinstance(value, Mapping):
                    return Unmatched(message=f"{path}: {passed} is {_shape(value)}, which has no field '{name}'")
                if name not in value:
                    return _absent(path, i, value, pointer, passed, tuple(tests))
                value, pointer = value[name], f"{pointer}/{pointer_token(name)}"
            case Item(key=key, literal=literal):
                if not isinstance(value, Sequence) or isinstance(value, str):
                    return Unmatched(message=f"{path}: {passed} is {_shape(value)}, not a list")
                hits = [n for n, item in enumerate(value) if isinstance(item, Mapping) and item.get(key) == literal]
                if len(hits) != 1:
                    return Unmatched(message=f"{path}: {_not_one(value, key, literal, len(hits))}")
                value, pointer = value[hits[0]], f"{pointer}/{hits[0]}"
                tests.append(PatchOp(op="test", path=f"{pointer}/{pointer_token(key)}", value=literal))
        passed += str(segment)
    return _Walked(pointer=pointer, value=value, tests=tuple(tests))


def _absent(
    path: FieldPath, i: int, parent: Mapping[str, Any], pointer: str, passed: str, tests: tuple[PatchOp, ...]
) -> _Walked | Unmatched:
    rest = path.segments[i:]
    if len(rest) > 2 or not all(isinstance(segment, Member) for segment in rest):
        has = _listed(parent) or "nothing"
        return Unmatched(message=f"{path}: {passed} has no field '{_name(rest[0])}' (it has: {has})")
    leaf = pointer + "".join(f"/{pointer_token(_name(segment))}" for segment in rest)
    creates = f"{pointer}/{pointer_token(_name(rest[0]))}" if len(rest) == 2 else ""
    return _Walked(pointer=leaf, value=ABSENT, tests=tests, creates=creates)


def _name(segment: Segment) -> str:
    return segment.name if isinstance(segment, Member) else segment.key


def _shape(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    return "a single value"


def _not_one(items: Sequence[Any], key: str, literal: str, hits: int) -> str:
    if hits > 1:
        return f"{hits} items have {key} '{literal}'; a path must mean one place"
    there = [str(item[key]) for item in items if isinstance(item, Mapping) and key in item]
    return f"no item has {key} '{literal}' (there are: {_listed(there) or 'none'})"


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    listed = list(names)
    return ", ".join(listed[:10]) + (", …" if len(listed) > 10 else "")


@lru_cache(maxsize=4096)
def _segments(text: str) -> tuple[Segment, ...]:
    try:
        query = jsonpath_rfc9535.compile(text)
    except JSONPathError as error:
        raise PathError(f"{text!r} is not a JSONPath: {error}; {SUBSET}") from error
    segments = tuple(_segment(text, segment) for segment in query.segments)
    if not segments:
        raise PathError(f"{text!r} means the whole object; name a field in it")
    return segments


def _segment(text: str, segment: JSONPathSegment) -> Segment:
    if not isinstance(segment, JSONPathChildSegment) or len(segment.selectors) != 1:
        raise PathError(f"{text!r}: {segment} may mean several places; {SUBSET}")
    match segment.selectors[0]:
        case NameSelector(name=name):
            return Member(name=_plain(text, name))
        case FilterSelector(
            expression=FilterExpression(
                expression=ComparisonExpression(
                    left=RelativeFilterQuery(query=query), operator="==", right=StringLiteral(value=literal)
                )
            )
        ):
            match query.segments:
                case (JSONPathChildSegment(selectors=(NameSelector(name=key),)),):
                    return Item(key=_plain(text, key), literal=_plain(text, literal))
    raise PathError(f"{text!r}: {segment} is not supported; {SUBSET}")


def _plain(text: str, name: str) -> str:
    # The same bound as the CRD's pattern, which keeps one way of quoting for JSONPath, JSON pointer and CEL.
    if "'" in name or "\\" in name:
        raise PathError(f"{text!r}: {name!r} has a quote or a backslash, which cannot be used here; {SUBSET}")
    return name


def held_at(live: KubeObject | None, path: str) -> Held | Unmatched | Missing:
    """What stands in the place."""
    if live is None:
        return Missing()
    try:
        found = find(live, FieldPath.parse(path))
    except PathError as error:
        return Unmatched(message=str(error))
    return found if isinstance(found, Unmatched) else found.value
