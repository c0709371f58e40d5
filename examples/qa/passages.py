"""What does the company's intranet say at a given moment?

Asked by the indexer, which makes an index of it, and by whoever judges an answer against it.
A source is a folder of YAML files; what it says depends only on the files and on the time, since the notice
board moves on by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

CORPUS = Path(__file__).parent / "corpus"
INTRANET = "intranet"


class Feature(StrEnum):
    """The page of the intranet that a question is asked on: the segment label of every metric."""

    HANDBOOK = "handbook"
    CONTACTS = "contacts"
    DATES = "dates"


class SourceError(Exception):
    """The source cannot be read; the last index stays, and somebody has to look at the pipeline's configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One thing the intranet says, and when it was read there (seconds since the epoch)."""

    id: str
    feature: Feature
    title: str
    text: str
    as_of: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPair:
    """A question, and the passage that answers it; None where nothing does."""

    question: str
    feature: Feature
    expected: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody whose phone and address are nobody's business but the team's."""

    name: str
    phone: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    id: str
    feature: Feature
    title: str
    texts: tuple[str, ...]  # more than one: the notice board, which moves on
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source as it was read: what it says at any time, the questions it answers, the people it names."""

    entries: tuple[_Entry, ...]
    people: tuple[Person, ...]
    board_seconds: float

    def passages(self, at: float) -> list[Passage]:
        """All passages as they stand at this time."""
        return [self._passage(entry, at) for entry in self.entries]

    def passage(self, id: str, at: float) -> Passage | None:
        """One passage as it stood at this time, if the source has it."""
        return next((self._passage(entry, at) for entry in self.entries if entry.id == id), None)

    def pairs(self) -> list[KnownPair]:
        """Every question whose answer is known, and those known to have none."""
        known = [
            KnownPair(question=question, feature=entry.feature, expected=entry.id)
            for entry in self.entries
            for question in entry.questions
        ]
        return known + [
            KnownPair(question=question, feature=Feature.HANDBOOK, expected=None)
            for question in _load(CORPUS / "unanswerable.yaml")
        ]

    def _passage(self, entry: _Entry, at: float) -> Passage:
        text = entry.texts[int(at // self.board_seconds) % len(entry.texts)]
        return Passage(id=entry.id, feature=entry.feature, title=entry.title, text=text, as_of=at)


def read_source(name: str = INTRANET) -> Source:
    """Read a source by its folder's name in the corpus (or by an absolute path); SourceError says what is missing."""
    folder = CORPUS / name
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in CORPUS.iterdir() if path.is_dir()))
        raise SourceError(f"source {name!r}: no such folder in {CORPUS} (there is: {known})")
    try:
        contacts = _load(folder / "contacts.yaml")
        board = _load(folder / "board.yaml")
        entries = [*_topics(folder), *_sites(folder), *_contacts(contacts), *_board(board)]
        people = [Person(name=c["person"], phone=c["phone"], email=c["email"]) for c in contacts["contacts"]]
        return Source(entries=tuple(entries), people=tuple(people), board_seconds=float(board["every_seconds"]))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"source {name!r}: {error}") from error


def _topics(folder: Path) -> Iterator[_Entry]:
    for topic in _load(folder / "topics.yaml"):
        yield _entry(topic["id"], Feature.HANDBOOK, topic, [topic["text"]])


def _sites(folder: Path) -> Iterator[_Entry]:
    document = _load(folder / "sites.yaml")
    for site in document["sites"]:
        for fact in document["facts"]:
            yield _entry(f"{site['id']}-{fact['id']}", Feature.HANDBOOK, fact, [fact["text"]], site)


def _contacts(document: Any) -> Iterator[_Entry]:
    template = document["template"]
    for contact in document["contacts"]:
        yield _entry(f"contact-{contact['id']}", Feature.CONTACTS, template, [template["text"]], contact)


def _board(document: Any) -> Iterator[_Entry]:
    for notice in document["notices"]:
        texts = [notice["text"].format(value=value) for value in notice["values"]]
        yield _entry(f"board-{notice['id']}", Feature.DATES, notice, texts)


def _entry(
    id: str, feature: Feature, document: Any, texts: list[str], particulars: dict[str, str] | None = None
) -> _Entry:
    values = particulars or {}
    return _Entry(
        id=id,
        feature=feature,
        title=document["title"].format(**values),
        texts=tuple(text.format(**values) for text in texts),
        questions=tuple(question.format(**values) for question in document["questions"]),
    )


def _load(path: Path) -> Any:
    return yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
