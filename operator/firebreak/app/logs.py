"""What do the log's lines look like? JSON, one object per line, ours and the libraries' alike.

An event is a constant name plus fields; `service` and `incident` are bound once per turn with
`structlog.contextvars.bound_contextvars`. Written to stderr, so that a command's own output stays clean.
"""

import logging
import sys
from collections.abc import Mapping
from typing import TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

_QUIETER: Mapping[str, int] = {
    # Kopf formats several lines for each event of each object; what it says at INFO is not ours to say.
    "kopf": logging.WARNING,
    "kopf.objects": logging.WARNING,
    "kopf._core": logging.WARNING,
    "aiohttp.access": logging.WARNING,
    "asyncio": logging.WARNING,
    "urllib3": logging.WARNING,
}


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send everything that is logged from here on, by structlog or by `logging`, to one stream as JSON."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: tuple[Processor, ...] = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=_named,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a test configures again
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _first_things_first,
                structlog.processors.JSONRenderer(serializer=_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    for name, quieter in _QUIETER.items():
        logging.getLogger(name).setLevel(max(threshold, quieter))


def _named(*args: object) -> logging.Logger:
    """The logger of `structlog.get_logger()`; Firebreak's lines need no module name, the event's name is unique."""
    return logging.getLogger(str(args[0]) if args else "firebreak")


def _first_things_first(_: object, __: str, event: EventDict) -> EventDict:
    """The keys that one reads first stand first: people read these lines too."""
    first = {key: event.pop(key) for key in ("time", "level", "event") if key in event}
    return {**first, **event}


def _json(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
