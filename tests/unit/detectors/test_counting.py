"""Whose counts are whose."""

import numpy as np
import pytest

from firebreak.core.counters import FORGET_STEPS
from firebreak.core.counting import MAX_GROUPS, MAX_REVISIONS, OVERFLOW, Counting, Subject
from firebreak.core.objectives import Labels
from firebreak.core.ports_metrics import Vector

SUMMARIZER = Subject("docs", (("service", "summarizer"),), ("feature",))
SEARCH = Subject("docs", (("service", "search"),))


def vector(*series: tuple[float, dict[str, str]]) -> Vector:
    """An instant vector of (value, labels)."""
    labels = [tuple(sorted({"namespace": "docs", "service": "summarizer", **more}.items())) for _, more in series]
    return Vector(labels=labels, values=np.array([value for value, _ in series]))


def counted(counting: Counting, *steps: tuple[Vector, Vector | None]) -> list[tuple[list[float], list[float]]]:
    return [
        (c.bad.tolist(), c.judged.tolist())
        for c in (counting.advance(step, *vectors) for step, vectors in enumerate(steps, start=1))
    ]


def test_each_service_gets_its_own_series():
    """Rows are kept where namespace and labels are the service's, whatever else the answer holds."""
    other = {"namespace": "shop"}
    before = vector((1, {}), (5, {"service": "search"}), (100, other), (9, {"service": "elsewhere"}))
    after = vector((3, {}), (9, {"service": "search"}), (900, other), (99, {"service": "elsewhere"}))
    zero = vector((0, {}), (0, {"service": "search"}))
    found = counted(Counting(Labels(), [SUMMARIZER, SEARCH]), (zero, before), (zero, after))
    assert found[1] == ([0.0, 0.0], [2.0, 4.0])


def test_revisions_and_segments_are_kept_apart():
    """A fold can be made on one revision alone, and the scope told by segment."""
    counting = Counting(Labels(), [SUMMARIZER])
    rows = [{"revision": r, "feature": f, "pod": p} for r in ("v1", "v2") for f in ("dates", "names") for p in "ab"]
    counted(
        counting,
        (vector(*((0, row) for row in rows)), vector(*((0, row) for row in rows))),
        (vector(*((0, row) for row in rows)), vector(*((i + 1, row) for i, row in enumerate(rows)))),
    )
    assert counting.history.window(counting.rows(0), 2, 2)[1].tolist() == [36.0]
    assert counting.history.window(counting.rows(0, "v1"), 2, 2)[1].tolist() == [1.0 + 2.0 + 3.0 + 4.0]
    assert {counting.groups[int(row)].segments for row in counting.rows(0, "v2")} == {("dates",), ("names",)}
    assert counting.has_revisions(0)


def test_bad_ahead_of_judged_waits_one_step():
    """The two counters are scraped at different instants: what runs ahead is counted when its judged arrives."""
    found = counted(
        Counting(Labels(), [SUMMARIZER]),
        (vector((0, {})), vector((0, {}))),
        (vector((3, {})), vector((1, {}))),
        (vector((3, {})), vector((5, {}))),
    )
    assert found[1:] == [([1.0], [1.0]), ([2.0], [4.0])]


def test_bad_beyond_judged_is_dropped_and_reported():
    """A pair that does not fit together cannot raise an alarm by itself, and is told."""
    counting = Counting(Labels(), [SUMMARIZER])
    found = counted(
        counting,
        (vector((0, {})), vector((0, {}))),
        (vector((50, {})), vector((1, {}))),
        (vector((50, {})), vector((2, {}))),
    )
    assert found[2] == ([1.0], [1.0])
    assert counting.sanity(0).bad_exceeded == 0


def test_replicas_of_a_prometheus_count_once():
    """Series that differ only in the replica's label are one series."""
    a, b = {"prometheus_replica": "a"}, {"prometheus_replica": "b"}
    counting = Counting(Labels(), [SUMMARIZER])
    zero = vector((0, a), (0, b))
    found = counted(counting, (zero, zero), (zero, vector((7, a), (6, b))))
    assert found[1][1] == [7.0]
    assert counting.sanity(0).duplicate == 0


def test_a_series_that_never_was_and_one_that_went_are_told_apart():
    """Never seen is None; gone says for how long."""
    counting = Counting(Labels(), [SUMMARIZER, SEARCH])
    counted(counting, (vector((1, {})), vector((1, {}))), (vector(), vector()), (vector(), vector()))
    assert counting.sanity(0).seen == 2
    assert counting.sanity(1).seen is None


def test_too_many_segments_are_lumped_and_reported():
    """An unbounded label cannot cost the fleet its memory; counts stay whole."""
    counting = Counting(Labels(), [SUMMARIZER])
    rows = [{"feature": f"f{i}"} for i in range(MAX_GROUPS + 50)]
    zero = vector(*((0, row) for row in rows))
    found = counted(counting, (zero, zero), (zero, vector(*((1, row) for row in rows))))
    assert found[1][1] == [float(MAX_GROUPS + 50)]
    assert (OVERFLOW,) in {group.segments for group in counting.groups}
    assert len(counting.groups) <= MAX_GROUPS + 1
    assert counting.sanity(0).too_many_groups == 0
    assert counting.sanity(0).too_many_revisions is None


@pytest.mark.parametrize("subject", [SUMMARIZER, Subject("docs", (("service", "summarizer"),))])
def test_a_revision_label_without_bounds_costs_no_memory_and_blames_nobody(subject):
    """What the revisions beyond the bound count is the service's, and no revision's; it is told as long as it counts."""
    counting = Counting(Labels(), [subject])
    rows = [{"revision": f"r{i}", "feature": f"f{i % 7}"} for i in range(5000)]
    vectors = [vector(*((n * (i + 1), row) for i, row in enumerate(rows))) for n in range(5)]
    found = counted(counting, *((vectors[0], one) for one in vectors))
    assert [judged for _, judged in found[1:]] == [[5000 * 5001 / 2]] * 4
    assert len(counting.groups) <= MAX_GROUPS + MAX_REVISIONS + 1
    assert counting.history.nbytes < 10 * 2**20
    assert counting.sanity(0).too_many_revisions == 0
    assert counting.has_revisions(0)
    of_each = [counting.history.window(counting.rows(0, f"r{i}"), 2, 2)[1].sum() for i in range(5000)]
    assert [of_each[i] for i in range(MAX_REVISIONS)] == [i + 1.0 for i in range(MAX_REVISIONS)]
    assert set(of_each[MAX_REVISIONS:]) == {0.0}


def test_a_revision_that_is_asked_for_by_name_has_a_row_of_its_own():
    """However many came before it; from the moment at which it is named, if it was lumped until then."""
    counting = Counting(Labels(), [SUMMARIZER])
    rows = [{"revision": f"r{i}", "feature": f"f{i % 3}"} for i in range(MAX_REVISIONS + 9)]
    first, last = rows[MAX_REVISIONS], rows[-1]
    counting.keep_apart({SUMMARIZER: frozenset({first["revision"]})})
    vectors = [vector(*((n * 10, row) for row in rows)) for n in range(4)]
    counted(counting, (vectors[0], vectors[0]), (vectors[1], vectors[1]))
    counting.keep_apart({SUMMARIZER: frozenset({first["revision"], last["revision"]})})
    for kept in (counting, counting.without()):
        kept.advance(3, vectors[2], vectors[2])
        judged = [kept.history.window(kept.rows(0, row["revision"]), 2, 3)[1].tolist() for row in (first, last)]
        assert judged == [[10.0, 10.0], [0.0, 10.0]]
        bad = kept.history.window(kept.rows(0, last["revision"]), 2, 3)[0].tolist()
        assert bad == [0.0, 10.0]
        assert kept.history.window(kept.rows(0), 2, 3)[1].tolist() == [10.0 * len(rows)] * 2
        assert kept.sanity(0).too_many_revisions == 0


def test_what_was_lumped_stays_nobodys_when_the_rest_is_forgotten():
    """Else what is left would be taken for a service whose metrics carry no revisions, and count for each of them."""
    counting = Counting(Labels(), [SUMMARIZER])
    rows = [{"revision": f"r{i}"} for i in range(MAX_REVISIONS + 9)]
    many = vector(*((1, row) for row in rows))
    last = vector((1, rows[-1]))
    counted(counting, (many, many))
    for step in range(2, 2 + FORGET_STEPS + 2):
        counting.advance(step, last, last)
    left = counting.without()
    assert [group.revision for group in left.groups] == [None]
    assert left.has_revisions(0)
    left.advance(step + 1, last, vector((7, rows[-1])))
    assert left.history.window(left.rows(0), step + 1, step + 1)[1].tolist() == [6.0]
    assert left.history.window(left.rows(0, rows[-1]["revision"]), step + 1, step + 1)[1].tolist() == [0.0]
    assert left.sanity(0).too_many_revisions == 0


def test_without_its_bucket_a_histogram_counts_nothing():
    """What has no bucket at the limit cannot be judged, of a revision that has lost it too; and it is told."""
    counting = Counting(Labels(), [SUMMARIZER, SEARCH], paired=True)
    v1, v2, search = {"revision": "v1"}, {"revision": "v2"}, {"service": "search"}
    found = counted(
        counting,
        (vector((0, v1)), vector((0, v1), (0, v2), (0, search))),
        (vector((1, v1)), vector((4, v1), (9, v2), (7, search))),
    )
    assert found[1] == ([1.0, 0.0], [4.0, 0.0])
    assert (counting.sanity(0).paired, counting.sanity(0).unpaired) == (0, 0)
    assert (counting.sanity(1).paired, counting.sanity(1).unpaired) == (None, 0)


def test_one_counter_alone_counts_events():
    """Without judged, every event is bad."""
    found = counted(Counting(Labels(), [SUMMARIZER]), (vector((4, {})), None), (vector((5, {})), None))
    assert found[1] == ([1.0], [1.0])


@pytest.mark.parametrize("gone", [SUMMARIZER, SEARCH])
def test_a_service_that_leaves_takes_nothing_of_the_others(gone):
    """What is left goes on as if nothing had happened."""
    stays = SEARCH if gone == SUMMARIZER else SUMMARIZER
    name = dict(stays.matchers)
    counting = Counting(Labels(), [SUMMARIZER, SEARCH])
    both = vector((1, {}), (1, {"service": "search"}))
    counted(counting, (both, both))
    left = counting.without([gone])
    assert left.subjects == [stays]
    assert left.advance(2, vector((2, name)), vector((6, name))).judged.tolist() == [5.0]
    assert left.history.window(left.rows(0), 1, 2)[1].tolist() == [0.0, 5.0]
