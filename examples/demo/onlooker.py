"""What does a user get while the service breaks? One who asks the same question over and over sees it happen."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from examples.demo.show import answers
from examples.demo.stage import NotAsItShould, Stage
from examples.qa.ask import ask_all
from examples.qa.traffic import Got, Outcome

PAUSE_SECONDS = 0.25


@contextmanager
def onlooker(stage: Stage, question: str) -> Iterator[Sequence[Got]]:
    """Ask from now on until the block is left; the answers so far, oldest first."""
    seen: list[Got] = []
    leave = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        asking = pool.submit(_ask_on, stage, question, seen, leave)
        try:
            yield seen
        finally:
            leave.set()
        asking.result()


def show_first(seen: Sequence[Got], outcome: Outcome) -> Got:
    """Print the first answer of this outcome, whole; NotAsItShould when nobody was given one."""
    for got in seen:
        if got.outcome is outcome:
            answers([got], f"at {datetime.fromtimestamp(got.at, UTC):%H:%M:%S}, for the first time", longest=400)
            return got
    raise NotAsItShould(
        f"expected that a user is answered {outcome} before it is contained; {len(seen)} answers were not"
    )


def _ask_on(stage: Stage, question: str, seen: list[Got], leave: threading.Event) -> None:
    while not leave.wait(PAUSE_SECONDS):
        seen += asyncio.run(ask_all(stage.gateway, (question,)))
