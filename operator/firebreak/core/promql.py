"""Which PromQL may be sent on a user's behalf, and how is it confined to the user's namespace?

Nothing a user wrote is sent unparsed. A matcher on the namespace is forced into every selector of an expression with
a real parser; the printed result is parsed again and checked, so a mistake in between is refused, never sent.
A selector that already matches on that label is refused, rather than guessed at.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import promql_parser as parser

MAX_LENGTH = 4096
MAX_DEPTH = 64  # of brackets: the parser recurses


class SelectorRefused(ValueError):
    """Firebreak will not send this expression; the message names the selector and says what to change."""


P = ParamSpec("P")
R = TypeVar("R")


def _refusing_panics(ask: Callable[P, R]) -> Callable[P, R]:
    """A panic of the parser is a refusal, wherever in the work on an expression it comes.

    promql_parser 0.12 panics on `x offset Inf` and other offsets that are no duration. pyo3 raises a panic as a
    BaseException, of a class that cannot be imported: `except Exception` lets it pass, and it would end the process.
    """

    @wraps(ask)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return ask(*args, **kwargs)
        except BaseException as error:
            # By its name, and not whatever else there is: a cancellation or an interrupt has to go on its way.
            if type(error).__name__ != "PanicException":
                raise
            raise SelectorRefused(f"{args[0]}: cannot be read as PromQL: {error}; look at its offsets") from None

    return asked


@_refusing_panics
def parsed_counter(text: str) -> parser.VectorSelector:
    """A plain selector of a raw counter; SelectorRefused for anything else."""
    match _parse(text):
        case parser.ParenExpr(expr=parser.VectorSelector() as selector) | (parser.VectorSelector() as selector):
            pass
        case parser.MatrixSelector():
            raise SelectorRefused(f"{text}: a range; remove the [..], Firebreak takes differences itself")
        case parser.Call() | parser.AggregateExpr():
            raise SelectorRefused(
                f"{text}: a raw counter is needed, without rate(), increase() or an aggregate: "
                "a sum over counters falls when a pod goes, so it cannot be differenced"
            )
        case _:
            raise SelectorRefused(f"{text}: a plain selector of a raw counter is needed, such as ai_judged_total")
    if selector.offset is not None or selector.at is not None:
        raise SelectorRefused(f"{text}: remove offset and @, Firebreak chooses the times itself")
    named = selector.name or any(
        m.name == "__name__" and m.op == parser.MatchOp.Equal for m in selector.matchers.matchers
    )
    if not named:
        raise SelectorRefused(f"{text}: name the metric, so that this cannot read every series there is")
    return selector


@_refusing_panics
def confined(text: str, label: str, values: Sequence[str]) -> str:
    """The expression with `label` held to one of `values` (Kubernetes names) in each of its selectors."""
    return _confined(text, label, tuple(values))


@lru_cache(maxsize=4096)
def _confined(text: str, label: str, values: tuple[str, ...]) -> str:
    expression = _parse(text)
    if "info" in _functions(expression):
        raise SelectorRefused(f"{text}: info() reads series of its own accord; join with the info metric instead")
    for selector in selectors(expression):
        for matcher in selector.matchers.matchers:
            if matcher.name == label and not _agrees(matcher, values):
                raise SelectorRefused(
                    f"{selector.prettify()}: remove the matcher on {label}; Firebreak adds {_matcher(label, values)}"
                )
        if selector.matchers.or_matchers:
            raise SelectorRefused(f"{selector.prettify()}: remove the `or` between matchers")

    def confine(node: parser.Expr) -> parser.Expr | None:
        return _with(node, _matcher(label, values)) if isinstance(node, parser.VectorSelector) else None

    result = _parse(_print(parser.transform(expression, None, confine)))
    found = selectors(result)
    if len(found) != len(selectors(expression)) or any(not _is_confined(s, label, values) for s in found):
        raise SelectorRefused(f"{text}: the namespace could not be forced into every selector; write it more simply")
    return result.prettify()


def selectors(expression: parser.Expr) -> tuple[parser.VectorSelector, ...]:
    """Every vector selector in the expression, in order."""
    found: list[parser.VectorSelector] = []

    def collect(node: parser.Expr) -> None:
        match node:
            case parser.VectorSelector():
                found.append(node)
            case parser.MatrixSelector():
                # The walk does not descend from a range to the selector in it.
                found.append(node.vector_selector)

    parser.walk(expression, collect)
    return tuple(found)


def _functions(expression: parser.Expr) -> set[str]:
    found: set[str] = set()

    def collect(node: parser.Expr) -> None:
        if isinstance(node, parser.Call):
            found.add(node.func.name)

    parser.walk(expression, collect)
    return found


def _parse(text: str) -> parser.Expr:
    if len(text) > MAX_LENGTH:
        raise SelectorRefused(f"{text[:60]}…: longer than {MAX_LENGTH} characters")
    if _depth(text) > MAX_DEPTH:
        raise SelectorRefused(f"{text[:60]}…: nested deeper than {MAX_DEPTH} brackets")
    try:
        expression: parser.Expr = parser.parse(text)
    except ValueError as error:
        raise SelectorRefused(f"{text}: not PromQL: {error}") from error
    return expression


def _depth(text: str) -> int:
    # Brackets within strings count too, and so do runs of unary operators: the bound may be strict, never loose.
    depth = deepest = run = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        run = run + 1 if character in "+-" else (run if character.isspace() else 0)
        deepest = max(deepest, depth + run)
    return deepest


def _matcher(label: str, values: Iterable[str]) -> str:
    wanted = sorted(set(values))
    if len(wanted) == 1:
        return f'{label}="{wanted[0]}"'
    return f'{label}=~"{"|".join(value.replace(".", "[.]") for value in wanted)}"'


def _agrees(matcher: parser.Matcher, values: Sequence[str]) -> bool:
    return len(set(values)) == 1 and matcher.op == parser.MatchOp.Equal and matcher.value == values[0]


def _is_confined(selector: parser.VectorSelector, label: str, values: Sequence[str]) -> bool:
    return (
        any(m.name == label and str(m) == _matcher(label, values) for m in selector.matchers.matchers)
        and not selector.matchers.or_matchers
    )


def _with(selector: parser.VectorSelector, matcher: str) -> parser.Expr:
    # Put together from the parser's own print, which escapes right (its str() of a matcher does not).
    name, printed = selector.name or "", selector.prettify()
    rest = printed.removeprefix(name)
    if rest.startswith("{"):
        inner = rest[1:] if rest.startswith("{}") else "," + rest[1:]
        return _parse(f"{name}{{{matcher}{inner}")
    return _parse(f"{name}{{{matcher}}}{rest}")


def _print(expression: parser.Expr) -> str:
    return str(expression.prettify())
