"""A share of the memory for each site: the one that holds most makes room first, by a policy of its own.

So what one site is flooded with drives out what that site has, however often each address is asked for, and nothing of a
site that holds less.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Generic

from cms_cache_mw.stores.eviction import K

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.stores.eviction import Held, Policy


@dataclass(slots=True)
class _Share(Generic[K]):
    policy: Policy[K]
    bytes: int = 0
    keys: int = 0

    def charge(self, size: int, keys: int) -> None:
        """Note so many bytes and keys more, or fewer."""
        self.bytes += size
        self.keys += keys


class Shares(Generic[K]):
    """A policy made of one for each site; `policy` makes them."""

    def __init__(self, policy: Callable[[], Policy[K]]) -> None:
        self._policy = policy
        self.ordered = policy().ordered
        self._shares: dict[str, _Share[K]] = {}
        self._held: dict[K, tuple[_Share[K], int]] = {}

    def touch(self, key: K) -> None:
        """Note a use, in its site."""
        if known := self._held.get(key):
            known[0].policy.touch(key)

    def add(self, key: K, held: Held, size: int) -> None:
        """Note a key in the share of its site."""
        share = self._shares.get(held.site)
        if share is None:
            share = self._shares[held.site] = _Share(self._policy())
        known = self._held.get(key)
        if known and known[0] is not share:
            self.remove(key)
        elif known:
            share.charge(-known[1], -1)
        self._held[key] = share, size
        share.charge(size, 1)
        share.policy.add(key, held, size)

    def resize(self, key: K, size: int) -> None:
        """Note another size."""
        if known := self._held.get(key):
            share, before = known
            self._held[key] = share, size
            share.charge(size - before, 0)
            share.policy.resize(key, size)

    def remove(self, key: K) -> None:
        """Note that a key went."""
        if known := self._held.pop(key, None):
            share, size = known
            share.charge(-size, -1)
            share.policy.remove(key)

    def victims(self, room: int) -> list[K]:
        """From the site that holds most, until another one does."""
        found: list[K] = []
        while room > 0 and self._held:
            largest = max((share for share in self._shares.values() if share.keys), key=attrgetter("bytes"))
            for key in largest.policy.victims(1):
                _, size = self._held.pop(key)
                largest.charge(-size, -1)
                room -= size
                found.append(key)
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._shares.clear()
        self._held.clear()
