"""A proxy that delays what passes through it, each way: a network between two machines."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

__all__ = ["delaying"]

_CHUNK = 2**16


@contextmanager
def delaying(host: str, port: int, seconds: float) -> Iterator[int]:
    """Run a proxy to an address, in a process beside this one.

    Args:
        host: of the address.
        port: of the address.
        seconds: that each piece of data takes, each way.

    Yields:
        The proxy's port on this machine.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs, host, port, seconds), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, host: str, port: int, seconds: float) -> None:
    asyncio.run(_proxy(pipe, host, port, seconds))


async def _proxy(pipe: Connection, host: str, port: int, seconds: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(
            _delayed(reader, server_writer, seconds), _delayed(server_reader, writer, seconds)
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _delayed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    """Pass on what is read, each piece after its time, while the next ones are on their way."""
    loop = asyncio.get_running_loop()
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def pass_on() -> None:
        while True:
            due, data = await on_the_way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    passing = asyncio.create_task(pass_on())
    try:
        while data := await reader.read(_CHUNK):
            on_the_way.put_nowait((loop.time() + seconds, data))
    except ConnectionError:
        pass
    on_the_way.put_nowait((loop.time() + seconds, b""))
    await passing
