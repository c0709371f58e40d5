"""status and incidents: a line each, those in trouble first, readable by someone who reads nothing else."""

from datetime import timedelta

import pytest
from rich.console import RenderableType
from tests.unit.cli.cli_objects import NOW, a_service, an_incident, at

from firebreak.cli.show import ago, incidents_table, lasted, service_words, services_table, tell


def printed(renderable: RenderableType, capsys: pytest.CaptureFixture[str]) -> list[str]:
    tell(renderable)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_services_in_trouble_stand_first(capsys: pytest.CaptureFixture[str]) -> None:
    """What needs a person comes before what is contained, and that before what is well."""
    services = [
        a_service("well", state="Healthy"),
        a_service("contained", state="Contained"),
        a_service("waiting", state="NeedsHuman"),
        a_service("fresh"),
    ]

    lines = printed(services_table(services, NOW), capsys)

    assert lines[0].split() == (
        ["NAMESPACE", "NAME", "STATE", "MODE", "REVISION", "KNOWN-GOOD", "WORST", "OBJECTIVE", "INCIDENT", "AGE"]
    )
    assert [line.split()[1] for line in lines[1:]] == ["waiting", "contained", "fresh", "well"]
    assert lines[3].split()[2] == "Unknown"


def test_open_incidents_stand_before_resolved_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """Then the latest first."""
    incidents = [
        an_incident("s-1", phase="Resolved", detectedAt=at("01:00:00"), resolvedAt=at("01:30:00")),
        an_incident("s-2", phase="Resolved", detectedAt=at("02:00:00"), resolvedAt=at("02:01:05")),
        an_incident("s-0", detectedAt=at("00:30:00")),
    ]

    lines = printed(incidents_table(incidents, NOW), capsys)

    assert [line.split()[1] for line in lines[1:]] == ["s-0", "s-2", "s-1"]
    assert "30m" in lines[3]
    assert "65s" in lines[2]


def test_one_service_in_full_says_what_is_known_and_where_to_read_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Objectives, conditions, revisions, and the command for its incident."""
    service = a_service(
        state="Contained",
        objectives=[{"name": "groundedness", "finding": "Breached", "tier": "Confirmed", "because": "43 of 210"}],
        conditions=[
            {
                "type": "Ready",
                "status": "True",
                "reason": "Working",
                "message": "fine",
                "lastTransitionTime": at("03:00:00"),
            }
        ],
        revision={
            "current": "v1",
            "knownGood": "v1",
            "knownGoodReason": "proven since yesterday",
            "quarantined": ["v2"],
        },
        activeIncident="summarizer-3",
        incidentCount=3,
    )

    text = "\n".join(printed(service_words(service, NOW), capsys))

    assert "Breached (Confirmed)" in text
    assert "v1 (proven since yesterday)" in text
    assert "kept out    v2" in text
    assert "3 so far, summarizer-3 is open" in text
    assert "kubectl firebreak explain summarizer-3 -n docs" in text


def test_spans_are_short() -> None:
    """One or two units, the larger first."""
    spans = (
        timedelta(seconds=119),
        timedelta(minutes=2, seconds=3),
        timedelta(minutes=59),
        timedelta(hours=3, minutes=20),
        timedelta(days=3),
    )

    assert [lasted(NOW - span, NOW) for span in spans] == ["119s", "2m3s", "59m", "3h20m", "3d"]
    assert ago(None, NOW) == "-"
