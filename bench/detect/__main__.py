"""`python -m bench.detect`: measures the detectors, writes the tables of docs/detection.md, checks the bounds.

Exits non-zero when a bound does not hold. `--quick` is for trying the harness; its figures mean nothing.
"""

import argparse
import os
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from bench.detect import speed
from bench.detect.experiments import compare_false_alarms
from bench.detect.tables import FULL, QUICK, Bound, Job, bounds, bounds_table, jobs, tables

DOC = Path(__file__).parents[2] / "docs" / "detection.md"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.detect", description=__doc__)
    arguments.add_argument("--seed", type=int, default=20_260)
    arguments.add_argument("--quick", action="store_true", help="a small part of the runs, and no document is written")
    arguments.add_argument("--only", default="", help="only experiments whose name begins so; no document is written")
    chosen = arguments.parse_args()
    os.nice(10)
    fleet_ms, fleet_mib = speed.folds()
    said = [
        f"folds of 10,000 services x 3 objectives: {fleet_ms:.1f} ms a step (at most 50), {fleet_mib:.1f} MiB (at most 64)",
        f"differences and groups of 10,000 services' two answers: {speed.differences():.1f} ms",
    ]
    size = QUICK if chosen.quick else FULL
    todo = {name: job for name, job in jobs(size, chosen.seed).items() if name.startswith(chosen.only)}
    results = run_all(todo)
    if chosen.only:
        print(results)
        return 0
    found = tables(results, size)
    for name, table in found.items():
        print(f"\n## {name}\n\n{table}")
    print(f"\nseed {chosen.seed}; {size.months} service-months a cell, {size.runs} runs")
    print("\n".join(said))
    checks = bounds(results)
    checks += [
        Bound("folds of 10,000 services x 3 objectives, ms a step", fleet_ms, 50),
        Bound("folds of 10,000 services x 3 objectives, MiB", fleet_mib, 64),
    ]
    for check in checks:
        word = "ok  " if check.holds else "FAIL"
        print(f"{word} {check.what}: {check.measured:.3g}, at most {check.at_most:g}")
    if not chosen.quick:
        found["bounds"] = bounds_table(checks)
        found["speed"] = "\n".join(f"- {line}" for line in said)
        found["seed"] = f"Seed {chosen.seed}; {size.months} service-months per cell, {size.runs} runs per delay."
        write(found)
    return 0 if all(check.holds for check in checks) else 1


def run_all(todo: dict[str, Job]) -> dict[str, Any]:
    began, results = time.monotonic(), {}
    # The long ones first, so that no core idles at the end.
    order = sorted(todo, key=lambda name: not name.startswith(("compare/alarms", "policy/")))
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        running = {pool.submit(_run, todo[name]): name for name in order}
        for done, future in enumerate(as_completed(running), start=1):
            name = running[future]
            results[name], took = future.result()
            elapsed = time.monotonic() - began
            print(f"[{done}/{len(todo)}] {elapsed:5.0f} s  {name} ({took:.0f} s)", file=sys.stderr, flush=True)
    return {name: results[name] for name in todo}


def _run(job: Job) -> tuple[Any, float]:
    began = time.monotonic()
    what, args, options = job
    if what is compare_false_alarms:
        options = {**options, "said": lambda line: print(f"  {line}", file=sys.stderr, flush=True)}
    return what(*args, **options), time.monotonic() - began


def write(found: dict[str, str]) -> None:
    """Replace what stands between the markers of each table."""
    text = DOC.read_text()
    for name, table in found.items():
        pattern = re.compile(rf"(<!-- bench:{name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        text, times = pattern.subn(lambda match, table=table: f"{match[1]}{table}{match[2]}", text)
        if times != 1:
            raise SystemExit(f"{DOC}: expected one place for {name}, found {times}")
    DOC.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
