"""The site that tests of the wire talk to: one server process, one profile, and the tests' way in beside the cache."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlencode

from tests.http.application import TOKEN
from tests.http.wire import Connection
from tests.support.asgi import HTML

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.http.application import Answer
    from tests.http.wire import Received

Profile: TypeAlias = Literal["cms", "rfc"]

_numbers = count(1)


def answer(  # noqa: D417 - the rest says what it is
    *lines: str,
    status: int = 200,
    body: str = "answer %d",
    chunks: Sequence[str] | None = None,
    times: int = 1,
    gate: str | None = None,
    chunk_gate: str | None = None,
    trailing: bool = False,
    early: Sequence[Sequence[str]] = (),
    fails: Literal["raise", "silent", "cut"] | None = None,
    html: bool = True,
) -> Answer:
    """What the application is to answer; in a body `%d` stands for the number of the request, in a field `{now}` for the date.

    Args:
        times: how often each chunk is repeated within itself.
        gate: the start waits for it.
        chunk_gate: all chunks but the first wait for it.
        trailing: an empty last chunk ends the body.
        fails: raises, returns without an answer, or raises after the body's chunks.
    """
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    if html and not any(name.lower() == "content-type" for name, _ in pairs):
        name, _, value = HTML.partition(":")
        pairs.append((name, value.strip()))
    return {
        "status": status,
        "fields": pairs,
        "chunks": list(chunks) if chunks is not None else [body],
        "times": times,
        "gate": gate,
        "chunk_gate": chunk_gate,
        "trailing": trailing,
        "early": [list(each) for each in early],
        "fails": fails,
    }


@dataclass
class Site:
    """A server process as one profile's visitors see it."""

    port: int
    profile: Profile
    kind: str
    _open: list[Connection] = field(default_factory=list)
    _way_in: Connection | None = None

    def visitor(self) -> Connection:
        """Somebody new, with a connection of his own; it is closed after the test."""
        self._open.append(Connection(self.port, f"{self.profile}.test"))
        return self._open[-1]

    def ask(self, target: str, *lines: str, method: str = "GET", body: bytes = b"") -> Received:
        """The whole reply to one request of somebody new."""
        with self.visitor() as visitor:
            return visitor.ask(target, *lines, method=method, body=body)

    def script(self, *answers: Answer, path: str | None = None) -> str:
        """A new path that gives these answers, the last one again and again."""
        path = path or f"/{next(_numbers)}"
        self._control("script", json.dumps(answers).encode(), path=path)
        return path

    def seen(self, path: str) -> list[dict[str, Any]]:
        """The requests that reached the application, in order; `fields` are their field lines."""
        found: list[dict[str, Any]] = self._control("seen", path=path)
        return found

    def asked(self, path: str) -> dict[str, str]:
        """The fields of the last request that reached the application."""
        return dict(self.seen(path)[-1]["fields"])

    def renders(self, path: str) -> int:
        """How often the application was asked."""
        return len(self.seen(path))

    def advance(self, seconds: float) -> None:
        """Let time pass for the caches."""
        self._control("advance", seconds=str(seconds))

    def now(self, ahead: float = 0.0) -> str:
        """The caches' present, or a time that far from it, as a date."""
        return formatdate(self.wall() + ahead, usegmt=True)

    def wall(self) -> float:
        """The caches' present in seconds since 1970."""
        return float(self._control("now"))

    def open(self, path: str, gate: str) -> None:
        """Let renders of a path go on that wait at a gate."""
        self._control("open", path=path, gate=gate)

    def wait(self, path: str, event: str, times: int = 1) -> None:
        """Return once `event` (begun, first, ended, failed, over) has happened so many times in the application."""
        self._control("wait", path=path, event=event, times=str(times))

    def purge(self, **what: object) -> None:
        """A purge that is done."""
        reply = self.ask(
            "/_cache/purge",
            f"Authorization: Bearer {TOKEN}",
            "Content-Type: application/json",
            method="POST",
            body=json.dumps(what).encode(),
        )
        assert reply.status == 200, reply.body

    def close(self) -> None:
        """End all connections."""
        for connection in self._open:
            connection.close()

    def _control(self, verb: str, body: bytes = b"", **fields: str) -> Any:  # noqa: ANN401 - JSON
        if self._way_in is None:
            self._way_in = self.visitor()
        reply = self._way_in.ask(f"/-/{verb}?{urlencode(fields)}", method="POST", body=body)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)
