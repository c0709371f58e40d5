"""The lab's first process: `python -m lab.inside.main <state directory>`, as process 1 of its own namespaces.

It starts everything, serves the doors to the host and the control socket, and is the node's agent. When it ends, the
kernel ends all the rest: nothing of a lab can survive it.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TextIO

from lab.files import Files
from lab.inside.inside import Inside, StartError
from lab.spec import Spec


def main() -> None:
    files = Files(Path(sys.argv[1]))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    spec = Spec.read(files.spec)
    inherited = [*spec.doors.values(), spec.report, *([] if spec.owner is None else [spec.owner])]
    for descriptor in inherited:
        os.set_inheritable(descriptor, False)
    with files.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        prepare_network()
        with os.fdopen(spec.report, "w") as report:
            asyncio.run(run(spec, files, report))
        if spec.temporary:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)  # everybody but process 1; who still wrote would leave files behind
            shutil.rmtree(files.directory, ignore_errors=True)


def prepare_network() -> None:
    """Loopback up, and every pod's address on it: a process can bind any of them without its being added first."""
    for command in (["ip", "link", "set", "lo", "up"], ["ip", "route", "add", "local", "10.244.0.0/16", "dev", "lo"]):
        subprocess.run(command, check=True)


async def run(spec: Spec, files: Files, report: TextIO) -> None:
    """Start everything, tell how it went, and serve until told to stop or until the owner is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    if spec.owner is not None:
        loop.add_reader(spec.owner, stop.set)  # nobody ever writes to it: readable means closed
    stopping = asyncio.create_task(stop.wait())
    inside = Inside(spec, files, stop)
    starting = asyncio.create_task(asyncio.wait_for(inside.start(), spec.deadline))
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        return
    try:
        starting.result()
    except TimeoutError:
        report.write(json.dumps({"failed": inside.explain_late()}) + "\n")
        return
    except StartError as error:
        report.write(json.dumps({"failed": str(error)}) + "\n")
        return
    except Exception as error:
        report.write(json.dumps({"failed": f"{type(error).__name__}: {error} (a fault of the lab's own)"}) + "\n")
        raise
    report.write(json.dumps({"ready": inside.ready_after}) + "\n")
    report.close()
    await stop.wait()
    await inside.stop()


if __name__ == "__main__":
    main()
