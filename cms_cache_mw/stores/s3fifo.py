"""S3-FIFO: what is asked for once passes by, what is asked for again stays (Yang et al., SOSP 2023), weighted by bytes.

What comes enters a small queue, a tenth of the bytes. At the end of that what was used twice meanwhile goes over into the main
queue, the rest goes and is remembered by its hash. What comes back while it is remembered enters the main queue at once, where each
use, up to three, is worth another round. So a walk through the whole site drives out a tenth.

A purge or the end of a lifetime is no reason to think less of a page: what went for another reason is remembered as well.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic

from cms_cache_mw.stores.eviction import K

if TYPE_CHECKING:
    from cms_cache_mw.stores.eviction import Held

SMALL: Final = 0.1
"""Share of the bytes that the small queue has."""
ENOUGH: Final = 2
"""Uses by which what is new goes over into the main queue."""
ROUNDS: Final = 3
"""Rounds that uses are worth at most."""


class _Node:
    """What is known of a key."""

    __slots__ = ("held", "seen", "size")

    def __init__(self, held: Held, size: int) -> None:
        self.held, self.size = held, size
        self.seen = held.hits
        """Uses that have been looked at already."""

    @property
    def uses(self) -> int:
        """Uses that were not looked at yet."""
        return self.held.hits - self.seen


class S3FIFO(Generic[K]):
    """Two queues of keys, and the hashes of as many that have gone as there are keys."""

    ordered: Final = False

    def __init__(self) -> None:
        self._small: OrderedDict[K, _Node] = OrderedDict()
        self._main: OrderedDict[K, _Node] = OrderedDict()
        self._gone: OrderedDict[int, None] = OrderedDict()
        self._small_bytes = self._bytes = 0

    def touch(self, key: K) -> None:
        """Nothing: uses are counted in what is held."""

    def add(self, key: K, held: Held, size: int) -> None:
        """Note a key; one that is known keeps its place and its uses."""
        if node := self._small.get(key) or self._main.get(key):
            node.seen = held.hits - node.uses - 1
            node.held = held
            self.resize(key, size)
            return
        node = _Node(held, size)
        self._bytes += size
        gone = hash(key)
        if gone in self._gone:
            del self._gone[gone]
            self._main[key] = node
        else:
            self._small[key] = node
            self._small_bytes += size

    def resize(self, key: K, size: int) -> None:
        """Note another size."""
        if node := self._small.get(key):
            self._small_bytes += size - node.size
        elif not (node := self._main.get(key)):
            return
        self._bytes += size - node.size
        node.size = size

    def remove(self, key: K) -> None:
        """Note that a key went; should it come again it is wanted."""
        if node := self._small.pop(key, None):
            self._small_bytes -= node.size
        elif not (node := self._main.pop(key, None)):
            return
        self._bytes -= node.size
        self._remember(key)

    def victims(self, room: int) -> list[K]:
        """From the small queue what was not used twice, while that has more than its share; else from the main queue."""
        found: list[K] = []
        small, main = self._small, self._main
        while room > 0 and (small or main):
            if small and (not main or self._small_bytes > SMALL * self._bytes):
                key, node = small.popitem(last=False)
                self._small_bytes -= node.size
                if node.uses >= ENOUGH:
                    node.seen = node.held.hits
                    main[key] = node
                    continue
                self._remember(key)
            else:
                key, node = main.popitem(last=False)
                if (uses := node.uses) > 0:
                    node.seen += max(1, uses - ROUNDS + 1)
                    main[key] = node
                    continue
            self._bytes -= node.size
            room -= node.size
            found.append(key)
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._small.clear()
        self._main.clear()
        self._gone.clear()
        self._small_bytes = self._bytes = 0

    def _remember(self, key: K) -> None:
        self._gone[hash(key)] = None
        while len(self._gone) > len(self._small) + len(self._main):
            self._gone.popitem(last=False)
