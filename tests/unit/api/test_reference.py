"""The reference of the API is what the models say."""

from pathlib import Path

from firebreak.api.reference import page
from firebreak.api.v1alpha1 import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "reference-api.md"


def test_the_page_is_what_the_models_say() -> None:
    """`make generate` changes nothing."""
    assert PAGE.read_text() == page()


def test_every_kind_and_field_is_there() -> None:
    """Each kind has a section, and a nested field its row with type, default and meaning."""
    text = page()
    assert all(f"\n## {kind.__name__}\n" in text for kind in KINDS)
    assert (
        "| `spec.objectives[].detector.step` | string | default `1m`. "
        "The grid on which counts are read; false-alarm rates are stated per step. Default 60s. |"
    ) in text
    assert "- `spec.release.ramp`" not in text  # a rule stands at the place that it is about
    assert "- `spec.release`: the last step of ramp must be 100" in text
