"""What visitors may make a worker do by asking for what nobody asked for before: so much at once, and then so much a second.

Random queries, hosts, cookies and languages all make pages of their own. Memory evicts them; Redis would keep each for an hour.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Key, Variant

HOSTS: Final = 64
"""Hosts of a worker, first come, whose plain pages are always shared where no sites are configured."""
SHARED_AT_ONCE: Final = 1_000
SHARED_A_SECOND: Final = 10.0
"""Pages that differ by a visitor's input, written to Redis by one worker: more than a CMS renders for people."""
OUTDATED_AT_ONCE: Final = 1_000
OUTDATED_A_SECOND: Final = 20.0
"""URLs that one worker records as outdated by visitors' unsafe requests: the purge clock remembers tens of thousands."""


class Bucket:
    """Leave for `burst` things at once, and for `rate` more each second."""

    def __init__(self, burst: int, rate: float) -> None:
        self._burst, self._rate = burst, rate
        self._left, self._at = float(burst), 0.0
        self._lock = threading.Lock()

    def take(self, now: float, most: int = 1) -> int:
        """For how many more there is leave, up to `most`."""
        with self._lock:
            self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
            self._at = now
            taken = min(most, int(self._left))
            self._left -= taken
            return taken


class Allowance:
    """Which pages are written to Redis: all whose key no visitor made up, and of the others as many as the bucket allows."""

    def __init__(self, known: bool) -> None:  # noqa: FBT001 - the one thing it is told
        self.withheld = 0
        """Pages that were kept in memory alone."""
        self._known = known
        self._hosts: set[bytes] = set()
        self._bucket = Bucket(SHARED_AT_ONCE, SHARED_A_SECOND)

    def admits(self, key: Key, variant: Variant, now: float) -> bool:
        """Whether the page of a key may be shared. With `known` sites every host that gets here is one of theirs."""
        host, query = key[1], key[3]
        plain = not (query or variant or key[4:] not in {(), (b"decoded",)})
        if not self._known and plain and host not in self._hosts:
            if len(self._hosts) < HOSTS:
                self._hosts.add(host)
            else:
                plain = False
        if plain or self._bucket.take(now):
            return True
        self.withheld += 1
        return False
