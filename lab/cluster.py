"""The door to a lab for Python: start one or attach to one, reach it, disturb it, end it."""

import os
import shutil
import signal as signals
import subprocess
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.build import Report, report_to_stderr
from lab.files import Files
from lab.inside.control import ask
from lab.launch import LabError, Started, end, is_running, launch, read_state

__all__ = ["KubectlError", "Lab", "LabError"]


class KubectlError(Exception):
    """kubectl was refused; the message is what it said."""


class Lab:
    """A running lab."""

    def __init__(self, files: Files, *, started: Started | None = None, temporary: bool = False) -> None:
        self._files = files
        self._started = started
        self._temporary = temporary
        self._state = read_state(files)
        # Closing the pipe ends the lab, whatever becomes of this object.
        owner = started.owner if started else None
        self._close = weakref.finalize(self, os.close, owner) if owner is not None else None
        self.ready_after = started.ready_after if started else {}
        """Seconds from the start until each part was ready."""

    @classmethod
    def start(
        cls,
        directory: Path | None = None,
        *,
        images: Iterable[Path] = (),
        gateway: bool = True,
        prometheus: bool = True,
        report: Report = report_to_stderr,
    ) -> Self:
        """Start a lab that ends with this process at the latest; without a directory nothing of it is kept."""
        folder = directory or Path(tempfile.mkdtemp(prefix="firebreak-lab-"))
        try:
            started = launch(
                folder,
                images=images,
                gateway=gateway,
                prometheus=prometheus,
                temporary=directory is None,
                report=report,
            )
        except BaseException:
            if directory is None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(started.files, started=started, temporary=directory is None)

    @classmethod
    def attach(cls, directory: Path) -> Self:
        """The lab that runs with this state directory; LabError when none does."""
        files = Files(directory.resolve())
        lab = cls(files)
        if not is_running(files):
            raise LabError(f"the lab in {files.directory} is not running: start it with `python -m lab up`")
        return lab

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def directory(self) -> Path:
        return self._files.directory

    @property
    def kubeconfig(self) -> Path:
        return self._files.kubeconfig

    @property
    def api_url(self) -> str:
        return f"https://127.0.0.1:{self._port('api')}"

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self._port('gateway')}"

    @property
    def prometheus_url(self) -> str:
        return f"http://127.0.0.1:{self._port('prometheus')}"

    @property
    def doors(self) -> Mapping[str, str]:
        """Every URL that leads into this lab."""
        named = {"api": "API server", "gateway": "gateway", "prometheus": "Prometheus"}
        scheme = {"api": "https"}
        return {
            named[name]: f"{scheme.get(name, 'http')}://127.0.0.1:{port}" for name, port in self._state["ports"].items()
        }

    def kubectl(self, *arguments: str, input: str | None = None, timeout: float = 90.0) -> str:
        """Run kubectl as administrator and return what it printed; KubectlError when it fails."""
        done = subprocess.run(
            [self.kubectl_program, f"--kubeconfig={self.kubeconfig}", *arguments],
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    @property
    def kubectl_program(self) -> str:
        return str(self._state["kubectl"])

    def logs(self, namespace: str, pod: str, container: str | None = None) -> str:
        """What a pod's container has printed, over all its restarts; of the first one unless named."""
        folders = sorted(
            (self._files.node / "pods").glob(f"{namespace}_{pod}_*"), key=lambda folder: folder.stat().st_mtime
        )
        if not folders:
            return ""
        found = sorted(folders[-1].glob("*.log" if container is None else f"{container}.log"))
        return found[0].read_text(errors="replace") if found else ""

    def component_log(self, component: str) -> Path:
        """The log of a program of the lab; `lab` is its first process, with the node agent."""
        return self._files.log(component)

    def signal(self, component: str, number: int) -> None:
        """Send a signal to a program of the lab; it stays ended if it ends."""
        ask(self._files.control, "signal", component=component, signal=int(number))

    def restart(self, component: str) -> None:
        """End a program of the lab, if it runs, start it again and wait until it is ready."""
        ask(self._files.control, "restart", component=component)

    def kill_pod(self, namespace: str, name: str, number: int = signals.SIGKILL, container: str | None = None) -> None:
        """Send a signal to the processes of a pod, as if they had crashed."""
        ask(
            self._files.control,
            "kill_pod",
            namespace=namespace,
            pod=name,
            container=container,
            signal=int(number),
        )

    def status(self) -> dict[str, Any]:
        """What the lab says of its parts."""
        return ask(self._files.control, "status")

    def stop(self) -> None:
        """End the lab and wait until all of it is gone."""
        end(self._files)
        if self._started is not None:
            self._started.process.wait()
        if self._close is not None:
            self._close()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _port(self, door: str) -> int:
        ports: dict[str, int] = self._state["ports"]
        if door not in ports:
            raise LabError(f"this lab was started without its {door}")
        return ports[door]
