"""LRU: the least recently used goes first. One walk through the whole site drives out everything else."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic

from cms_cache_mw.stores.eviction import K

if TYPE_CHECKING:
    from cms_cache_mw.stores.eviction import Held


class LRU(Generic[K]):
    """Sizes by key, from the least to the most recently used."""

    ordered: Final = True

    def __init__(self) -> None:
        self._sizes: OrderedDict[K, int] = OrderedDict()

    def touch(self, key: K) -> None:
        """Note a use."""
        # Another thread may have removed it meanwhile.
        with suppress(KeyError):
            self._sizes.move_to_end(key)

    def add(self, key: K, held: Held, size: int) -> None:  # noqa: ARG002 - the order tells all
        """Note a key as the most recent one."""
        self._sizes[key] = size
        self._sizes.move_to_end(key)

    def resize(self, key: K, size: int) -> None:
        """Note another size."""
        if key in self._sizes:
            self._sizes[key] = size

    def remove(self, key: K) -> None:
        """Forget a key."""
        self._sizes.pop(key, None)

    def victims(self, room: int) -> list[K]:
        """The least recently used keys whose sizes add up to `room` bytes."""
        found: list[K] = []
        while room > 0 and self._sizes:
            key, size = self._sizes.popitem(last=False)
            found.append(key)
            room -= size
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._sizes.clear()
