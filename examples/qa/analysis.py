"""Which terms does a text consist of, in the eyes of one model?

The indexer fits with these functions and the server asks with them: a text read in two ways would match nothing.
"""

import re
from collections.abc import Callable
from itertools import pairwise

Analyzer = Callable[[str], list[str]]

_WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_FUNCTION_WORDS = (
    "a about am an and any are as at be by can could do does each else every for from get had has have he her "
    "his how i if in into is it its just many may me much must my no not of off on or our out she should so "
    "such than that the their them then there these they this to up us was we were what when where which who "
    "whom whose why will with would you your "
)
_STOP = frozenset(_FUNCTION_WORDS.split())
_SUFFIXES = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "ed", "es", "er", "s", "y", "e")


def words(text: str) -> list[str]:
    """Stemmed words without function words, and pairs of neighbours."""
    stems = [stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP]
    return stems + [f"{left} {right}" for left, right in pairwise(stems)]


def letters(text: str) -> list[str]:
    """Runs of two and three letters, blind to where words begin and end."""
    plain = re.sub(r"\s+", " ", text.lower())
    return [plain[at : at + size] for size in (2, 3) for at in range(len(plain) - size + 1)]


def word_shapes(text: str) -> list[str]:
    """Runs of three to five letters within a word, its two ends marked; function words are left out."""
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if word in _STOP:
            continue
        marked = f"<{word}>"
        found.extend(marked[at : at + size] for size in (3, 4, 5) for at in range(max(1, len(marked) - size + 1)))
    return found


def stem(word: str) -> str:
    """Cut the commonest English endings; three letters at least remain."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word
