"""Which of the lab's programs run: starts them, waits until they are ready, ends and restarts them for tests."""

import asyncio
import os
import signal
import ssl
from collections.abc import Iterable

import aiohttp

from lab.components import Component
from lab.files import Files, tail
from lab.inside.control import ControlError
from lab.inside.processes import Process, Processes

POLL = 0.1
GRACE = 10.0


class StartError(Exception):
    """The lab could not start; the message says which part of it, and shows its log's end."""


class Runner:
    """The lab's programs, by name. One that ends stays ended until somebody asks for it: tests want it so."""

    def __init__(self, components: dict[str, Component], processes: Processes, files: Files) -> None:
        self._components = components
        self._processes = processes
        self._files = files
        self._running: dict[str, Process] = {}
        self._context = ssl.create_default_context(cafile=str(files.ca))

    async def start(self, name: str) -> None:
        """Start a program without waiting for it."""
        component = self._components[name]
        self._running[name] = await self._processes.spawn(
            component.argv,
            environment={**os.environ, **component.environment},
            output=self._files.log(name),
        )

    async def ready(self, name: str) -> None:
        """Wait until a program says that it is ready; StartError when it ends instead."""
        component, process = self._components[name], self._running[name]
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while not await self._is_healthy(session, component):
                if not process.is_running:
                    raise StartError(self._explain(name, f"ended by itself ({process.exited.result()})"))
                await asyncio.sleep(POLL)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a program."""
        self._known(name).signal(number)

    async def restart(self, name: str) -> None:
        """End a program, if it has not ended, start it again and wait until it is ready."""
        process = self._known(name)
        process.signal(signal.SIGTERM)
        process.signal(signal.SIGCONT)  # one that a test has stopped can end only when it goes on
        try:
            await asyncio.wait_for(asyncio.shield(process.exited), GRACE)
        except TimeoutError:
            process.signal(signal.SIGKILL)
            await process.exited
        await self.start(name)
        await self.ready(name)

    def status(self) -> dict[str, str]:
        """What became of each program, in words."""
        return {
            name: f"running as process {process.pid} of the lab"
            if process.is_running
            else f"ended ({process.exited.result()})"
            for name, process in self._running.items()
        }

    def explain(self, late: Iterable[str]) -> str:
        """Who did not become ready in time, with the logs of those that are programs."""
        what = "was not ready in time"
        return "\n".join(self._explain(name, what) if name in self._running else f"{name} {what}" for name in late)

    def _known(self, name: str) -> Process:
        if name not in self._running:
            raise ControlError(f"this lab has no {name}; it runs {', '.join(self._running)}")
        return self._running[name]

    async def _is_healthy(self, session: aiohttp.ClientSession, component: Component) -> bool:
        try:
            async with session.get(component.health, ssl=self._context) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    def _explain(self, name: str, what: str) -> str:
        log = self._files.log(name)
        return f"{name} {what}; the end of {log}:\n{tail(log)}"
