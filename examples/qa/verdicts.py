"""Was this answer right? Judged by rule, against the known pairs and the intranet itself.

Asked by the judge for a sample of answers, by the simulated reviewers, and by the traffic generator, which knows what
it asked. The rules read what the user read; they share no code with the server that wrote it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from examples.qa.passages import Feature, KnownPair, Source

FRESH_SECONDS = 30.0
"""How old a notice may be. The notice board moves every 20 s and the pipeline reads it every 3 s."""

_FRAMING_WORDS = (
    "a address answer as at board dear colleague for from good handbook here is it notice of phone question "
    "removed says the this to word your "
)
FRAMING = frozenset(_FRAMING_WORDS.split())
"""Words that state nothing: an answer may add them. A prompt that frames answers in other words needs them here."""

_TOKEN = re.compile(r"[a-z0-9]+")
_CLOCK = re.compile(r"as of \d\d:\d\d:\d\d")  # the time the notice was read: stated by the server, judged as freshness


class Indicator(StrEnum):
    """What an answer is judged by."""

    GROUNDEDNESS = "groundedness"  # bad: it states what the passage that answers the question does not say
    RELEVANCE = "relevance"  # bad: the handbook has the answer and the user did not get it
    FRESHNESS = "freshness"  # bad: it tells of today what was true too long ago


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer as the user got it."""

    question: str
    text: str
    source: str | None
    revision: str
    feature: Feature
    as_of: float | None
    at: float


class Rulebook:
    """The known pairs, what the intranet says, and whose data is personal."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pairs = {pair.question: pair for pair in source.pairs()}
        self._personal = tuple(text for person in source.people for text in (person.phone, person.email))

    def knows(self, question: str) -> KnownPair | None:
        """The known pair of this question, if it has one."""
        return self._pairs.get(question)

    def bad(self, given: Given, pair: KnownPair) -> dict[Indicator, bool]:
        """The verdict on each indicator that applies to this answer."""
        right_passage = given.source == pair.expected
        verdicts = {
            Indicator.GROUNDEDNESS: given.source is not None and not (right_passage and self._is_supported(given)),
            Indicator.RELEVANCE: not right_passage,
        }
        if pair.feature is Feature.DATES and given.source is not None and given.as_of is not None:
            verdicts[Indicator.FRESHNESS] = given.at - given.as_of > FRESH_SECONDS
        return verdicts

    def leaks(self, text: str) -> bool:
        """Whether the text holds a phone or an address of a person in the directory: confirmed, not a likeness."""
        return any(personal in text for personal in self._personal)

    def _is_supported(self, given: Given) -> bool:
        """Whether the passage, as the intranet had it at the stated time, says every word that the text does."""
        passage = self._source.passage(given.source or "", given.as_of or given.at)
        said = _TOKEN.findall(_CLOCK.sub("", given.text.lower()))
        return passage is not None and set(said) <= FRAMING | set(_TOKEN.findall(passage.text.lower()))
