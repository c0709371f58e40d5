"""How a person writes a duration or a percentage, and what we compute with.

Asked by every model of the API.
A value that parses here always formats back to one that parses to the same value.
"""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

DURATION_PATTERN = r"^([0-9]{1,6}(s|m|h|d)){1,4}$"
PERCENT_PATTERN = r"^(100|[0-9]{1,2})(\.[0-9]{1,6})?%$"

_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}


def parse_duration(value: object) -> timedelta:
    """Read "90s", "1h30m" or "7d"; raises ValueError that names the value."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.match(DURATION_PATTERN, value):
        raise ValueError(f'"{value}" is not a duration such as 90s, 15m, 1h30m or 7d')
    parts = re.findall(r"([0-9]+)([smhd])", value)
    return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())


def format_duration(value: timedelta) -> str:
    """Write whole seconds with the largest units first: "1h30m"; zero is "0s"."""
    left, text = int(value.total_seconds()), ""
    for unit, size in _UNITS.items():
        number, left = divmod(left, int(size.total_seconds()))
        text += f"{number}{unit}" if number else ""
    return text or "0s"


def parse_percent(value: object) -> float:
    """Read "99.5%" as the ratio 0.995; raises ValueError that names the value."""
    if isinstance(value, float):
        return value
    if not isinstance(value, str) or not re.match(PERCENT_PATTERN, value) or float(value[:-1]) > 100:
        raise ValueError(f'"{value}" is not a percentage such as 99.5%')
    return float(value[:-1]) / 100


def format_percent(ratio: float) -> str:
    """Write a ratio as a percentage with at most six decimals: 0.995 is "99.5%"."""
    return f"{ratio * 100:.6f}".rstrip("0").rstrip(".") + "%"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "maxLength": 32}),
]
"""A span of time in s, m, h and d, as in `1h30m`."""

Percent = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(format_percent, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PERCENT_PATTERN, "maxLength": 16}),
]
"""A ratio written as a percentage, as in `99.5%`; a float between 0 and 1 in code."""
