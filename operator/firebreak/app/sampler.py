"""What is known of every objective now: verdicts, recovery, health, exposure, scope.

Asked by the loop: `sample` once a cycle, then the questions about the services that it looks at. What must stay true:
a source that cannot be read is an ERROR of the objectives that read it and of no others; nothing here raises for it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

import numpy as np
import structlog

from firebreak.app.counter_feed import feed_key, subject_of
from firebreak.app.feeds import FeedId, Feeds, ReadId
from firebreak.app.just_changed import JustChanged
from firebreak.app.reads import Reads
from firebreak.core.comparison import Comparison
from firebreak.core.counting import MAX_GROUPS, MAX_REVISIONS
from firebreak.core.coverage import Coverage, coverage_of, coverage_of_attempts
from firebreak.core.detectors.burn_rate import expected_delay as burning_unseen
from firebreak.core.detectors.rules import BurnRate, Count, Sequential, Threshold
from firebreak.core.detectors.sequential import expected_delay_steps, fold
from firebreak.core.exposure import BadServed, bad_served
from firebreak.core.history import HISTORY_STEPS
from firebreak.core.judgement import (
    ABSENT_AFTER_STEPS,
    TRAILING_STEPS,
    Counts,
    Kind,
    SegmentCounts,
    burn_rate_verdict,
    count_verdict,
    error_verdict,
    gauge_health,
    gauge_recovery,
    health_of,
    inconclusive_verdict,
    recovery_of,
    sequential_kind,
    sequential_verdict,
    threshold_verdict,
    worse_segments,
)
from firebreak.core.just_changed import Change
from firebreak.core.objectives import (
    JudgeErrorsSpec,
    ObjectiveKey,
    ObjectiveSpec,
    Ratio,
    ServiceKey,
    SourceKey,
    Watched,
)
from firebreak.core.ports_metrics import MetricsPort
from firebreak.core.verdict import Finding, Health, RecoveryFinding, RecoveryVerdict, Tier, Verdict, VerdictReason

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How many answers a service gave in one step."""

    at: datetime  # the step's end
    answers: float


class Sampler:
    """What is known of every objective, brought up to date by `sample`."""

    def __init__(self, source: Callable[[SourceKey], MetricsPort | None]) -> None:
        self._feeds = Feeds(source)
        self._just_changed = JustChanged(self._feeds, self.judges_seen)
        self._told: dict[ObjectiveKey, tuple[ObjectiveSpec, Kind]] = {}
        self._covered: dict[ObjectiveKey, tuple[object, Coverage | None]] = {}

    async def sample(
        self,
        watched: Collection[Watched],
        now: datetime,
        reads: Reads[ReadId] | None = None,
        apart: Mapping[ServiceKey, frozenset[str]] | None = None,
    ) -> set[ServiceKey]:
        """Read every step that is due; the services of which a verdict has changed in kind.

        Changed in kind: another finding, reason or tier than at the last call. Numbers alone do not count.
        With `reads`, a slow source's steps are read on beside it, and seen by a later call.
        `apart` names revisions whose counts are kept apart, however many others the metrics name.
        """
        self._feeds.want(watched, apart)
        self._covered = {key: known for key, known in self._covered.items() if key in self._feeds.objectives}
        read = await self._feeds.read(now, reads)
        slow = {one.feed for one in reads.under_way if not one.apart} if reads is not None else set()
        return self._changed(read, slow, self._just_changed.take_up(), now)

    def _changed(
        self, read: set[FeedId], slow: set[FeedId], asked: set[ObjectiveKey], now: datetime
    ) -> set[ServiceKey]:
        changed = set()
        told = {}
        for key, spec in self._feeds.objectives.items():
            before = self._told.get(key)
            # Where nothing was read nothing is new: a feed that lags behind is read at every call until it does not.
            feed = feed_key(spec) or key
            # What is slow may have become too old meanwhile.
            may_differ = feed in read or key in asked or (feed in slow and self._feeds.unusable(spec, now) is not None)
            if before is not None and before[0] == spec and not may_differ:
                told[key] = before
                continue
            try:
                told[key] = (spec, self._kind(spec, now))
            except Exception:
                # One objective that cannot be judged must not end the round of all; its service's turn will say so.
                log.exception("objective_not_judged", objective=str(key))
                told[key] = (spec, Kind(Finding.ERROR, VerdictReason.SPEC_REFUSED, Tier.NONE))
            if before is None or before[1] != told[key][1]:
                changed.add(key.service_key)
        self._told = told
        return changed

    # What is known

    def watches(self, key: ObjectiveKey) -> bool:
        """Was the objective among those of the last `sample`? Only of these may one ask."""
        return key in self._feeds.objectives

    def objectives(self) -> tuple[ObjectiveSpec, ...]:
        """All of them."""
        return tuple(self._feeds.objectives.values())

    def spec(self, key: ObjectiveKey) -> ObjectiveSpec | None:
        """As it is measured now."""
        return self._feeds.objectives.get(key)

    def verdict(self, key: ObjectiveKey, now: datetime) -> Verdict:
        """The verdict on the evidence there is; INCONCLUSIVE or ERROR where that is too old to speak of `now`."""
        spec = self._feeds.objectives[key]
        unusable = self._unusable(spec, now)
        if unusable is not None:
            return unusable
        match spec.rule:
            case Threshold() as rule:
                values, end = self._feeds.values(spec)
                return threshold_verdict(spec, rule, values, end, self._feeds.gauge_of(spec).last_was_invalid)
            case Sequential() as rule:
                counts, sanity = self._feeds.counts(spec), self._feeds.sanity(spec)
                verdict = sequential_verdict(spec, rule, self._evidence(spec), counts, sanity)
                return self._just_changed.verdict(spec, rule, verdict, now)
            case Count() as rule:
                return count_verdict(spec, rule, self._feeds.counts(spec), self._feeds.sanity(spec))
            case BurnRate() as rule:
                return burn_rate_verdict(spec, rule, self._feeds.counts(spec), self._feeds.sanity(spec))
        assert_never(spec.rule)

    def recovery(
        self, key: ObjectiveKey, since: datetime, revision: str | None, incident_rate: float | None, now: datetime
    ) -> RecoveryVerdict:
        """A fresh fold from `since` on; of one revision's series only, if given and if the metrics carry revisions."""
        spec = self._feeds.objectives[key]
        unusable = self._unusable(spec, now)
        if unusable is not None:
            is_error = unusable.finding is Finding.ERROR
            finding = RecoveryFinding.ERROR if is_error else RecoveryFinding.INCONCLUSIVE
            return RecoveryVerdict(objective=key, finding=finding, because=unusable.because, at=now)
        if isinstance(spec.rule, Threshold):
            values, end = self._feeds.values(spec, since)
            return gauge_recovery(spec, spec.rule, values, end)
        return recovery_of(spec, self._feeds.counts(spec, since, revision), incident_rate)

    def health(self, key: ObjectiveKey, since: datetime, revision: str | None, now: datetime) -> Health:
        """Whether the objective was met since then, by its tempered upper bound."""
        spec = self._feeds.objectives[key]
        unusable = self._unusable(spec, now)
        if unusable is not None:
            return Health(
                meets=False,
                because=unusable.because,
                judged=0.0,
                bad=0.0,
                upper_bound=None,
                expected_delay=None,
                span=timedelta(0),
            )
        if isinstance(spec.rule, Threshold):
            values, _ = self._feeds.values(spec, since)
            return gauge_health(spec, spec.rule, values)
        return health_of(spec, self._feeds.counts(spec, since, revision))

    def compare(self, key: ObjectiveKey, change: Change | None) -> None:
        """From the next `sample` on judge this change of revision too, or none; only of what is watched."""
        self._just_changed.tell(key, change)

    def comparison(self, key: ObjectiveKey, now: datetime) -> Comparison | None:
        """Is what serves since the change worse than the known-good revision? None where that cannot be asked now."""
        spec = self._feeds.objectives[key]
        return None if self._unusable(spec, now) is not None else self._just_changed.comparison(spec)

    def answers(self, service: ServiceKey, since: datetime, revision: str | None = None) -> tuple[Answered, ...] | None:
        """Answers given in each step that lies wholly after `since`; None where that is not known.

        Steps older than what is kept are left out, and so are the last ones if the series are away: that nothing was
        counted is no proof that nobody was answered. Not known: no `answers` is declared, or it was never seen.
        """
        spec = self._feeds.exposures.get(service)
        if spec is None or self._feeds.counters_of(spec) is None:
            return None
        sanity = self._feeds.sanity(spec)
        away = sanity.seen
        if away is None or _is_lately(sanity.contested):
            return None  # of a counter that nothing can be told of, nothing counted is no proof either
        counts = self._feeds.counts(spec, since, revision)
        seen = range(max(0, len(counts) - away))
        return tuple(Answered(at=counts.starts(i + 1), answers=float(counts.judged[i])) for i in seen)

    def bad_served(self, key: ObjectiveKey, since: datetime, revision: str | None = None) -> BadServed | None:
        """The estimate for an objective since a moment; None without exposure or without anything judged."""
        spec = self._feeds.objectives[key]
        answered = self.answers(key.service_key, since, revision)
        feed = self._feeds.counters_of(spec)
        if answered is None or feed is None or not isinstance(spec.rule, Sequential):
            return None
        if (feed.counting.history.first or 0) > feed.key.grid.first_within(since):
            return None  # its beginning is not remembered any more
        counts = self._feeds.counts(spec, since, revision)
        if not len(counts):
            return None
        given = np.zeros(len(counts))
        for step in answered:
            # Of a finer grid several fall into one step; what was given after the last one is judged like that one.
            at = -((counts.starts(0) - step.at) // counts.step) - 1
            given[min(max(at, 0), len(counts) - 1)] += step.answers
        return bad_served(spec.rule, counts, given)

    def counts(self, key: ObjectiveKey, since: datetime) -> Counts | None:
        """What was counted in each step since a moment, as far as it is kept; None for a gauge, or before it was read."""
        spec = self._feeds.objectives[key]
        return self._feeds.counts(spec, since) if self._feeds.counters_of(spec) is not None else None

    def segments(self, key: ObjectiveKey, since: datetime) -> list[SegmentCounts]:
        """The declared segments since a moment, the worst first; empty for objectives without segments."""
        spec = self._feeds.objectives[key]
        feed = self._feeds.counters_of(spec)
        if feed is None or not isinstance(spec.rule, Sequential) or not spec.segments:
            return []
        counting = feed.counting
        rows = counting.rows(counting.index(subject_of(spec)))
        first, last = counting.history.clamp(feed.key.grid.first_within(since), counting.last_step or 0)
        bad, judged = counting.history.totals(rows, first, last)
        totals: dict[str, tuple[float, float]] = {}
        for row, bad_of_row, judged_of_row in zip(rows, bad, judged, strict=True):
            values = counting.groups[int(row)].segments
            name = ",".join(f"{label}={value}" for label, value in zip(spec.segments, values, strict=True))
            before = totals.get(name, (0.0, 0.0))
            totals[name] = (before[0] + float(bad_of_row), before[1] + float(judged_of_row))
        found = [(name, b, n) for name, (b, n) in totals.items() if n > 0.0]
        return worse_segments(spec.rule, found, last - first + 1)

    def judges_seen(self, key: ObjectiveKey) -> Mapping[str, datetime]:
        """The values of the label `judge` in the objective's series, and when each was first seen."""
        spec = self._feeds.objectives[key]
        feed = self._feeds.counters_of(spec)
        if feed is None or not isinstance(spec.indicator, Ratio):
            return {}
        seen = feed.counting.judges(feed.counting.index(subject_of(spec)))
        return {judge: feed.key.grid.end(step) for judge, step in seen.items()}

    def revisions_seen(self, key: ObjectiveKey, since: datetime) -> Mapping[str, float]:
        """How much was judged of each revision that the metrics named since a moment."""
        spec = self._feeds.objectives[key]
        feed = self._feeds.counters_of(spec)
        if feed is None:
            return {}
        counting = feed.counting
        rows = counting.rows(counting.index(subject_of(spec)))
        _, judged = counting.history.totals(rows, feed.key.grid.first_within(since), counting.last_step or 0)
        seen: dict[str, float] = {}
        for row, count in zip(rows, judged, strict=True):
            revision = counting.groups[int(row)].revision
            if revision and count > 0.0:
                seen[revision] = seen.get(revision, 0.0) + float(count)
        return seen

    def expected_delay(self, key: ObjectiveKey, times: float = 1.0) -> timedelta | None:
        """Until a breach at 4x the allowed rate would be Confirmed, at `times` the last hour's volume; None if never."""
        spec = self._feeds.objectives[key]
        if isinstance(spec.rule, Threshold):
            return spec.step + spec.rule.lasting
        if isinstance(spec.rule, BurnRate):
            return burning_unseen(spec.rule)
        if not isinstance(spec.rule, Sequential):
            return spec.step
        if self._feeds.counters_of(spec) is None:
            return None
        recent = self._feeds.counts(spec).judged[-TRAILING_STEPS:]
        delay = expected_delay_steps(spec.rule, times * float(recent.mean()) if len(recent) else 0.0)
        return spec.step * delay if np.isfinite(delay) else None

    def is_sequential(self, key: ObjectiveKey) -> bool:
        """Whether it is judged by evidence that more judged answers would bring sooner."""
        spec = self._feeds.objectives.get(key)
        return spec is not None and isinstance(spec.rule, Sequential)

    def quiet_steps(self, keys: Collection[ObjectiveKey], below: float, now: datetime) -> int | None:
        """For how many steps in a row the evidence of all of these has been weak; None if one cannot be read now.

        Folded anew from the counts that are kept, so that it is the same after a restart.
        """
        quiet = HISTORY_STEPS
        for key in keys:
            spec = self._feeds.objectives[key]
            if self._unusable(spec, now) is not None or not isinstance(spec.rule, Sequential):
                return None
            counts = self._feeds.counts(spec)
            loud = np.flatnonzero(fold(spec.rule, counts.bad, counts.judged) >= below)
            steps = len(counts) - 1 - int(loud[-1]) if len(loud) else len(counts)
            quiet = min(quiet, 0 if self._evidence(spec) >= below else steps)
        return quiet if keys else None

    def coverage(self, key: ObjectiveKey) -> Coverage | None:
        """How much is judged of the answers, or of what the judge tried, and how much usually is.

        None where that cannot be said: it needs `answers`, read on the ratio's grid, or a judge that counts its errors.
        """
        spec = self._feeds.objectives[key]
        judged = self._feeds.counters_of(spec)
        if judged is None or not isinstance(spec.indicator, Ratio) or _is_lately(self._feeds.contested(spec)):
            return None
        exposure, errors = self._feeds.exposures.get(key.service_key), self._feeds.judge_errors.get(key)
        if exposure is not None and exposure.step != spec.step:
            exposure = None
        known = [(s, feed) for s in (exposure, errors) if s is not None and (feed := self._feeds.counters_of(s))]
        state = (spec, judged.counting.last_step, tuple((s, feed.counting.last_step) for s, feed in known))
        held = self._covered.get(key)
        if held is None or held[0] != state:
            held = (state, self._coverage(spec, [s for s, _ in known]))
            self._covered[key] = held
        return held[1]

    def _coverage(self, spec: ObjectiveSpec, against: Collection[Watched]) -> Coverage | None:
        judged = self._feeds.counts(spec)
        found = [
            coverage_of_attempts(judged, self._feeds.counts(other))
            if isinstance(other, JudgeErrorsSpec)
            else coverage_of(judged, self._feeds.counts(other))
            for other in against
        ]
        said = [coverage for coverage in found if coverage is not None]
        return next((c for c in said if c.is_lost), said[0] if said else None)

    def _unusable(self, spec: ObjectiveSpec, now: datetime) -> Verdict | None:
        """Why nothing can be said now: there is no evidence, it is too old, or hardly any answer is judged.

        What little a failing judge judges is no sample: it may give up on the very answers that are bad.
        """
        unusable = self._feeds.unusable(spec, now)
        if unusable is not None:
            return unusable
        if (without := self._without_bucket(spec)) is not None:
            return without
        if (contested := self._contested(spec)) is not None:
            return contested
        coverage = self.coverage(spec.key)
        if coverage is None or not coverage.is_lost:
            return None
        told = f"{coverage}: is the judge running?"
        return inconclusive_verdict(spec, VerdictReason.JUDGE_COVERAGE_LOST, told, self._feeds.counts(spec).end)

    def _contested(self, spec: ObjectiveSpec) -> Verdict | None:
        """Several processes write one of its series, or did within the trailing steps: the counts of those are false."""
        if self._feeds.counters_of(spec) is None:
            return None
        age = self._feeds.contested(spec)
        if age is None or not _is_lately(age):
            return None
        told = (
            "several processes write one series: it falls to one's count and leaps back to the other's, which is no restart; "
            "give each a label of its own, such as pod or instance, or have the store deduplicate its replicas"
        )
        end = self._feeds.counts(spec).end
        return inconclusive_verdict(
            spec, VerdictReason.SEVERAL_WRITERS, f"{told} (last at {end - spec.step * age:%H:%M:%SZ})", end
        )

    def _without_bucket(self, spec: ObjectiveSpec) -> Verdict | None:
        """Of a histogram: its observations are there, and no bucket ends at the limit, so none of them can be judged."""
        if not isinstance(spec.indicator, Ratio) or not spec.indicator.bound or self._feeds.counters_of(spec) is None:
            return None
        sanity = self._feeds.sanity(spec)
        if not _is_recent(sanity.unpaired) or _is_recent(sanity.paired):
            return None
        told = f"there is no {spec.indicator.bound}: the limit must be a bound of the histogram's buckets"
        if sanity.nearest is not None:
            told += f"; the nearest are {sanity.nearest}"
        return error_verdict(spec, VerdictReason.NO_SUCH_BUCKET, told, self._feeds.counts(spec).end)

    def oddities(self, key: ObjectiveKey) -> tuple[str, ...]:
        """What was odd about the objective's readings within the trailing steps, for IndicatorHealthy."""
        spec = self._feeds.objectives[key]
        if self._feeds.counters_of(spec) is None:
            return ()
        sanity = self._feeds.sanity(spec)
        told = (
            (sanity.invalid, "NaN, infinite or negative values"),
            (sanity.duplicate, "the same series twice in one answer: deduplicate replicas"),
            (sanity.bad_exceeded, "more bad than judged: do both count the same verdicts?"),
            (
                sanity.too_many_groups,
                f"over {MAX_GROUPS} combinations of revision and segments: the rest is told as other",
            ),
            (
                sanity.too_many_revisions,
                f"over {MAX_REVISIONS} values of the revision label: what the others count, but for the revision that "
                "serves and the known-good one, is not held for or against any; have the label name versions, not "
                "builds of one or instances",
            ),
            (sanity.unpaired, "some series have no bucket that ends at the limit: what they count is left out"),
        )
        return tuple(words for age, words in told if _is_lately(age))

    def _kind(self, spec: ObjectiveSpec, now: datetime) -> Kind:
        """The kind of `verdict`, for a ratio without the cost of its intervals."""
        feed = self._feeds.counters_of(spec)
        if feed is not None and isinstance(spec.rule, Sequential) and self._unusable(spec, now) is None:
            recent = self._feeds.counts(spec, feed.key.grid.end((feed.counting.last_step or 0) - TRAILING_STEPS))
            kind = sequential_kind(spec.rule, feed.evidence(spec), recent, self._feeds.sanity(spec))
            return self._just_changed.kind(spec, kind, now)
        verdict = self.verdict(spec.key, now)
        return Kind(verdict.finding, verdict.reason, verdict.tier)

    def _evidence(self, spec: ObjectiveSpec) -> float:
        feed = self._feeds.counters_of(spec)
        return feed.evidence(spec) if feed is not None else 0.0


def _is_lately(age: int | None) -> bool:
    return age is not None and age <= TRAILING_STEPS


def _is_recent(age: int | None) -> bool:
    return age is not None and age <= ABSENT_AFTER_STEPS
