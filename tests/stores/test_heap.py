"""Memory that was freed goes back to the system, where the C library can do that."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.stores import heap, memory
from cms_cache_mw.stores.lru import LRU

if TYPE_CHECKING:
    from pathlib import Path


def test_given_back_as_much_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each eighth of the limit that was evicted memory is given back once, and not before anything had to go."""
    given: list[int] = []
    store = memory.Memory(LRU(), memory.Budget(800_000), max_items=1_000, now=lambda: 0.0)
    monkeypatch.setattr(memory, "give_back", lambda: given.append(store.evictions))
    for number in range(400):
        store.put((b"%d" % number,), Entry(200, (), b"x" * 8_000, Freshness(60.0), 0.0, 1, 1, ()))
    assert store.evictions > 300
    assert given
    assert given[0] > 10
    assert all(10 <= later - earlier <= 12 for earlier, later in pairwise(given))


THREADS = """
import ctypes, sys, threading
from cms_cache_mw import CacheMiddleware, Config
app = CacheMiddleware(print, Config())
meet = threading.Barrier(12)
def work():
    held = [bytes(5_000) for _ in range(10)]
    meet.wait(60)
threads = [threading.Thread(target=work) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
app.cache.close()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
told = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, told)
libc.fclose(told)
"""


def heaps(told: Path, **environment: str) -> int:
    """How many heaps a process has whose cache is made before a dozen threads allocate at once."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"}
    }
    subprocess.run([sys.executable, "-c", THREADS, told], check=True, env=inherited | environment)
    return told.read_text().count("<heap nr=")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc's own")
def test_threads_share_heaps(tmp_path: Path) -> None:
    """A process with a cache has two heaps for all its threads, and as many as the environment says where it says it."""
    assert heaps(tmp_path / "ours") == heap.ARENAS
    assert heaps(tmp_path / "named", MALLOC_ARENA_MAX="5") == 5
    assert heaps(tmp_path / "tuned", GLIBC_TUNABLES="glibc.malloc.arena_max=4") == 4


def test_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere nothing is done; here it can be done at any time."""
    heap.give_back()
    asked: list[str] = []

    class Musl:
        """A C library that has neither function."""

        def __getattr__(self, name: str) -> object:
            asked.append(name)
            raise AttributeError(name)

    monkeypatch.setattr("ctypes.CDLL", lambda _: Musl())
    monkeypatch.setattr(heap, "_trim", heap._function)
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    heap.give_back()
    heap.share_arenas()
    assert asked == ["malloc_trim", "mallopt"]
