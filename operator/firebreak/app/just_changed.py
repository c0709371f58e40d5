"""What do the counts say of the revisions that have just changed, and does that make an objective breached?

Asked by app/sampler.py for its verdicts; app/measuring.py tells which changes there are. It reads no metrics of its own:
the counts by revision are those that are kept already, so what is found after a restart is the same. What must stay
true: a change that was told makes no verdict before the next round has seen it, so that the circuit breaker sees a wave
of regressions before any service acts on one; a change that is over counts no longer at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from firebreak.app.counter_feed import subject_of
from firebreak.app.feeds import Feeds
from firebreak.core.comparison import Comparison
from firebreak.core.detectors.regression import RegressionFinding, before_after, may_be_beyond, side_by_side
from firebreak.core.detectors.rules import Sequential
from firebreak.core.judgement import Counts, Kind, kind_after_change, tempered_interval, verdict_after_change
from firebreak.core.just_changed import Change
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec
from firebreak.core.verdict import Verdict

_REFERENCE = timedelta(hours=24)
_LATELY = (60, 180)
"""Steps before the known-good revision left, in which it may have become worse itself."""
_WORSE_ALREADY = 10.0
"""Of the evidence for that far less is asked than for a regression: at worst Sequential has to find it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was worked out up to a step."""

    of: tuple[object, ...]
    comparison: Comparison
    after: Counts


class JustChanged:
    """The changes that are being judged, by objective."""

    def __init__(self, feeds: Feeds, judges_seen: Callable[[ObjectiveKey], Mapping[str, datetime]]) -> None:
        self._feeds, self._judges_seen = feeds, judges_seen
        self._told: dict[ObjectiveKey, Change] = {}
        self._seen: dict[ObjectiveKey, tuple[object, ...]] = {}
        self._known: dict[ObjectiveKey, _Known] = {}

    def tell(self, key: ObjectiveKey, change: Change | None) -> None:
        """From now on this change is to be judged, or none."""
        if change is not None:
            self._told[key] = change
        else:
            for held in (self._told, self._seen, self._known):
                held.pop(key, None)

    def take_up(self) -> set[ObjectiveKey]:
        """A round begins: what was told since the last one may make verdicts from now on. Of which objectives is it news?"""
        self._told = {key: change for key, change in self._told.items() if key in self._feeds.objectives}
        news = {key for key, change in self._told.items() if self._seen.get(key) != change.what}
        self._seen = {key: change.what for key, change in self._told.items()}
        self._known = {key: known for key, known in self._known.items() if key in self._told}
        return news

    def comparison(self, spec: ObjectiveSpec) -> Comparison | None:
        """As it stands; None where nothing is to be compared, or cannot be."""
        known = self._compared(spec)
        return known.comparison if known is not None else None

    def kind(self, spec: ObjectiveSpec, kind: Kind, now: datetime) -> Kind:
        """The kind of `verdict`."""
        change = self._told.get(spec.key)
        if change is None or not self._may_be_beyond(spec, change):
            return kind
        known = self._deciding(spec, now)
        return kind if known is None else kind_after_change(kind, known.comparison)

    def verdict(self, spec: ObjectiveSpec, rule: Sequential, verdict: Verdict, now: datetime) -> Verdict:
        """Sequential's verdict, or that the new revision is worse than the known-good one and than the objective."""
        known = self._deciding(spec, now)
        if known is None:
            return verdict
        return verdict_after_change(rule, verdict, known.comparison, self._told[spec.key], known.after)

    def _deciding(self, spec: ObjectiveSpec, now: datetime) -> _Known | None:
        change = self._told.get(spec.key)
        if change is None or now >= change.decides_until or self._seen.get(spec.key) != change.what:
            return None
        return self._compared(spec)

    def _may_be_beyond(self, spec: ObjectiveSpec, change: Change) -> bool:
        """A deployment to a whole fleet must not have every round compare all of it: what is well is told by less."""
        if not isinstance(spec.rule, Sequential) or self._feeds.counters_of(spec) is None:
            return False
        after = self._feeds.counts(spec, change.since, change.revision if change.labelled else None)
        return may_be_beyond(spec.rule.allowed, after.bad, after.judged, spec.rule.clustering)

    def _compared(self, spec: ObjectiveSpec) -> _Known | None:
        change, feed = self._told.get(spec.key), self._feeds.counters_of(spec)
        if change is None or feed is None or not isinstance(spec.rule, Sequential):
            return None
        of = (spec, change.what, feed.counting.last_step)
        known = self._known.get(spec.key)
        if known is None or known.of != of:
            has_revisions = feed.counting.has_revisions(feed.counting.index(subject_of(spec)))
            comparison, after = self._compare(spec, spec.rule, change, change.labelled and has_revisions)
            known = self._known[spec.key] = _Known(of, comparison, after)
        return known

    def _compare(
        self, spec: ObjectiveSpec, rule: Sequential, change: Change, labelled: bool
    ) -> tuple[Comparison, Counts]:
        """With the new revision's counts since the change.

        By label where the metrics carry revisions, and side by side while both serve; else before and after in time,
        against the known-good one's last 24 h, as far as they are kept.
        """
        old, new = (change.known_good, change.revision) if labelled else (None, None)
        left = change.left_known_good
        before = self._feeds.counts(spec, left - _REFERENCE, old, until=left)
        after = self._feeds.counts(spec, change.since, new)
        beside = self._feeds.counts(spec, change.since, old)
        together = (beside.judged > 0.0) & (after.judged > 0.0)
        concurrent = labelled and bool(together.sum() > len(after) / 2)
        known, g = beside if concurrent else before, rule.clustering
        found = (
            side_by_side(beside.bad, beside.judged, after.bad, after.judged, g)
            if concurrent
            else before_after(before.bad, before.judged, after.bad, after.judged, g)
        )
        incomparable = self._other_judge(spec, known)
        if not incomparable and found.finding is RegressionFinding.REGRESSION and labelled and not concurrent:
            meanwhile = before_after(before.bad, before.judged, beside.bad, beside.judged, g)
            if meanwhile.finding is RegressionFinding.REGRESSION:
                incomparable = (
                    "the known-good revision has become worse since as well, so the cause is upstream of both"
                )
        if not incomparable and found.finding is RegressionFinding.REGRESSION and not concurrent:
            incomparable = _worse_already(before, g)
        comparison = Comparison(
            found=found,
            labelled=labelled,
            side_by_side=concurrent,
            known_judged=float(known.judged.sum()),
            known_bad=float(known.bad.sum()),
            known_interval=tempered_interval(rule, known),
            allowed=rule.allowed,
            incomparable=incomparable,
        )
        return comparison, after

    def _other_judge(self, spec: ObjectiveSpec, known: Counts) -> str:
        """Why another judge has judged what serves now than what it is held against; empty when none has."""
        counted = np.flatnonzero(known.judged > 0.0)
        if not len(counted):
            return ""
        # A series is first seen a step before it counts anything, and in the first step that is kept: or before.
        by_then = known.starts(int(counted[0])) + known.step
        came = {judge: since for judge, since in self._judges_seen(spec.key).items() if since > by_then}
        told = ", ".join(f"{judge} at {since:%H:%M:%SZ}" for judge, since in sorted(came.items()))
        return f"another judge has come meanwhile ({told}), so the two cannot be compared" if told else ""


def _worse_already(before: Counts, clustering: float) -> str:
    """Why what was bad before the change is not put down to it: who deploys in an outage means to end it."""
    for steps in _LATELY:
        if len(before) < 2 * steps:
            continue
        bad, judged = before.bad, before.judged
        was = before_after(bad[:-steps], judged[:-steps], bad[-steps:], judged[-steps:], clustering)
        if was.evidence >= _WORSE_ALREADY:
            return f"the known-good revision had become worse itself in its last {steps} steps, so the change is not the cause"
    return ""
