"""What the pages show is so: links lead somewhere, manifests are accepted, and reasons exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from firebreak.api.conditions import ConditionReason
from firebreak.api.v1alpha1 import KINDS
from firebreak.core.commands import Reason

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_ASKING = ("Concern", "Hold", "Until")
MODELS = {model.__name__: model for model in KINDS}


def _manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((ROOT / "examples").glob("**/*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if isinstance(document, dict) and str(document.get("apiVersion", "")).startswith("firebreak.dev/"):
                yield f"{path.relative_to(ROOT)}:{document['kind']}", document
    for page in PAGES:
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
            for document in yaml.safe_load_all(block):
                if isinstance(document, dict) and str(document.get("apiVersion", "")).startswith("firebreak.dev/"):
                    yield f"{page.relative_to(ROOT)}:{document['kind']}", document


def _unknown(given: object, known: object, place: str) -> list[str]:
    """The keys of what was given that are lost when it is read and written again."""
    if isinstance(given, dict) and isinstance(known, dict):
        lost = [f"{place}.{key}" for key in given if key not in known]
        return lost + [w for key in given if key in known for w in _unknown(given[key], known[key], f"{place}.{key}")]
    if isinstance(given, list) and isinstance(known, list):
        return [w for i, (a, b) in enumerate(zip(given, known, strict=True)) for w in _unknown(a, b, f"{place}[{i}]")]
    return []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file of the repository."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(("where", "manifest"), [*_manifests()], ids=lambda v: v if isinstance(v, str) else "")
def test_a_manifest_of_the_pages_and_examples_is_read_whole(where: str, manifest: dict[str, Any]) -> None:
    """Its model accepts it, and no field of it is unknown."""
    read = MODELS[manifest["kind"]].model_validate(manifest)
    spec: BaseModel = read.spec

    assert _unknown(manifest["spec"], spec.model_dump(mode="json", by_alias=True, exclude_none=True), where) == []


def test_the_runbook_names_reasons_that_exist() -> None:
    """Every reason of the table is one that people can be asked for."""
    table = (ROOT / "docs" / "runbook.md").read_text().split("## What people are asked")[1].split("## ")[0]
    named = {r for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE) for r in re.findall(r"`(\w+)`", row)}

    assert named
    assert named <= {*Reason, *ConditionReason}


def test_the_runbook_answers_every_page() -> None:
    """Whatever `decide` can ask people, the table says what to do about it."""
    table = (ROOT / "docs" / "runbook.md").read_text().split("## What people are asked")[1].split("## ")[0]
    rows = {r for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE) for r in re.findall(r"`(\w+)`", row)}
    asked = _asked_by("core") | _asked_by("app")

    assert asked
    assert asked <= rows


def _asked_by(part: str) -> set[str]:
    """Reasons that a concern or a hold is made with, in the code of a part."""
    found = set()
    for path in (ROOT / "operator" / "firebreak" / part).rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in _ASKING:
                found |= {
                    Reason[k.value.attr]
                    for k in call.keywords
                    if isinstance(k.value, ast.Attribute) and k.value.attr in Reason.__members__
                }
    return found
