"""Whose counts are these? From the answers of a metrics store to bad and judged per service, revision and segment.

One `Counting` belongs to one pair of counters on one grid of steps, and serves every service that uses them.
Counters are differenced per series (counters.py), then grouped. It keeps what the last steps counted (history.py).
Bad may run ahead of judged, since the two are scraped at different instants: what exceeds judged is held over for one
step, then dropped and reported, so bad <= judged holds in every step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firebreak.core.counters import CounterMemory, Increments
from firebreak.core.history import CountHistory
from firebreak.core.native_histograms import NativeLimit, Nearest, split
from firebreak.core.objectives import Labels as LabelNames
from firebreak.core.ports_metrics import Labels, QueryRefused, Vector
from firebreak.core.thinning import thinned

# Labels that differ between replicas of a Prometheus, not between series.
REPLICA_LABELS = frozenset({"prometheus_replica", "__replica__"})
JUDGE_LABEL = "judge"  # who gave the verdicts, docs/metrics-contract.md
MAX_JUDGES = 16  # per service
# Per service: neither segments, which are for scope, nor a label that names no version may cost the fleet its memory.
MAX_GROUPS = 256
MAX_REVISIONS = 128  # within what is kept: a deployment every twelve minutes; beside those that are asked for by name
_NEVER = np.iinfo(np.int64).min
OVERFLOW = "other"  # the value of every segment label beyond that

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Subject(NamedTuple):
    """Whose series: a namespace and further labels; and by which labels their counts are kept apart."""

    namespace: str
    matchers: tuple[tuple[str, str], ...]
    segments: tuple[str, ...] = ()


class Group(NamedTuple):
    subject: int
    revision: str | None  # empty where the metrics carry none; None for all beyond MAX_REVISIONS: it is nobody's
    segments: tuple[str, ...]


class _Mark(IntEnum):
    """What is remembered of each subject's readings: the last step in which it was so."""

    SEEN = 0  # the counter of judged was there
    INVALID = 1
    DUPLICATE = 2
    BAD_EXCEEDED = 3
    TOO_MANY_GROUPS = 4
    PAIRED = 5  # where bad must be there beside judged: it was
    UNPAIRED = 6  # it was not, in some of the series
    TOO_MANY_REVISIONS = 7
    CONTESTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanity:
    """For how many steps it has not been so; 0 is the last step that was read, None is never."""

    seen: int | None  # the counter of judged
    invalid: int | None  # NaN, infinite or negative
    duplicate: int | None  # the same series twice in one answer
    bad_exceeded: int | None  # more bad than judged, and not made up for in the next step
    too_many_groups: int | None  # more than MAX_GROUPS combinations of revision and segments
    paired: int | None = None  # of a histogram: there was a bucket at the limit
    unpaired: int | None = None  # there was none, in some of the series: what they count is left out
    too_many_revisions: int | None = None  # more than MAX_REVISIONS: what the others count is no revision's
    contested: int | None = None  # several processes wrote one series: what it counted cannot be told
    nearest: Nearest | None = None  # of a native histogram without a bound at the limit: the bounds around it


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCounts:
    """Of each subject in one step; bad <= judged."""

    bad: Floats
    judged: Floats


@dataclass(slots=True)
class _Side:
    """One of the two counters: its series and their last readings."""

    memory: CounterMemory = field(default_factory=CounterMemory)
    of_labels: dict[Labels, tuple[int, ...]] = field(default_factory=dict)  # every labels seen -> series (or none)
    identity: dict[tuple[int, Labels], int] = field(default_factory=dict)  # (subject, labels but replicas) -> series
    group: list[int] = field(default_factory=list)  # of each series
    group_array: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    subject_array: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))


class Counting:
    """Counts of some subjects, advanced step by step."""

    def __init__(
        self,
        names: LabelNames,
        subjects: Iterable[Subject] = (),
        *,
        paired: bool = False,
        native: NativeLimit | None = None,
        kept: float = 1.0,
    ) -> None:
        """`paired`: what is judged counts only where bad is there as well, as in a histogram.

        `native`: both are told by one reading of native histograms.
        `kept`: of all that is judged only this share counts, drawn at random (thinning.py).
        """
        self._names, self._paired, self._native, self._kept = names, paired, native, kept
        self.subjects: list[Subject] = []
        self._marks = np.full((len(_Mark), 0), _NEVER, dtype=np.int64)
        self._index_of: dict[Subject, int] = {}
        self._by_namespace: dict[str, list[int]] = {}
        self.groups: list[Group] = []
        self._group_index: dict[Group, int] = {}
        self._groups_of: list[list[int]] = []
        self._judges: list[dict[str, int]] = []
        self._nearest: dict[int, Nearest] = {}
        self._revisions_of: list[set[str]] = []
        self._apart: dict[Subject, frozenset[str]] = {}
        self._lumped: dict[_Mark, set[int]] = {_Mark.TOO_MANY_GROUPS: set(), _Mark.TOO_MANY_REVISIONS: set()}
        self._group_subject = np.zeros(0, dtype=np.intp)
        self._carry = np.zeros(0)
        self._bad, self._total = _Side(), _Side()
        self.history = CountHistory()
        for subject in subjects:
            self._add(subject)

    @property
    def last_step(self) -> int | None:
        return self.history.last

    def index(self, subject: Subject) -> int:
        return self._index_of[subject]

    def rows(self, subject: int, revision: str | None = None) -> Indices:
        """The rows in the history of a subject, or of one of its revisions."""
        return np.array(
            [g for g in self._groups_of[subject] if revision is None or self.groups[g].revision == revision],
            dtype=np.intp,
        )

    def judges(self, subject: int) -> dict[str, int]:
        """Who gave the verdicts, and the step in which each was first seen; the first step of all means: or before."""
        return dict(self._judges[subject])

    def has_revisions(self, subject: int) -> bool:
        """Do the metrics say whose revision an answer is?"""
        return any(self.groups[g].revision != "" for g in self._groups_of[subject])

    def sanity(self, subject: int) -> Sanity:
        """What was odd about a subject's readings."""
        last = self.last_step
        ages = [
            None if last is None or mark == _NEVER else last - int(mark) for mark in self._marks[:, subject].tolist()
        ]
        return Sanity(
            seen=ages[_Mark.SEEN],
            invalid=ages[_Mark.INVALID],
            duplicate=ages[_Mark.DUPLICATE],
            bad_exceeded=ages[_Mark.BAD_EXCEEDED],
            too_many_groups=ages[_Mark.TOO_MANY_GROUPS],
            paired=ages[_Mark.PAIRED],
            unpaired=ages[_Mark.UNPAIRED],
            too_many_revisions=ages[_Mark.TOO_MANY_REVISIONS],
            contested=ages[_Mark.CONTESTED],
            nearest=self._nearest.get(subject),
        )

    def contested(self, subject: int) -> int | None:
        """That of its sanity alone, since it is asked of a fleet at each step."""
        last, mark = self.last_step, int(self._marks[_Mark.CONTESTED, subject])
        return None if last is None or mark == _NEVER else last - mark

    def advance(self, step: int, bad: Vector, total: Vector | None) -> StepCounts:
        """Take in one step's readings; without `total`, the one counter counts events that are all bad.

        Of native histograms there is one reading, `bad`. QueryRefused where these are what is read, or are not.
        """
        if self._native is not None:
            bad, total, untold = split(bad, self._native)
            self._note_untold(step, untold)
        elif bad.histograms or (total is not None and total.histograms):
            raise QueryRefused(
                "the answer holds native histograms, where counters are needed: "
                "declare them as `histogram` with `buckets: Native` or `Custom`"
            )
        grown = self._read(self._bad, step, bad, is_total=total is None)
        bad_by_group = self._by_group(self._bad, grown)
        if total is None:
            judged_by_group = bad_by_group
        else:
            counted = self._read(self._total, step, total, is_total=True)
            bad_by_group = np.append(bad_by_group, np.zeros(len(self.groups) - len(bad_by_group)))
            judged_by_group = self._by_group(self._total, counted)
            if self._paired:
                judged_by_group[~self._pairs(step, grown, counted)] = 0.0
            bad_by_group = self._bounded(step, bad_by_group, judged_by_group)
        for mark, lumped in self._lumped.items():
            if lumped:
                rows = _indices(lumped)
                self._marks[mark, self._group_subject[rows[judged_by_group[rows] > 0.0]]] = step
        if self._kept < 1.0:
            bad_by_group, judged_by_group = thinned(step, bad_by_group, judged_by_group, self._kept)
        self.history.grow(len(self.groups))
        self.history.write(step, bad_by_group, judged_by_group)
        size = len(self.subjects)
        return StepCounts(
            bad=_sums(self._group_subject, bad_by_group, size),
            judged=_sums(self._group_subject, judged_by_group, size),
        )

    def _pairs(self, step: int, bad: Increments, judged: Increments) -> NDArray[np.bool_]:
        """The groups of which both were read in this step."""
        both, one = np.zeros((2, len(self.groups)), dtype=np.bool_)
        both[self._bad.group_array[bad.series]] = True
        one[self._total.group_array[judged.series]] = True
        self._marks[_Mark.PAIRED, self._group_subject[both]] = step
        self._marks[_Mark.UNPAIRED, self._group_subject[one & ~both]] = step
        return both

    def _note_untold(self, step: int, untold: Mapping[Labels, Nearest]) -> None:
        """Histograms that have no bound at the limit, and count for nothing."""
        noted: dict[int, Nearest] = {}
        for labels, nearest in untold.items():
            for subject in self._subjects_of(dict(labels)):
                noted[subject] = nearest.around(noted[subject]) if subject in noted else nearest
        self._nearest |= noted
        self._marks[_Mark.UNPAIRED, list(noted)] = step

    def _bounded(self, step: int, bad: Floats, judged: Floats) -> Floats:
        carry = np.append(self._carry, np.zeros(len(bad) - len(self._carry)))
        counted = np.minimum(bad + carry, judged)
        # Only a step's own excess is held over: what a step counts depends on the one before it, and on none earlier.
        self._carry = np.maximum(bad - judged, 0.0)
        lost = bad + carry - counted - self._carry > 0.0
        self._marks[_Mark.BAD_EXCEEDED, self._group_subject[lost]] = step
        return counted

    def _by_group(self, side: _Side, grown: Increments) -> Floats:
        return _sums(side.group_array[grown.series], grown.values, len(self.groups))

    def _read(self, side: _Side, step: int, vector: Vector, *, is_total: bool) -> Increments:
        known = side.of_labels
        series: list[int] = []
        positions: list[int] = []
        for position, labels in enumerate(vector.labels):
            found = known.get(labels)
            if found is None:
                found = known[labels] = self._admit(side, labels, step)
            for one in found:
                series.append(one)
                positions.append(position)
        if len(side.group_array) != len(side.group):
            self._index(side)
        index = np.array(series, dtype=np.intp)
        values = vector.values[np.array(positions, dtype=np.intp)]
        grown = side.memory.read(step, index, values)
        self._note(side, step, index, values, grown, is_total=is_total)
        return grown

    def _note(
        self, side: _Side, step: int, index: Indices, values: Floats, grown: Increments, *, is_total: bool
    ) -> None:
        if is_total:
            self._marks[_Mark.SEEN, side.subject_array[grown.series]] = step
        if grown.invalid:
            odd = ~(np.isfinite(values) & (values >= 0.0))
            self._marks[_Mark.INVALID, side.subject_array[index[odd]]] = step
        self._marks[_Mark.CONTESTED, side.subject_array[grown.contested]] = step
        if grown.duplicates:
            seen, times = np.unique(index, return_counts=True)
            self._marks[_Mark.DUPLICATE, side.subject_array[seen[times > 1]]] = step

    def _subjects_of(self, values: Mapping[str, str]) -> list[int]:
        """Whose series has these labels."""
        return [
            subject
            for subject in self._by_namespace.get(values.get(self._names.namespace, ""), ())
            if all(values.get(name, "") == value for name, value in self.subjects[subject].matchers)
        ]

    def _admit(self, side: _Side, labels: Labels, step: int) -> tuple[int, ...]:
        """The series that these labels mean: one for each subject whose they are."""
        values = dict(labels)
        admitted = []
        for subject in self._subjects_of(values):
            identity = (subject, tuple((n, v) for n, v in labels if n not in REPLICA_LABELS))
            series = side.identity.get(identity)
            if series is None:
                series = side.identity[identity] = len(side.group)
                side.group.append(self._group(self._group_of(subject, values)))
                judge = values.get(JUDGE_LABEL, "")
                if judge and len(self._judges[subject]) < MAX_JUDGES:
                    self._judges[subject].setdefault(judge, step)
            admitted.append(series)
        return tuple(admitted)

    def _group_of(self, subject: int, values: Mapping[str, str]) -> Group:
        """By what a series of these labels is to be counted, if there is room."""
        revision = values.get(self._names.revision, "") if self._names.revision else ""
        return Group(subject, revision, tuple(values.get(name, "") for name in self.subjects[subject].segments))

    def _group(self, group: Group, lumped: frozenset[_Mark] = frozenset()) -> int:
        """The row of a group, or of what it is lumped together with where there are too many."""
        revisions = self._revisions_of[group.subject]
        if group.revision is not None and group.revision not in revisions:
            if len(revisions) < MAX_REVISIONS or group.revision in self._apart.get(self.subjects[group.subject], ()):
                revisions.add(group.revision)
            else:
                # Under a name of its own it could be taken for a revision; and it must not pass for "carries none".
                group, lumped = group._replace(revision=None), lumped | {_Mark.TOO_MANY_REVISIONS}
        if group not in self._group_index and len(self._groups_of[group.subject]) >= MAX_GROUPS and group.segments:
            other = group._replace(segments=tuple(OVERFLOW for _ in group.segments))
            group, lumped = other, lumped | {_Mark.TOO_MANY_GROUPS}
        index = self._group_index.get(group)
        if index is None:
            index = self._group_index[group] = len(self.groups)
            self.groups.append(group)
            self._groups_of[group.subject].append(index)
            self._group_subject = np.append(self._group_subject, np.intp(group.subject))
        for mark in lumped:
            self._lumped[mark].add(index)
        return index

    def keep_apart(self, apart: Mapping[Subject, frozenset[str]]) -> None:
        """Count these revisions under their own names, however many others there are; what was lumped stays so.

        Few of each subject: those that somebody will ask about by name.
        """
        self._apart = dict(apart)
        lumped = {self.groups[g].subject for g in self._lumped[_Mark.TOO_MANY_REVISIONS]}
        for side in (self._bad, self._total) if lumped else ():
            for (subject, labels), series in side.identity.items():
                if subject in lumped and self.groups[side.group[series]].revision is None:
                    group = self._group_of(subject, dict(labels))
                    if group.revision in self._apart.get(self.subjects[subject], ()):
                        side.group[series] = self._group(group)
            self._index(side)
        self.history.grow(len(self.groups))

    def _add(self, subject: Subject) -> int:
        index = len(self.subjects)
        self.subjects.append(subject)
        self._index_of[subject] = index
        self._marks = np.append(self._marks, np.full((len(_Mark), 1), _NEVER), axis=1)
        self._groups_of.append([])
        self._judges.append({})
        self._revisions_of.append(set())
        self._by_namespace.setdefault(subject.namespace, []).append(index)
        return index

    def absorb(self, other: "Counting", subjects: Iterable[Subject] | None = None) -> None:
        """Take over subjects that another has counted up to the same step, all of them or these; not those already here.

        Series that would not be differenced any more, and groups that count nothing, stay behind.
        """
        wanted = set(other.subjects if subjects is None else subjects) - set(self.subjects)
        new = {theirs: self._add(s) for theirs, s in enumerate(other.subjects) if s in wanted}
        if not new or other.last_step is None:
            return
        step = other.last_step
        remembered = [side.memory.is_remembered(step) for side in (other._bad, other._total)]
        alive = {
            side.group[series]
            for side, still in zip((other._bad, other._total), remembered, strict=True)
            for series in side.identity.values()
            if still[series]
        } | set(other.history.rows_in_use())
        groups = {
            theirs: self._group(
                group._replace(subject=new[group.subject]),
                frozenset(mark for mark, lumped in other._lumped.items() if theirs in lumped),
            )
            for theirs, group in enumerate(other.groups)
            if group.subject in new and theirs in alive
        }
        for theirs_subject, ours_subject in new.items():
            self._marks[:, ours_subject] = other._marks[:, theirs_subject]
            self._judges[ours_subject] = dict(other._judges[theirs_subject])
            if theirs_subject in other._nearest:
                self._nearest[ours_subject] = other._nearest[theirs_subject]
        self._carry = np.append(self._carry, np.zeros(len(self.groups) - len(self._carry)))
        for theirs, ours in groups.items():
            self._carry[ours] = other._carry[theirs] if theirs < len(other._carry) else 0.0
        self.history.grow(len(self.groups))
        self.history.copy_from(other.history, _indices(groups.keys()), _indices(groups.values()))
        for mine, side, still in zip((self._bad, self._total), (other._bad, other._total), remembered, strict=True):
            moved: dict[int, int] = {}
            for (subject, labels), series in side.identity.items():
                if subject in new and still[series]:
                    moved[series] = mine.identity[(new[subject], labels)] = len(mine.group)
                    mine.group.append(groups[side.group[series]])
            self._index(mine)
            mine.memory.copy_from(side.memory, _indices(moved.keys()), _indices(moved.values()))
            # Labels that meant nothing before may mean something now: they are looked up again when next seen.
            mine.of_labels.clear()

    def without(self, subjects: Iterable[Subject] = ()) -> "Counting":
        """The same without some subjects, and without what is forgotten."""
        kept = Counting(self._names, paired=self._paired, native=self._native, kept=self._kept)
        kept._apart = self._apart
        gone = set(subjects)
        kept.absorb(self, [subject for subject in self.subjects if subject not in gone])
        return kept

    def _index(self, side: _Side) -> None:
        side.group_array = _indices(side.group)
        side.subject_array = _indices(self.groups[g].subject for g in side.group)
        side.memory.grow(len(side.group))


def _sums(index: Indices, values: Floats, size: int) -> Floats:
    # Exact whatever the order, since values are multiples of 2^-20 (counters.py).
    sums: Floats = np.bincount(index, weights=values, minlength=size).astype(np.float64)
    return sums


def _indices(values: Iterable[int]) -> Indices:
    return np.array(list(values), dtype=np.intp)
