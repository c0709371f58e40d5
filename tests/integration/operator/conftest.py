"""Firebreak on the session's lab, and the shop in a namespace for each scenario.

Most of a scenario is waiting, so all that do not disturb each other are played at once; those that take something away
from everybody (Prometheus, the API server, the leader) follow one by one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
from lab.cluster import Lab
from lab.install import install
from tests.integration.operator import contain, drills, mistakes, others, people
from tests.integration.operator.place import Place
from tests.integration.operator.watching import Reader

Scenario = Callable[[Place], None]
SCENARIOS: Mapping[str, Scenario] = {
    s.__name__: s
    for s in (
        *contain.SCENARIOS,
        *drills.SCENARIOS,
        *people.SCENARIOS,
        *mistakes.SCENARIOS,
        *others.SCENARIOS,
    )
}
LEASE_SECONDS = 8
OUTAGES = ("paused", "crash", "well", "unseen", "cut-off")


@pytest.fixture(scope="session")
def reader(lab: Lab) -> Reader:
    """The API server, read as administrator."""
    return Reader.of(lab)


@pytest.fixture(scope="session")
def places(lab: Lab, reader: Reader) -> Iterator[Mapping[str, Place]]:
    """A namespace for each scenario, and Firebreak with a short Lease; nothing is deployed yet."""
    places = {name: Place(lab=lab, reader=reader, namespace=_namespace(name)) for name in (*SCENARIOS, *OUTAGES)}
    install(
        lab,
        namespaces=[place.namespace for place in places.values()],
        settings=(
            f"lease.durationSeconds={LEASE_SECONDS}",
            "lease.renewDeadlineSeconds=7",
            "lease.retryPeriodSeconds=1",
            # Many shops break at once here, each for a reason of its own.
            "circuitBreaker.enabled=false",
        ),
    )
    yield places
    for place in places.values():
        lab.kubectl("delete", "namespace", place.namespace, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="session")
def played(places: Mapping[str, Place], prepared: Mapping[str, Future[Place]]) -> Iterator[Mapping[str, Future[None]]]:
    """Every scenario, under way or over."""
    with ThreadPoolExecutor(max_workers=len(SCENARIOS)) as pool:
        yield {name: pool.submit(_play, places[name], scenario) for name, scenario in SCENARIOS.items()}


@pytest.fixture(scope="session")
def prepared(places: Mapping[str, Place]) -> Iterator[Mapping[str, Future[Place]]]:
    """The namespaces of the outages, with a service that has proven itself."""
    with ThreadPoolExecutor(max_workers=len(OUTAGES)) as pool:
        yield {name: pool.submit(_prepare, places[name]) for name in OUTAGES}


@pytest.fixture(scope="session")
def quiet(played: Mapping[str, Future[None]], prepared: Mapping[str, Future[Place]]) -> None:
    """Nothing else is going on: what is taken away now is missed by the test alone."""
    wait([*played.values(), *prepared.values()])


@pytest.fixture
def place(request: pytest.FixtureRequest, prepared: Mapping[str, Future[Place]], quiet: None) -> Place:
    """The namespace that the test names by `@pytest.mark.parametrize("place", [...], indirect=True)`."""
    return prepared[request.param].result()


def _play(place: Place, scenario: Scenario) -> None:
    place.set_up()
    scenario(place)


def _prepare(place: Place) -> Place:
    place.set_up()
    place.declare()
    place.until_proven()
    return place


def _namespace(scenario: str) -> str:
    return "shop-" + re.sub(r"[^a-z0-9]+", "-", scenario)[:50].rstrip("-")
