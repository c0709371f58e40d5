"""A file in OpenMetrics format answers as a Prometheus that holds the same samples."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firebreak.adapters.openmetrics import FileUnusable, OpenMetricsFile
from firebreak.core.ports_metrics import QueryRefused

TEXT = """\
# TYPE bad counter
bad_total{service="a",zone="x"} 1 60
bad_total{service="a",zone="x"} 2 120
bad_total{service="b"} 5 60
# TYPE fresh gauge
fresh 7 60
# EOF
"""


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def held(tmp_path: Path, text: str = TEXT) -> OpenMetricsFile:
    path = tmp_path / "history.om"
    path.write_text(text)
    return OpenMetricsFile.read(path)


async def test_the_value_now_is_the_last_one_within_five_minutes(tmp_path: Path) -> None:
    """As Prometheus looks back: a sample counts from its moment on, and no longer than five minutes."""
    matrix = await held(tmp_path).range('bad_total{service="a"}', at(0), at(480), timedelta(seconds=60))
    assert matrix.present.tolist() == [[False, True, True, True, True, True, True, False, False]]
    assert matrix.values[0, 1:7].tolist() == [1, 2, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("selector", "services"),
    [
        ("bad_total", ["a", "b"]),
        ('bad_total{service!="a"}', ["b"]),
        ('bad_total{service=~"a|c"}', ["a"]),
        ('bad_total{service!~"a|c"}', ["b"]),
        ('bad_total{zone=""}', ["b"]),
        ('{__name__="bad_total",zone="x"}', ["a"]),
        ('other_total{service="a"}', []),
    ],
)
async def test_a_selector_selects_what_it_selects_in_prometheus(
    tmp_path: Path, selector: str, services: list[str]
) -> None:
    """A missing label is an empty one, and patterns are anchored at both ends."""
    vector = await held(tmp_path).instant(selector, at(60))
    assert [dict(labels)["service"] for labels in vector.labels] == services


@pytest.mark.parametrize("query", ["time() - max(fresh)", "fresh offset 5m", "rate(bad_total[5m])", "fresh @ 60"])
async def test_what_needs_prometheus_is_refused_and_the_way_is_said(tmp_path: Path, query: str) -> None:
    """Only plain selectors can be answered from a file."""
    with pytest.raises(QueryRefused, match="promtool tsdb create-blocks-from openmetrics"):
        await held(tmp_path).instant(query, at(60))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# TYPE a counter\na_total 1\n# EOF\n", r"a line of a_total\{\} has no timestamp"),
        ("# TYPE a counter\na_total 1 60\n", "Missing # EOF"),
        ("a_total one 60\n# EOF\n", "line 1: not OpenMetrics"),
        ("# EOF\n", "there is no sample in it"),
    ],
)
def test_what_is_no_history_is_refused_with_the_place(tmp_path: Path, text: str, told: str) -> None:
    """The message names the file, the line or the series, and what is wrong with it."""
    with pytest.raises(FileUnusable, match=told):
        held(tmp_path, text)


def test_a_gzipped_file_is_read_and_a_broken_one_refused(tmp_path: Path) -> None:
    """By the end of its name."""
    path = tmp_path / "history.om.gz"
    path.write_bytes(gzip.compress(TEXT.encode()))
    assert OpenMetricsFile.read(path).metrics == ("bad_total", "fresh")
    path.write_bytes(gzip.compress(TEXT.encode())[:-12])
    with pytest.raises(FileUnusable):
        OpenMetricsFile.read(path)
    with pytest.raises(FileUnusable, match="No such file"):
        OpenMetricsFile.read(tmp_path / "none.om")
