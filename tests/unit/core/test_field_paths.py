"""Which texts are paths, which place a path means, and what is said when it means none."""

import pytest

from firebreak.core.field_paths import FieldPath, Found, PatchOp, PathError, find, overlaps, patch_ops
from firebreak.core.ports import ABSENT, Unmatched

WEB = {
    "metadata": {"name": "web", "resourceVersion": "7"},
    "spec": {
        "replicas": 2,
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "server", "image": "web:v1"}, {"name": "judge", "image": "judge:v1"}]},
        },
    },
}


def path(text: str) -> FieldPath:
    return FieldPath.parse(text)


def image_of(container: str) -> FieldPath:
    return path(f"$.spec.template.spec.containers[?@.name=='{container}'].image")


def test_a_path_finds_the_one_item_that_its_filter_names():
    """The pointer has the item's place in the list as it is now."""
    assert find(WEB, image_of("judge")) == Found(
        pointer="/spec/template/spec/containers/1/image", value="judge:v1", creates=""
    )


def test_an_item_that_is_not_there_is_told_with_those_that_are():
    """Someone who misspelt a container's name reads the right one in the message."""
    assert find(WEB, image_of("srv")) == Unmatched(
        message="$.spec.template.spec.containers[?@.name=='srv'].image: "
        "no item has name 'srv' (there are: server, judge)"
    )


def test_two_items_of_the_same_name_are_refused():
    """A path means one place; which of two is never guessed."""
    twice = {"rules": [{"name": "a"}, {"name": "a"}]}
    assert find(twice, path("$.rules[?@.name=='a'].weight")) == Unmatched(
        message="$.rules[?@.name=='a'].weight: 2 items have name 'a'; a path must mean one place"
    )


def test_a_field_that_is_missing_is_a_place_that_holds_nothing():
    """A path may mean a field that does not exist yet."""
    assert find({"data": {}}, path("$.data['system.txt']")) == Found(pointer="/data/system.txt", value=ABSENT)


def test_a_map_that_is_missing_is_made_with_the_field():
    """Annotations need not exist before one is set; slashes are escaped; the resourceVersion stands guard."""
    where = path("$.spec.template.metadata.annotations['firebreak.dev/reload']")
    assert patch_ops(WEB, where, "now") == (
        PatchOp(op="test", path="/metadata/resourceVersion", value="7"),
        PatchOp(op="add", path="/spec/template/metadata/annotations", value={"firebreak.dev/reload": "now"}),
    )


def test_a_name_missing_further_up_is_a_mistake_in_the_path():
    """Only the last map is ever made; above it a missing name is told with those that exist."""
    assert find(WEB, path("$.spec.tmplate.spec.image")) == Unmatched(
        message="$.spec.tmplate.spec.image: $.spec has no field 'tmplate' (it has: replicas, template)"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$.spec.template.spec.containers", "holds a list, not a single value"),
        ("$.spec.template", "holds a map, not a single value"),
        ("$.spec.replicas.count", "is a single value, which has no field 'count'"),
        ("$.spec.template.spec.containers.image", "is a list, which has no field 'image'"),
        ("$.spec[?@.name=='a'].image", "$.spec is a map, not a list"),
    ],
)
def test_a_path_that_does_not_fit_the_object_says_where(text: str, says: str):
    """The message names the place that has another shape than the path supposes."""
    found = find(WEB, path(text))
    assert isinstance(found, Unmatched)
    assert found.message.startswith(f"{text}: ")
    assert says in found.message


def test_a_write_tests_the_old_value_and_the_item_that_it_is_in():
    """Whatever changes either of them between read and write makes the patch fail."""
    assert patch_ops(WEB, image_of("server"), "web:v2") == (
        PatchOp(op="test", path="/spec/template/spec/containers/0/name", value="server"),
        PatchOp(op="test", path="/spec/template/spec/containers/0/image", value="web:v1"),
        PatchOp(op="replace", path="/spec/template/spec/containers/0/image", value="web:v2"),
    )


def test_a_field_is_taken_away_by_desiring_nothing():
    """What was absent before can be made absent again."""
    assert patch_ops(WEB, path("$.spec.replicas"), ABSENT) == (
        PatchOp(op="test", path="/spec/replicas", value=2),
        PatchOp(op="remove", path="/spec/replicas"),
    )


def test_what_stands_already_needs_no_patch():
    """Asking twice is writing once."""
    assert patch_ops(WEB, path("$.spec.replicas"), 2) == ()


def test_the_field_that_an_item_is_found_by_cannot_be_written():
    """Once changed, the place could be neither observed nor restored."""
    with pytest.raises(PathError, match="is how the item is found"):
        path("$.rules[?@.name=='a'].name")


def test_true_is_not_one():
    """JSON tells booleans from numbers; so does the patch."""
    assert patch_ops({"on": True}, path("$.on"), 1) != ()


@pytest.mark.parametrize(
    "text",
    ["", "spec", "$", "$.a[*]", "$..a", "$.a[0]", "$.a[1:2]", "$.a['b','c']", "$.a[?@.x==1]", "$.a[?@.x!='y']",
     "$.a[?@.x=='y' && @.z=='y']", "$.a[?@.x.y=='z']", "$.a[?$.x=='y']", "$.a-b", "$.a['it\\'s']", "$.a["],
)  # fmt: skip
def test_what_is_outside_the_subset_is_refused(text: str):
    """The message repeats the text and says what may be used."""
    with pytest.raises(PathError) as refused:
        FieldPath.parse(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("$.spec.replicas", "$.spec.replicas", True),
        ("$.spec.replicas", "$['spec']['replicas']", True),
        ("$.spec", "$.spec.replicas", True),
        ("$.spec.replicas", "$.spec.paused", False),
        ("$.c[?@.name=='a'].image", "$.c[?@.name=='b'].image", False),
        ("$.c[?@.name=='a'].image", "$.c[?@.name=='a'].args", False),
        ("$.c[?@.name=='a'].image", "$.c[?@.id=='1'].image", True),
        ("$.c[?@.name=='a'].image", "$.c[?@.id=='1'].args", False),
    ],
)
def test_paths_overlap_when_they_may_claim_the_same_place(one: str, other: str, expected: bool):
    """Nested places overlap; items told apart by different keys may be the same item."""
    assert overlaps(path(one), path(other)) is expected
    assert overlaps(path(other), path(one)) is expected
