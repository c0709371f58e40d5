"""How the host reaches what listens in the lab: accept outside, connect inside.

A socket stays in the network namespace that it was made in. The host makes the listening socket and hands it over;
this process accepts on it, and its own new sockets are born in the lab's namespace.
"""

import asyncio
import contextlib
import socket

CHUNK = 1 << 16


async def forward(listener: socket.socket, host: str, port: int) -> asyncio.Server:
    """Serve a listening socket of the host's with what answers at host:port in the lab."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(host, port, limit=CHUNK)
        except OSError:
            writer.transport.abort()  # a reset, as a closed port would give
            return
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            writer.close()
            inner_writer.close()

    listener.setblocking(False)
    return await asyncio.start_server(serve, sock=listener, limit=CHUNK)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until its end, then pass the end on: the other direction may still have much to say."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()
