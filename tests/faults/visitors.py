"""Visitors in the background, and a connection cheap enough for a million reads."""

from __future__ import annotations

import socket
import threading
from itertools import cycle
from typing import TYPE_CHECKING, Self

from tests.faults.stage import BROKEN
from tests.support.client import HOST, Answer, Client

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tests.support.recorder import History
    from tests.support.site import Site

_REQUEST = "GET {} HTTP/1.1\r\nhost: " + HOST + "\r\n\r\n"


class Quick(Client):
    """A client whose GET costs a third: it knows no answer but one with a Content-Length."""

    def __init__(self, port: int, timeout: float = 30.0) -> None:
        super().__init__(port, timeout=timeout)
        self._port, self._timeout = port, timeout
        self._socket: socket.socket | None = None

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET; OSError where none comes."""
        assert not headers, "a quick client sends no fields of yours"
        kept = self._socket is not None
        try:
            return self._asked(path)
        except (ConnectionResetError, BrokenPipeError):
            self.close()
            if not kept:
                raise
        except OSError:
            self.close()
            raise
        # The server may have closed a connection that was idle, or have been started again.
        try:
            return self._asked(path)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        super().close()

    def _asked(self, path: str) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=self._timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(_REQUEST.format(path).encode())
        received = self._more(b"")
        while (at := received.find(b"\r\n\r\n")) < 0:
            received += self._more(received)
        lines = received[:at].decode("latin-1").split("\r\n")
        fields = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
        size = next((int(value) for name, value in fields if name.lower() == "content-length"), 0)
        body = received[at + 4 :]
        while len(body) < size:
            body += self._more(body)
        return Answer(int(lines[0].split(" ", 2)[1]), fields, body)

    def _more(self, received: bytes) -> bytes:
        assert self._socket is not None
        chunk = self._socket.recv(65_536)
        if not chunk:
            raise ConnectionResetError(f"the connection was closed after {len(received)} bytes")
        return chunk


class Visitors:
    """One visitor of each worker, who reads the paths in turn until the `with` ends; `pause` is in seconds.

    What a visitor gets instead of a page is an error, except from workers in `down`.
    """

    def __init__(
        self,
        site: Site,
        history: History,
        paths: Sequence[str],
        down: Collection[int],
        *,
        pause: float,
        each: int = 1,
    ) -> None:
        self._history, self._down, self._pause = history, down, pause
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(worker.port, number, [*paths[turn:], *paths[:turn]]), daemon=True)
            for number, worker in enumerate(site.workers)
            for turn in range(each)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, port: int, worker: int, paths: Sequence[str]) -> None:
        with Quick(port) as client:
            for path in cycle(paths):
                if self._stopping.wait(self._pause):
                    return
                try:
                    self._history.read(client, path, worker)
                except BROKEN as error:
                    if worker not in self._down:
                        self._history.errors.append(f"worker {worker}: {error!r} for {path}")
                    self._stopping.wait(0.02)
