"""Which feeds serve what is watched, are they up to date, and what have they counted?

Asked by app/sampler.py, which makes verdicts of it. What must stay true: queries grow with the number of distinct
indicators, not of services; a source's fault stays with the feeds that read it, and is raised to nobody; a slow source
holds up no other, and a feed that takes in something new goes on with what it knows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from firebreak.app.counter_feed import CounterFeed, FeedKey, feed_key, subject_of
from firebreak.app.gauge_feed import GaugeFeed
from firebreak.app.grid import EPOCH, Grid
from firebreak.app.reads import Reads
from firebreak.app.shared_queries import SharedQueries
from firebreak.core.counting import Sanity
from firebreak.core.history import HISTORY_STEPS
from firebreak.core.judgement import Counts, error_verdict, inconclusive_verdict
from firebreak.core.objectives import (
    ExposureSpec,
    JudgeErrorsSpec,
    ObjectiveKey,
    ObjectiveSpec,
    ServiceKey,
    SourceKey,
    Watched,
)
from firebreak.core.ports_metrics import MetricsError, MetricsPort, PartialResponse, QueryRefused
from firebreak.core.promql import SelectorRefused
from firebreak.core.verdict import Verdict, VerdictReason

log = structlog.get_logger()

BEHIND_STEPS = 2  # one step may be missed before evidence is stale

Feed = CounterFeed | GaugeFeed
FeedId = FeedKey | ObjectiveKey  # a gauge is read for one objective


class ReadId(NamedTuple):
    """What is read: a feed's next step, or apart from that what is new to it."""

    feed: FeedId
    apart: bool = False


class Feeds:
    """Every feed that something watched needs, and no other."""

    def __init__(self, source: Callable[[SourceKey], MetricsPort | None]) -> None:
        self._source = source
        self.objectives: dict[ObjectiveKey, ObjectiveSpec] = {}
        self.exposures: dict[ServiceKey, ExposureSpec] = {}
        self.judge_errors: dict[ObjectiveKey, JudgeErrorsSpec] = {}
        self._apart: Mapping[ServiceKey, frozenset[str]] = {}
        self._counters: dict[FeedKey, CounterFeed] = {}
        self._gauges: dict[ObjectiveKey, GaugeFeed] = {}
        self._refused: dict[ObjectiveKey, str] = {}
        self._errors: dict[ReadId, MetricsError] = {}

    async def read(self, now: datetime, reads: Reads[ReadId] | None = None) -> set[FeedId]:
        """Read every step that is due; the feeds of which there is something new to judge.

        With `reads` it waits for what is quick alone: the rest goes on, and is among the feeds of a later call.
        """
        if reads is None:
            async with asyncio.TaskGroup() as group:
                tasks = {key: group.create_task(self._read(key, feed, port, now)) for key, feed, port in self._asks()}
            return {key for key, task in tasks.items() if task.result()}
        for key, feed, port in self._asks():
            if isinstance(feed, CounterFeed):
                reads.begin(ReadId(key), partial(self._advance, key, feed, port, now))
                if feed.lacks_some:
                    rebuild = partial(self._rebuild, key, feed, port, now)
                    reads.begin(ReadId(key, apart=True), rebuild, waited_for=False)
            else:
                reads.begin(ReadId(key), partial(self._read, key, feed, port, now))
        return {read.feed for read, is_news in (await reads.ended()).items() if is_news}

    def _asks(self) -> Iterator[tuple[FeedId, Feed, MetricsPort | None]]:
        """Each feed with the store that it asks in this round."""
        for key, feed in self._counters.items():
            yield key, feed, self._source(feed.source)
        shared: dict[SourceKey, SharedQueries] = {}
        for objective, gauge in self._gauges.items():
            port = self._source(gauge.source)
            if port is not None and gauge.shared is not None:
                port = shared.setdefault(gauge.source, SharedQueries(port))
            yield objective, gauge, port

    async def _read(self, key: FeedId, feed: Feed, port: MetricsPort | None, now: datetime) -> bool:
        return await self._asked(ReadId(key), feed, port, lambda port: feed.bring_up_to(feed.grid.due(now), port))

    async def _advance(self, key: FeedId, feed: CounterFeed, port: MetricsPort | None, now: datetime) -> bool:
        return await self._asked(ReadId(key), feed, port, lambda port: feed.advance(feed.grid.due(now), port))

    async def _rebuild(self, key: FeedId, feed: CounterFeed, port: MetricsPort | None, now: datetime) -> bool:
        read = ReadId(key, apart=True)
        return await self._asked(read, feed, port, lambda port: feed.rebuild(feed.grid.due(now), port))

    async def _asked(
        self, read: ReadId, feed: Feed, port: MetricsPort | None, ask: Callable[[MetricsPort], Awaitable[bool]]
    ) -> bool:
        """True if there is something new to judge; an error stays until the next answer."""
        before = self._errors.get(read)
        error: MetricsError
        try:
            if port is None:
                raise QueryRefused(f"there is no usable metric source {'/'.join(filter(None, feed.source))}")
            news = await ask(port)
        except MetricsError as found:
            error = found
        except SelectorRefused as found:
            error = QueryRefused(str(found))
        except Exception as found:
            # What nobody foresaw in one feed must not end the round of all.
            error = QueryRefused(f"reading failed: {type(found).__name__}: {found}"[:300])
            if str(before) != str(error):
                log.exception("feed_not_read", source="/".join(filter(None, feed.source)))
        else:
            self._errors.pop(read, None)
            return news or before is not None
        self._errors[read] = error
        return True

    def want(self, watched: Iterable[Watched], apart: Mapping[ServiceKey, frozenset[str]] | None = None) -> None:
        """From now on serve exactly these; `apart` are revisions that are asked for by name, whose counts are kept."""
        apart = apart or {}
        objectives, exposures, judge_errors = {}, {}, {}
        by_feed: dict[FeedKey, list[Watched]] = {}
        for spec in watched:
            match spec:
                case ObjectiveSpec():
                    objectives[spec.key] = spec
                case ExposureSpec():
                    exposures[spec.service] = spec
                case JudgeErrorsSpec():
                    judge_errors[spec.key] = spec
        before = (self.objectives, self.exposures, self.judge_errors, self._apart)
        if (objectives, exposures, judge_errors, apart) == before:
            return
        self._apart = apart
        self.objectives, self.exposures, self.judge_errors = objectives, exposures, judge_errors
        gauges: dict[ObjectiveKey, GaugeFeed] = {}
        self._refused = {}
        every: list[Watched] = [*objectives.values(), *exposures.values(), *judge_errors.values()]
        for spec in every:
            key = feed_key(spec)
            if key is not None:
                by_feed.setdefault(key, []).append(spec)
            elif isinstance(spec, ObjectiveSpec):
                self._want_gauge(spec, gauges)
        for key, specs in by_feed.items():
            self._counters.setdefault(key, CounterFeed(key)).want(specs, apart)
        self._counters = {key: feed for key, feed in self._counters.items() if key in by_feed}
        self._gauges = gauges
        self._share_gauges()
        kept = {*self._counters, *self._gauges}
        self._errors = {read: error for read, error in self._errors.items() if read.feed in kept}

    def _share_gauges(self) -> None:
        sharers: dict[tuple[SourceKey, str, str], list[GaugeFeed]] = {}
        for gauge in self._gauges.values():
            if gauge.shared is not None:
                sharers.setdefault(gauge.shared, []).append(gauge)
        for together in sharers.values():
            namespaces = {gauge.spec.key.namespace for gauge in together}
            for gauge in together:
                gauge.share(namespaces)

    def _want_gauge(self, spec: ObjectiveSpec, gauges: dict[ObjectiveKey, GaugeFeed]) -> None:
        known = self._gauges.get(spec.key)
        if known is not None and known.spec == spec:
            gauges[spec.key] = known
            return
        try:
            gauges[spec.key] = GaugeFeed(spec)
        except (SelectorRefused, TypeError) as error:
            self._refused[spec.key] = str(error)

    def counters_of(self, spec: Watched) -> CounterFeed | None:
        """The feed that has counted this up to its last step; None if there is none, or not yet."""
        key = feed_key(spec)
        feed = self._counters.get(key) if key else None
        return feed if feed is not None and feed.knows(spec) else None

    def gauge_of(self, spec: ObjectiveSpec) -> GaugeFeed:
        return self._gauges[spec.key]

    def unusable(self, spec: ObjectiveSpec, now: datetime) -> Verdict | None:
        """Why nothing can be said now; None if there is evidence that is recent enough."""
        if spec.key in self._refused:
            return error_verdict(spec, VerdictReason.SPEC_REFUSED, self._refused[spec.key], now)
        key = feed_key(spec)
        feed: Feed | None = self._counters.get(key) if key else self._gauges.get(spec.key)
        error = self._errors.get(ReadId(key or spec.key))
        last = None
        if isinstance(feed, CounterFeed):
            if (refused := feed.refused(spec)) is not None:
                return error_verdict(spec, _reason_of(refused), str(refused), now)
            if feed.knows(spec):
                last = feed.counting.last_step
            else:
                error = self._errors.get(ReadId(key or spec.key, apart=True), error)
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

    def sanity(self, spec: Watched) -> Sanity:
        """Of something that `counters_of` knows."""
        feed = self._known(spec)
        return feed.counting.sanity(feed.counting.index(subject_of(spec)))

    def contested(self, spec: Watched) -> int | None:
        """For how many steps none of its series has been written by several processes; None is never."""
        feed = self._known(spec)
        return feed.counting.contested(feed.counting.index(subject_of(spec)))

    def counts(
        self, spec: Watched, since: datetime = EPOCH, revision: str | None = None, until: datetime | None = None
    ) -> Counts:
        """Of something that `counters_of` knows, at the steps that lie wholly within the span and are kept.

        Of one revision only, if one is given and the metrics carry revisions.
        """
        feed = self._known(spec)
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

    def values(self, spec: ObjectiveSpec, since: datetime = EPOCH) -> tuple[NDArray[np.float64], datetime]:
        """A gauge's values since a moment, and when the last of them was read."""
        gauge = self._gauges[spec.key]
        assert gauge.last_step is not None
        return gauge.values(gauge.grid.first_within(since), gauge.last_step)

    def _known(self, spec: Watched) -> CounterFeed:
        feed = self.counters_of(spec)
        if feed is None:
            raise LookupError("ask only of what has been counted")
        return feed


def _reason_of(error: MetricsError) -> VerdictReason:
    match error:
        case QueryRefused():
            return VerdictReason.QUERY_REFUSED
        case PartialResponse():
            return VerdictReason.PARTIAL_RESPONSE
        case _:
            return VerdictReason.SOURCE_UNREACHABLE
