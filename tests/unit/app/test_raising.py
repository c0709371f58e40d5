"""Evidence on demand over a whole fleet: at most so many raises at once, whoever acts, and with whose rights."""

import asyncio
import random

import pytest
from bench.faults.api import Doc, FakeApi, Place
from bench.faults.connection import Boundaries, Mishap
from bench.faults.virtual import WorldClock, elapsed, run
from tests.unit.app.fleet import RAISES, FleetReplica, World, place, until

from firebreak.core.commands import Reason
from firebreak.core.situation import Hold
from firebreak.core.verdict import Tier

SERVICES, MOST = 8, 3


class Played:
    """What a story came to."""

    def __init__(self) -> None:
        random.seed(0)  # the Lease's jitter
        self.world = World(FakeApi(now=WorldClock().now, elapsed=elapsed))
        self.most_held = 0
        self.asked: list[str] = []
        self.replicas: list[FleetReplica] = []
        self.world.api.watchers.append(self._count)

    def _count(self, _: str, at: Place, __: Doc) -> None:
        if at.plural == RAISES.plural:
            self.most_held = max(self.most_held, self.world.held())

    def start(self, count: int, boundaries: Boundaries) -> None:
        self.asked = boundaries.passed
        for n in range(count):
            self.replicas.append(FleetReplica(f"replica-{n}", self.world, boundaries, MOST))
            self.replicas[-1].start()

    def end(self) -> None:
        for replica in self.replicas:
            assert replica.failed is None, replica.failed
            replica.kill()


async def _all_at_watch(mishaps: dict[int, Mishap], replicas: int = 2) -> Played:
    """All services reach Watch in one round, and something may happen at one of the requests that follow."""
    played = Played()
    played.world.add(SERVICES)
    played.start(replicas, Boundaries(mishaps, lambda _: None))
    await until(20.0)
    played.world.tier = Tier.WATCH
    for replica in played.replicas:
        for key in replica.catalog.services():
            replica.turns.touch(key)
    await until(200.0)
    played.end()
    await asyncio.sleep(1.0)
    return played


def test_when_all_reach_watch_in_one_round_no_more_are_raised_than_the_installation_allows() -> None:
    """Six workers take their turns at once, and none takes the last place twice; the others say why they wait."""
    played = run(_all_at_watch({}))

    assert (played.most_held, played.world.held()) == (MOST, MOST)
    assert sorted(played.world.rates()).count("20%") == MOST
    told = [words for replica in played.replicas for words in replica.told.values()]
    assert sum("as many services as the installation allows" in words for words in told) == SERVICES - MOST


@pytest.mark.parametrize("mishap", [Mishap.KILLED_BEFORE, Mishap.KILLED_AFTER, Mishap.LATE_AND_CUT_OFF])
def test_a_replica_that_takes_over_in_between_raises_no_more_than_is_allowed(mishap: Mishap) -> None:
    """Whatever the first one had begun counts: every record that it wrote, or that arrives late, is seen or fenced off."""
    undisturbed = run(_all_at_watch({})).asked
    boundaries = range(len(undisturbed))

    assert len(boundaries) >= 4 * MOST, "created, held, intended, written, told"
    for boundary in boundaries:
        played = run(_all_at_watch({boundary: mishap}))
        assert played.most_held <= MOST, undisturbed[boundary]
        assert sorted(played.world.rates()).count("20%") == MOST, undisturbed[boundary]


def test_a_record_that_is_refused_is_asked_for_once_an_hour() -> None:
    """A quota on objects, say: nothing is raised without a record, the service says so, and nobody is hammered."""

    async def story() -> Played:
        played = Played()
        played.world.refuses = RAISES.plural
        played.world.tier = Tier.WATCH
        played.world.add(1)
        played.start(1, Boundaries({}, lambda _: None))
        await until(3 * 3600.0 - 60.0)
        played.end()
        return played

    played = run(story())

    (replica,) = played.replicas
    assert replica.client.creations == 3
    (told,) = replica.told.values()
    assert "the SamplingRaise cannot be created: 403 exceeded quota" in told
    assert played.world.rates() == ["2%"]


def test_it_is_raised_and_given_back_with_the_rights_of_the_account_that_the_service_names() -> None:
    """Also when the service is gone; only what is Firebreak's own is written with its own rights."""

    async def story() -> Played:
        played = Played()
        played.world.account = "robot"
        played.world.tier = Tier.WATCH
        played.world.add(1)
        played.start(1, Boundaries({}, lambda _: None))
        await until(30.0)
        assert played.world.rates() == ["20%"]
        played.world.api.delete(place("firebreak.dev/v1alpha1", "aiservices", "service-0"))
        await until(60.0)
        played.end()
        return played

    played = run(story())

    assert played.world.rates() == ["2%"]
    assert played.world.api.all(RAISES.plural) == []
    (replica,) = played.replicas
    assert replica.client.written_as == [("service-0", "system:serviceaccount:docs:robot")] * 3, (
        "raised, given back, let go"
    )


def test_a_write_that_arrives_after_a_pause_is_known_of_and_comes_back() -> None:
    """The request was sent and not answered, then someone paused: it may land still, so its record does not end yet."""

    async def story() -> Played:
        played = Played()
        played.world.tier = Tier.WATCH
        played.world.late = 20.0
        played.world.then = (Hold(reason=Reason.PAUSED, because="someone has paused it"),)
        played.world.add(1)
        played.start(1, Boundaries({}, lambda _: None))
        await until(200.0)
        assert played.world.rates() == ["20%"], "it has landed"
        assert played.world.held() == 1
        played.world.api.delete(place("firebreak.dev/v1alpha1", "aiservices", "service-0"))
        await until(300.0)
        played.end()
        return played

    played = run(story())

    assert played.world.rates() == ["2%"]
    assert played.world.api.all(RAISES.plural) == []


def test_what_may_not_be_given_back_is_tried_until_it_may() -> None:
    """Although the service is gone, and nothing else calls for a turn of it."""

    async def story() -> Played:
        played = Played()
        played.world.tier = Tier.WATCH
        played.world.add(1)
        played.start(1, Boundaries({}, lambda _: None))
        (replica,) = played.replicas
        await until(40.0)
        replica.client.forbid("configmaps")
        played.world.api.delete(place("firebreak.dev/v1alpha1", "aiservices", "service-0"))
        await until(3600.0)
        (record,) = played.world.api.all(RAISES.plural)
        assert record["status"]["phase"] == "GivingBack"
        assert "configmaps may not be patched" in record["status"]["message"]
        assert len(replica.client.written_as) < 80, "once a minute"
        replica.client.forbid("")
        await until(3700.0)
        played.end()
        return played

    played = run(story())

    assert played.world.rates() == ["2%"]
    assert played.world.api.all(RAISES.plural) == []


@pytest.mark.parametrize(
    "mishap",
    [
        Mishap.KILLED_BEFORE,
        Mishap.KILLED_AFTER,
        Mishap.ANSWER_LOST,
        Mishap.LATE_AND_CUT_OFF,
        Mishap.CONFLICT,
        Mishap.FAILED,
        Mishap.FORBIDDEN,
    ],
)
def test_whatever_happens_at_a_write_nothing_stays_raised_when_the_service_is_gone(mishap: Mishap) -> None:
    """Raised, then deleted; at each of the writes on the way a replica is killed, cut off, refused or not answered."""

    async def story(mishaps: dict[int, Mishap]) -> Played:
        played = Played()
        played.world.tier = Tier.WATCH
        played.world.add(1)
        played.start(2, Boundaries(mishaps, lambda _: None))
        await until(40.0)
        played.world.api.delete(place("firebreak.dev/v1alpha1", "aiservices", "service-0"))
        await until(200.0)
        played.end()
        return played

    undisturbed = run(story({})).asked
    assert len(undisturbed) >= 8, "created, held, intended, written, told, and back"
    for boundary, asked in enumerate(undisturbed):
        played = run(story({boundary: mishap}))
        assert played.world.rates() == ["2%"], asked
        assert played.world.api.all(RAISES.plural) == [], asked
        owners = [e["manager"] for c in played.world.api.all("configmaps") for e in c["metadata"]["managedFields"]]
        assert "firebreak" not in owners, asked
