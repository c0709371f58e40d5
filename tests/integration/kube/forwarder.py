"""A TCP forwarder in front of the API server, for the one fault that a healthy server never shows: silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


class Forwarder:
    """Passes everything on until it is silenced; then connections stay open and nothing comes through."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def silence(self) -> None:
        self._open.clear()

    def heal(self) -> None:
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                up_reader, up_writer = await asyncio.open_connection(*self._upstream)
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._pass(reader, up_writer))
                        group.create_task(self._pass(up_reader, writer))
                finally:
                    up_writer.close()
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
            writer.close()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def forwarder_to(kubeconfig: Path, directory: Path) -> AsyncIterator[tuple[Forwarder, str]]:
    """A forwarder to the kubeconfig's API server, and a kubeconfig that goes through it."""
    upstream = urlsplit(_read(kubeconfig)["clusters"][0]["cluster"]["server"])
    forwarder = Forwarder(upstream.hostname or "", upstream.port or 443)
    server = await asyncio.start_server(forwarder.serve, "127.0.0.1", 0)
    try:
        yield forwarder, _rewritten(kubeconfig, directory, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await forwarder.close()
        await server.wait_closed()


def _read(kubeconfig: Path) -> Any:
    return yaml.safe_load(kubeconfig.read_text())


def _rewritten(kubeconfig: Path, directory: Path, port: int) -> str:
    config = _read(kubeconfig)
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    through = directory / "kubeconfig"
    through.write_text(yaml.safe_dump(config))
    return str(through)
