"""A TCP proxy in front of Redis whose connections can be held, delayed, cut and refused.

Held bytes are kept and handed on when the proxy heals, as a network does that was away for a while: late replies are
what a lease has to be safe against. To lose them, `cut` before `heal`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from tests.support.process import Port

if TYPE_CHECKING:
    from collections.abc import Callable

Direction: TypeAlias = Literal["requests", "replies"]

_BOTH: tuple[Direction, ...] = ("requests", "replies")
_RESET = struct.pack("ii", 1, 0)


class _Pipe:
    """One direction of one connection: bytes with the instant from which they may be handed on."""

    def __init__(self, proxy: Proxy, direction: Direction) -> None:
        self._proxy = proxy
        self._direction = direction
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._more = asyncio.Event()

    async def fill(self, reader: asyncio.StreamReader) -> None:
        """Take in what one side sends; an empty chunk is its end."""
        chunk = b"start"
        while chunk:
            try:
                chunk = await reader.read(65_536)
            except ConnectionError:
                chunk = b""
            due = asyncio.get_running_loop().time() + self._proxy.delays[self._direction]
            self._chunks.append((due, chunk))
            self._more.set()

    async def empty(self, writer: asyncio.StreamWriter) -> None:
        """Hand on to the other side what is due and not held."""
        chunk = b"start"
        while chunk:
            await self._more.wait()
            due, chunk = self._chunks.popleft()
            if not self._chunks:
                self._more.clear()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await self._proxy.gates[self._direction].wait()
            with contextlib.suppress(ConnectionError):
                writer.write(chunk)
                await writer.drain()


class Proxy:
    """Stands between one worker and the server at `host:port`; everything passes until a test says otherwise."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.target = (host, port)
        """Where new connections lead."""
        self.delays: dict[Direction, float] = dict.fromkeys(_BOTH, 0.0)
        self.gates: dict[Direction, asyncio.Event] = {direction: asyncio.Event() for direction in _BOTH}
        self._port = Port()
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}")
        self._thread.start()
        self.heal()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port that clients connect to, on 127.0.0.1."""
        return self._port.number

    @property
    def url(self) -> str:
        """The address of the server behind it, through it."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self) -> int:
        """How many connections go through it now."""
        return len(self._connections)

    def hold(self, *directions: Direction) -> None:
        """Keep back what arrives in these directions (none named: both); connections stay open."""

        def hold() -> None:
            for direction in directions or _BOTH:
                self.gates[direction].clear()

        self._now(hold)

    def delay(self, seconds: float, *directions: Direction) -> None:
        """Hand on what arrives from now on `seconds` later (no direction named: both)."""
        self._now(lambda: self.delays.update(dict.fromkeys(directions or _BOTH, seconds)))

    def cut(self) -> None:
        """Reset every connection (RST) and lose what was held; new ones are taken."""
        self._now(self._reset)

    def refuse(self) -> None:
        """Reset every connection and refuse new ones."""

        def refuse() -> None:
            if self._listener is not None:
                self._listener.close()
                self._listener = None
            self._reset()

        self._now(refuse)

    def heal(self) -> None:
        """Let everything pass again, at once, what was held first."""

        async def heal() -> None:
            self.delays.update(dict.fromkeys(_BOTH, 0.0))
            for gate in self.gates.values():
                gate.set()
            if self._listener is None:
                self._listener = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

        asyncio.run_coroutine_threadsafe(heal(), self._loop).result(10)

    def close(self) -> None:
        """Reset every connection and end the proxy's thread."""

        async def end() -> None:
            await asyncio.gather(*self._connections, return_exceptions=True)

        self.refuse()
        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._port.release()

    def _now(self, change: Callable[[], object]) -> None:
        async def run() -> None:
            change()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def _reset(self) -> None:
        for connection in self._connections:
            connection.cancel()
        for writer in self._writers:
            peer: socket.socket = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        self._writers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        self._writers.add(writer)
        try:
            await self._relay(reader, writer)
        except (asyncio.CancelledError, OSError):
            pass  # a cut, or nobody behind the proxy: either way the connection ends here
        finally:
            writer.close()
            self._writers.discard(writer)
            self._connections.discard(connection)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection(*self.target)
        self._writers.add(back_writer)
        requests, replies = _Pipe(self, "requests"), _Pipe(self, "replies")
        try:
            async with asyncio.TaskGroup() as pumps:
                ends = [
                    pumps.create_task(requests.empty(back_writer)),
                    pumps.create_task(replies.empty(writer)),
                ]
                fills = [
                    pumps.create_task(requests.fill(reader)),
                    pumps.create_task(replies.fill(back_reader)),
                ]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for task in ends + fills:
                    task.cancel()
        finally:
            self._writers.discard(back_writer)
            back_writer.close()
