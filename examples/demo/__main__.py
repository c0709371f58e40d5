"""`python -m examples.demo [act1|act2|act3|all]`: exits with 1 when an act does not end as it should."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lab.cluster import KubectlError, Lab
from lab.install import install
from lab.launch import LabError
from lab.paths import IMAGES, NAMED_LABS

from examples.demo.acts import ACTS, Outcome, await_proven, get_ready
from examples.demo.show import console, say, title
from examples.demo.stage import QA, NotAsItShould, Stage


def main() -> int:
    """Run the acts asked for."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("act", nargs="?", default="all", choices=[*ACTS, "all"])
    parser.add_argument("--runs", type=int, default=1, help="run the act so often, each in a fresh namespace")
    parser.add_argument("--lab", help="use the running lab of this name, and leave it running")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        with _lab(arguments.lab, namespaces=[f"demo-{act}" for act in ACTS]) as lab:
            if arguments.runs > 1:
                code = _repeat(lab, "act1" if arguments.act == "all" else arguments.act, arguments.runs)
            else:
                code = _play(lab, list(ACTS) if arguments.act == "all" else [arguments.act])
            title("what is left")
            say(lab.kubectl("get", "ais,aii", "-A"))
    except (LabError, KubectlError) as error:
        say(f"demo: {error}")
        return 1
    say(
        f"{'All ended as they should' if code == 0 else 'Not all ended as they should'}, after {time.monotonic() - began:.0f} s."
    )
    return code


@contextmanager
def _lab(name: str | None, namespaces: list[str]) -> Iterator[Lab]:
    """A lab with Firebreak in it, installed by its chart."""
    if name:
        lab = Lab.attach(NAMED_LABS / name)
        install(lab, namespaces=namespaces)
        yield lab
        return
    say("Starting a lab: etcd, the Kubernetes control plane, Prometheus and a Gateway API gateway.")
    with Lab.start(images=[IMAGES, QA / "images.yaml"]) as lab:
        say("Installing Firebreak by its chart.")
        install(lab, namespaces=namespaces)
        yield lab


def _play(lab: Lab, acts: list[str]) -> int:
    """The acts one after the other; their services are deployed together, since proving themselves takes a while."""
    stages = {act: Stage(lab=lab, namespace=f"demo-{act}") for act in acts}
    say("Deploying the service, and waiting until its revision has proven itself.")
    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in pool.map(lambda pair: get_ready(pair[1], pair[0]), stages.items()):
            pass
    code = 0
    for act, stage in stages.items():
        try:
            await_proven(stage)
            ACTS[act](stage)
        except (NotAsItShould, KubectlError) as error:
            console.print(f"[bold red]{act} did not end as it should:[/] ", end="")
            say(str(error))
            code = 1
    return code


def _repeat(lab: Lab, act: str, runs: int) -> int:
    outcomes: list[Outcome] = []
    for run in range(1, runs + 1):
        stage = Stage(lab=lab, namespace=f"demo-{act}-{run}")
        try:
            get_ready(stage, act)
            await_proven(stage)
            outcomes.append(ACTS[act](stage))
        except (NotAsItShould, KubectlError) as error:
            say(f"run {run} did not end as it should: {error}")
        finally:
            stage.tear_down()
    seconds = [o.seconds_to_contain for o in outcomes]
    told = {
        "act": act,
        "runs": runs,
        "contained": len(outcomes),
        "contained_before_the_degradation": sum(o.contained_early for o in outcomes),
        "seconds_median": round(statistics.median(seconds), 1) if seconds else None,
        "seconds_max": round(max(seconds), 1) if seconds else None,
    }
    say(json.dumps(told))
    return 0 if len(outcomes) == runs and not told["contained_before_the_degradation"] else 1


if __name__ == "__main__":
    sys.exit(main())
