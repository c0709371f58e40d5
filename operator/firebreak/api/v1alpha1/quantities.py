"""How a person writes a duration or a percentage, and what we compute with.

Asked by every model of the API.
A value that parses here always formats back to one that parses to the same value.
"""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from firebreak.api.v1alpha1.model import matching

DURATION_PATTERN = r"^([0-9]{1,6}(s|m|h|d)){1,4}$"
PERCENT_PATTERN = r"^(100|[0-9]{1,2})(\.[0-9]{1,6})?%$"
SOME_DURATION_PATTERN = r"^([0-9]{1,6}(s|m|h|d)){0,3}[0-9]{0,5}[1-9][0-9]{0,5}(s|m|h|d)([0-9]{1,6}(s|m|h|d)){0,3}$"
STEP_PATTERN = r"^[0-9]{0,4}[1-9][0-9]{0,4}(s|m)$"
TARGET_PATTERN = r"^([1-9][0-9]?(\.[0-9]{1,6})?|0\.[0-9]{0,5}[1-9][0-9]{0,5})%$"

MOST_OF_A_DAY = timedelta(hours=14)
"""What is usual is told from the lower quartile of a day's hours (core/coverage.py): one run of this length touches 15
of them, and leaves enough that are as usual."""

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


def _written(max_length: int, pattern: str, message: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "maxLength": max_length, **matching(pattern, message)})


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    _written(32, DURATION_PATTERN, "must be a duration in s, m, h and d, such as 90s, 1h30m or 7d"),
]
"""A span of time in s, m, h and d, as in `1h30m`."""

SomeDuration = Annotated[
    Duration,
    _written(32, SOME_DURATION_PATTERN, "must be a duration above zero in s, m, h and d, such as 90s, 1h30m or 7d"),
]
"""A span of time that is not zero."""

BudgetDuration = Annotated[
    Duration,
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 32,
            "x-kubernetes-validations": [
                {
                    "rule": f'self.matches(r"{SOME_DURATION_PATTERN}")',
                    "message": "must be a duration above zero, such as 90m or 6h",
                },
                {
                    # CEL knows no days.
                    "rule": f'!self.matches(r"{DURATION_PATTERN}") || (!self.contains("d") && duration(self) <= '
                    f'duration("{format_duration(MOST_OF_A_DAY)}"))',
                    "message": f"must be at most {format_duration(MOST_OF_A_DAY)}, written in h, m and s: a rate that is "
                    f"raised for longer becomes the usual one, and giving it back would look like a judge that has stopped",
                },
            ],
        }
    ),
]
"""How long of a day something may be out of the ordinary."""

StepDuration = Annotated[
    Duration, _written(8, STEP_PATTERN, "must be whole seconds or minutes, such as 10s, 60s or 5m")
]
"""The grid of a detector."""

Percent = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(format_percent, return_type=str),
    _written(16, PERCENT_PATTERN, "must be a percentage with at most six decimals, such as 99.5%"),
]
"""A ratio written as a percentage, as in `99.5%`; a float between 0 and 1 in code."""

TargetPercent = Annotated[
    Percent,
    _written(
        16,
        TARGET_PATTERN,
        "must be a percentage above 0% and below 100%, such as 99.5%: "
        "at 100% every bad answer is a breach, which is what detector Count is for",
    ),
]
"""An objective's target: strictly between 0% and 100%."""
