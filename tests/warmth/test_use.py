"""What a worker tells of the use of its entries."""

from __future__ import annotations

import socket

from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.runtime import drive
from cms_cache_mw.stores.guard import Breaker
from cms_cache_mw.stores.lru import LRU
from cms_cache_mw.stores.memory import Budget, Memory
from cms_cache_mw.stores.shared import ThreadShared
from cms_cache_mw.warmth.popularity import Popularity
from cms_cache_mw.warmth.use import Use


def test_mute_redis_is_waited_for_once() -> None:
    """However many sites there are to tell of, Redis that does not answer is not asked a second time; the uses are kept."""
    memory = Memory(LRU(), Budget(1_000_000), max_items=100)
    for number in range(9):
        site = f"site{number}"
        used = Entry(200, (), b"", Freshness(60), 0.0, 1, 1, (), site=site, hits=3)
        memory.put((b"https", site.encode(), b"/", b""), used)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        store = ThreadShared(f"redis://127.0.0.1:{mute.getsockname()[1]}", Breaker(), timeout=0.05, judges=False)
        Use(Popularity(lambda: store, "cms", lambda: 0.0), {"rendered": memory}).feed()
        drive(store.close())
        mute.setblocking(False)
        asked = 0
        try:
            while True:
                mute.accept()[0].close()
                asked += 1
        except BlockingIOError:
            assert asked == 1
    assert all(entry.counted == 0 for _, entry in memory.entries())
