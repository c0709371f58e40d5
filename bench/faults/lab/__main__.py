"""`python -m bench.faults.lab`: tries the points on a real control plane; `replay NAME` lives through one again.

Prints how many points were tried, and each that came to another end by a name that can be replayed. Exits non-zero when
anything was lost, doubled, left half done or overwritten silently.
"""

import argparse
import os
import shutil
import signal
import sys

from bench.faults.check import half_done
from bench.faults.lab.lane import Lane
from bench.faults.lab.points import Point, read
from bench.faults.lab.process import OperatorProcess
from bench.faults.lab.run import Run, lived, wrong_with
from bench.faults.lab.stories import STORIES
from bench.faults.lab.tally import Tally, told
from bench.faults.lab.world import standing
from lab.paths import NAMED_LABS

FOLDER = NAMED_LABS / "bench-faults"
"""Where the operators' logs are, and what is told of each point that failed."""


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.faults.lab", description=__doc__)
    arguments.add_argument("--seed", type=int, default=20_260, help="of the order in which the points are tried")
    arguments.add_argument("--story", action="append", choices=tuple(STORIES), help="only these")
    arguments.add_argument("--only", action="append", help="only points of whose name this is a part")
    arguments.add_argument("--minutes", type=float, default=45.0, help="no story begins later than that; 0: try all")
    arguments.add_argument("--lanes", type=int, default=2, help="how many namespaces of each story side by side")
    commands = arguments.add_subparsers(dest="command")
    replay = commands.add_parser("replay", help="live through one point again")
    replay.add_argument("name")
    chosen = arguments.parse_args()
    os.nice(10)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    shutil.rmtree(FOLDER, ignore_errors=True)
    if chosen.command == "replay":
        return _replay(read(chosen.name))
    return _try_all(chosen)


def _interrupted(number: int, _: object) -> None:
    """Leave at once, with nothing left running; the lab ends with this process."""
    OperatorProcess.end_all()
    os._exit(128 + number)


def _try_all(chosen: argparse.Namespace) -> int:
    def is_chosen(point: Point) -> bool:
        return not chosen.only or any(part in str(point) for part in chosen.only)

    tally = Tally(FOLDER)
    with standing(FOLDER) as world:
        run = Run(world, seed=chosen.seed, chosen=is_chosen, minutes=chosen.minutes, lanes=chosen.lanes, tally=tally)
        run.all([STORIES[kind] for kind in chosen.story or STORIES])
    print(*tally.summary(), sep="\n")
    return 1 if tally.failed or tally.broken or not tally.tried else 0


def _replay(point: Point) -> int:
    """Undisturbed first, to know what it should come to; then with what happens at the point."""
    story = STORIES[point.story]
    with standing(FOLDER) as world:
        with Lane(world, "undisturbed", story, 1).open() as lane:
            undisturbed = lane.play().ending
        with Lane(world, "replayed", story, point.replicas).open() as lane:
            again = lived(lane, point)
    wrong = [f"undisturbed: {w}" for w in half_done(undisturbed)] + wrong_with(point, again.ending, undisturbed)
    if point.mishap is not None and not again.is_reached:
        wrong.append(f"{point.boundary} was not met")
    print(*told(again), "", *(wrong or ["it came to the end that it should"]), sep="\n")
    print(f"the operators' logs are in {FOLDER}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
