"""S3-FIFO: what is asked for once passes by, what is asked for again stays (Yang et al., SOSP 2023), weighted by bytes.

What comes enters a small queue, a tenth of the bytes. At the end of that what was used twice meanwhile goes over into the main
queue, the rest goes and is remembered by its hash. What comes back while it is remembered enters the main queue at once, where each
use, up to three, is worth another round. So a walk through the whole site drives out a tenth.

A purge or the end of a lifetime is no reason to think less of a page: what went for another reason is remembered as well.
"""

from __future__ import annotations

from collections import OrderedDict, deque
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
_SPARE: Final = 64
"""Nodes of keys that have gone that the queues may have in any case."""


class _Node(Generic[K]):
    """What is known of a key. It stays in its queue when the key goes for another reason, until its turn comes, without `held`."""

    __slots__ = ("hash", "held", "key", "seen", "size", "small")

    def __init__(self, key: K, held: Held, size: int, hashed: int) -> None:
        self.key, self.size, self.hash = key, size, hashed
        self.held: Held | None = held
        self.seen = held.hits
        """Uses that have been looked at already."""
        self.small = True
        """Which queue it is in."""


class S3FIFO(Generic[K]):
    """Two queues of keys, and the hashes of as many that have gone as there are keys."""

    ordered: Final = False

    def __init__(self) -> None:
        self._nodes: dict[K, _Node[K]] = {}
        self._small: deque[_Node[K]] = deque()
        self._main: deque[_Node[K]] = deque()
        self._gone: OrderedDict[int, None] = OrderedDict()
        self._small_bytes = self._bytes = 0

    def touch(self, key: K) -> None:
        """Nothing: uses are counted in what is held."""

    def add(self, key: K, held: Held, size: int) -> None:
        """Note a key; one that is known keeps its place and its uses."""
        node = _Node(key, held, size, hash(key))
        known = self._nodes.setdefault(key, node)
        if known is not node:
            if known.held:
                known.seen += held.hits - known.held.hits - 1
            known.held = held
            self.resize(key, size)
            return
        self._bytes += size
        if node.hash in self._gone:
            del self._gone[node.hash]
            node.small = False
            self._main.append(node)
        else:
            self._small.append(node)
            self._small_bytes += size

    def resize(self, key: K, size: int) -> None:
        """Note another size."""
        if node := self._nodes.get(key):
            self._charge(node, size - node.size)
            node.size = size

    def remove(self, key: K) -> None:
        """Note that a key went; should it come again it is wanted."""
        if node := self._nodes.pop(key, None):
            self._charge(node, -node.size)
            node.held = None
            self._remember(node)
            if len(self._small) + len(self._main) > len(self._nodes) * 3 // 2 + _SPARE:
                self._small = deque(other for other in self._small if other.held)
                self._main = deque(other for other in self._main if other.held)

    def victims(self, room: int) -> list[K]:
        """From the small queue what was not used twice, while that has more than its share; else from the main queue."""
        found: list[K] = []
        nodes, small, main = self._nodes, self._small, self._main
        while room > 0 and nodes:
            queue = small if small and (self._small_bytes > SMALL * self._bytes or not main) else main
            node = queue.popleft()
            if (held := node.held) is None:
                continue
            uses = held.hits - node.seen
            if uses >= (ENOUGH if node.small else 1):
                self._keep(node, uses)
                continue
            del nodes[node.key]
            if node.small:
                self._small_bytes -= node.size
                self._remember(node)
            self._bytes -= node.size
            room -= node.size
            found.append(node.key)
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._nodes.clear()
        self._small.clear()
        self._main.clear()
        self._gone.clear()
        self._small_bytes = self._bytes = 0

    def _keep(self, node: _Node[K], uses: int) -> None:
        """Give a key another round in the main queue."""
        if node.small:
            node.small = False
            node.seen += uses
            self._small_bytes -= node.size
        else:
            node.seen += max(1, uses - ROUNDS + 1)
        self._main.append(node)

    def _charge(self, node: _Node[K], size: int) -> None:
        self._bytes += size
        if node.small:
            self._small_bytes += size

    def _remember(self, node: _Node[K]) -> None:
        self._gone[node.hash] = None
        while len(self._gone) > len(self._nodes):
            self._gone.popitem(last=False)
