"""A service that is deleted with its namespace and made again under the same name starts from nothing."""

import json
from collections.abc import Iterator

import pytest
from examples.demo.acts import GOOD, await_proven, get_ready
from examples.demo.stage import Stage
from lab.cluster import Lab
from lab.install import install


@pytest.fixture
def stage(lab: Lab) -> Iterator[Stage]:
    """A namespace of its own for the example."""
    install(lab)
    stage = Stage(lab=lab, namespace="demo-again")
    yield stage
    stage.tear_down()


def test_a_service_made_again_proves_itself_anew(stage: Stage) -> None:
    """What was proven of its predecessor went with the namespace: the cluster holds a record of its own proof."""
    get_ready(stage, "act3")
    await_proven(stage)
    first = _records(stage)

    get_ready(stage, "act3")
    await_proven(stage)
    again = _records(stage)

    assert set(first) == set(again) == {GOOD}
    assert first[GOOD] < again[GOOD]


def _records(stage: Stage) -> dict[str, str]:
    """Since when each recorded revision is proven."""
    kept = json.loads(stage.kubectl("get", "controllerrevisions", "-l", "firebreak.dev/service=qa", "-o", "json"))
    notes = [item["metadata"]["annotations"] for item in kept["items"]]
    return {note["firebreak.dev/revision"]: note.get("firebreak.dev/known-good-since", "") for note in notes}
