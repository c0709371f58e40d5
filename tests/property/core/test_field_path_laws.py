"""What holds for every object and every path: a patch changes its one place, or fails."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import jsonpatch
import jsonpath_rfc9535
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firebreak.api.v1alpha1.references import PATH_PATTERN
from firebreak.core.field_paths import FieldPath, Found, Item, Member, PathError, find, overlaps, patch_ops, same
from firebreak.core.ports import ABSENT, Absent, Held, Unmatched

KEYS = st.sampled_from(["a", "b", "a/b", "~", "a~1b", "system.txt", "ünï", "-"])
SINGLE = st.none() | st.booleans() | st.integers(-5, 5) | st.text("xy~/'", max_size=3)
NAMES = st.sampled_from(["server", "judge", "a/b", ""])
VALUES = st.recursive(
    SINGLE,
    lambda inner: (
        st.dictionaries(KEYS, inner, max_size=4)
        | st.lists(
            st.builds(lambda name, rest: {**rest, "name": name}, NAMES, st.dictionaries(KEYS, inner, max_size=3)),
            max_size=4,
        )
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4).map(
    lambda fields: {**fields, "metadata": {"name": "it", "resourceVersion": "41"}}
)
SEGMENTS = KEYS.map(lambda key: Member(name=key)) | NAMES.map(lambda name: Item(key="name", literal=name))
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda segments: FieldPath(segments=tuple(segments)))
DESIRED: st.SearchStrategy[Held] = SINGLE | st.just(ABSENT)


def places(value: Any, *, beyond: bool) -> Iterator[tuple[Member | Item, ...]]:
    """The way to every single value, and where asked to places that hold nothing."""
    match value:
        case dict():
            for name in [*sorted(value.keys() - {"resourceVersion"}), *(["gone"] if beyond else [])]:
                for rest in places(value.get(name), beyond=beyond and name in value):
                    yield Member(name=name), *rest
        case list():
            names = [item["name"] for item in value]
            for item in value:
                if names.count(item["name"]) == 1:
                    for rest in places({k: v for k, v in item.items() if k != "name"}, beyond=beyond):
                        yield Item(key="name", literal=item["name"]), *rest
        case _:
            yield ()


@st.composite
def objects_with_places(draw: st.DrawFn) -> tuple[dict[str, Any], FieldPath]:
    object_ = draw(OBJECTS)
    return object_, FieldPath(segments=draw(st.sampled_from(list(places(object_, beyond=True)))))


@st.composite
def objects_with_items(draw: st.DrawFn) -> tuple[dict[str, Any], FieldPath]:
    """A place in an item of a list, which may lie in an item of another list."""
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    within = draw(objects_with_places() if draw(st.booleans()) else objects_with_items())
    chosen = draw(st.sampled_from(names))
    items = [{"rest": within[0] if name == chosen else draw(SINGLE), "name": name} for name in names]
    way = (Member(name="items"), Item(key="name", literal=chosen), Member(name="rest"), *within[1].segments)
    return {"items": items, "metadata": {"name": "it", "resourceVersion": "41"}}, FieldPath(segments=way)


CASES = objects_with_places() | objects_with_items() | st.tuples(OBJECTS, PATHS)
WRITABLE = objects_with_places() | objects_with_items()


def applied(object_: dict[str, Any], ops: Any) -> dict[str, Any]:
    """The object after the patch, by an implementation of RFC 6902 that is not ours."""
    result: dict[str, Any] = jsonpatch.apply_patch(object_, [op.dump() for op in ops])
    return result


@given(PATHS)
def test_a_path_reads_back_what_it_wrote(path: FieldPath):
    """Text and value of a path say the same."""
    assert FieldPath.parse(str(path)) == path


@given(CASES)
def test_a_found_value_is_the_one_that_jsonpath_finds(case: tuple[dict[str, Any], FieldPath]):
    """The subset means what RFC 9535 means by it."""
    object_, path = case
    values = [node.value for node in jsonpath_rfc9535.find(str(path), object_)]
    match find(object_, path):
        case Found(value=Absent()):
            assert values == []
        case Found(value=value):
            assert len(values) == 1
            assert same(values[0], value)
        case Unmatched():
            assert len(values) != 1 or isinstance(values[0], dict | list) or _filters_a_map(object_, path)


def _filters_a_map(object_: dict[str, Any], path: FieldPath) -> bool:
    """RFC 9535 filters the values of maps too; there the name of the item is not the way to a stable pointer."""
    for i, segment in enumerate(path.segments):
        if isinstance(segment, Item):
            head = FieldPath(segments=path.segments[:i])
            if any(isinstance(node.value, dict) for node in jsonpath_rfc9535.find(str(head), object_)):
                return True
    return False


@given(WRITABLE, DESIRED)
def test_a_patch_changes_exactly_its_place(case: tuple[dict[str, Any], FieldPath], desired: Held):
    """Afterwards the place holds what is desired, and putting the old value back restores the object."""
    object_, path = case
    found = find(object_, path)
    assume(isinstance(found, Found))
    assert isinstance(found, Found)
    ops = patch_ops(object_, path, desired)
    assert not isinstance(ops, Unmatched)
    after = applied(object_, ops)
    now = find(after, path)
    assert isinstance(now, Found)
    assert same(now.value, desired)
    back = patch_ops(after, path, found.value)
    assert not isinstance(back, Unmatched)
    restored = applied(after, back)
    if found.creates and not isinstance(desired, Absent):
        *heads, last = found.creates.split("/")[1:]
        holder: Any = restored
        for head in heads:
            holder = holder[int(head)] if isinstance(holder, list) else holder[_plain(head)]
        assert holder.pop(_plain(last)) == {}, "the map that was made for the place stays behind, empty"
    assert restored == object_


def _plain(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


@given(WRITABLE, DESIRED, SINGLE)
def test_a_patch_fails_when_the_value_changed_meanwhile(
    case: tuple[dict[str, Any], FieldPath], desired: Held, theirs: Held
):
    """Nobody's change between the read and the write is overwritten."""
    object_, path = case
    found = find(object_, path)
    assume(isinstance(found, Found) and not same(found.value, desired) and not same(found.value, theirs))
    ops = patch_ops(object_, path, desired)
    their_ops = patch_ops(object_, path, theirs)
    assert not isinstance(ops, Unmatched)
    assert not isinstance(their_ops, Unmatched)
    meanwhile = applied(object_, their_ops)
    meanwhile["metadata"]["resourceVersion"] = "42"
    with pytest.raises((jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPatchConflict)):
        applied(meanwhile, ops)


@given(objects_with_items(), DESIRED, st.integers(0, 9))
def test_a_patch_fails_when_its_item_moved_meanwhile(case: tuple[dict[str, Any], FieldPath], desired: Held, where: int):
    """An index from an old read never hits a neighbour."""
    object_, path = case
    ops = patch_ops(object_, path, desired)
    assume(not isinstance(ops, Unmatched) and len(ops) > 0)
    assert not isinstance(ops, Unmatched)
    items = [i for i, segment in enumerate(path.segments) if isinstance(segment, Item)]
    moved = copy.deepcopy(object_)
    holders = jsonpath_rfc9535.find(str(FieldPath(segments=path.segments[: items[where % len(items)]])), moved)
    holder: Any = holders[0].value
    holder.insert(0, {"name": "newcomer"})
    moved["metadata"]["resourceVersion"] = "42"
    with pytest.raises((jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPatchConflict)):
        applied(moved, ops)


@given(OBJECTS, st.data())
def test_paths_that_do_not_overlap_never_touch_each_others_place(object_: dict[str, Any], data: st.DataObject):
    """Two services whose claims do not overlap cannot disturb each other."""
    ways = st.sampled_from(list(places(object_, beyond=True)))
    one, other = FieldPath(segments=data.draw(ways)), FieldPath(segments=data.draw(ways))
    if overlaps(one, other):
        assert one == other
        return
    before = find(object_, other)
    ops = patch_ops(object_, one, data.draw(SINGLE))
    assert isinstance(before, Found)
    assert not isinstance(ops, Unmatched)
    after = find(applied(object_, ops), other)
    assert isinstance(after, Found)
    assert same(after.value, before.value)


PLAIN = st.characters(min_codepoint=32, exclude_characters="-\x7f", codec="utf-8")
"""JSONPath has no control characters, and a hyphen only in quotes: those the schema leaves to the reading."""


@given(st.from_regex(PATH_PATTERN, fullmatch=True, alphabet=PLAIN))
def test_what_the_schema_accepts_can_be_read(text: str):
    """A path that passed `kubectl apply` is refused for one reason only: it means the key that its item is found by."""
    refused = ""
    try:
        FieldPath.parse(text)
    except PathError as error:
        refused = str(error)
    assert refused == "" or "is how the item is found" in refused


@given(CASES)
def test_what_can_be_read_the_schema_accepts(case: tuple[dict[str, Any], FieldPath]):
    """Written plainly, a path that means something passes the schema."""
    assert re.fullmatch(PATH_PATTERN, str(case[1]))
