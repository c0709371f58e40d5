"""The reference pages say something of everything that the code names, and docs/ holds them as they are."""

from pathlib import Path

import pytest

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.app.reference import main, pages
from firebreak.core.commands import Reason
from firebreak.core.verdict import VerdictReason

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("reason", [*Reason, *ConditionReason, *ConditionType])
def test_every_reason_is_explained(reason: Reason | ConditionReason | ConditionType) -> None:
    """A word that is for programs needs a sentence for those who write them."""
    rows = [line for line in pages()["reference-reasons.md"].splitlines() if line.startswith(f"| `{reason}` |")]

    assert max((len(row.split("|")[2].strip()) for row in rows), default=0) > 10


def test_every_verdict_is_listed() -> None:
    """Those whose name says it all may go without a sentence."""
    text = pages()["reference-reasons.md"]

    assert [r for r in VerdictReason if f"| `{r}` |" not in text] == []


def test_the_pages_in_docs_are_the_ones_that_the_code_makes(tmp_path: Path) -> None:
    """`make generate` writes them."""
    main(tmp_path)

    for made in tmp_path.iterdir():
        assert (DOCS / made.name).read_text() == made.read_text(), f"{made.name}: run make generate"
