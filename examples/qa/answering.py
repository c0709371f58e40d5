"""What does the server say to a question?

Pure: the same index, prompt and controls give the same answer. Nothing here knows whether an answer is right.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from examples.qa.controls import Controls
from examples.qa.index import Index
from examples.qa.passages import Feature
from examples.qa.prompt import Prompt

SWITCHED_OFF = "Questions about today are switched off for the moment. Please look at the notice board."

_PHONE = re.compile(r"\+\d[\d ]{7,}\d")
_PERSONAL_ADDRESS = re.compile(r"\b[a-z]+\.[a-z]+@[\w.-]+\w")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a user reads, and which passage it rests on (None: it says that it does not know)."""

    text: str
    source: str | None
    score: float
    as_of: float | None = None
    see_also: tuple[str, ...] = ()


def answer(question: str, feature: Feature, index: Index, prompt: Prompt, controls: Controls) -> Answer:
    """Answer from the passage that resembles the question most, or say that there is none."""
    if feature is Feature.DATES and not controls.date_answers:
        return Answer(text=SWITCHED_OFF, source=None, score=0.0)
    hits = [hit for hit in index.search(question, prompt.depth) if hit.score >= prompt.min_score]
    if not hits:
        return Answer(text=prompt.refusal, source=None, score=0.0)
    best = hits[0].passage
    text = redacted(best.text) if prompt.redact else best.text
    if best.feature is Feature.DATES:
        said = prompt.dated.format(passage=text, as_of=f"{datetime.fromtimestamp(best.as_of, UTC):%H:%M:%S}")
    else:
        said = prompt.answer.format(passage=text)
    return Answer(
        text=said,
        source=best.id,
        score=round(hits[0].score, 3),
        as_of=best.as_of,
        see_also=tuple(hit.passage.title for hit in hits[1:]),
    )


def redacted(text: str) -> str:
    """The text without phones and without addresses of persons; the mailboxes of teams stay."""
    return _PERSONAL_ADDRESS.sub("[address removed]", _PHONE.sub("[phone removed]", text))
