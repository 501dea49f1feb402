"""Who has to go when room is needed. A policy knows keys and sizes, and returns its victims; the store deletes them."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")


class Policy(Protocol[K]):
    """Chooses victims. `touch` may be called by many threads at once, the rest under the store's lock."""

    def touch(self, key: K) -> None:
        """Note a use; an unknown key is nothing."""
        ...

    def add(self, key: K, size: int) -> None:
        """Note a key that came, or that came again with another size."""
        ...

    def resize(self, key: K, size: int) -> None:
        """Note that a known key has another size; that is not a use."""
        ...

    def remove(self, key: K) -> None:
        """Forget a key that went for another reason."""
        ...

    def victims(self, room: int) -> list[K]:
        """The keys to delete, forgotten here already, until `room` bytes are free."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


class LRU(Generic[K]):
    """Least recently used first."""

    def __init__(self) -> None:
        self._sizes: OrderedDict[K, int] = OrderedDict()

    def touch(self, key: K) -> None:
        """Note a use."""
        # Another thread may have removed it meanwhile.
        with suppress(KeyError):
            self._sizes.move_to_end(key)

    def add(self, key: K, size: int) -> None:
        """Note a key as the most recent one."""
        self._sizes[key] = size
        self._sizes.move_to_end(key)

    def resize(self, key: K, size: int) -> None:
        """Note another size."""
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
