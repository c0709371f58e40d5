"""Which retriever does each release of the server contain?

The release is what an image's tag names. 1.1 was meant as the upgrade that forgives misspellings: it compares texts
by letters, compressed to a few dimensions, and looked well on the vendor's sample of long documents. On short
passages that differ by one name it takes one site for another. 1.2 keeps the letters and drops the compression.
"""

from dataclasses import dataclass

from examples.qa.analysis import Analyzer, letters, word_shapes, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """How a text becomes a vector: its terms, and to how many dimensions they are compressed (None: not at all)."""

    name: str
    analyzer: Analyzer
    dimensions: int | None = None


MODELS = {
    model.name: model
    for model in (
        Model(name="words", analyzer=words),
        Model(name="latent-letters", analyzer=letters, dimensions=12),
        Model(name="word-shapes", analyzer=word_shapes),
    )
}

RELEASES = {"1.0": MODELS["words"], "1.1": MODELS["latent-letters"], "1.2": MODELS["word-shapes"]}


def model_of(release: str) -> Model:
    """The model inside this release."""
    try:
        return RELEASES[release]
    except KeyError:
        raise ValueError(f"release {release!r} does not exist; there are {', '.join(RELEASES)}") from None
