"""An exhaustive search over every world that can be reached, by every order of events.

A state is what a world will ever depend on (`state_key`). From each one the operator may take a turn or write, be killed
after any write, and everything around it may change; the rules are held against all of it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeAlias

from tests.property.core.containment_rules import (
    broken_at_rest,
    broken_by_repetition,
    broken_by_turn,
    broken_by_world,
    broken_by_writing,
)
from tests.property.core.containment_world import (
    Setting,
    World,
    Written,
    acted,
    decided,
    is_over,
    state_key,
    with_commands,
)

from firebreak.core.commands import Decision

Event: TypeAlias = tuple[str, World]
Events: TypeAlias = Callable[[World], Iterator[Event]]
Act: TypeAlias = Callable[[World], Iterator[Written]]
Decide: TypeAlias = Callable[[Setting, World], Decision]


@dataclass(kw_only=True)
class Found:
    """What the search has seen."""

    states: int = 0
    steps: int = 0
    ends: int = 0
    broken: list[str] = field(default_factory=list)
    stuck: int = 0
    is_complete: bool = False


@dataclass(kw_only=True)
class _Node:
    world: World
    came_from: int
    by: str
    before: list[int] = field(default_factory=list)
    is_over: bool = False
    goes_on_to: int = -1
    """The state after what is decided here is recorded."""


def search(
    setting: Setting,
    starts: Iterable[World],
    events: Events,
    *,
    decide: Decide = decided,
    act: Act = acted,
    must_end: bool = True,
    at_most: int = 200_000,
    tolerate: int = 5,
) -> Found:
    """Everything reachable from `starts`; stops when the rules were broken `tolerate` times, or at `at_most` states.

    `must_end`: whatever has happened, some order of these events leads to the end of the incident.
    `decide` and `act` may be replaced by wrong ones, to see that the rules notice.
    """
    found = Found()
    numbers: dict[object, int] = {}
    nodes: list[_Node] = []
    todo: deque[int] = deque()

    def visit(world: World, came_from: int, by: str) -> int:
        key = state_key(setting, world)
        number = numbers.get(key)
        if number is None:
            number = numbers[key] = len(nodes)
            nodes.append(_Node(world=world, came_from=came_from, by=by, is_over=is_over(world)))
            todo.append(number)
        if came_from >= 0:
            nodes[number].before.append(came_from)
        return number

    def tell(number: int, by: str, broken: Iterable[str]) -> None:
        for words in broken:
            found.broken.append(f"{words}\n    " + "\n    ".join((*_path(nodes, number), by)))

    for start in starts:
        visit(start, -1, "start")
    while todo and len(found.broken) < tolerate and len(nodes) < at_most:
        number = todo.popleft()
        world = nodes[number].world
        tell(number, "", broken_by_world(world))
        if nodes[number].is_over:
            found.ends += 1
            continue
        decision = decide(setting, world)
        writes = list(act(world)) if world.status is not None else []
        if decision.commands:
            by = "; ".join(f"{type(c).__name__} {c.reason}" for c in decision.commands)
            tell(number, by, broken_by_turn(setting, world, decision))
            if number % 8 == 0:
                tell(number, by, broken_by_repetition(world, decision))
            nodes[number].goes_on_to = visit(with_commands(setting, world, decision.commands), number, by)
        for written in writes:
            by = f"write {written.places}" + (", killed" if written.was_killed else "")
            tell(number, by, broken_by_writing(setting, world, written))
            visit(written.world, number, by)
        if not decision.commands and not writes:
            tell(
                number, f"at rest, to be woken at {decision.wake_at}", broken_at_rest(setting, world, decision, decide)
            )
            if decision.wake_at is not None:
                visit(replace(world, now=decision.wake_at), number, f"at {decision.wake_at:%H:%M}")
        for by, after in events(world):
            visit(after, number, by)
    found.states, found.steps = len(nodes), sum(len(n.before) for n in nodes)
    found.is_complete = not todo
    if not todo:
        lost = sorted(set(range(len(nodes))) - _can_end(nodes))
        found.stuck = len(lost)
        for number in _endless(nodes)[:2]:
            tell(number, "", ["deciding does not come to an end"])
        for number in lost[:2] if must_end else ():
            tell(number, "", ["there is no way from here to an end"])
    return found


def _can_end(nodes: list[_Node]) -> set[int]:
    """Every state from which some order of events leads to an end."""
    seen = {i for i, n in enumerate(nodes) if n.is_over}
    todo = list(seen)
    while todo:
        for before in nodes[todo.pop()].before:
            if before not in seen:
                seen.add(before)
                todo.append(before)
    return seen


def _endless(nodes: list[_Node]) -> list[int]:
    """States from which deciding and recording alone comes back to where it was."""
    settled: set[int] = set()
    for start in range(len(nodes)):
        path: list[int] = []
        at = start
        while at >= 0 and at not in settled:
            if at in path:
                return path
            path.append(at)
            at = nodes[at].goes_on_to
        settled.update(path)
    return []


def _path(nodes: list[_Node], number: int) -> list[str]:
    path: list[str] = []
    while number >= 0:
        path.append(nodes[number].by)
        number = nodes[number].came_from
    return path[::-1]


def all_of(*events: Events) -> Events:
    """Any of these events."""
    return lambda world: chain.from_iterable(e(world) for e in events)
