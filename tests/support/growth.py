"""A process that serves very many pages through the cache and says how much it grew: `growth.py PAGES MAX_MEMORY_MB`."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cms_cache_mw import CacheMiddleware, Config

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

SIZE = 8_192
TEXT = random.Random(1).randbytes(SIZE // 2).hex().encode()
WARM = 300


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """A page of 8 KiB that is like no other, with two tags; one in five is text that gets encoded."""
    number = int(scope["path"].rpartition("/")[2])
    body = b"%08d" % number + TEXT[number % SIZE :] + TEXT[: number % SIZE]
    headers = [
        (b"content-type", b"application/pdf" if number % 5 else b"text/html"),
        (b"cache-control", b"max-age=300"),
        (b"cache-tag", b"page:%d, block:%d" % (number, number % 100)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body[:SIZE]})


async def main(count: int, megabytes: int) -> None:
    """Ask for all pages, one after the other, and print what that took."""
    site = CacheMiddleware(app, Config(max_memory_mb=megabytes, max_items_per_type=1_000_000))

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        await asyncio.sleep(0)  # as a server's transport does

    async def get(number: int) -> None:
        path = f"/{number % 7}/{number}"
        headers = [(b"host", b"example.org"), (b"accept-encoding", b"gzip" if number % 2 else b"identity")]
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": headers}
        await site(scope, receive, send)

    for number in range(10**6, 10**6 + WARM):
        await get(number)
    await site.cache.purge(all=True)
    before = resident()
    for number in range(count):
        await get(number)
    await site.cache.runtime.finish()
    sys.stdout.write(json.dumps({"grown": resident() - before, "memory": site.cache.stats()["memory"]}))
    await site.cache.aclose()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
