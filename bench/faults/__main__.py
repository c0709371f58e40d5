"""`python -m bench.faults`: tries every point, prints how many, and each that came to another end than it should.

`python -m bench.faults replay NAME` lives through one of them again, and tells what happened. Exits non-zero when
anything was lost, doubled, left half done or overwritten silently.
"""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import structlog
from bench.faults.interleavings import plan_of, wrong_with
from bench.faults.manifests import STORIES
from bench.faults.neighbours import neighbours_of
from bench.faults.points import lived, points, read, wrong_at
from bench.faults.story import play

AMONG_OTHERS = "among-others"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    arguments.add_argument("--seed", type=int, default=20_260, help="of everything that is left to chance")
    arguments.add_argument("--story", choices=STORIES, help="only this one")
    arguments.add_argument("--mishap", action="append", help="only this one; may be given several times")
    arguments.add_argument("--among", type=int, default=5000, help="how many stories with others around")
    arguments.add_argument("--points", action=argparse.BooleanOptionalAction, default=True, help="try every boundary")
    arguments.add_argument("--workers", type=int, default=os.cpu_count())
    commands = arguments.add_subparsers(dest="command")
    replay = commands.add_parser("replay", help="live through one point again")
    replay.add_argument("name")
    chosen = arguments.parse_args()
    os.nice(10)
    _be_quiet()
    if chosen.command == "replay":
        return _replay(chosen.name)
    return _try_all(chosen)


def _be_quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def _try_all(chosen: argparse.Namespace) -> int:
    began = time.monotonic()
    stories = (chosen.story,) if chosen.story else STORIES
    todo: list[str] = []
    if chosen.points:
        todo = [str(p) for p in points(stories, chosen.seed) if not chosen.mishap or p.mishap in chosen.mishap]
    if not chosen.story and not chosen.mishap:
        todo += [f"{AMONG_OTHERS}/{chosen.seed + n}" for n in range(chosen.among)]
    tried: Counter[str] = Counter()
    failed = 0
    with ProcessPoolExecutor(max_workers=chosen.workers, initializer=_be_quiet) as pool:
        for name, wrong in pool.map(_try, todo, chunksize=4):
            tried[_what(name)] += 1
            if wrong:
                failed += 1
                print(f"FAIL {name}", *wrong, sep="\n     ", flush=True)
            if sum(tried.values()) % 100 == 0:
                print(
                    f"[{sum(tried.values())}/{len(todo)}] {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True
                )
    for what, count in sorted(tried.items()):
        print(f"{count:6} {what}")
    print(
        f"{len(todo)} points tried with seed {chosen.seed} in {time.monotonic() - began:.0f} s; {failed} came to another end"
    )
    if failed:
        print("live through one again: python -m bench.faults replay NAME")
    return 1 if failed else 0


def _what(name: str) -> str:
    if name.startswith(AMONG_OTHERS):
        return AMONG_OTHERS
    story, replicas, _, mishap, _ = name.split("/")
    return f"{story}, {mishap}, {'alone' if replicas == '1' else 'with a second replica'}"


def _try(name: str) -> tuple[str, list[str]]:
    if name.startswith(AMONG_OTHERS):
        return name, wrong_with(_seed(name))
    return name, wrong_at(read(name))


def _seed(name: str) -> int:
    return int(name.removeprefix(f"{AMONG_OTHERS}/"))


def _replay(name: str) -> int:
    if name.startswith(AMONG_OTHERS):
        print(neighbours_of(_seed(name)), end="\n\n")
        plan = plan_of(_seed(name))
        ending, mishaps = play(plan), plan.mishaps
    else:
        point = read(name)
        ending, mishaps = lived(point), {point.boundary: point.mishap}
    for number, asked in enumerate(ending.boundaries):
        print(f"{number:4} {asked}{f'   <- {mishaps[number]}' if number in mishaps else ''}")
    for s in ending.settings:
        print(f"{s.at:8.2f} {s.by} sets {s.spot}: {s.before!r} -> {s.after!r}")
    for incident in ending.incidents:
        print(f"\n{incident['metadata']['name']}")
        for entry in incident.get("status", {}).get("timeline", ()):
            print(f"  {entry['at'][11:19]} {entry['reason']}: {entry['message']}")
    wrong = _try(name)[1]
    print("", *(wrong or ["it came to the end that it should"]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
