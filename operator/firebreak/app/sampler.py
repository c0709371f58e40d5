"""Brings what Prometheus holds into the detectors, and answers what they know.

Asked by the loop: `sample` once a cycle, then `verdict`, `recovery`, `health` and `answers` for the services that it
looks at. What must stay true: queries grow with the number of distinct indicators, not of services; a source that
cannot be read is an ERROR of the objectives that read it and of no others; nothing here raises for a source's fault.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from firebreak.app.counter_feed import CounterFeed, FeedKey, feed_key, subject_of
from firebreak.app.gauge_feed import GaugeFeed
from firebreak.app.grid import EPOCH, Grid
from firebreak.core.detectors.regression import Regression, before_after, side_by_side
from firebreak.core.detectors.rules import Count, Sequential, Threshold
from firebreak.core.detectors.sequential import expected_delay_steps
from firebreak.core.estimates import interval
from firebreak.core.history import HISTORY_STEPS
from firebreak.core.judgement import (
    TRAILING_STEPS,
    Counts,
    Kind,
    SegmentCounts,
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
from firebreak.core.objectives import ExposureSpec, ObjectiveKey, ObjectiveSpec, ServiceKey, SourceKey, Watched
from firebreak.core.ports_metrics import (
    MetricsError,
    MetricsPort,
    PartialResponse,
    QueryRefused,
)
from firebreak.core.promql import SelectorRefused
from firebreak.core.verdict import Finding, Health, Interval, RecoveryFinding, RecoveryVerdict, Verdict, VerdictReason

BEHIND_STEPS = 2  # one step may be missed before evidence is stale

Feed = CounterFeed | GaugeFeed
FeedId = FeedKey | ObjectiveKey  # a gauge is read for one objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How many answers a service gave in one step."""

    at: datetime  # the step's end
    answers: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BadServed:
    """About how many bad answers users got: answers times the judged rate, with its 95% interval."""

    answers: float
    bad: float
    low: float
    high: float


class Sampler:
    """What is known of every objective, brought up to date by `sample`."""

    def __init__(self, source: Callable[[SourceKey], MetricsPort | None]) -> None:
        self._source = source
        self._specs: dict[ObjectiveKey, ObjectiveSpec] = {}
        self._exposures: dict[ServiceKey, ExposureSpec] = {}
        self._counters: dict[FeedKey, CounterFeed] = {}
        self._gauges: dict[ObjectiveKey, GaugeFeed] = {}
        self._refused: dict[ObjectiveKey, str] = {}
        self._errors: dict[FeedId, MetricsError] = {}
        self._told: dict[ObjectiveKey, Kind] = {}

    async def sample(self, watched: Collection[Watched], now: datetime) -> set[ServiceKey]:
        """Read every step that is due; the services of which a verdict has changed in kind.

        Changed in kind: another finding, reason or tier than at the last call. Numbers alone do not count.
        """
        self._want(watched)
        reads: dict[FeedId, asyncio.Task[bool]] = {}
        async with asyncio.TaskGroup() as group:
            for key, feed in self._counters.items():
                reading = self._read(key, key.source, feed, key.grid.due(now))
                reads[key] = group.create_task(reading, name=f"sample {key.bad}")
            for objective, gauge in self._gauges.items():
                reading = self._read(objective, gauge.spec.source, gauge, gauge.grid.due(now))
                reads[objective] = group.create_task(reading, name=f"sample {objective}")
        return self._changed({feed for feed, task in reads.items() if task.result()}, now)

    async def _read(self, key: FeedId, source: SourceKey, feed: Feed, due: int) -> bool:
        """True if there is something new to judge."""
        before = self._errors.pop(key, None)
        port = self._source(source)
        try:
            if port is None:
                raise QueryRefused(f"there is no usable metric source {'/'.join(filter(None, source))}")
            return await feed.bring_up_to(due, port) or before is not None
        except MetricsError as error:
            self._errors[key] = error
        except SelectorRefused as error:
            self._errors[key] = QueryRefused(str(error))
        return True

    def _want(self, watched: Iterable[Watched]) -> None:
        objectives, exposures = {}, {}
        by_feed: dict[FeedKey, list[Watched]] = {}
        for spec in watched:
            if isinstance(spec, ObjectiveSpec):
                objectives[spec.key] = spec
            else:
                exposures[spec.service] = spec
        if objectives == self._specs and exposures == self._exposures:
            return
        self._told = {key: told for key, told in self._told.items() if self._specs.get(key) == objectives.get(key)}
        self._specs, self._exposures = objectives, exposures
        gauges: dict[ObjectiveKey, GaugeFeed] = {}
        self._refused = {}
        every: list[Watched] = [*objectives.values(), *exposures.values()]
        for spec in every:
            key = feed_key(spec)
            if key is not None:
                by_feed.setdefault(key, []).append(spec)
            elif isinstance(spec, ObjectiveSpec):
                self._want_gauge(spec, gauges)
        for key, specs in by_feed.items():
            self._counters.setdefault(key, CounterFeed(key)).want(specs)
        self._counters = {key: feed for key, feed in self._counters.items() if key in by_feed}
        self._gauges = gauges
        kept = {*self._counters, *self._gauges}
        self._errors = {key: error for key, error in self._errors.items() if key in kept}

    def _want_gauge(self, spec: ObjectiveSpec, gauges: dict[ObjectiveKey, GaugeFeed]) -> None:
        known = self._gauges.get(spec.key)
        if known is not None and known.spec == spec:
            gauges[spec.key] = known
            return
        try:
            gauges[spec.key] = GaugeFeed(spec)
        except SelectorRefused as error:
            self._refused[spec.key] = str(error)

    def _changed(self, read: set[FeedId], now: datetime) -> set[ServiceKey]:
        changed = set()
        for key, spec in self._specs.items():
            # Where nothing was read nothing is new: a feed that lags behind is read at every call until it does not.
            if key in self._told and (feed_key(spec) or key) not in read:
                continue
            told = self._kind(spec, now)
            if told != self._told.get(key):
                changed.add(key.service_key)
                self._told[key] = told
        return changed

    # What is known

    def watches(self, key: ObjectiveKey) -> bool:
        """Was the objective among those of the last `sample`? Only of these may one ask."""
        return key in self._specs

    def verdict(self, key: ObjectiveKey, now: datetime) -> Verdict:
        """The verdict on the evidence there is; INCONCLUSIVE or ERROR where that is too old to speak of `now`."""
        spec = self._specs[key]
        if key in self._refused:
            return error_verdict(spec, VerdictReason.SPEC_REFUSED, self._refused[key], now)
        unusable = self._unusable(spec, now)
        if unusable is not None:
            return unusable
        match spec.rule:
            case Threshold() as rule:
                gauge = self._gauges[key]
                assert gauge.last_step is not None
                values, end = gauge.values(0, gauge.last_step)
                return threshold_verdict(spec, rule, values, end, gauge.last_was_invalid)
            case Sequential() as rule:
                feed = self._feed(spec)
                sanity = feed.counting.sanity(feed.counting.index(subject_of(spec)))
                return sequential_verdict(spec, rule, feed.evidence(spec), self._counts(spec), sanity)
            case Count() as rule:
                feed = self._feed(spec)
                sanity = feed.counting.sanity(feed.counting.index(subject_of(spec)))
                return count_verdict(spec, rule, self._counts(spec), sanity)
            case _:
                raise TypeError(f"{spec.key} has no live detector")

    def recovery(
        self, key: ObjectiveKey, since: datetime, revision: str | None, incident_rate: float | None, now: datetime
    ) -> RecoveryVerdict:
        """A fresh fold from `since` on; of one revision's series only, if given and if the metrics carry revisions."""
        spec = self._specs[key]
        unusable = self._unusable(spec, now)
        if key in self._refused or unusable is not None:
            because = self._refused.get(key) or (unusable.because if unusable else "")
            is_error = key in self._refused or (unusable is not None and unusable.finding is Finding.ERROR)
            finding = RecoveryFinding.ERROR if is_error else RecoveryFinding.INCONCLUSIVE
            return RecoveryVerdict(objective=key, finding=finding, because=because, at=now)
        if isinstance(spec.rule, Threshold):
            values, end = self._values(spec, since)
            return gauge_recovery(spec, spec.rule, values, end)
        return recovery_of(spec, self._counts(spec, since, revision), incident_rate)

    def health(self, key: ObjectiveKey, since: datetime, revision: str | None, now: datetime) -> Health:
        """Whether the objective was met since then, by its tempered upper bound."""
        spec = self._specs[key]
        unusable = self._unusable(spec, now)
        if key in self._refused or unusable is not None:
            return Health(
                meets=False,
                because=self._refused.get(key) or (unusable.because if unusable else ""),
                judged=0.0,
                bad=0.0,
                upper_bound=None,
                expected_delay=None,
                span=timedelta(0),
            )
        if isinstance(spec.rule, Threshold):
            values, _ = self._values(spec, since)
            return gauge_health(spec, spec.rule, values)
        return health_of(spec, self._counts(spec, since, revision))

    def regression(
        self, key: ObjectiveKey, changed_at: datetime, known_good: str | None, revision: str | None
    ) -> Regression | None:
        """Is what serves since a change worse than what served before it? None where that cannot be asked.

        By label where the metrics carry revisions, and side by side while both serve; else before and after in time,
        against the last 24 h before the change.
        """
        spec = self._specs[key]
        if not isinstance(spec.rule, Sequential) or not self._feed(spec).knows(spec):
            return None
        before = self._counts(spec, changed_at - timedelta(hours=24), known_good, until=changed_at)
        after = self._counts(spec, changed_at, revision)
        beside = self._counts(spec, changed_at, known_good)
        labelled = self._feed(spec).counting.has_revisions(self._feed(spec).counting.index(subject_of(spec)))
        together = (beside.judged > 0.0) & (after.judged > 0.0)
        if labelled and known_good and revision and together.sum() > len(after) / 2:
            return side_by_side(beside.bad, beside.judged, after.bad, after.judged, spec.rule.clustering)
        return before_after(
            float(before.bad.sum()),
            float(before.judged.sum()),
            len(before),
            after.bad,
            after.judged,
            spec.rule.clustering,
        )

    def answers(self, service: ServiceKey, since: datetime, revision: str | None = None) -> tuple[Answered, ...] | None:
        """Answers given in each step that lies wholly after `since`; None where that is not known.

        Steps older than what is kept are left out. Not known: no `answers` is declared, or its series are not there.
        """
        spec = self._exposures.get(service)
        if spec is None:
            return None
        feed = self._feed(spec)
        if not feed.knows(spec) or feed.counting.sanity(feed.counting.index(subject_of(spec))).seen is None:
            return None
        counts = self._counts(spec, since, revision)
        return tuple(Answered(at=counts.starts(i + 1), answers=float(counts.judged[i])) for i in range(len(counts)))

    def bad_served(self, key: ObjectiveKey, since: datetime, revision: str | None = None) -> BadServed | None:
        """The estimate for an objective since a moment; None without exposure or without anything judged."""
        spec = self._specs[key]
        answered = self.answers(key.service_key, since, revision)
        feed_of = feed_key(spec)
        feed = self._counters.get(feed_of) if feed_of else None
        if answered is None or feed is None or not feed.knows(spec) or not isinstance(spec.rule, Sequential):
            return None
        counts = self._counts(spec, since, revision)
        judged, bad = float(counts.judged.sum()), float(counts.bad.sum())
        if judged <= 0.0:
            return None
        answers = sum(step.answers for step in answered)
        between: Interval = interval(bad, judged)
        return BadServed(
            answers=answers, bad=answers * bad / judged, low=answers * between.low, high=answers * between.high
        )

    def segments(self, key: ObjectiveKey, since: datetime) -> list[SegmentCounts]:
        """The declared segments since a moment, the worst first; empty for objectives without segments."""
        spec = self._specs[key]
        feed_of = feed_key(spec)
        feed = self._counters.get(feed_of) if feed_of else None
        if feed is None or not feed.knows(spec) or not isinstance(spec.rule, Sequential) or not spec.segments:
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

    def revisions_seen(self, key: ObjectiveKey, since: datetime) -> Mapping[str, float]:
        """How much was judged of each revision that the metrics named since a moment."""
        spec = self._specs[key]
        feed_of = feed_key(spec)
        feed = self._counters.get(feed_of) if feed_of else None
        if feed is None or not feed.knows(spec):
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

    def expected_delay(self, key: ObjectiveKey) -> timedelta | None:
        """Until a breach at 4x the allowed rate would be Confirmed, at the last hour's volume; None if never."""
        spec = self._specs[key]
        if not isinstance(spec.rule, Sequential):
            return spec.step
        feed = self._feed(spec)
        if not feed.knows(spec):
            return None
        counts = self._counts(spec)
        recent = counts.judged[-60:]
        delay = expected_delay_steps(spec.rule, float(recent.mean()) if len(recent) else 0.0)
        return spec.step * delay if np.isfinite(delay) else None

    def oddities(self, key: ObjectiveKey) -> tuple[str, ...]:
        """What was odd about the objective's readings within the last 60 steps, for IndicatorHealthy."""
        spec = self._specs[key]
        feed_of = feed_key(spec)
        feed = self._counters.get(feed_of) if feed_of else None
        if feed is None or not feed.knows(spec):
            return ()
        sanity = feed.counting.sanity(feed.counting.index(subject_of(spec)))
        told = (
            (sanity.invalid, "NaN, infinite or negative values"),
            (sanity.duplicate, "the same series twice in one answer: deduplicate replicas"),
            (sanity.bad_exceeded, "more bad than judged: do both count the same verdicts?"),
            (sanity.too_many_groups, "too many values of revision and segment labels"),
        )
        return tuple(words for age, words in told if age is not None and age <= 60)

    # How it is found

    def _feed(self, spec: Watched) -> CounterFeed:
        key = feed_key(spec)
        assert key is not None
        return self._counters[key]

    def _unusable(self, spec: ObjectiveSpec, now: datetime) -> Verdict | None:
        """Why nothing can be said now; None if there is evidence that is recent enough."""
        key = feed_key(spec)
        feed: Feed | None = self._counters.get(key) if key else self._gauges.get(spec.key)
        error = self._errors.get(key or spec.key)
        last = None
        if isinstance(feed, CounterFeed):
            last = feed.counting.last_step if feed.knows(spec) else None
        elif isinstance(feed, GaugeFeed):
            last = feed.last_step
        grid = Grid(spec.step, spec.settle)
        if last is not None and grid.due(now) - last < BEHIND_STEPS:
            return None
        at = grid.end(last) if last is not None else now
        if error is not None:
            return error_verdict(spec, _reason_of(error), str(error), at)
        if last is None:
            return inconclusive_verdict(spec, VerdictReason.NOT_SAMPLED_YET, "nothing was read yet", now)
        return inconclusive_verdict(spec, VerdictReason.STALE, f"nothing was read since {at:%H:%M:%SZ}", at)

    def _kind(self, spec: ObjectiveSpec, now: datetime) -> Kind:
        """The kind of `verdict`, for a ratio without the cost of its intervals."""
        if isinstance(spec.rule, Sequential) and self._unusable(spec, now) is None:
            feed = self._feed(spec)
            recent = self._counts(spec, feed.key.grid.end((feed.counting.last_step or 0) - TRAILING_STEPS))
            sanity = feed.counting.sanity(feed.counting.index(subject_of(spec)))
            return sequential_kind(spec.rule, feed.evidence(spec), recent, sanity)
        verdict = self.verdict(spec.key, now)
        return Kind(verdict.finding, verdict.reason, verdict.tier)

    def _counts(
        self, spec: Watched, since: datetime = EPOCH, revision: str | None = None, until: datetime | None = None
    ) -> Counts:
        feed = self._feed(spec)
        counting, grid = feed.counting, feed.key.grid
        subject = counting.index(subject_of(spec))
        named = revision if counting.has_revisions(subject) else None
        last = counting.last_step
        assert last is not None
        if until is not None:
            last = min(last, grid.last_within(until))
        first = max(last - HISTORY_STEPS + 1, grid.first_within(since))
        bad, judged = counting.history.window(counting.rows(subject, named), first, last)
        return Counts(bad=bad, judged=judged, end=grid.end(last), step=grid.step)

    def _values(self, spec: ObjectiveSpec, since: datetime) -> tuple[NDArray[np.float64], datetime]:
        gauge = self._gauges[spec.key]
        assert gauge.last_step is not None
        return gauge.values(gauge.grid.first_within(since), gauge.last_step)


def _reason_of(error: MetricsError) -> VerdictReason:
    match error:
        case QueryRefused():
            return VerdictReason.QUERY_REFUSED
        case PartialResponse():
            return VerdictReason.PARTIAL_RESPONSE
        case _:
            return VerdictReason.SOURCE_UNREACHABLE
