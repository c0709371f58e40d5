"""A ConfigMap that was pruned is made again from its snapshot, on a real API server."""

from datetime import UTC, datetime

import pytest
from tests.integration.kube.kubeplace import Place, a_config_map

from firebreak.adapters.kube.existence import exists
from firebreak.adapters.kube.kinds import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, SECRET
from firebreak.adapters.kube.restoring import Restoring
from firebreak.adapters.kube.snapshots import Snapshots
from firebreak.core.objectives import ServiceKey
from firebreak.core.revision import Followed, Snapshot

pytestmark = pytest.mark.lab


def leading() -> None:
    """A fence that lets everything pass."""


async def test_what_a_snapshot_keeps_is_made_again_as_it_was(place: Place) -> None:
    """Text and bytes; one that is there again stays as it is."""
    kept = Followed(name="prompt-7c9d", data={"system.txt": "Be exact <&>.\n"}, binary_data={"index": "AAEC"})
    key = ServiceKey(place.namespace, "summarizer")
    snapshots = Snapshots(place.client, fence=leading)
    first = Snapshot(
        digest="0123456789",
        name="v1",
        values={"image": "v1"},
        first_seen=datetime(2026, 5, 4, tzinfo=UTC),
        follow=(kept,),
    )
    assert await snapshots.keep(key, first) is None
    ((read,),) = (await snapshots.list(place.namespace)).values()
    assert read.follow == (kept,)

    restoring = Restoring(place.client, fence=leading)
    where = place.key(CONFIG_MAP, kept.name)
    assert await exists(place.client, where) is False
    assert await restoring.restore(place.namespace, read.follow[0], "summarizer-1") is None
    assert await exists(place.client, where) is True
    made = await place.get(CONFIG_MAP, kept.name)
    assert (made["data"], made["binaryData"]) == (kept.data, kept.binary_data)
    assert "labels" not in made["metadata"]

    changed = Followed(name=kept.name, data={"system.txt": "another"})
    assert await restoring.restore(place.namespace, changed, "summarizer-1") is None
    assert (await place.get(CONFIG_MAP, kept.name))["data"] == kept.data


async def test_whether_something_exists_is_asked_without_its_content(place: Place) -> None:
    """Of any kind that a template can name."""
    await place.apply(a_config_map("there", {"a": "b"}), manager="tests")
    assert await exists(place.client, place.key(CONFIG_MAP, "there")) is True
    assert await exists(place.client, place.key(SECRET, "there")) is False
    assert await exists(place.client, place.key(PERSISTENT_VOLUME_CLAIM, "there")) is False
