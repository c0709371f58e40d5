"""Which passages resemble a question most?

An index is made by the indexer (fitting.py) and asked by the server. It needs numpy alone, so that a server starts in
a moment; scikit-learn, which fits it, costs a second and a half to import and stays with the indexer.
"""

import io
import json
import zipfile
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson

from examples.qa.models import Model
from examples.qa.passages import Feature, Passage

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage, and its resemblance to the question: the cosine, 1 for the same text."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """The fitted part of an index: it stays the same as long as the texts do."""

    digest: str  # of the texts it was fitted on
    vocabulary: dict[str, int]
    idf: Floats
    components: Floats | None  # (dimensions, terms): the compression, where the model has one
    documents: Floats  # (passages, terms or dimensions), each row of length 1

    def to_bytes(self) -> bytes:
        """The published form; sparse where the vectors are."""
        rows, columns = np.nonzero(self.documents)
        arrays: dict[str, Any] = {
            "digest": np.frombuffer(self.digest.encode(), np.uint8),
            "vocabulary": np.frombuffer(json.dumps(list(self.vocabulary)).encode(), np.uint8),
            "idf": self.idf,
            "shape": np.array(self.documents.shape),
            "rows": rows.astype(np.uint16),
            "columns": columns.astype(np.uint16),
            "values": self.documents[rows, columns],
        }
        if self.components is not None:
            arrays["components"] = self.components
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, published: bytes) -> Self:
        """The vectors that these bytes hold; ValueError if they hold none."""
        try:
            with np.load(io.BytesIO(published), allow_pickle=False) as arrays:
                documents = np.zeros(tuple(arrays["shape"]), np.float32)
                documents[arrays["rows"], arrays["columns"]] = arrays["values"]
                terms = json.loads(arrays["vocabulary"].tobytes())
                return cls(
                    digest=arrays["digest"].tobytes().decode(),
                    vocabulary={term: at for at, term in enumerate(terms)},
                    idf=arrays["idf"],
                    components=arrays.get("components"),
                    documents=documents,
                )
        except (OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"not an index's vectors: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What one run of the pipeline published: the passages as they stood then, and which vectors belong to them."""

    passages: tuple[Passage, ...]
    built_at: float
    source: str  # digest of the standing passages, which change only with the handbook's files
    vectors: dict[str, str]  # digest by model

    def to_json(self) -> bytes:
        """The published form."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, published: bytes) -> Self:
        """The edition that these bytes hold; ValueError if they hold none."""
        try:
            document = orjson.loads(published)
            passages = tuple(Passage(**{**p, "feature": Feature(p["feature"])}) for p in document["passages"])
            return cls(**{**document, "passages": passages})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an index's edition: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An edition and the vectors of one model: what a server asks."""

    model: Model
    vectors: Vectors
    edition: Edition
    _known: dict[str, list[tuple[int, float]]] = field(default_factory=dict, repr=False)

    def search(self, question: str, depth: int) -> list[Hit]:
        """The passages most like the question, best first."""
        ranked = self._known.get(question)
        if ranked is None or len(ranked) < depth:
            ranked = self._rank(question, depth)
            if len(self._known) < 2000:
                self._known[question] = ranked
        return [Hit(passage=self.edition.passages[at], score=score) for at, score in ranked[:depth]]

    def _rank(self, question: str, depth: int) -> list[tuple[int, float]]:
        scores = self._scores(question)
        best = np.argsort(-scores, kind="stable")[:depth]
        return [(int(at), float(scores[at])) for at in best]

    def _scores(self, question: str) -> Floats:
        counts = Counter(term for term in self.model.analyzer(question) if term in self.vectors.vocabulary)
        columns = np.fromiter((self.vectors.vocabulary[term] for term in counts), np.intp, len(counts))
        tf = np.fromiter(counts.values(), np.float32, len(counts))
        weights = (1 + np.log(tf)) * self.vectors.idf[columns]
        length = np.linalg.norm(weights)
        if length == 0:
            return np.zeros(len(self.edition.passages), np.float32)
        weights = weights / length
        if self.vectors.components is None:
            return self.vectors.documents[:, columns] @ weights
        compressed = self.vectors.components[:, columns] @ weights
        return self.vectors.documents @ (compressed / max(float(np.linalg.norm(compressed)), 1e-9))

    def of(self, edition: Edition) -> Self:
        """The same vectors for a newer edition; how questions rank is still known."""
        return replace(self, edition=edition)
