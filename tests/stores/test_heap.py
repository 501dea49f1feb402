"""Memory that was freed goes back to the system, where the C library can do that."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.stores import heap, memory
from cms_cache_mw.stores.lru import LRU

if TYPE_CHECKING:
    import pytest


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


def test_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere nothing is done; here it can be done at any time."""
    heap.give_back()
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert heap._trimmer()(0) is None
