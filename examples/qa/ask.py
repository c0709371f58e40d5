"""Ask the service a few questions as a user would: ``python -m examples.qa.ask [--gateway URL] [QUESTION ...]``.

Prints who answered, what they said, and what that was worth. Without questions it asks one of each kind.
"""

import argparse
import asyncio

from examples.qa.gateway import Gateway
from examples.qa.passages import KnownPair, read_source
from examples.qa.traffic import Got, ask
from examples.qa.verdicts import Rulebook

TYPICAL = (
    "When does the canteen in Galway close?",
    "Where is the first aid room in Bergen?",
    "How many days of annual leave can I carry over?",
    "Whom do I contact about visas and work permits?",
    "Who is on call for the payment terminals today?",
    "What does the chief executive earn?",
)


async def ask_all(gateway: Gateway, questions: tuple[str, ...] = TYPICAL) -> list[Got]:
    """What a user gets for each question now."""
    rulebook = Rulebook(read_source())
    async with gateway.public() as session:
        return [await ask(session, _pair(question, rulebook), rulebook) for question in questions]


def _pair(question: str, rulebook: Rulebook) -> KnownPair:
    pair = rulebook.knows(question)
    if pair is None:
        raise SystemExit(
            f"{question!r}: not among the known questions, so nobody could say whether the answer is right"
        )
    return pair


def main() -> None:
    """Print what a user gets."""
    usual = Gateway.from_environment()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", default=usual.url)
    parser.add_argument("--host", default=usual.public_host)
    parser.add_argument("questions", nargs="*", default=TYPICAL)
    given = parser.parse_args()
    gateway = Gateway(url=given.gateway, public_host=given.host, internal_host=usual.internal_host)
    for got in asyncio.run(ask_all(gateway, tuple(given.questions))):
        print(
            f"{got.outcome.upper():<12}{got.question}\n            {got.status} {got.service} {got.revision}: {got.text}"
        )


if __name__ == "__main__":
    main()
