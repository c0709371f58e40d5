"""Which revision served is told from the counts."""

from datetime import UTC, datetime, timedelta

from tests.builders import a_service

from firebreak.app.backtest.cluster import values_told_by
from firebreak.app.backtest.served import Deployed, Served

T0 = datetime(2026, 5, 4, tzinfo=UTC)


def followed(*minutes: dict[str, float], declared: tuple[Deployed, ...] = ()) -> list[tuple[float, str]]:
    """The changes, as (minute at which it was deployed, revision)."""
    served = Served(declared)
    for i, answered in enumerate(minutes):
        served.follow(T0 + timedelta(minutes=i), T0 + timedelta(minutes=i + 1), answered)
    return [((change.at - T0) / timedelta(minutes=1), change.revision) for change in served.changes]


def test_a_revision_is_deployed_when_it_first_answers() -> None:
    """Even if the one before it answers on, as during a rollout."""
    assert followed(*[{"v1": 9}] * 5, *[{"v1": 4, "v2": 5}] * 5, *[{"v2": 9}] * 5) == [(0, "v1"), (5, "v2")]


def test_one_that_is_gone_while_another_answers_was_taken_back() -> None:
    """From its last answer on; seen as soon as ten of its answers are missing."""
    assert followed(*[{"v1": 9}] * 5, *[{"v2": 9}] * 5, *[{"v1": 9}] * 5) == [(0, "v1"), (5, "v2"), (10, "v1")]


def test_a_canary_with_little_traffic_is_not_gone_between_two_of_its_answers() -> None:
    """It answers once in ten minutes, so ten minutes without it mean nothing."""
    canary = [*[{"v1": 9.0}] * 9, {"v1": 9.0, "v2": 1.0}]
    assert followed(*canary * 6) == [(0, "v1"), (9, "v2")]


def test_a_night_without_answers_is_no_deployment() -> None:
    """Nobody answers, so nobody has taken its place."""
    assert followed(*[{"v1": 9}] * 5, *[{}] * 60, *[{"v1": 9}] * 5) == [(0, "v1")]


def test_what_people_tell_of_counts_where_the_metrics_say_nothing() -> None:
    """Metrics without a revision label."""
    told = (Deployed(at=T0 + timedelta(minutes=3), revision="1.5"), Deployed(at=T0, revision="1.4"))
    assert followed(*[{}] * 6, declared=told) == [(0, "1.4"), (3, "1.5")]


def test_a_name_tells_of_the_fields_that_its_format_names() -> None:
    """Read backwards; a field that it does not tell of changes with every revision."""
    label = {"name": "revision", "format": "{model|tag}-{prompt|sha8}"}
    declared = a_service().spec.revision
    assert declared is not None
    declared = declared.model_validate({**declared.dump(), "metricLabel": label})
    assert values_told_by(declared, "1.4-rc.1-0badcafe") == {"model": "1.4-rc.1", "prompt": "0badcafe"}
    assert values_told_by(declared, "something") == {
        "model": "of revision something",
        "prompt": "of revision something",
    }
