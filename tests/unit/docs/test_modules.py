"""The map of the code is the code: every module has its place on the page, and every name there is a module."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "operator" / "firebreak"
PAGE = (ROOT / "docs" / "modules.md").read_text()


def _on_the_page() -> set[str]:
    """The modules of the tables; a name without a folder is in that of the name before it in its row."""
    found: set[str] = set()
    for part, text in re.findall(r"^## (\w+)[^\n]*\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE):
        inside = "" if part == "cli" else f"{part}/"  # the part about cli and responder names both folders
        for row in re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE):
            folder = inside
            for name in re.findall(r"`([^`]+\.py)`", row):
                if "/" in name:
                    folder = inside + name.rpartition("/")[0] + "/"
                found.add(folder + name.rpartition("/")[2])
    return found


def test_every_module_has_its_place_on_the_page() -> None:
    """No module is missing, and none is named that does not exist."""
    modules = {str(p.relative_to(PACKAGE)) for p in PACKAGE.rglob("*.py") if not p.name.startswith("__")}

    assert _on_the_page() == modules
