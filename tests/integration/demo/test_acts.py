"""The three acts of the demo, played at once on the session's lab: what the README promises, tested."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from examples.demo.acts import ACTS, Outcome, await_proven, get_ready
from examples.demo.stage import Stage
from lab.cluster import Lab
from lab.install import install

NAMESPACES = {act: f"demo-{act}" for act in ACTS}


@pytest.fixture(scope="module")
def played(lab: Lab) -> Iterator[Mapping[str, Future[Outcome]]]:
    """Every act in a namespace of its own, side by side: most of an act is waiting."""
    install(lab, namespaces=list(NAMESPACES.values()))
    with ThreadPoolExecutor(max_workers=len(ACTS)) as pool:
        yield {act: pool.submit(_play, lab, act) for act in ACTS}
    for namespace in NAMESPACES.values():
        lab.kubectl("delete", "namespace", namespace, "--wait=false")


def _play(lab: Lab, act: str) -> Outcome:
    stage = Stage(lab=lab, namespace=NAMESPACES[act])
    get_ready(stage, act)
    await_proven(stage)
    return ACTS[act](stage)


@pytest.mark.parametrize("act", ACTS)
def test_the_act_ends_as_it_should(played: Mapping[str, Future[Outcome]], act: str) -> None:
    """The incident is contained, proven, given back and resolved, and nothing is done before it begins."""
    outcome = played[act].result(timeout=300)

    assert 0.0 < outcome.seconds_to_contain < 60.0
