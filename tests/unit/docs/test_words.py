"""What the pages say by name exists: commands, fields, anchors, selectors, and every word in the API's spelling."""

import inspect
import re
import shlex
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
import typer
import yaml

from firebreak.api import conditions
from firebreak.api.v1alpha1 import KINDS, AIService, aiservice, control, drill, incident, model, policy, references
from firebreak.cli.main import app
from firebreak.core import commands, promql, verdict

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITTEN = [page for page in PAGES if not page.name.startswith("reference-")]

ELSEWHERES = {
    *("Deployment", "ConfigMap", "HTTPRoute", "Service", "Secret", "ReferenceGrant", "ControllerRevision", "Lease"),
    *("PodMonitor", "RequestHeaderModifier", "RefNotPermitted", "CreateReplace", "Accepted", "ResolvedRefs"),
    *("Improved", "Recovered", "NotHelped", "BurnRate", "Regression", "Degraded"),
}
"""Words of Kubernetes, gateways and GitOps tools, and detectors that only the page on detection speaks of."""


def _blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, text in re.findall(r"```(\w+)\n(.*?)```", page.read_text(), re.DOTALL):
        if language in languages:
            yield text


def _calls(page: Path) -> Iterator[list[str]]:
    """Every call of the plugin that a page shows, comments and prompts taken off."""
    texts = [
        *_blocks(page, "sh", "console"),
        *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)),
    ]
    for text in texts:
        for line in text.splitlines():
            call = re.match(
                r"(?:\$ )?\s*kubectl firebreak ((?:explain|status|incidents|declare|ack|contain|approve|release|resolve|"
                r"pause|resume|confirm|drill)\b.*)",
                line,
            )
            if call:
                yield shlex.split(re.sub(r"   \(.*\)$", "", call[1]), comments=True)


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", WRITTEN, ids=lambda p: p.name)
def test_a_call_of_the_plugin_is_one_that_it_takes(page: Path) -> None:
    """Verbs, arguments and options of every call are those of the command."""
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    for verb, *arguments in _calls(page):
        if not arguments and verb in (
            "contain",
            "release",
            "resolve",
            "ack",
            "explain",
            "declare",
            "confirm",
            "approve",
        ):
            continue  # the verb by itself, in a sentence
        group.commands[verb].make_context(verb, arguments)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda p: p.name)
def test_an_anchor_is_a_heading(page: Path) -> None:
    """A link with # leads to a heading of the page that it names."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text()):
        named = (page.parent / target) if target else page
        headings = {_slug(h) for h in re.findall(r"^#+ (.+)$", named.read_text(), re.MULTILINE)}
        assert anchor in headings, f"{page.name}: {target}#{anchor}"


def _fragments() -> Iterator[tuple[str, dict[str, Any]]]:
    fields = {f.alias or name for name, f in aiservice.AIServiceSpec.model_fields.items()}
    for page in WRITTEN:
        for block in _blocks(page, "yaml"):
            for document in yaml.safe_load_all(block):
                if isinstance(document, dict) and set(document) <= fields:
                    yield page.name, document


def _lost(given: object, known: object, place: str) -> list[str]:
    if isinstance(given, dict) and isinstance(known, dict):
        return [
            word
            for key in given
            for word in (_lost(given[key], known[key], f"{place}.{key}") if key in known else [f"{place}.{key}"])
        ]
    if isinstance(given, list) and isinstance(known, list):
        return [w for i, (a, b) in enumerate(zip(given, known, strict=True)) for w in _lost(a, b, f"{place}[{i}]")]
    return []


@pytest.mark.parametrize(("page", "fragment"), [*_fragments()], ids=lambda v: v if isinstance(v, str) else "")
def test_a_part_of_a_service_is_read_whole(page: str, fragment: dict[str, Any]) -> None:
    """A part of an AIService's spec that a page shows is accepted, and no field of it is unknown."""
    rest = {
        "metrics": {"labels": {"service": "qa"}},
        "objectives": [
            {
                "name": "freshness",
                "category": "Pipeline",
                "indicator": {"gauge": "time() - max(ai_pipeline_last_success_timestamp_seconds)"},
                "detector": {"kind": "Threshold", "above": 60},
            }
        ],
        "containment": {"policy": {"name": "qa"}},
    }
    read = AIService.model_validate({"metadata": {"name": "qa", "namespace": "docs"}, "spec": rest | fragment})

    assert _lost(fragment, read.spec.model_dump(mode="json", by_alias=True, exclude_none=True), page) == []


def _values(given: object, keys: frozenset[str]) -> Iterator[str]:
    """Every text under one of these keys, at any depth."""
    if isinstance(given, dict):
        for key, value in given.items():
            if key in keys and isinstance(value, str):
                yield value
            yield from _values(value, keys)
    elif isinstance(given, list):
        for item in given:
            yield from _values(item, keys)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda p: p.name)
def test_a_query_is_one_that_is_sent(page: Path) -> None:
    """Counters of the pages are plain selectors of raw counters; gauges can be confined to a namespace."""
    shown = [document for block in _blocks(page, "yaml") for document in yaml.safe_load_all(block)]
    for selector in _values(shown, frozenset({"badSelector", "totalSelector"})):
        promql.parsed_counter(selector)
    for gauge in _values(shown, frozenset({"gauge"})):
        promql.confined(gauge, "namespace", ["docs"])


def _words(*modules: ModuleType) -> Iterator[str]:
    for module in modules:
        for _, member in inspect.getmembers(module, inspect.isclass):
            if issubclass(member, StrEnum):
                yield from (str(value) for value in member)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda p: p.name)
def test_a_word_in_the_apis_spelling_is_of_the_api(page: Path) -> None:
    """`CamelCase` is a reason, a condition, a kind, an action or another value of the API."""
    known = {*_words(conditions, aiservice, control, drill, incident, model, policy, references, commands, verdict)}
    known |= {kind.__name__ for kind in KINDS} | {tier.label for tier in verdict.Tier} | ELSEWHERES
    known |= {"Healthy", "Unknown", "Watch", "Suspected", "Incident", "Contained", "NeedsHuman", "Suspended"}
    known |= set(re.findall(r"alert: (\w+)", (ROOT / "charts" / "firebreak" / "alerts.yaml").read_text()))
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`", prose))

    assert named <= known, sorted(named - known)
