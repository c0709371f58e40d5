"""Logs: one JSON object per line, ours and the libraries' alike, and no chatter of Kopf's."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from firebreak.app import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging is the process' own: leave it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_carries_its_fields_and_what_is_bound() -> None:
    """The turn's service and incident stand in every line of it."""
    stream = io.StringIO()
    logs.configure("info", stream)

    with bound_contextvars(service="docs/summarizer"):
        structlog.get_logger().info("containment_applied", step=2)

    (line,) = lines(stream)
    assert list(line)[:3] == ["time", "level", "event"]
    assert (line["level"], line["event"], line["step"]) == ("info", "containment_applied", 2)
    assert line["service"] == "docs/summarizer"
    assert line["time"].endswith("Z")


def test_other_peoples_lines_are_json_too() -> None:
    """A library's line with arguments and a traceback becomes one object."""
    stream = io.StringIO()
    logs.configure("info", stream)

    try:
        raise KeyError("x")
    except KeyError:
        logging.getLogger("somebody.else").exception("failed %s times", 3)

    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == ("failed 3 times", "somebody.else", "error")
    assert "KeyError: 'x'" in line["exception"]


def test_what_is_below_the_level_is_not_written() -> None:
    """Nor is Kopf below a warning, whatever the level."""
    stream = io.StringIO()
    logs.configure("debug", stream)
    logging.getLogger("kopf.objects").info("Handler 'seen' succeeded.")
    logging.getLogger("kopf._core.engines.posting").debug("chatter")
    structlog.get_logger().debug("nothing_to_do")

    logs.configure("warning", stream)
    structlog.get_logger().info("quiet")

    assert [line["event"] for line in lines(stream)] == ["nothing_to_do"]
