"""A site whose pages say what they were made of: the application that the guarantee is tested on.

The path spells a page's dependencies and the page states the version of each that its render saw:
`GET /page/block:7+page:1` answers `block:7=3` and `page:1=1`, a line each, with both as tags. Versions live in files, so that
every worker reads what the test last wrote, and nothing is shared with the cache under test.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from tests.support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

GATE_SECONDS = 30.0
"""How long a render waits at a closed gate before it gives up."""


class Store:
    """What the site is made from, in a folder: versions, gates that stop renders, and a journal of renders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("versions", "gates"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "journal").touch()

    def version(self, name: str) -> int:
        """The present version of a thing; 0 until it is first edited."""
        try:
            return int((self.folder / "versions" / name).read_text())
        except FileNotFoundError:
            return 0

    def edit(self, name: str) -> int:
        """Commit a new version of a thing, and give it. There is one editor: the test."""
        version = self.version(name) + 1
        draft = self.folder / "draft"
        draft.write_text(str(version))
        draft.replace(self.folder / "versions" / name)
        return version

    @contextlib.contextmanager
    def held(self, path: str) -> Iterator[None]:
        """Stop each render of `path` after it has read its versions, until the block ends."""
        gate = self._gate(path)
        gate.touch()
        try:
            yield
        finally:
            gate.unlink()

    def is_held(self, path: str) -> bool:
        """Whether renders of `path` have to wait."""
        return self._gate(path).exists()

    def note(self, event: str, path: str) -> None:
        """Add a line to the journal; appending is atomic across workers."""
        line = f"{event} {os.getpid()} {path}\n".encode()
        with (self.folder / "journal").open("ab", buffering=0) as journal:
            journal.write(line)

    def count(self, event: str, path: str | None = None) -> int:
        """How many renders of `path` (`None`: of anything) began (`read`), waited (`held`) or ended (`done`, `failed`)."""
        lines = [line.split() for line in (self.folder / "journal").read_text().splitlines()]
        return sum(1 for kind, _, where in lines if kind == event and path in {None, where})

    def wait_for(self, event: str, path: str, times: int = 1, patience: float = 10.0) -> None:
        """Return when `event` has happened `times` times for `path`; fail after `patience` seconds."""
        until(lambda: self.count(event, path) >= times, f"{path} {event} {times} times", patience)

    def _gate(self, path: str) -> Path:
        return self.folder / "gates" / quote(path, safe="")


class Origin:
    """The ASGI application: `/page/TAGS`, `/chunks/N/TAGS` in N chunks with its gate after the first, `/fail/TAGS` raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Render the page that the path asks for."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        kind, _, rest = path.lstrip("/").partition("/")
        if kind == "page":
            await self._page(path, rest, send)
        elif kind == "chunks":
            count, _, names = rest.partition("/")
            await self._chunks(path, int(count), names, send)
        elif kind == "fail":
            self._store.note("failed", path)
            raise RuntimeError(f"{path} fails, as it was asked to")
        else:
            await send({"type": "http.response.start", "status": 204, "headers": [(b"cache-control", b"no-store")]})
            await send({"type": "http.response.body"})

    async def _page(self, path: str, names: str, send: Send) -> None:
        body = self._read(path, names)
        await self._pass_gate(path)
        await send(_start(names, len(body)))
        await send({"type": "http.response.body", "body": body})
        self._store.note("done", path)

    async def _chunks(self, path: str, count: int, names: str, send: Send) -> None:
        body = self._read(path, names)
        await send(_start(names))
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await self._pass_gate(path)
        for number in range(1, count):
            await send({"type": "http.response.body", "body": b"chunk %d\n" % number, "more_body": number + 1 < count})
        self._store.note("done", path)

    def _read(self, path: str, names: str) -> bytes:
        body = "".join(f"{name}={self._store.version(name)}\n" for name in names.split("+"))
        self._store.note("read", path)
        return body.encode()

    async def _pass_gate(self, path: str) -> None:
        deadline = time.monotonic() + GATE_SECONDS
        if self._store.is_held(path):
            self._store.note("held", path)
        while self._store.is_held(path) and time.monotonic() < deadline:  # noqa: ASYNC110 -- opened by another process
            await asyncio.sleep(0.005)


def _start(names: str, length: int | None = None) -> MutableMapping[str, object]:
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"max-age=300"),
        (b"cache-tag", ",".join(names.split("+")).encode()),
    ]
    if length is not None:
        headers.append((b"content-length", b"%d" % length))
    return {"type": "http.response.start", "status": 200, "headers": headers}


def page(*names: str) -> str:
    """The path of a page that depends on `names`."""
    return "/page/" + "+".join(names)


def versions(body: bytes) -> dict[str, int]:
    """The version of each dependency that a page states."""
    pairs = (line.partition("=") for line in unquote(body.decode()).splitlines() if "=" in line)
    return {name: int(version) for name, _, version in pairs}
