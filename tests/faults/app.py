"""The site as the workers of a fault scenario import it: the origin of `tests.support`, and more ways to be difficult.

`/parts/TAGS` is a page made of fragments, one for each tag; `/sized/BYTES/TAGS` a page of that size; `/busy/SECONDS` keeps the
event loop from running, `/crowd/COUNT/SECONDS` fills the pool of threads. What `levers` says is done here as well.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.levers import Levers
from tests.support.origin import Origin, Store

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

store = Store(Path(os.environ["ORIGIN_STORE"]))
levers = Levers(store.folder)
_wall = time.time
# Before the package is imported, which takes its clocks once.
time.time = lambda: _wall() + float(levers.get("skew") or 0)

from cms_cache_mw import CacheMiddleware, Config, fragment  # noqa: E402
from cms_cache_mw.stores.guard import TIMEOUT  # noqa: E402
from cms_cache_mw.stores.shared import LoopShared  # noqa: E402

logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(name)s %(levelname)s %(message)s")


class Site:
    """The ASGI application behind the cache."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._origin = Origin(store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what the path asks for."""
        kind, _, rest = scope.get("path", "").lstrip("/").partition("/")
        if kind == "parts":
            await self._page(send, rest, "".join([await part(self._store, name) for name in rest.split("+")]))
        elif kind == "sized":
            size, _, names = rest.partition("/")
            await self._page(send, names, _text(names, int(size)))
        elif kind == "busy":
            end = time.monotonic() + float(rest)
            while time.monotonic() < end:
                pass
            await self._page(send, "", "")
        elif kind == "crowd":
            count, _, seconds = rest.partition("/")
            loop = asyncio.get_running_loop()
            for _ in range(int(count)):
                loop.run_in_executor(None, time.sleep, float(seconds))
            await self._page(send, "", "")
        else:
            await self._origin(scope, receive, partial(_late, send))

    async def _page(self, send: Send, names: str, body: str) -> None:
        headers = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(body))]
        if names:
            headers += [(b"cache-control", b"max-age=300"), (b"cache-tag", names.replace("+", ",").encode())]
        else:
            headers.append((b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})


@fragment("{name}", ignore=("store",))
async def part(store: Store, name: str) -> str:
    """A part of a page, which states the version of its one dependency."""
    store.note("part", name)
    return f"{name}={store.version(name)}\n"


async def _late(send: Send, message: Message) -> None:
    """Send an answer's start after the delay that its render is given."""
    if message["type"] == "http.response.start" and (delay := levers.get("delay")):
        await asyncio.sleep(float(delay))
    await send(message)


def _text(names: str, size: int) -> str:
    """A body of so many bytes that does not compress to nothing."""
    line = names.encode().hex()
    return "".join(f"{number:08x} {line}\n" for number in range(size // (len(line) + 10) + 1))[:size]


_get = LoopShared.get


async def _difficult(shared: LoopShared, name: str, within: float = TIMEOUT) -> bytes | None:
    """The value, after what the lever between the arrival of a reply and its use says."""
    found = await _get(shared, name, within)
    if found is not None and levers.get("reply"):
        store.note("arrived", name)
        if levers.get("reply") == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        while levers.get("reply") == "held":  # noqa: ASYNC110 - moved by another process
            await asyncio.sleep(0.005)
    return found


LoopShared.get = _difficult  # type: ignore[assignment, method-assign]
app = CacheMiddleware(Site(store), Config.from_env())
