"""Could the revision that serves be the cause, and could a rollback help?

Asked by `decide` before a RollBack.
By time: a revision that has been proven is not the cause of what begins now, and a change cannot be the cause of what
began before it. Thin knowledge never rolls back: the answer is then a reason to skip.
By numbers: where every breached objective was as bad under the known-good revision, going back to it is no cure. What
the numbers leave open is decided by time alone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from firebreak.core.commands import Reason
from firebreak.core.comparison import Comparison
from firebreak.core.revision import RevisionFacts, Snapshot, changes

SLACK = timedelta(seconds=30)
"""An onset is an estimate on a grid, and a change is seen late: this much overlap still counts as "after"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributed:
    """The change is a suspect: this revision is the one to go back to."""

    known_good: Snapshot
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAttributed:
    """A rollback is not called for."""

    reason: Reason
    because: str


def attribution(
    facts: RevisionFacts,
    onset: datetime | None,
    step: timedelta,
    breached: Collection[str] = (),
    comparisons: Mapping[str, Comparison] | None = None,
) -> Attributed | NotAttributed:
    """Hold the revision that serves against the known-good one and the time at which it began to serve.

    `comparisons` are the numbers by objective, where they can be had; of the objectives in `breached` they may speak.
    """
    if facts.current is None or facts.since is None:
        return NotAttributed(reason=Reason.CANNOT_COMPILE, because=facts.problem or "the revision cannot be read")
    if facts.known_good is None:
        return NotAttributed(
            reason=Reason.NO_KNOWN_GOOD, because="no revision has been proven good yet, so there is none to go back to"
        )
    if facts.known_good.digest == facts.current.digest:
        return NotAttributed(
            reason=Reason.NO_REVISION_CHANGE,
            because=f"no revision change precedes the onset: {facts.current.name} is the known-good revision and has "
            f"served since {facts.since:%Y-%m-%d %H:%M:%SZ}",
        )
    # Another revision may have come since the onset: what would be gone back to is innocent all the same, if it had
    # left before.
    left = facts.left_known_good or facts.since
    if onset is not None and onset + SLACK + step < left:
        return NotAttributed(
            reason=Reason.CHANGE_AFTER_ONSET,
            because=f"it began at {onset:%H:%M:%SZ}, when {facts.known_good.name} still served: "
            f"{facts.current.name} came at {left:%H:%M:%SZ}",
        )
    crossed = (facts.current, *(s for s in facts.history if s.first_seen >= left - SLACK))
    if kept := next((s for s in crossed if not s.rollbackable), None):
        return NotAttributed(
            reason=Reason.NOT_ROLLBACKABLE,
            because=f"revision {kept.name} is marked firebreak.dev/rollbackable: false",
        )
    compared = {name: c for name in breached if (c := (comparisons or {}).get(name)) is not None}
    if compared and len(compared) == len(set(breached)) and all(c.is_no_worse for c in compared.values()):
        together = all(c.side_by_side for c in compared.values())
        numbers = "; ".join(f"{name}: {c.because}" for name, c in compared.items())
        cause = (
            "both are bad at the same time, so the cause is upstream of them" if together else "going back is no cure"
        )
        return NotAttributed(
            reason=Reason.WORSE_TOGETHER if together else Reason.NOT_WORSE,
            because=f"{facts.known_good.name} is no better than {facts.current.name}: {cause}: {numbers}",
        )
    changed = changes(facts.known_good, facts.current, left)
    named = " and ".join(f"{c.field} ({c.before} -> {c.after})" for c in changed)
    return Attributed(
        known_good=facts.known_good,
        because=f"it began after {named} changed at {left:%H:%M:%SZ}; "
        f"{facts.known_good.name} is the last revision proven good"
        + "".join(f"; {name}: {c.because}" for name, c in compared.items() if c.is_regression),
    )
