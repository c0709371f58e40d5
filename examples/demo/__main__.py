"""`python -m examples.demo [act1|act2|act3|all]`: exits with 1 when an act does not end as it should."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lab.build import BuildError
from lab.cluster import KubectlError, Lab
from lab.install import install
from lab.launch import LabError, launch
from lab.paths import IMAGES, NAMED_LABS

from examples.demo.acts import ACTS, Outcome, await_proven, get_ready
from examples.demo.show import console, say, title, verbatim
from examples.demo.stage import QA, ActedEarly, NotAsItShould, Stage

KEPT = "demo"
"""The name of the lab that --keep leaves."""


def main() -> int:
    """Run the acts asked for."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("act", nargs="?", default="all", choices=[*ACTS, "all"])
    parser.add_argument("--runs", type=int, default=1, help="run the act so often, each in a fresh namespace")
    parser.add_argument("--lab", help="use the running lab of this name, and leave it running")
    parser.add_argument("--keep", action="store_true", help=f"leave the lab running, by the name of `{KEPT}`")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        with _lab(arguments) as lab:
            if arguments.runs > 1:
                code = _repeat(lab, _repeated(arguments))
            else:
                code = _play(lab, list(ACTS) if arguments.act == "all" else [arguments.act])
            title("what is left: kubectl get ais,aii -A")
            verbatim(lab.kubectl("get", "ais,aii", "-A"))
            if arguments.keep and not arguments.lab:
                say(f"The lab is left running. export KUBECONFIG={lab.kubeconfig}")
                say(f"To end it: .venv/bin/python -m lab down --name {KEPT}")
    except (BuildError, LabError, KubectlError) as error:
        say(f"demo: {error}")
        return 1
    say(
        f"{'All ended as they should' if code == 0 else 'Not all ended as they should'}, after {time.monotonic() - began:.0f} s."
    )
    return code


@contextmanager
def _lab(arguments: argparse.Namespace) -> Iterator[Lab]:
    """A lab with Firebreak in it, installed by its chart."""
    # Whose routes may name the responder.
    namespaces = [f"demo-{act}" for act in ACTS]
    if arguments.runs > 1:
        namespaces += _repeated(arguments)[1]
    if arguments.lab:
        lab = Lab.attach(NAMED_LABS / arguments.lab)
        install(lab, namespaces=namespaces)
        yield lab
        return
    say("Starting a lab: etcd, the Kubernetes control plane, Prometheus and a Gateway API gateway.")
    images = [IMAGES, QA / "images.yaml"]
    if arguments.keep:
        launch(NAMED_LABS / KEPT, images=images, detached=True)
        lab = Lab.attach(NAMED_LABS / KEPT)
        say("Installing Firebreak by its chart.")
        install(lab, namespaces=namespaces)
        yield lab
        return
    with Lab.start(images=images) as lab:
        say("Installing Firebreak by its chart.")
        install(lab, namespaces=namespaces)
        yield lab


def _repeated(arguments: argparse.Namespace) -> tuple[str, list[str]]:
    """Which act is repeated, and in which namespaces."""
    act = "act1" if arguments.act == "all" else str(arguments.act)
    return act, [f"demo-{act}-{run}" for run in range(1, arguments.runs + 1)]


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


def _repeat(lab: Lab, repeated: tuple[str, list[str]]) -> int:
    """One act over and over; the last line says in JSON how often it ended as it should, and how fast."""
    act, namespaces = repeated
    outcomes: list[Outcome] = []
    early = 0
    for namespace in namespaces:
        stage = Stage(lab=lab, namespace=namespace)
        try:
            get_ready(stage, act)
            await_proven(stage)
            outcomes.append(ACTS[act](stage))
        except (NotAsItShould, KubectlError) as error:
            early += isinstance(error, ActedEarly)
            say(f"{namespace} did not end as it should: {error}")
        finally:
            stage.tear_down()
    seconds = [o.seconds_to_contain for o in outcomes]
    told = {
        "act": act,
        "runs": len(namespaces),
        "contained": len(outcomes),
        "contained_before_the_degradation": early,
        "seconds_median": round(statistics.median(seconds), 1) if seconds else None,
        "seconds_max": round(max(seconds), 1) if seconds else None,
    }
    verbatim(json.dumps(told))
    return 0 if len(outcomes) == len(namespaces) else 1


if __name__ == "__main__":
    sys.exit(main())
