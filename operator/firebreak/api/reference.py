"""The page docs/reference-api.md: every field of every kind, as the API server is told of it.

Called by `make generate` (`python -m firebreak.api.reference docs/reference-api.md`), and by the test that the page is
what the models say.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from firebreak.api.crd import crd
from firebreak.api.v1alpha1 import KINDS
from firebreak.api.v1alpha1.model import GROUP, VERSION, Resource

_OPENING = f"""<!-- Made from the code by `make generate`; change it there. -->

# API reference

All kinds of `{GROUP}/{VERSION}`.
A field is optional unless it says required; `[]` stands for an item of a list, `{{}}` for a value of a map.
What the API server refuses, and the words it says it with, stands under *Refused*.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_OPENING, *(_section(kind) for kind in KINDS)])


def _section(kind: type[Resource]) -> str:
    definition = crd(kind)["spec"]
    schema = definition["versions"][0]["schema"]["openAPIV3Schema"]
    short = ", ".join(definition["names"]["shortNames"])
    lines = [f"## {kind.__name__}", "", schema["description"], "", f"{definition['scope']}; short name {short}.", ""]
    for part in ("spec", "status"):
        if part in schema["properties"]:
            lines += [f"### {kind.__name__}.{part}", "", "| field | type | |", "| --- | --- | --- |"]
            lines += [_row(*field) for field in _fields(schema["properties"][part], part)]
            lines.append("")
    refused = list(dict.fromkeys(_refusals(schema, "")))
    if refused:
        lines += [f"### Refused: {kind.__name__}", "", *(f"- `{place}`: {said}" for place, said in refused), ""]
    return "\n".join(lines)


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    required = schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}", part, name in required
        yield from _fields(*_inside(part, f"{path}.{name}"))


def _inside(part: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The schema of what lies in a list or a map, with its path; of anything else the schema itself."""
    if "items" in part:
        return part["items"], f"{path}[]"
    if "additionalProperties" in part:
        return part["additionalProperties"], f"{path}{{}}"
    return part, path


def _row(path: str, part: dict[str, Any], required: bool) -> str:
    said = part.get("description", "").replace("|", "\\|")
    default = part.get("default")
    facts = ["required"] if required else []
    if default is not None and not isinstance(default, dict | list):
        facts.append(f"default `{str(default).lower() if isinstance(default, bool) else default}`")
    return f"| `{path}` | {_type(part)} | {'; '.join(facts) + '. ' if facts else ''}{said} |"


def _type(part: dict[str, Any]) -> str:
    if part.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if "enum" in part:
        return " \\| ".join(str(value) for value in part["enum"])
    if "items" in part:
        return f"list of {_type(part['items'])}, at most {part['maxItems']}"
    if "additionalProperties" in part:
        return f"map of {_type(part['additionalProperties'])}, at most {part['maxProperties']}"
    low, high = part.get("minimum"), part.get("maximum")
    limits = f" {low} to {high}" if low is not None and high is not None else ""
    return str(part.get("format") if part.get("format") == "date-time" else part["type"]) + limits


def _refusals(schema: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path.removeprefix(".") or "metadata", rule["message"]
    for name, part in schema.get("properties", {}).items():
        if name != "status":
            yield from _refusals(part, f"{path}.{name}")
    inside, place = _inside(schema, path)
    if inside is not schema:
        yield from _refusals(inside, place)


def main(file: str) -> None:
    """Write the page."""
    Path(file).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
