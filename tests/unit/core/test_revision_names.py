"""A revision's name is what the metrics call it, whatever way its image is pinned."""

import pytest

from firebreak.core.revision import label_of

DIGEST = "sha256:0123456789abcdef" + "0" * 48


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("registry/qa:1.2", "1.2"),
        ("registry:5000/qa:1.2", "1.2"),
        ("registry:5000/qa", "latest"),
        (f"registry/qa:1.2@{DIGEST}", "1.2"),
        (f"registry/qa@{DIGEST}", "0123456789ab"),
    ],
)
def test_the_tag_of_an_image(image: str, tag: str):
    """Two images that are pinned by digest alone are two revisions."""
    assert label_of("{model|tag}", {"model": image}) == tag


def test_a_template_that_names_no_field_is_refused():
    """The message says which name is wrong."""
    with pytest.raises(ValueError, match=r"names \{modle\}, which is not among"):
        label_of("{modle}", {"model": "qa:1"})
