"""Events on a real API server: said once, counted, never in the way."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.integration.kube.kubeplace import Place, a_config_map

from firebreak.adapters.kube.events import Events
from firebreak.adapters.kube.kinds import CONFIG_MAP, EVENT, FIREBREAK, path_of

pytestmark = pytest.mark.lab


@dataclass
class Clock:
    """A clock that can be moved on."""

    now: datetime = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


async def events_about(place: Place, uid: str) -> list[Any]:
    listed = await place.client.list(EVENT, place.namespace)
    return [event for event in listed.items if event["involvedObject"].get("uid") == uid]


async def test_what_is_said_again_is_counted(place: Place):
    """Within ten minutes it is one Event with a count; later, or when that one is gone, it is said anew."""
    await place.apply(a_config_map(data={"a": "b"}), manager="owner")
    uid = (await place.get(CONFIG_MAP, "prompt"))["metadata"]["uid"]
    clock, about = Clock(), place.key(CONFIG_MAP, "prompt")
    events = Events(place.client, now=clock, identity="firebreak-0")
    await events.tell(about, uid=uid, reason="Contained", message="as it should", warning=True, action="RollBack")
    clock.now += timedelta(minutes=5)
    await events.tell(about, uid=uid, reason="Contained", message="as it should", warning=True, action="RollBack")
    await events.tell(about, uid=uid, reason="Contained", message="otherwise")
    by_message = {event["message"]: event for event in await events_about(place, uid)}
    said = by_message["as it should"]
    assert (said["count"], said["type"], said["reason"], said["action"]) == (2, "Warning", "Contained", "RollBack")
    assert (said["firstTimestamp"], said["lastTimestamp"]) == ("2026-11-24T12:00:00Z", "2026-11-24T12:05:00Z")
    assert by_message["otherwise"]["count"] == 1
    clock.now += timedelta(minutes=11)
    await events.tell(about, uid=uid, reason="Contained", message="otherwise")
    assert len(await events_about(place, uid)) == 3
    await place.client.request("DELETE", EVENT.collection(place.namespace))
    await events.tell(about, uid=uid, reason="Contained", message="otherwise")
    [anew] = await events_about(place, uid)
    assert anew["count"] == 1


async def test_a_long_message_is_cut_to_what_the_api_server_takes(place: Place):
    """It counts bytes, not characters."""
    about = place.key(CONFIG_MAP, "prompt")
    await Events(place.client, now=Clock(), identity="x").tell(about, uid="u-1", reason="Long", message="ü" * 2000)
    [event] = await events_about(place, "u-1")
    assert len(event["message"].encode()) <= 1024
    assert event["message"].endswith("ü…")


async def test_an_event_about_a_cluster_scoped_object_is_kept_in_default(place: Place):
    """kubectl describe looks for it there."""
    about = FIREBREAK["FirebreakControl"].key("", "firebreak")
    uid = f"uid-{place.namespace}"
    await Events(place.client, now=Clock(), identity="x").tell(about, uid=uid, reason="Paused", message="by hand")
    listed = await place.client.list(EVENT, "default")
    [event] = [e for e in listed.items if e["involvedObject"].get("uid") == uid]
    await place.client.request("DELETE", path_of(EVENT.key("default", event["metadata"]["name"])))
    assert event["message"] == "by hand"


async def test_an_event_that_cannot_be_written_fails_nothing(place: Place):
    """It is a line in the log."""
    about = CONFIG_MAP.key("no-such-namespace", "prompt")
    with capture_logs() as logs:
        await Events(place.client, now=Clock(), identity="x").tell(about, uid="u", reason="Lost", message="in vain")
    assert [(line["event"], line["reason"]) for line in logs] == [("event_lost", "Lost")]
