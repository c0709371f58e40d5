"""One replica of the operator: a real process, started again when it is killed, behind a door of its own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, ClassVar

import yaml
from bench.faults.lab.proxy import Proxy

_MISTAKES = (
    *("turn_failed", "evaluation_failed", "objective_not_judged", "objectives_not_compiled", "query_failed"),
    *("sources_not_followed", "source_not_understood", "source_status_failed", "history_not_read", "feed_not_read"),
)
"""Events of the operator's log that tell of what nobody foresaw."""


class OperatorProcess:
    """`python -m firebreak run` with a kubeconfig that leads to its door."""

    living: ClassVar[set[subprocess.Popen[bytes]]] = set()

    def __init__(
        self, name: str, *, door: Proxy, environ: Mapping[str, str], token: str, folder: Path, again: float
    ) -> None:
        """`again`: seconds until it is started again after it was killed."""
        self.name = name
        self.cut_off_until = 0.0
        self._door = door
        self._environ = environ
        self._again = again
        self._log = folder / f"{name}.log"
        self._kubeconfig = folder / f"{name}.kubeconfig"
        self._kubeconfig.write_text(yaml.safe_dump(_kubeconfig(door.url, token)))
        self._kubeconfig.chmod(0o600)
        self._running: subprocess.Popen[bytes] | None = None
        self._out: IO[bytes] | None = None
        self._started = 0
        self._is_over = False
        self.ended: list[str] = []
        """How it ended by itself, each time: nobody but us may end it."""
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Start another process, under another name, as a Deployment does."""
        if self._is_over:
            return
        self._started += 1
        self._out = self._log.open("ab")
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "FIREBREAK", "POD_"))},
            **self._environ,
            "KUBECONFIG": str(self._kubeconfig),
            "POD_NAME": f"{self.name}-{self._started}",
            "POD_IP": "127.0.0.1",
            "FIREBREAK_PORT": "0",
            "PYTHONFAULTHANDLER": "1",
            # Starts again and again: compile once.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self._log.parent / "pycache"),
        }
        self._running = subprocess.Popen(
            [sys.executable, "-m", "firebreak", "run"], env=environ, stdout=self._out, stderr=self._out
        )
        self.living.add(self._running)

    def kill(self) -> None:
        """SIGKILL; another is started after a while."""
        self._end(signal.SIGKILL)
        self._loop.call_later(self._again, self.start)

    def cut(self) -> None:
        """Close every stream through its door."""
        self._door.cut()

    def silence(self) -> None:
        """Let every open stream through its door say nothing any more."""
        self._door.silence()

    def end(self) -> None:
        """End it for good."""
        self._is_over = True
        self._end(signal.SIGKILL)

    @classmethod
    def end_all(cls) -> None:
        """End every process there is."""
        for process in tuple(cls.living):
            process.kill()

    def failures(self) -> list[str]:
        """Mistakes of ours that its log tells of."""
        return [line[:800] for line in self.told() if any(f'"{event}"' in line for event in _MISTAKES)]

    def told(self) -> list[str]:
        """The lines that it and those before it have logged."""
        return self._log.read_text(errors="replace").splitlines() if self._log.exists() else []

    async def keep_alive(self) -> None:
        """Start it again when it has ended by itself, as a Deployment does."""
        while True:
            await asyncio.sleep(0.3)
            if self._running is not None and (code := self._running.poll()) is not None:
                self.ended.append(f"{self.name} ended by itself: {signal.Signals(-code).name if code < 0 else code}")
                self._forget()
                self.start()

    def dump(self) -> None:
        """End it, and let it say in its log where it was."""
        self._end(signal.SIGABRT)

    def _end(self, number: signal.Signals) -> None:
        if self._running is not None:
            self._running.send_signal(number)
            self._running.wait()
        self._forget()

    def _forget(self) -> None:
        if self._running is not None:
            self.living.discard(self._running)
            self._running = None
        if self._out is not None:
            self._out.close()


def _kubeconfig(server: str, token: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": server}}],
        "users": [{"name": "firebreak", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "firebreak"}}],
        "current-context": "lab",
    }
