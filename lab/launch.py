"""How a lab is started from the host, and ended: its folder, keys and doors, then its namespaces.

The doors are listening sockets made here, on the host's loopback, and handed over: a socket stays in the network
namespace that it was made in.
"""

import contextlib
import fcntl
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.build import Report, ensure, gateway_api_crds, report_to_stderr
from lab.components import API_URL, USERS
from lab.files import Files, tail
from lab.inside.control import ControlError, ask
from lab.kubeconfig import write_kubeconfig
from lab.paths import REPOSITORY
from lab.pins import CONTROL_PLANE
from lab.spec import Spec, read_images

START_SECONDS = 90.0


class LabError(Exception):
    """A lab could not be started, or is not there; the message says what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A lab that is ready."""

    files: Files
    process: subprocess.Popen[bytes]
    """Stays in the host's namespaces and ends when the lab's first process does."""
    owner: int | None
    """The end of the pipe that keeps the lab alive; None for one that outlives its starter."""
    ready_after: Mapping[str, float]


def launch(
    directory: Path,
    *,
    images: Iterable[Path] = (),
    gateway: bool = True,
    prometheus: bool = True,
    detached: bool = False,
    temporary: bool = False,
    report: Report = report_to_stderr,
) -> Started:
    """Start a lab and return when it is ready.

    Unless detached, it ends when the pipe `owner` is closed, which the kernel does when this process ends.
    """
    _require_means()
    files = Files(directory.resolve())
    if is_running(files):
        raise LabError(f"a lab is running in {files.directory} already")
    names = [*CONTROL_PLANE, *(["prometheus"] if prometheus else []), *(["traefik"] if gateway else [])]
    binaries = ensure(names, report)
    crds = gateway_api_crds() if gateway else []
    _clear(files)
    files.make()
    _make_keys(binaries["pki"], files)
    doors = {"api": _listen()}
    if gateway:
        doors["gateway"] = _listen()
    if prometheus:
        doors["prometheus"] = _listen()
    ports = {name: door.getsockname()[1] for name, door in doors.items()}
    _write_users(files, ports["api"])
    told, tell = os.pipe()
    lives, keeps = (None, None) if detached else os.pipe()
    Spec(
        images=read_images(images, sys.executable),
        binaries={name: str(path) for name, path in binaries.items()},
        crds=[str(path) for path in crds],
        gateway=gateway,
        prometheus=prometheus,
        doors={name: door.fileno() for name, door in doors.items()},
        report=tell,
        owner=lives,
        temporary=temporary,
        deadline=START_SECONDS,
    ).write(files.spec)
    handed = [tell, *(door.fileno() for door in doors.values()), *([] if lives is None else [lives])]
    with files.log("lab").open("wb") as log:
        process = subprocess.Popen(
            [
                *("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "private"),
                *("--mount-proc", sys.executable, "-m", "lab.inside.main", str(files.directory)),
            ],
            cwd=REPOSITORY,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=handed,
            start_new_session=True,
        )
    files.state.write_text(
        json.dumps(
            {"pid": process.pid, "ports": ports, "kubectl": str(binaries["kubectl"]), "detached": detached}, indent=1
        )
    )
    for door in doors.values():
        door.close()
    os.close(tell)
    if lives is not None:
        os.close(lives)
    try:
        ready_after = _await_report(told, files, process)
    except BaseException:
        _kill(process.pid)
        process.wait()
        if keeps is not None:
            os.close(keeps)
        raise
    return Started(files=files, process=process, owner=keeps, ready_after=ready_after)


def end(files: Files, seconds: float = 8.0) -> None:
    """End a lab and wait until all of it is gone; nothing happens when none is running."""
    if not is_running(files):
        return
    with contextlib.suppress(ControlError):
        ask(files.control, "stop", timeout=2)
    holder: int = read_state(files)["pid"]
    limit = time.monotonic() + seconds
    while is_running(files) or _is_alive(holder):
        # While the lock is held, the number names our process and no other.
        if time.monotonic() > limit and is_running(files):
            _kill(holder)
            limit += seconds
        time.sleep(0.02)


def _kill(holder: int) -> None:
    """Kill a lab's first process, whose parent then ends when the kernel has ended all that was in the namespace."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{holder}/task/{holder}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    """Whether a process runs still; one whose parent has not noticed its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_running(files: Files) -> bool:
    """Whether a lab's first process lives: it holds a lock, which the kernel drops with it."""
    try:
        with files.lock.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def read_state(files: Files) -> dict[str, Any]:
    """What was written when the lab was started."""
    try:
        state: dict[str, Any] = json.loads(files.state.read_text())
    except FileNotFoundError:
        raise LabError(f"there is no lab in {files.directory}: start one with `python -m lab up`") from None
    return state


def _require_means() -> None:
    """Say what the machine lacks, before anything is built."""
    lacks = [f"`{program}` ({package})" for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if not sys.platform.startswith("linux"):
        lacks.append("Linux: its namespaces are what a lab consists of")
    elif os.geteuid() != 0:
        lacks.append("root: a lab makes network, PID and mount namespaces of its own (sudo -E, or a container's root)")
    if lacks:
        raise LabError("a lab cannot be started here; what is missing:\n" + "\n".join(f"  {each}" for each in lacks))
    done = subprocess.run(["unshare", "--net", "--pid", "--fork", "true"], capture_output=True, text=True)
    if done.returncode:
        raise LabError(
            f"this root may not make namespaces ({done.stderr.strip()}): in a container, run it with CAP_SYS_ADMIN and "
            f"CAP_NET_ADMIN (docker run --privileged)"
        )


PROGRAMS = {"unshare": "util-linux", "ip": "iproute2"}


def _clear(files: Files) -> None:
    """Remove what a lab that is over has left; refuse a folder that holds anything else."""
    if files.directory.exists() and any(files.directory.iterdir()):
        if not files.state.exists():
            raise LabError(f"{files.directory} is not empty and holds no lab: name another folder")
        shutil.rmtree(files.directory)


def _make_keys(pki: Path, files: Files) -> None:
    subprocess.run([pki, files.pki, "127.0.0.1", "10.244.255.1", "10.96.0.1"], check=True)


def _write_users(files: Files, port: int) -> None:
    tokens = {name: secrets.token_hex(16) for name in USERS}
    rows = [
        f'{tokens[name]},{user},{user},"{group}"\n' if group else f"{tokens[name]},{user},{user}\n"
        for name, (user, group) in USERS.items()
    ]
    files.tokens.touch(mode=0o600)
    files.tokens.write_text("".join(rows))
    for name, token in tokens.items():
        write_kubeconfig(files.user(name), server=API_URL, ca=files.ca, user=name, token=token)
    write_kubeconfig(
        files.kubeconfig, server=f"https://127.0.0.1:{port}", ca=files.ca, user="admin", token=tokens["admin"]
    )


def _listen() -> socket.socket:
    """A free port on the host's loopback."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    door.listen(1024)
    return door


def _environment() -> dict[str, str]:
    """What the lab's processes inherit: no proxies, no kubeconfig of the user's, and this repository's packages."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "KUBECONFIG" and not name.lower().endswith("_proxy") and not name.startswith("PYTEST_")
    }
    return {**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}


def _await_report(told: int, files: Files, process: subprocess.Popen[bytes]) -> Mapping[str, float]:
    """What the first process says of the start; LabError when it fails or says nothing."""
    with os.fdopen(told, "rb") as stream:
        readable, _, _ = select.select([stream], [], [], START_SECONDS + 15)
        line = stream.readline() if readable else b""
    message = (
        json.loads(line) if line else {"failed": f"the lab's first process said nothing:\n{tail(files.log('lab'))}"}
    )
    if "ready" not in message:
        raise LabError(f"the lab did not start: {message['failed']}")
    ready: dict[str, float] = message["ready"]
    return ready
