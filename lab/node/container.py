"""One container: started, restarted with a growing pause, probed, ended."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from lab.inside.processes import Process, Processes, SpawnError
from lab.node.environment import ConfigError, ImageError, command, environment
from lab.node.mounts import Mount, mounter
from lab.node.probes import probe_forever
from lab.node.settings import AgentSettings
from lab.node.volumes import Volumes

Object = dict[str, Any]

_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 60.0


def now() -> str:
    """As the API server writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Container:
    """One container of a pod; `changed` is called whenever its status has."""

    def __init__(
        self,
        pod: Object,
        spec: Object,
        *,
        settings: AgentSettings,
        processes: Processes,
        volumes: Volumes,
        configmaps: Callable[[str, str], Object | None],
        session: aiohttp.ClientSession,
        folder: Path,
        changed: Callable[[], None],
    ) -> None:
        self._pod = pod
        self.spec = spec
        self.name: str = spec["name"]
        self._settings = settings
        self._processes = processes
        self._volumes = volumes
        self._configmaps = configmaps
        self._session = session
        self._folder = folder
        self._changed = changed
        self._process: Process | None = None
        self._ending = False
        self.restarts = 0
        self.ready = False
        self.exit_code: int | None = None
        """Of a container that will not be started again."""
        self._state: Object = {"waiting": {"reason": "ContainerCreating"}}
        self._last_state: Object = {}

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self._folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The process number in the lab."""
        return self._process.pid if self._process and self._process.is_running else None

    def status(self) -> Object:
        """Its part of the pod's status."""
        running = "running" in self._state
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": f"lab://{self.spec['image']}",
            "containerID": f"lab://{self.pid or 0}",
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": running,
            "state": self._state,
            "lastState": self._last_state,
        }

    async def run(self) -> None:
        """Run until it is over, for good."""
        policy = self._pod["spec"].get("restartPolicy", "Always")
        pause = 1.0
        while not self._ending:
            started = asyncio.get_running_loop().time()
            code = await self._once()
            if code is None:
                await asyncio.sleep(1.0)  # not started: what is missing may come
                continue
            if self._ending or policy == "Never" or (policy == "OnFailure" and code == 0):
                self.exit_code = code
                self._changed()
                return
            if asyncio.get_running_loop().time() - started > _STEADY_SECONDS:
                pause = 1.0
            self._last_state = self._state
            self._state = {"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off {pause:g}s restarting"}}
            self._changed()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            self.restarts += 1

    async def _once(self) -> int | None:
        try:
            known = environment(self._pod, self.spec, self._configmaps, self._settings)
            argv = command(self.spec, self._settings.images, known)
        except ConfigError as error:
            return self._waits("CreateContainerConfigError", str(error))
        except ImageError as error:
            return self._waits("ErrImagePull", str(error))
        try:
            self._process = await self._processes.spawn(
                argv,
                environment=known,
                output=self.log,
                directory=self.spec.get("workingDir") or str(self._settings.visible[0]),
                prepare=mounter(self._mounts(), self._folder / "scratch", self._settings.visible),
            )
        except SpawnError as error:
            return self._waits("RunContainerError", str(error))
        began = now()
        self._state = {"running": {"startedAt": began}}
        self.ready = "readinessProbe" not in self.spec
        self._changed()
        code = await self._watched(self._process)
        self.ready = False
        reason = "Completed" if code == 0 else "Error"
        exit_code = code if code >= 0 else 128 - code
        self._state = {"terminated": {"exitCode": exit_code, "reason": reason, "startedAt": began, "finishedAt": now()}}
        self._changed()
        return exit_code

    async def _watched(self, process: Process) -> int:
        """Wait for its end, probing meanwhile."""
        ip = self._pod["status"]["podIP"]
        async with asyncio.TaskGroup() as probes:
            started: list[asyncio.Task[None]] = []
            for kind, told in (("readinessProbe", self._is_ready), ("livenessProbe", self._is_alive)):
                if kind in self.spec:
                    eager = kind == "readinessProbe"
                    probe = probe_forever(self._session, self.spec[kind], self.spec, ip, told, eager=eager)
                    started.append(probes.create_task(probe))
            code = await asyncio.shield(process.exited)
            for task in started:
                task.cancel()
        return code

    async def _is_ready(self, verdict: bool) -> None:
        self.ready = verdict and not self._ending
        self._changed()

    async def _is_alive(self, verdict: bool) -> None:
        if not verdict and self._process is not None:
            self._process.signal(signal.SIGKILL)

    def _mounts(self) -> list[Mount]:
        return [
            Mount(
                source=self._volumes.path(m["name"]) / m.get("subPath", ""),
                path=Path(m["mountPath"]),
                read_only=bool(m.get("readOnly")),
            )
            for m in self.spec.get("volumeMounts") or ()
        ]

    def _waits(self, reason: str, message: str) -> None:
        state = {"waiting": {"reason": reason, "message": message}}
        if state != self._state:
            self._state = state
            self._changed()

    def kill(self, number: int) -> None:
        """Send a signal to what runs now."""
        if self._process is not None:
            self._process.signal(number)

    async def end(self, grace: float) -> None:
        """Ask it to end, and end it when it has not in time."""
        self._ending = True
        self.ready = False
        process = self._process
        if process is None or not process.is_running:
            return
        with contextlib.suppress(ProcessLookupError):
            # The program alone, as a kubelet does: a shell's children hear of it from the shell.
            os.kill(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await asyncio.shield(process.exited)
        except TimeoutError:
            process.signal(signal.SIGKILL)
            await asyncio.shield(process.exited)
