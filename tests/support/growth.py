"""A process that is flooded with what nobody asks for twice, and says how much it grew: `growth.py REQUESTS MAX_MEMORY_MB`.

Every request is for another URL, in one of several languages, with tags of its own and a fragment of its own in it; bodies have
all sizes, and one in five is text that gets encoded.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cms_cache_mw import CacheMiddleware, Config

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

LARGEST: Final = 16_384
TEXT: Final = random.Random(1).randbytes(LARGEST).hex().encode()
WARM: Final = 200
LANGUAGES: Final = (b"de", b"en", b"fr", b"it", b"es")


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """A page that is like no other, with a fragment that is in no other page."""
    number = int(scope["path"].rpartition("/")[2])
    size = 500 + number * 7_919 % (LARGEST - 500)
    part = site.cache.blocks.get_or_render(number, lambda: f"<p>block {number}</p>" * 20, tags=[f"menu:{number}"])
    headers = [
        (b"content-type", b"application/pdf" if number % 5 else b"text/html"),
        (b"cache-control", b"max-age=300"),
        (b"vary", b"Accept-Language" if number % 3 else b"Accept-Encoding"),
        (b"cache-tag", b"page:%d, block:%d, list:%d" % (number, number, number % 100)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    at = number % LARGEST
    await send({"type": "http.response.body", "body": part.encode() + b"%09d" % number + TEXT[at : at + size]})


async def receive() -> Message:
    """A request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_: Message) -> None:
    """Take an answer, as a server's transport does."""
    await asyncio.sleep(0)


async def get(number: int) -> None:
    """Ask for a page, in two languages where it has variants."""
    path = f"/section-{number % 7}/{number}"
    for language in LANGUAGES[number % 5 :][:2] if number % 3 else LANGUAGES[:1]:
        headers = [
            (b"host", b"example.org"),
            (b"accept-encoding", b"gzip" if number % 2 else b"identity"),
            (b"accept-language", language),
        ]
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": headers}
        await site(scope, receive, send)


async def main(count: int) -> None:
    """Ask for pages, one after the other, and print what that took."""
    for number in range(10**8, 10**8 + WARM):
        await get(number)
    await site.cache.purge(all=True)
    for memory in site.cache.parts.memories.values():
        memory.clear()
    before = resident()
    asked = number = 0
    while asked < count:
        await get(number)
        number += 1
        asked += 2 if number % 3 else 1
    await site.cache.runtime.finish()
    sys.stdout.write(json.dumps({"grown": resident() - before, "memory": site.cache.stats()["memory"]}))
    await site.cache.aclose()


if __name__ == "__main__":
    site = CacheMiddleware(app, Config(max_memory_mb=int(sys.argv[2]), max_items_per_type=1_000_000))
    asyncio.run(main(int(sys.argv[1])))
