"""The door to a lab for a shell: `python -m lab {build,up,down,install,status,logs,kubectl}`."""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from lab.build import BuildError, ensure
from lab.cluster import KubectlError, Lab
from lab.files import Files
from lab.inside.control import ControlError
from lab.install import NAMESPACE, install
from lab.launch import LabError, end, launch
from lab.paths import IMAGES, NAMED_LABS
from lab.spec import ImagesError


def main() -> int:
    arguments = _parser().parse_args()
    try:
        code: int = arguments.run(arguments)
    except (BuildError, ControlError, ImagesError, KubectlError, LabError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, text: str) -> argparse.ArgumentParser:  # type: ignore[no-untyped-def]
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        if name != "build":
            added.add_argument("--name", default="default", help="which lab, when several run side by side")
        return added

    build = command("build", _build, "Build the lab's programs, or those named, into the cache.")
    build.add_argument("programs", nargs="*")
    up = command("up", _up, "Start a lab and leave it running.")
    up.add_argument("--images", type=Path, action="append", default=[], help="a file of images and their commands")
    up.add_argument("--install", action="store_true", help="install Firebreak in it too")
    up.add_argument("--without-gateway", action="store_true")
    up.add_argument("--without-prometheus", action="store_true")
    command("down", _down, "End a lab and remove all that it kept.")
    installed = command("install", _install, "Install Firebreak by its chart, or upgrade it.")
    installed.add_argument("--namespace", action="append", default=[], help="whose routes may name the responder")
    installed.add_argument("--values", type=Path, action="append", default=[], help="a file of values for the chart")
    installed.add_argument("--set", action="append", default=[], help="a value for the chart, as helm has it")
    command("status", _status, "Say what runs and how to reach it.")
    logs = command("logs", _logs, "Print what a pod or one of the lab's programs has printed.")
    logs.add_argument(
        "whose", nargs="?", help="NAMESPACE/POD, NAMESPACE/POD/CONTAINER or a program; without it, which there are"
    )
    kubectl = command("kubectl", _kubectl, "Run kubectl as the lab's administrator.")
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _folder(arguments: argparse.Namespace) -> Path:
    return NAMED_LABS / arguments.name


def _build(arguments: argparse.Namespace) -> int:
    built = ensure(arguments.programs) if arguments.programs else ensure()
    for name, path in built.items():
        print(f"{name:24} {path}")
    return 0


def _up(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    launch(
        _folder(arguments),
        images=[IMAGES, *arguments.images],
        gateway=not arguments.without_gateway,
        prometheus=not arguments.without_prometheus,
        detached=True,
    )
    if arguments.install:
        install(Lab.attach(_folder(arguments)))
    print(f"the lab `{arguments.name}` is ready after {time.monotonic() - began:.1f} s")
    return _status(arguments)


def _install(arguments: argparse.Namespace) -> int:
    lab = Lab.attach(_folder(arguments))
    install(lab, namespaces=arguments.namespace, values=arguments.values, settings=arguments.set)
    print(lab.kubectl("get", "pods", "-n", NAMESPACE), end="")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    files = Files(_folder(arguments))
    end(files)
    if files.state.exists():
        shutil.rmtree(files.directory)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    lab = Lab.attach(_folder(arguments))
    for name, state in lab.status()["components"].items():
        print(f"{name:24} {state}")
    for name, url in lab.doors.items():
        print(f"{name:24} {url}")
    print(f"{'to use kubectl':24} export KUBECONFIG={lab.kubeconfig}")
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    files = Files(_folder(arguments))
    known = sorted(path.stem for path in files.logs.glob("*.log"))
    match (arguments.whose or "").split("/"):
        case [program] if program in known:
            print(files.log(program).read_text(errors="replace"), end="")
        case [namespace, pod]:
            print(Lab.attach(files.directory).logs(namespace, pod), end="")
        case [namespace, pod, container]:
            print(Lab.attach(files.directory).logs(namespace, pod, container), end="")
        case _:
            raise LabError(f"name NAMESPACE/POD or one of the lab's programs: {', '.join(known) or 'none runs'}")
    return 0


def _kubectl(arguments: argparse.Namespace) -> int:
    lab = Lab.attach(_folder(arguments))
    program = lab.kubectl_program
    os.execv(program, [program, f"--kubeconfig={lab.kubeconfig}", *arguments.arguments])


if __name__ == "__main__":
    sys.exit(main())
