"""The lab's gateway and its Prometheus, as the operator uses them."""

import pytest
from tests.integration.lab.labplace import Place, deployment, eventually, route, service

pytestmark = pytest.mark.lab


def test_weights_decide_who_answers(place: Place):
    """A changed HTTPRoute moves the traffic within a second or two, and says that it is in force."""
    place.apply(
        *(deployment(name, f"labtest:{name}") for name in ("one", "two")),
        *(service(name) for name in ("one", "two")),
        route(place.host, one=100, two=0),
    )
    place.rolled_out("one")
    place.rolled_out("two")
    eventually(lambda: place.ask() == "one")
    assert {place.ask() for _ in range(20)} == {"one"}
    place.apply(route(place.host, one=0, two=100))
    assert eventually(lambda: place.ask() == "two") < 5
    assert {place.ask() for _ in range(20)} == {"two"}
    place.apply(route(place.host, one=50, two=50))
    eventually(lambda: {place.ask() for _ in range(20)} == {"one", "two"})

    def conditions() -> dict[str, tuple[str, bool]]:
        found = place.get("httproute", "route")
        generation = found["metadata"]["generation"]
        return {
            each["type"]: (each["status"], each["observedGeneration"] == generation)
            for parent in found["status"]["parents"]
            for each in parent["conditions"]
        }

    eventually(lambda: conditions() == {"Accepted": ("True", True), "ResolvedRefs": ("True", True)})


def test_prometheus_scrapes_who_asks_for_it_and_decides_the_namespace(place: Place):
    """A pod cannot pass its numbers off as another namespace's."""
    place.apply(deployment("web", "labtest:one", replicas=2))
    place.rolled_out("web")
    mine = f'labtest_info{{namespace="{place.namespace}"}}'
    eventually(lambda: len(place.query(mine)) == 2, seconds=25)
    assert {series["pod"] for series in place.query(mine)} == {p["metadata"]["name"] for p in place.pods("web")}
    assert {series["exported_namespace"] for series in place.query(mine)} == {"another"}
    assert place.query('labtest_info{namespace="another"}') == []
