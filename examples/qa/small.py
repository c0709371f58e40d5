"""The smaller fallback: ``python -m examples.qa.small``. It knows less and errs less.

It looks the question's words up in the titles of the handbook that is built into its image. It needs no index, so a
broken pipeline cannot reach it; and since it cannot know what holds today, it says so.
"""

import argparse
import asyncio
import random
from pathlib import Path

from examples.qa.analysis import words
from examples.qa.answering import Answer, redacted
from examples.qa.controls import Controls
from examples.qa.front import Front
from examples.qa.metrics import AnswerMetrics, new_registry
from examples.qa.passages import Feature, Passage, read_source
from examples.qa.serving import METRICS_PORT, PUBLIC_PORT, Health, internal_app, log, run

SERVICE = "qa-small"
RELEASE = "1.0"
REFUSAL = "I only know the headings of the handbook, and this is not among them. Please ask the front desk."
NOT_TODAY = "I cannot say what holds today. Please look at the notice board."


class Headings:
    """The handbook by its headings."""

    def __init__(self, passages: list[Passage]) -> None:
        self._passages = [
            (frozenset(words(passage.title)), passage) for passage in passages if passage.feature is not Feature.DATES
        ]

    def answer(self, question: str, feature: Feature) -> Answer:
        """The passage whose whole heading the question names; the longest heading if several, else a refusal."""
        if feature is Feature.DATES:
            return Answer(text=NOT_TODAY, source=None, score=0.0)
        asked = frozenset(words(question))
        found = max(
            ((len(heading), passage) for heading, passage in self._passages if self._names(asked, heading)),
            key=lambda match: match[0],
            default=None,
        )
        if found is None:
            return Answer(text=REFUSAL, source=None, score=0.0)
        passage = found[1]
        return Answer(text=redacted(passage.text), source=passage.id, score=1.0, as_of=passage.as_of)

    @staticmethod
    def _names(asked: frozenset[str], heading: frozenset[str]) -> bool:
        singles = {term for term in heading if " " not in term}
        return len(singles) >= 2 and singles <= asked


async def follow_controls(front: Front, folder: Path) -> None:
    """Read the rates every second."""
    while True:
        front.controls = Controls.read(folder, front.controls)
        front.tell_queue()
        await asyncio.sleep(1.0)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--controls", type=Path, default=Path("/etc/qa/controls"))
    given = parser.parse_args()
    registry, health, revision = new_registry(), Health(ready=True), f"small-{RELEASE}"
    metrics = AnswerMetrics(registry, SERVICE, revision)
    metrics.loaded(model="headings", prompt="", index="", config="")
    headings = Headings(read_source().passages(at=0.0))
    front = Front(service=SERVICE, revision=revision, answering=headings.answer, metrics=metrics, rng=random.Random())
    internal = internal_app(registry, health)
    front.add_journal(internal)
    log.info("loaded", release=RELEASE, revision=revision)
    run(
        {PUBLIC_PORT: front.public_app(health), METRICS_PORT: internal},
        [follow_controls(front, given.controls)],
        health,
    )


if __name__ == "__main__":
    main()
