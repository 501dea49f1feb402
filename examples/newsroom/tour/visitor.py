"""Visitors who know whom they are talking to: one kept connection to each worker, each answer timed.

All workers share a port, so nobody can choose one. But a connection stays with the worker that accepted it, and a page
that is never stored tells in its footer which one that is and how much it has rendered so far.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from examples.newsroom.tour.port import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

Source = Literal["memory", "Redis", "render"]

NOT_STORED = "/en/is-anybody-there"
"""An address where nothing is: the page that says so is made for each visitor anew."""
FOOTER = re.compile(rb'class="rendered">[^<]*\D(\d+)\D+(\d+)\s*<')
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
CACHE_STATUS = re.compile(rb"\r\ncache-status: *([^\r]*)\r\n", re.IGNORECASE)
OK, NOT_FOUND = 200, 404
SECONDS = 10.0
"""How long an answer may take before it counts as none."""


class NoAnswerError(ConnectionError):
    """A request without a complete answer, or one that no worker gave."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer and the seconds from the request's first byte to the answer's last."""

    status: int
    cache_status: str
    body: bytes
    seconds: float

    @property
    def source(self) -> Source:
        """Where it came from, as Cache-Status tells (RFC 9211)."""
        if "; hit" not in self.cache_status:
            return "render"
        return "Redis" if "detail=shared" in self.cache_status else "memory"

    @property
    def content(self) -> bytes:
        """The body without the line that differs with each render."""
        return FOOTER.sub(b"", self.body)

    @property
    def rendered_by(self) -> int:
        """The process that rendered the page, whoever served it; 0 where it does not say."""
        found = FOOTER.search(self.body)
        return int(found[2]) if found else 0


class Visitor:
    """One connection to one worker."""

    def __init__(self, port: int) -> None:
        self._host = f"{HOST}:{port}"
        self._connection = socket.create_connection((HOST, port), timeout=SECONDS)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def get(self, path: str) -> Answer:
        """The answer to a GET."""
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept-Encoding: identity\r\n\r\n".encode())

    def purge(self, order: str, token: str) -> Answer:
        """The answer to a purge, whose JSON is `order`."""
        return self.ask(
            f"POST /_cache/purge HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(order)}\r\n\r\n{order}".encode()
        )

    def ask(self, request: bytes) -> Answer:
        """The answer to a request as it goes over the wire."""
        began = time.perf_counter()
        self._connection.sendall(request)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._received()
        head = bytes(received[: end + 2])
        length = LENGTH.search(head)
        if not length:
            raise NoAnswerError(f"an answer without Content-Length: {head!r}")
        whole = end + 4 + int(length[1])
        while len(received) < whole:
            received += self._received()
        seconds = time.perf_counter() - began
        said = CACHE_STATUS.search(head)
        return Answer(int(head[9:12]), said[1].decode() if said else "", bytes(received[end + 4 : whole]), seconds)

    def _received(self) -> bytes:
        chunk = self._connection.recv(262_144)
        if not chunk:
            raise NoAnswerError("the site closed the connection in the middle of an answer")
        return chunk


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process, known by a letter, with a visitor's connection to it."""

    letter: str
    pid: int
    visitor: Visitor

    def get(self, path: str) -> Answer:
        """This worker's answer for a page."""
        return self.visitor.get(path)

    def renders(self) -> int:
        """How many pages it has rendered, the one that tells included; NoAnswerError where another worker answers."""
        pid, number = footer(self.visitor)
        if pid != self.pid:
            raise NoAnswerError(f"the connection to worker {self.pid} was answered by {pid}")
        return number


def footer(visitor: Visitor) -> tuple[int, int]:
    """The process behind a connection and the number of its renders."""
    answer = visitor.get(NOT_STORED)
    found = FOOTER.search(answer.body)
    if answer.status != NOT_FOUND or not found:
        raise NoAnswerError(f"{NOT_STORED}: {answer.status} without a footer that names the worker")
    return int(found[2]), int(found[1])


def workers(port: int, count: int) -> Iterator[Worker | None]:
    """The workers behind a port as connections find them, and nothing each time that one finds none; ends with the last."""
    found: set[int] = set()
    while len(found) < count:
        try:
            visitor = Visitor(port)
        except ConnectionRefusedError:
            yield None
            continue
        pid, _ = footer(visitor)
        if pid in found:
            visitor.close()
            yield None
        else:
            found.add(pid)
            yield Worker("ABCDEFGH"[len(found) - 1], pid, visitor)
