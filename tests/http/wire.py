"""A client that shows what came over the wire: each field line in order, interim answers, and chunks as they come."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Self

import h11

from tests.support.asgi import Reply, fields

PATIENCE = 20.0


@dataclass(slots=True)
class Received(Reply):
    """What came back, with what HTTP/1.1 says beside it."""

    interim: list[tuple[int, list[tuple[bytes, bytes]]]] = field(default_factory=list)
    broken: bool = False
    """Whether the connection ended in the middle."""

    def lines(self, name: str) -> list[str]:
        """A field's lines, in order."""
        return [value.decode("latin-1") for name_, value in self.fields if name_ == name.lower().encode()]


class Connection:
    """One connection to a server; requests follow each other on it."""

    def __init__(self, port: int, host: str) -> None:
        self.host = host
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=1_000_000)
        self.reply = Received()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, target: str, *lines: str, method: str = "GET", body: bytes = b"") -> Self:
        """Send a request and do not wait."""
        if self._state.our_state is not h11.IDLE:
            self._state.start_next_cycle()
        self.reply = Received()
        sent = [(b"host", self.host.encode()), *fields(*lines)]
        if body:
            sent.append((b"content-length", b"%d" % len(body)))
        events: list[h11.Event] = [
            h11.Request(method=method, target=target, headers=sent),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        # At once: a server may answer and hang up before it has read a body.
        self._socket.sendall(b"".join(self._state.send(event) or b"" for event in events))
        return self

    def head(self) -> Received:
        """The reply as soon as its head is there."""
        while not self.reply.status:
            self._step()
        return self.reply

    def until(self, size: int) -> Received:
        """The reply as soon as so many bytes of its body are there."""
        while len(self.reply.body) < size and not self.reply.ended:
            self._step()
        return self.reply

    def read(self) -> Received:
        """The whole reply, or what came of it where the connection broke."""
        while not self.reply.ended and not self.reply.broken:
            self._step()
        return self.reply

    def ask(self, target: str, *lines: str, method: str = "GET", body: bytes = b"") -> Received:
        """The whole reply to a request."""
        return self.send(target, *lines, method=method, body=body).read()

    def _step(self) -> None:
        """Take the next event of the protocol."""
        try:
            event = self._state.next_event()
            while event is h11.NEED_DATA:
                try:
                    received = self._socket.recv(65_536)
                except ConnectionResetError:
                    received = b""
                self._state.receive_data(received)
                event = self._state.next_event()
        except h11.RemoteProtocolError:
            self.reply.broken = True
            return
        match event:
            case h11.InformationalResponse():
                self.reply.interim.append((event.status_code, list(event.headers)))
            case h11.Response():
                self.reply.status, self.reply.fields = event.status_code, list(event.headers)
            case h11.Data():
                self.reply.chunks.append(bytes(event.data))
            case h11.EndOfMessage():
                self.reply.ended = True
            case h11.ConnectionClosed():
                self.reply.broken = True
