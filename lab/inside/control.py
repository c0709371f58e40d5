"""How a test disturbs a running lab: commands over a Unix socket, one JSON object a line each way."""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlError(Exception):
    """The lab refused a command, or is not there to hear it; the message says which."""


async def serve(path: Path, handle: Handler) -> asyncio.Server:
    """Answer commands until the server is closed; a ControlError of the handler is told to the caller."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                try:
                    answer = await handle(json.loads(line))
                except ControlError as error:
                    answer = {"error": str(error)}
                except Exception as error:
                    answer = {"error": f"{type(error).__name__}: {error}"}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    return await asyncio.start_unix_server(converse, sock=_bound(path))


def ask(path: Path, command: str, *, timeout: float = 60.0, **arguments: object) -> dict[str, Any]:
    """Send one command and return the answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        try:
            with _Short(path) as short:
                connection.connect(short)
            connection.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline()
        except TimeoutError as error:
            raise ControlError(f"{command}: no answer from the lab within {timeout:g} s") from error
        except OSError as error:
            raise ControlError(f"no lab is running in {path.parent} ({error.strerror})") from error
    if not line:
        raise ControlError(f"{command}: the lab ended before it answered")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise ControlError(answer["error"])
    return answer


class _Short:
    """A path that names the same file in few characters: a socket's address has 108."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._folder}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    with _Short(path) as short:
        listener.bind(short)
    path.chmod(0o600)
    return listener
