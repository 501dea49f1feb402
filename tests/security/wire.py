"""Bytes over a socket: what an attacker sends needs no client that minds the standard."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Final

PATIENCE: Final = 20.0


@dataclass
class Reply:
    """What came back before the server hung up; status 0 where nothing did."""

    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    """Lines of one name joined by commas."""
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("latin-1")

    @property
    def hit(self) -> bool:
        """Whether the cache answered."""
        return "; hit" in self.fields.get("cache-status", "")


def exchange(port: int, request: bytes) -> Reply:
    """The reply to a request after which the connection ends."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        received = b""
        try:
            connection.sendall(request)
            while chunk := connection.recv(65_536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass  # a server may hang up on what it does not like before it has read it
    return parsed(received)


def parsed(received: bytes) -> Reply:
    """The last reply in what was received: interim ones come before it."""
    head, _, body = received.partition(b"\r\n\r\n")
    while head.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):
        head, _, body = body.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/"):
        return Reply()
    reply = Reply(int(first.split(" ")[1]))
    for line in lines:
        name, _, value = line.partition(":")
        key = name.strip().lower()
        reply.fields[key] = f"{reply.fields[key]}, {value.strip()}" if key in reply.fields else value.strip()
    reply.body = _dechunked(body) if reply.fields.get("transfer-encoding", "").lower() == "chunked" else body
    return reply


def _dechunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size.partition(b";")[0] or b"0", 16)
        if not length:
            break
        whole, body = whole + body[:length], body[length + 2 :]
    return whole
