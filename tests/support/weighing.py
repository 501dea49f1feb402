"""A process that holds pages and says what they are charged with and what they took: `weighing.py POLICY TAGS BODY`.

In a process of its own, because what others have freed is used again and does not count as allocated.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc

from cms_cache_mw.core.codec import decode, encode
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.core.tags import implicit_prints, tagging
from cms_cache_mw.stores.memory import Budget, Memory
from cms_cache_mw.stores.policies import POLICIES

PAGES = 150
"""Pages that are held; as many have come and gone before."""


def written(number: int, tags: int, body: int) -> tuple[str, bytes]:
    """The path of a page and its entry's bytes."""
    path = f"/section-{number % 20}/page-{number}/"
    named = tagging(
        tuple(f"block:{number * 100 + tag}" for tag in range(tags)), implicit_prints("example.org", path, ""), "de"
    )
    made = Entry(
        200,
        (
            (b"content-type", b"text/html; charset=utf-8"),
            (b"etag", b'"cms-%032x"' % number),
            (b"vary", b"Accept-Encoding"),
            (b"content-length", b"%d" % body),
        ),
        b"%d" % number * (body // 4),
        Freshness(300.0),
        5.0,
        1,
        1,
        named.prints,
        named.names,
        "example.org",
        path,
        encoded={b"gzip": b"%d" % number * (body // 16)},
    )
    return path, encode(made, bytes(16), now=6.0, wall=0.0)


def charge_and_cost(policy: str, tags: int, body: int) -> tuple[int, int]:
    """What the pages are charged with, and what the interpreter allocated for them, in bytes."""
    store = Memory(POLICIES[policy](), Budget(10**9), max_items=PAGES)
    pages = [written(number, tags, body) for number in range(2 * PAGES)]
    # A full collection also empties the free lists, from which objects would come without being allocated.
    gc.collect()
    gc.disable()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    read = None
    for path, data in pages:
        read = decode(data, bytes(16), now=6.0, wall=0.0)
        assert isinstance(read, Entry)
        store.put((b"https", b"example.org", path.encode(), b""), read)
    read = None
    gc.collect()
    return store.bytes, tracemalloc.get_traced_memory()[0] - before


if __name__ == "__main__":
    sys.stdout.write(json.dumps(charge_and_cost(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
