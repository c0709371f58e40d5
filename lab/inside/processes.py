"""How processes are started in the lab, and who notices that they ended.

The lab's first process is process 1 of a PID namespace: every orphan becomes its child and must be reaped, which
asyncio's own subprocesses do not expect. So there is one reaper for all, and one way to start a process: a fork whose
child prepares itself (mounts, chroot) and execs. Preparing in the child rather than through a helper program saves the
start of a second interpreter, the larger part of what a pod's start would cost.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class SpawnError(Exception):
    """The program could not be started; the message is the child's own."""


class Process:
    """A running program and the group of everything that it started."""

    def __init__(self, pid: int, exited: "asyncio.Future[int]") -> None:
        self.pid = pid
        self.exited = exited
        """Resolves to the exit code, or to minus the signal's number."""

    @property
    def is_running(self) -> bool:
        return not self.exited.done()

    def signal(self, number: int) -> None:
        """Send a signal to the program and its descendants; one that has ended is left alone."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


class Processes:
    """Starts processes and reaps them, with those that nobody else waits for."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running: dict[int, asyncio.Future[int]] = {}
        self._loop.add_signal_handler(signal.SIGCHLD, self._reap)

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: Path,
        directory: str = "/",
        prepare: Callable[[], None] | None = None,
    ) -> Process:
        """Start a program in a session of its own, its output appended to a file; SpawnError when it cannot start."""
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        told, tell = os.pipe2(os.O_CLOEXEC)
        signals = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                _become(argv, environment, directory, log, tell, prepare)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)
            os.close(log)
            os.close(tell)
        exited = self._running[pid] = self._loop.create_future()
        try:
            message = await self._read_all(told)
        finally:
            os.close(told)
        if message:
            await exited
            raise SpawnError(message.decode(errors="replace"))
        return Process(pid, exited)

    async def _read_all(self, descriptor: int) -> bytes:
        """What the child says before it execs: nothing when all is well."""
        os.set_blocking(descriptor, False)
        said = b""
        while True:
            try:
                chunk = os.read(descriptor, 4096)
            except BlockingIOError:
                readable = self._loop.create_future()
                self._loop.add_reader(descriptor, lambda f=readable: f.done() or f.set_result(None))
                try:
                    await readable
                finally:
                    self._loop.remove_reader(descriptor)
                continue
            if not chunk:
                return said
            said += chunk

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (exited := self._running.pop(pid, None)) is not None:
                # What the program left behind would keep its ports: a container's end is the end of all of it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                if not exited.done():
                    exited.set_result(os.waitstatus_to_exitcode(status))


def _become(
    argv: Sequence[str],
    environment: Mapping[str, str],
    directory: str,
    log: int,
    tell: int,
    prepare: Callable[[], None] | None,
) -> None:
    """The child's part: never returns. Signals are still blocked, so no handler of the parent's can run here."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        nothing = os.open("/dev/null", os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if prepare is not None:
            prepare()
        os.chdir(directory)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvpe(argv[0], list(argv), dict(environment))
    except FileNotFoundError as error:
        os.write(tell, f"{argv[0]}: not found ({error})".encode())
    except BaseException as error:
        os.write(tell, f"{argv[0]}: {error}".encode())
    finally:
        os._exit(127)
