"""How are all points tried within the hour? Several namespaces side by side, in each one story after the other.

The first story of each kind goes undisturbed: it says which boundaries there are and what the others have to come to.
What strikes everybody is tried when everything else is over.
"""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from bench.faults.check import Ending, differences, half_done
from bench.faults.lab.lane import Lane, Lived
from bench.faults.lab.points import Point, points
from bench.faults.lab.stories import Story
from bench.faults.lab.tally import Tally
from bench.faults.lab.world import World
from tests.integration.operator.watching import NotSo

_OPENED_AT_MOST = 3


class BenchFailed(Exception):
    """The bench itself could not go on; it says nothing of the operator."""


def wrong_with(point: Point, ending: Ending, undisturbed: Ending) -> list[str]:
    """What a point came to that it should not have."""
    # What a GitOps loop writes comes between what we write.
    return differences(ending, undisturbed, same_writes=point.neighbour is None)


def lived(lane: Lane, point: Point) -> Lived:
    """The story with what happens at this point."""
    return lane.play(point.boundary, point.mishap, point.neighbour)


class Run:
    """One run over the chosen points."""

    def __init__(
        self,
        world: World,
        *,
        seed: int,
        chosen: Callable[[Point], bool],
        minutes: float,
        lanes: int,
        tally: Tally,
    ) -> None:
        self.seed = seed
        self.chosen = chosen
        self.tally = tally
        self.alone = threading.Lock()
        self._world = world
        self._until = time.monotonic() + minutes * 60 if minutes else float("inf")
        self._lanes = lanes
        self._opened: Counter[str] = Counter()
        self._lock = threading.Lock()

    def all(self, stories: Sequence[Story]) -> None:
        """Try them."""
        kinds = [Kind(self, story) for story in stories]
        with ThreadPoolExecutor(max_workers=len(kinds) * self._lanes) as pool:
            begun = [pool.submit(kind.first) for kind in kinds]
            begun += [pool.submit(kind.beside) for kind in kinds for _ in range(self._lanes - 1)]
            self._await(begun)
        with ThreadPoolExecutor(max_workers=len(kinds)) as pool:
            self._await([pool.submit(kind.strike_everybody) for kind in kinds])

    def _await(self, begun: Sequence[Future[None]]) -> None:
        """Until all are over; one that cannot go on keeps the others from nothing."""
        for each in begun:
            if (error := each.exception()) is not None:
                self.tally.broke("a namespace", error)

    def has_time(self) -> bool:
        """Whether another story may begin."""
        return time.monotonic() < self._until

    def lane(self, story: Story, replicas: int) -> Lane:
        """A new namespace."""
        with self._lock:
            self._opened[story.kind] += 1
            return Lane(self._world, f"{story.kind.lower()}-{self._opened[story.kind]}", story, replicas)


class Kind:
    """The points of one kind of action."""

    def __init__(self, run: Run, story: Story) -> None:
        self._run = run
        self._story = story
        self._undisturbed: Future[Ending] = Future()
        self._left: dict[int, queue.SimpleQueue[Point]] = {1: queue.SimpleQueue(), 2: queue.SimpleQueue()}
        self._exclusive: list[Point] = []

    def first(self) -> None:
        """Live through it undisturbed, then through the points."""
        try:
            lane = self._run.lane(self._story, 1)
            with lane.open():
                ending = lane.play().ending
                if wrong := half_done(ending):
                    raise BenchFailed(f"{self._story.kind} undisturbed: {'; '.join(wrong)}")
                self._take_up(ending)
                self._go_through(lane, 1)
        except BaseException as error:
            if not self._undisturbed.done():
                self._undisturbed.set_exception(error)
            raise
        self._all(1)
        self._all(2)

    def beside(self) -> None:
        """Another namespace of the same kind."""
        self._undisturbed.result()
        self._all(2)
        self._all(1)

    def strike_everybody(self) -> None:
        """The points that are tried one by one."""
        if not self._exclusive:
            return
        for lane in self._opened(1, lambda: bool(self._exclusive)):
            point = self._exclusive.pop()
            with self._run.alone:
                self._try(lane, point)

    def _take_up(self, ending: Ending) -> None:
        chosen = [p for p in points(self._story, ending.boundaries, self._run.seed) if self._run.chosen(p)]
        self._run.tally.wanted += len(chosen)
        for point in chosen:
            if point.is_exclusive:
                self._exclusive.append(point)
            else:
                self._left[point.replicas].put(point)
        self._undisturbed.set_result(ending)

    def _all(self, replicas: int) -> None:
        for lane in self._opened(replicas, lambda: self._run.has_time() and not self._left[replicas].empty()):
            self._go_through(lane, replicas)

    def _opened(self, replicas: int, is_wanted: Callable[[], bool]) -> Iterator[Lane]:
        failed = 0
        while is_wanted():
            lane = self._run.lane(self._story, replicas)
            try:
                with lane.open():
                    yield lane
            except NotSo as error:
                failed += 1
                if failed >= _OPENED_AT_MOST:
                    raise BenchFailed(f"{lane.name} was not ready: {error}") from error

    def _go_through(self, lane: Lane, replicas: int) -> None:
        """Until nothing is left, or the next story would begin with the remains of the last."""
        while self._run.has_time() and lane.is_ready_again():
            try:
                point = self._left[replicas].get_nowait()
            except queue.Empty:
                return
            if self._try(lane, point):
                return

    def _try(self, lane: Lane, point: Point) -> list[str]:
        try:
            story = lived(lane, point)
        except Exception as error:
            self._run.tally.broke(point, error)
            return [str(error)]
        wrong = wrong_with(point, story.ending, self._undisturbed.result())
        self._run.tally.add(point, story, wrong)
        return wrong
