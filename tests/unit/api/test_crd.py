"""The generated CRDs are what the models say, and are fit for an API server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from firebreak.api.crd import as_yaml, crd, write
from firebreak.api.v1alpha1 import KINDS, AIService, ClusterMetricSource
from firebreak.api.v1alpha1.model import Resource

ROOT = Path(__file__).parents[3]
Schema = dict[str, Any]

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def places(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every place of a schema that a person can write to, with its path; metadata is Kubernetes' own."""
    for name, part in schema.get("properties", {}).items():
        if (path, name) not in {("", "metadata"), ("", "apiVersion"), ("", "kind")}:
            yield f"{path}.{name}", part
            yield from places(part, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield f"{path}[]", schema[key]
            yield from places(schema[key], f"{path}[]")


def schema_of(kind: type[Resource]) -> Schema:
    """The root of a kind's schema."""
    root: Schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root


@pytest.mark.parametrize("folder", ["crds", "charts/firebreak/crds"])
def test_the_files_are_what_the_models_say(folder: str, tmp_path: Path) -> None:
    """`make generate` changes nothing: no file differs, is missing or is left over."""
    write(tmp_path)
    expected = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {path.name: path.read_text() for path in (ROOT / folder).glob("*.yaml")} == expected


@kinds
def test_every_string_list_and_map_has_a_limit(kind: type[Resource]) -> None:
    """Whatever can grow is bounded, so that no object becomes too large and the cost of every rule has a bound."""
    unbounded = []
    for path, part in places(schema_of(kind)):
        match part.get("type"):
            case "string" if not part.keys() & {"maxLength", "enum", "pattern"} and part.get("format") != "date-time":
                unbounded.append(path)
            case "array" if "maxItems" not in part:
                unbounded.append(path)
            case "object" if "additionalProperties" in part and "maxProperties" not in part:
                unbounded.append(path)
    assert unbounded == []


@kinds
def test_every_field_says_what_it_is_for(kind: type[Resource]) -> None:
    """`kubectl explain` has a sentence for every field."""
    fields = {path: part for path, part in places(schema_of(kind)) if not path.endswith("[]")}
    assert [path for path, part in fields.items() if not part.get("description", "").endswith(".")] == []


@kinds
def test_schemas_are_structural(kind: type[Resource]) -> None:
    """Every place has one type, and nothing stands there that the API server does not know."""
    foreign = {"$ref", "anyOf", "title", "const", "patternProperties", "propertyNames", "exclusiveMinimum"}
    typed = [(path, part.get("type"), foreign & part.keys()) for path, part in places(schema_of(kind))]
    assert [at for at in typed if at[2] or (at[1] is None)] == [
        (path, None, set()) for path, part in places(schema_of(kind)) if part.get("x-kubernetes-int-or-string")
    ]


@kinds
def test_lists_of_named_items_merge_by_name(kind: type[Resource]) -> None:
    """Server-side apply merges item by item wherever the items of a list have a name, and the name is required."""
    for path, part in places(schema_of(kind)):
        keys = part.get("x-kubernetes-list-map-keys", [])
        assert set(keys) <= set(part.get("items", {}).get("required", keys)), path


@kinds
def test_status_has_no_defaults(kind: type[Resource]) -> None:
    """The operator says what the status is; the API server adds nothing to it."""
    status = schema_of(kind)["properties"].get("status", {})
    assert [path for path, part in places(status) if "default" in part] == []


def test_kinds_are_found_together() -> None:
    """`kubectl get firebreak` lists every kind, and no two share a name."""
    names = [crd(kind)["spec"]["names"] for kind in KINDS]
    assert all(each["categories"] == ["firebreak"] for each in names)
    shorts = [short for each in names for short in each["shortNames"]]
    assert len(set(shorts)) == len(shorts)


def test_defaults_are_written_as_people_write_them() -> None:
    """Durations and nested objects appear in the defaults as in a manifest."""
    spec = schema_of(AIService)["properties"]["spec"]["properties"]
    assert spec["revision"]["properties"]["knownGood"]["default"] == {"after": "1d", "minJudged": 2000}
    assert spec["objectives"]["items"]["properties"]["detector"]["properties"]["step"]["default"] == "1m"
    assert spec["metrics"]["properties"]["source"]["default"] == {"kind": "ClusterMetricSource", "name": "default"}


def test_every_default_is_valid() -> None:
    """A default is read back by the models as what it was."""
    for kind in KINDS:
        for path, part in places(schema_of(kind)):
            if isinstance(part.get("default"), dict):
                assert part["default"].keys() <= part["properties"].keys(), (kind, path)


def test_cluster_scoped_kinds_say_so() -> None:
    """The scope in the CRD is that of the model."""
    assert crd(ClusterMetricSource)["spec"]["scope"] == "Cluster"
    assert crd(AIService)["spec"]["scope"] == "Namespaced"


def test_a_changed_schema_has_another_hash() -> None:
    """The chart can tell the CRDs of two versions apart."""
    hashes = {yaml.safe_load(as_yaml(crd(kind)))["metadata"]["annotations"]["firebreak.dev/schema"] for kind in KINDS}
    assert len(hashes) == len(KINDS)
