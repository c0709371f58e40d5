"""What the question-answering example's releases and prompts do to its answers, measured without a cluster.

The acts of the demo rest on these numbers: a regression has to be strong and real, and a repair has to repair.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
from examples.qa.answering import SWITCHED_OFF, answer
from examples.qa.controls import Controls
from examples.qa.fitting import publish
from examples.qa.index import Edition, Index, Vectors
from examples.qa.models import MODELS, RELEASES, model_of
from examples.qa.passages import Feature, KnownPair, SourceError, read_source
from examples.qa.prompt import Prompt, revision_label
from examples.qa.small import Headings
from examples.qa.traffic import MIX
from examples.qa.verdicts import FRESH_SECONDS, Given, Indicator, Rulebook

QA = Path(__file__).parents[3] / "examples" / "qa"
NOON = 43_200.0
SOURCE = read_source()
PAIRS = SOURCE.pairs()
RULEBOOK = Rulebook(SOURCE)
EDITION, VECTORS = publish(SOURCE.passages(NOON), NOON, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of all answers, under the mix of questions that the traffic generator asks."""

    ungrounded: float
    irrelevant: float
    leaking: float


def an_index(release: str = "1.0") -> Index:
    model = model_of(release)
    return Index(model=model, vectors=VECTORS[model.name], edition=EDITION)


def a_prompt(version: str = "v1") -> Prompt:
    return Prompt.read(QA / "prompts" / f"{version}.yaml")


def given(release: str, prompt: Prompt, pair: KnownPair, at: float = NOON) -> Given:
    said = answer(pair.question, pair.feature, an_index(release), prompt, Controls())
    return Given(
        question=pair.question,
        text=said.text,
        source=said.source,
        revision=revision_label(release, prompt),
        feature=pair.feature,
        as_of=said.as_of,
        at=at,
    )


def shares(release: str, version: str) -> Shares:
    """Every known question asked once, weighted as the traffic generator draws them."""
    prompt = a_prompt(version)
    weights = {
        feature: share / sum(p.feature is feature and p.expected is not None for p in PAIRS)
        for feature, share in MIX.items()
    }
    unanswerable = (1 - sum(MIX.values())) / sum(p.expected is None for p in PAIRS)
    ungrounded = irrelevant = leaking = 0.0
    for pair in PAIRS:
        weight = weights[pair.feature] if pair.expected is not None else unanswerable
        said = given(release, prompt, pair)
        bad = RULEBOOK.bad(said, pair)
        ungrounded += weight * bad[Indicator.GROUNDEDNESS]
        irrelevant += weight * bad[Indicator.RELEVANCE]
        leaking += weight * RULEBOOK.leaks(said.text)
    return Shares(ungrounded=ungrounded, irrelevant=irrelevant, leaking=leaking)


@pytest.mark.parametrize(("release", "version"), [("1.0", "v1"), ("1.2", "v4"), ("1.0", "v5"), ("1.2", "v5")])
def test_a_good_revision_is_grounded_useful_and_discreet(release: str, version: str) -> None:
    """At most 3 of 100 answers are ungrounded, few known questions are refused, and no personal data gets out."""
    found = shares(release, version)
    assert found.ungrounded <= 0.03
    assert found.irrelevant <= 0.08
    assert found.leaking == 0


def test_the_upgrade_degrades_by_itself_and_with_its_prompt() -> None:
    """Release 1.1 with prompt v2 states something unsupported in at least 40 of 100 answers."""
    assert shares("1.1", "v2").ungrounded >= 0.40


def test_each_half_of_the_bad_revision_is_bad_alone() -> None:
    """Taking back only the image, or only the prompt, leaves more than 5 of 100 answers bad: both must go back."""
    assert shares("1.0", "v2").ungrounded > 0.05
    assert shares("1.1", "v1").ungrounded > 0.05


@pytest.mark.parametrize("release", ["1.0", "1.2"])
def test_the_unredacted_prompt_leaks_and_does_nothing_else(release: str) -> None:
    """Prompt v3 lets personal data out in about one answer of seven, while the answers stay grounded."""
    found = shares(release, "v3")
    assert found.leaking >= 0.10
    assert found.ungrounded <= 0.03


def test_a_degraded_answer_still_reads_well() -> None:
    """The bad revision answers every question in fluent sentences from the handbook: nothing but a judge can tell."""
    prompt = a_prompt("v2")
    answers = [given("1.1", prompt, pair) for pair in PAIRS]
    assert all(said.source is not None and said.text.startswith("Good question!") for said in answers)


def test_every_revision_has_a_label_of_its_own() -> None:
    """Release and prompt both show in the label, so no two revisions share a series."""
    versions = [path.stem for path in (QA / "prompts").glob("*.yaml")]
    labels = {revision_label(release, a_prompt(version)) for release in RELEASES for version in versions}
    assert len(labels) == len(RELEASES) * len(versions)


def test_the_label_is_the_digest_of_the_file_as_mounted() -> None:
    """What the server calls its revision can be computed from the ConfigMap's value alone."""
    import hashlib

    content = (QA / "prompts" / "v1.yaml").read_text()
    assert revision_label("1.0", a_prompt()) == f"1.0-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def test_the_served_index_ranks_as_scikit_learn_does() -> None:
    """The server's own arithmetic gives the cosines that scikit-learn's transformers give."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics.pairwise import cosine_similarity

    texts = [f"{passage.title}. {passage.text}" for passage in EDITION.passages]
    questions = [pair.question for pair in PAIRS]
    for release, model in RELEASES.items():
        vectorizer = TfidfVectorizer(analyzer=model.analyzer, sublinear_tf=True)
        documents, asked = vectorizer.fit_transform(texts), vectorizer.transform(questions)
        if model.dimensions:
            svd = TruncatedSVD(n_components=model.dimensions, random_state=0).fit(documents)
            documents, asked = svd.transform(documents), svd.transform(asked)
        expected = cosine_similarity(asked, documents).max(axis=1)
        served = [an_index(release).search(question, depth=1)[0].score for question in questions]
        assert served == pytest.approx(expected, abs=1e-3)


def test_an_index_survives_publication() -> None:
    """What a server reads from the published bytes answers as what the indexer fitted."""
    edition = Edition.from_json(EDITION.to_json())
    for model in MODELS.values():
        read = Index(model=model, vectors=Vectors.from_bytes(VECTORS[model.name].to_bytes()), edition=edition)
        built = Index(model=model, vectors=VECTORS[model.name], edition=EDITION)
        for pair in PAIRS:
            assert read.search(pair.question, depth=3) == built.search(pair.question, depth=3)


def test_a_run_on_unchanged_texts_fits_nothing_anew() -> None:
    """A second later the board says the same: a new edition, the same vectors."""
    later, vectors = publish(SOURCE.passages(NOON + 1), NOON + 1, VECTORS)
    assert later.built_at == NOON + 1
    assert all(vectors[name] is VECTORS[name] for name in VECTORS)


def test_a_source_that_does_not_exist_is_said_to_be_missing() -> None:
    """The error names the source asked for and those that there are."""
    with pytest.raises(SourceError, match=r"'intranet-2027'.*there is: intranet"):
        read_source("intranet-2027")


def test_an_old_index_answers_for_today_with_what_was_true_then() -> None:
    """Minutes after the last edition the board has moved on; the answer states its old time and is judged outdated."""
    pair = next(pair for pair in PAIRS if pair.expected == "board-oncall-payments")
    said = given("1.0", a_prompt(), pair, at=NOON + 2 * FRESH_SECONDS)
    assert "As of 12:00:00" in said.text
    assert SOURCE.passage(pair.expected or "", said.at) != SOURCE.passage(pair.expected or "", NOON)
    bad = RULEBOOK.bad(said, pair)
    assert bad[Indicator.FRESHNESS]
    assert not bad[Indicator.GROUNDEDNESS]


def test_a_supported_text_is_told_from_an_altered_one() -> None:
    """The right passage with one name exchanged is not grounded."""
    pair = next(pair for pair in PAIRS if pair.expected == "board-oncall-payments")
    said = given("1.0", a_prompt(), pair)
    name = next(value for value in ("Hanna", "Joao", "Ciara", "Stefan", "Amina") if value in said.text)
    altered = Given(
        question=said.question,
        text=said.text.replace(name, "Boris"),
        source=said.source,
        revision=said.revision,
        feature=said.feature,
        as_of=said.as_of,
        at=said.at,
    )
    assert not RULEBOOK.bad(said, pair)[Indicator.GROUNDEDNESS]
    assert RULEBOOK.bad(altered, pair)[Indicator.GROUNDEDNESS]


def test_questions_about_today_can_be_switched_off_alone() -> None:
    """With date answers off, that page says so and the others answer as before."""
    off = Controls(date_answers=False)
    for pair in PAIRS:
        said = answer(pair.question, pair.feature, an_index(), a_prompt(), off)
        assert (said.text == SWITCHED_OFF) == (pair.feature is Feature.DATES)


def test_the_fallback_knows_less_and_states_nothing_wrong() -> None:
    """It answers at least half of what can be answered, is never ungrounded, leaks nothing, and refuses the rest."""
    headings = Headings(SOURCE.passages(NOON))
    answered = 0
    for pair in PAIRS:
        said = headings.answer(pair.question, pair.feature)
        assert said.source in {None, pair.expected}, pair.question
        assert not RULEBOOK.leaks(said.text)
        answered += said.source is not None
    assert answered >= 0.5 * sum(pair.expected is not None for pair in PAIRS)


@pytest.mark.parametrize(("written", "share"), [("20%", 0.2), ("0.35", 0.35), ("100%\n", 1.0), ("0", 0.0)])
def test_rates_are_read_as_percent_or_share(tmp_path: Path, written: str, share: float) -> None:
    """Both spellings mean the same, with or without a line's end."""
    (tmp_path / "review-rate").write_text(written)
    assert Controls.read(tmp_path, Controls()).review == pytest.approx(share)


@pytest.mark.parametrize("written", ["", "many", "200%", "-1"])
def test_a_malformed_rate_leaves_what_held_before(tmp_path: Path, written: str) -> None:
    """A slip in a ConfigMap neither stops the service nor samples everything."""
    (tmp_path / "judge-sampling-rate").write_text(written)
    assert Controls.read(tmp_path, Controls(judge_sampling=0.4)).judge_sampling == 0.4


def test_a_prompt_without_a_field_is_refused_by_name(tmp_path: Path) -> None:
    """The server does not start, and says which field is missing."""
    path = tmp_path / "prompt.yaml"
    path.write_text("depth: 3\nminScore: 0.3\nredact: true\nanswer: '{passage}'\nrefusal: no\n")
    with pytest.raises(ValueError, match="'dated'"):
        Prompt.read(path)
