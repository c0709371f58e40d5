"""Where the lab keeps its files: the one place that knows."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent
MODULES = PACKAGE / "binaries"
MANIFESTS = PACKAGE / "manifests"
IMAGES = PACKAGE / "images.yaml"

# `make lab` leaves its labs here, one folder per name.
NAMED_LABS = REPOSITORY / ".lab"


def cache() -> Path:
    """The per-user folder for what is built once."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "firebreak" / "lab"
