"""Whatever is written as PromQL is confined or refused: nothing else comes of it."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firebreak.core.promql import SelectorRefused, confined, parsed_counter

TOKENS = st.sampled_from(
    [
        *("x", "ai_judged_total", "{", "}", "(", ")", "[", "]", ",", ":", "=", "=~", "!~", "==", "@", "#", "\n"),
        *('"b"', "'", '"', "`a`", "\\", "é", "\0", "a", "by", "without", "on", "ignoring", "group_left", "bool"),
        *("5m", "1y", "300y", "99999999999y", "1e20", "1e999", "0x", "NaN", "Inf", "-", "+", "*", "^", "%", "atan2"),
        *("offset", "start()", "end()", "sum", "rate", "max", "time()", "or", "and", "unless", "info", "absent"),
    ]
)
WRITTEN = st.one_of(
    st.text(max_size=40),
    st.lists(TOKENS, max_size=12).map(" ".join),
    st.lists(TOKENS, max_size=12).map("".join),
    st.tuples(TOKENS, st.sampled_from(["offset", "@"]), TOKENS).map(" ".join),
)


@given(WRITTEN)
@example("x offset Inf")
@example("x offset NaN")
@example("max(x offset 1e20)")
@example("x offset -Inf")
@settings(max_examples=300)
def test_an_expression_is_confined_or_refused(text: str) -> None:
    """The parser panics on some, by an exception that `except Exception` does not catch; that is a refusal too."""
    for question in (lambda: confined(text, "namespace", ["docs"]), lambda: parsed_counter(text)):
        with suppress(SelectorRefused):
            question()


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_only_a_panic_of_the_parser_is_a_refusal(interrupt: type[BaseException]) -> None:
    """What is to end the process, or a task, ends it."""

    class Interrupted(list[str]):
        def __iter__(self) -> Iterator[str]:
            raise interrupt

    with pytest.raises(interrupt):
        confined("x", "namespace", Interrupted())
