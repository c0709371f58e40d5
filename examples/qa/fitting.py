"""How does a list of passages become an index? With scikit-learn: TF-IDF, and for some models a truncated SVD.

Asked by the indexer only.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from examples.qa.index import Edition, Vectors
from examples.qa.models import MODELS, Model
from examples.qa.passages import Feature, Passage


def publish(
    passages: list[Passage], built_at: float, previous: Mapping[str, Vectors]
) -> tuple[Edition, dict[str, Vectors]]:
    """A new edition of the index, with its vectors by model; vectors fitted on the same texts are used again."""
    digest = _digest(passages)
    vectors = {
        name: previous[name] if name in previous and previous[name].digest == digest else fit(model, passages)
        for name, model in MODELS.items()
    }
    edition = Edition(
        passages=tuple(passages),
        built_at=built_at,
        source=_digest([passage for passage in passages if passage.feature is not Feature.DATES])[:8],
        vectors={name: fitted.digest for name, fitted in vectors.items()},
    )
    return edition, vectors


def fit(model: Model, passages: list[Passage]) -> Vectors:
    """The vectors of these passages in this model."""
    vectorizer = TfidfVectorizer(analyzer=model.analyzer, sublinear_tf=True, dtype=np.float32)
    weights = vectorizer.fit_transform([f"{passage.title}. {passage.text}" for passage in passages])
    components = None
    if model.dimensions is None:
        documents = weights.toarray()
    else:
        svd = TruncatedSVD(n_components=model.dimensions, random_state=0)
        documents = normalize(svd.fit_transform(weights))
        components = svd.components_.astype(np.float32)
    terms = vectorizer.get_feature_names_out()
    return Vectors(
        digest=_digest(passages),
        vocabulary={str(term): at for at, term in enumerate(terms)},
        idf=vectorizer.idf_.astype(np.float32),
        components=components,
        documents=documents.astype(np.float32),
    )


def _digest(passages: list[Passage]) -> str:
    told = "\n".join(f"{passage.id}\t{passage.title}\t{passage.text}" for passage in passages)
    return hashlib.sha256(told.encode()).hexdigest()
