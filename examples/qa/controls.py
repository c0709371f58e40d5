"""Which rates and switches hold right now?

Three files of a ConfigMap, read again every second: these are what Firebreak moves during an incident, and they must
work without a restart.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """Rates as shares of all answers, and whether questions about today are answered at all."""

    judge_sampling: float = 0.2
    review: float = 0.02
    date_answers: bool = True

    @classmethod
    def read(cls, folder: Path, last: Self) -> Self:
        """The controls in this folder; a file that is absent or malformed leaves what held before."""
        return cls(
            judge_sampling=_share(folder / "judge-sampling-rate", last.judge_sampling),
            review=_share(folder / "review-rate", last.review),
            date_answers=_switch(folder / "date-answers", last.date_answers),
        )


def _share(path: Path, last: float) -> float:
    """A share written as ``20%`` or ``0.2``."""
    try:
        written = path.read_text().strip()
        share = float(written.removesuffix("%")) / (100 if written.endswith("%") else 1)
    except (OSError, ValueError):
        return last
    return share if 0 <= share <= 1 else last


def _switch(path: Path, last: bool) -> bool:
    try:
        written = path.read_text().strip().lower()
    except OSError:
        return last
    return {"true": True, "false": False}.get(written, last)
