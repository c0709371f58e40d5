"""Write examples/backtest/history.om.gz: two and a half days of a service whose new revision answers badly.

`python -m examples.backtest.history` writes it again, byte for byte. What happens in it:

- from 2026-05-01 00:00Z revision 1.4 serves; about 2% of the judged answers are bad, as many in the morning as at night;
- 2026-05-02 09:10Z: 4% of answers are bad for a quarter of an hour (a batch of hard questions), and nobody did anything;
- 2026-05-03 03:40Z: revision 1.5 is deployed, and 16% are bad;
- 2026-05-03 06:25Z: people have noticed and deploy 1.4 again.
"""

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("history.om.gz")
START = datetime(2026, 5, 1, tzinfo=UTC)
END = START + timedelta(hours=60)
HARD_QUESTIONS = (datetime(2026, 5, 2, 9, 10, tzinfo=UTC), timedelta(minutes=15))
DEPLOYED = datetime(2026, 5, 3, 3, 40, tzinfo=UTC)
TAKEN_BACK = datetime(2026, 5, 3, 6, 25, tzinfo=UTC)
USUAL, HARD, WORSE = 0.02, 0.04, 0.16
ANSWERS, JUDGED = 240.0, 0.04  # a minute at the middle of the day's course; the share of them that the judge sees


@dataclass
class _Revision:
    """What one revision's counters show; a process that starts exports zeros at once."""

    answers: int = 0
    judged: int = 0
    bad: int = 0
    readings: list[tuple[int, int, int, int]] = field(default_factory=list)

    def read(self, at: datetime) -> None:
        self.readings.append((int(at.timestamp()), self.answers, self.judged, self.bad))


def history() -> dict[str, _Revision]:
    """Every reading, once a minute; the same each time."""
    random = np.random.default_rng(11)
    revisions: dict[str, _Revision] = {"1.4": _Revision()}
    at = START
    revisions["1.4"].read(at)
    while at < END:
        is_new = DEPLOYED <= at < TAKEN_BACK
        if is_new and "1.5" not in revisions:
            revisions["1.5"] = _Revision()
            revisions["1.5"].read(at)
        serving = revisions["1.5" if is_new else "1.4"]
        hour = (at - START) / timedelta(hours=24) * 2.0 * np.pi
        answers = int(random.poisson(ANSWERS * (1.0 + 0.5 * np.sin(hour - 2.0))))
        judged = int(random.binomial(answers, JUDGED))
        # Failures cluster: neighbours share a topic, so the rate itself varies from minute to minute.
        rate = WORSE if is_new else (HARD if _is_hard(at) else USUAL)
        bad = int(random.binomial(judged, random.beta(rate * 60.0, (1.0 - rate) * 60.0)))
        at += timedelta(minutes=1)
        serving.answers += answers
        serving.judged += judged
        serving.bad += bad
        serving.read(at)
    return revisions


def _is_hard(at: datetime) -> bool:
    return HARD_QUESTIONS[0] <= at < HARD_QUESTIONS[0] + HARD_QUESTIONS[1]


def lines(revisions: dict[str, _Revision]) -> Iterator[str]:
    """The history in OpenMetrics text format."""
    for column, (name, words) in enumerate(
        (
            ("ai_answers", "Answers given."),
            ("ai_judged", "Answers judged for groundedness."),
            ("ai_judged_bad", "Of these, answers that are not grounded."),
        ),
        start=1,
    ):
        yield f"# HELP {name} {words}"
        yield f"# TYPE {name} counter"
        for revision, told in revisions.items():
            labels = f'namespace="docs",service="summarizer",revision="{revision}"'
            for reading in told.readings:
                yield f"{name}_total{{{labels}}} {reading[column]} {reading[0]}"
    yield "# EOF"


def written() -> bytes:
    """The file's bytes."""
    held = io.BytesIO()
    with gzip.GzipFile(fileobj=held, mode="wb", mtime=0, compresslevel=9) as file:
        file.write(("\n".join(lines(history())) + "\n").encode())
    return held.getvalue()


if __name__ == "__main__":
    FILE.write_bytes(written())
