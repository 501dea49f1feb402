"""LFU: the least often used goes first, of several the oldest. What was popular once stays for long.

The counts are those of what is held. They only grow, so a heap of counts that may be too low by now gives the least one
all the same: a count at its top that is still true is the least, one that is not goes back in as it is now.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, Final, Generic

from cms_cache_mw.stores.eviction import K

if TYPE_CHECKING:
    from cms_cache_mw.stores.eviction import Held

_SPARE: Final = 64
"""Outdated places that the heap may have in any case."""


class _Node:
    """What is known of a key."""

    __slots__ = ("earlier", "held", "number", "size")

    def __init__(self, held: Held, size: int, number: int) -> None:
        self.held, self.size, self.number = held, size, number
        self.earlier = 0
        """Uses of what was held before under this key."""

    @property
    def uses(self) -> int:
        """How often the key was used."""
        return self.earlier + self.held.hits


class LFU(Generic[K]):
    """Keys with their counts of uses."""

    ordered: Final = False

    def __init__(self) -> None:
        self._nodes: dict[K, _Node] = {}
        self._heap: list[tuple[int, int, K]] = []
        """Uses as they were, the key's number, the key."""
        self._number = 0

    def touch(self, key: K) -> None:
        """Nothing: uses are counted in what is held."""

    def add(self, key: K, held: Held, size: int) -> None:
        """Note a key; one that is known keeps its count."""
        if node := self._nodes.get(key):
            node.earlier, node.held, node.size = node.uses + 1 - held.hits, held, size
            return
        self._number += 1
        node = self._nodes[key] = _Node(held, size, self._number)
        if len(self._heap) > len(self._nodes) * 3 // 2 + _SPARE:
            self._heap = [(other.uses, other.number, name) for name, other in self._nodes.items()]
            heapify(self._heap)
        else:
            heappush(self._heap, (node.uses, node.number, key))

    def resize(self, key: K, size: int) -> None:
        """Note another size."""
        if node := self._nodes.get(key):
            node.size = size

    def remove(self, key: K) -> None:
        """Forget a key."""
        self._nodes.pop(key, None)

    def victims(self, room: int) -> list[K]:
        """The least often used keys whose sizes add up to `room` bytes."""
        found: list[K] = []
        while room > 0 and self._nodes:
            uses, number, key = self._heap[0]
            node = self._nodes.get(key)
            if node and node.number == number and node.uses > uses:
                heapreplace(self._heap, (node.uses, number, key))
                continue
            heappop(self._heap)
            if node and node.number == number:
                del self._nodes[key]
                found.append(key)
                room -= node.size
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._nodes.clear()
        self._heap.clear()
