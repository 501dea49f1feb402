"""Entries in the shared store: written as bytes, read back, and checked against the purge clock after the reply arrived.

An entry keeps the base at which it was checked, never a position read later (purge-protocol 2.4). Trouble with the store is a
miss, and a value that cannot be read is one that is counted.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.codec import decode, encode, encode_names
from cms_cache_mw.core.status import Reason
from cms_cache_mw.stores.chance import between
from cms_cache_mw.stores.guard import StoreError
from cms_cache_mw.switching.flags import Flags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.explaining.index import Index
    from cms_cache_mw.purge.worker import Worker
    from cms_cache_mw.stores.shared import Shared

log: Final = logging.getLogger("cms_cache_mw")

JITTER: Final = 0.1
"""Share by which the lifetimes of values in Redis differ, so that they do not end together."""
SHORTEST: Final = 60.0
"""Seconds that a value is kept at least: even stale it can be validated."""
USABLE: Final = frozenset({None, Reason.SOFT_PURGED})
"""What the clock says of an entry that may be used."""


class Depot:
    """The entries of a namespace in Redis; nothing where there is no Redis. `secret`, of 32 bytes, authenticates them."""

    def __init__(
        self,
        worker: Worker,
        shared: Callable[[], Shared | None],
        namespace: str,
        *,
        secret: bytes | None,
        index: Index,
        flags: Flags | None = None,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.unreadable = 0
        """Values that could not be used: foreign, cut or corrupt."""
        self._worker, self._shared, self._namespace = worker, shared, namespace
        self._flags, self._index = flags or Flags(), index
        self._secret, self._now, self._wall = secret, now, wall

    async def read(self, name: str, digest: bytes, until: float) -> Entry | tuple[bytes, ...] | Reason | None:
        """What is stored under a name and bound to a digest: an entry, unchecked; or the names that its entries vary by.

        `UNREADABLE` for what is neither.
        `until` is the instant at which the asker stops waiting for Redis.
        """
        shared = self._shared()
        if shared is None or not self._flags.shared or not self._worker.clock.holds(self._now()):
            return None
        try:
            data = await shared.get(f"{self._namespace}:{name}", until - self._now())
        except StoreError:
            return None
        return self._found(name, digest, data)

    async def read_all(self, named: Sequence[tuple[str, bytes]]) -> list[Entry | tuple[bytes, ...] | Reason | None]:
        """The same for several names at once."""
        shared = self._shared()
        if shared is None or not named or not self._flags.shared or not self._worker.clock.holds(self._now()):
            return [None] * len(named)
        try:
            values = await shared.together([("GET", f"{self._namespace}:{name}") for name, _ in named])
        except StoreError:
            return [None] * len(named)
        return [self._found(*known, value) for known, value in zip(named, values, strict=True)]

    def _found(self, name: str, digest: bytes, data: object) -> Entry | tuple[bytes, ...] | Reason | None:
        if not isinstance(data, bytes):
            return None
        found = decode(data, digest, now=self._now(), wall=self._wall(), secret=self._secret)
        if found is None:
            self.unreadable += 1
            log.debug("unreadable value in Redis: %s", name)
            return Reason.UNREADABLE
        return found

    async def checked(self, entry: Entry, until: float) -> Reason | None:
        """What the clock says of an entry that was just read."""
        why = self._worker.clock.check(entry, self._now())
        shared = self._shared()
        if why is not Reason.FLOOR or shared is None:
            return why
        # Older than what this worker remembers: the server's record decides.
        try:
            base = await self._worker.validated(shared, entry, until - self._now())
        except StoreError:
            return why
        if base is None:
            return why
        entry.base = base
        return self._worker.clock.check(entry, self._now())

    async def write(self, name: str, digest: bytes, entry: Entry) -> None:
        """Store an entry for as long as it can be of use."""
        data = encode(entry, digest, now=self._now(), wall=self._wall(), secret=self._secret)
        if ttl := await self._put(name, data, entry):
            await self._index.note(name, entry, ttl)

    async def write_names(self, name: str, digest: bytes, names: tuple[bytes, ...], entry: Entry) -> None:
        """Store what the entries of a key vary by, for as long as the latest of them."""
        await self._put(name, encode_names(names, digest, self._secret), entry)

    async def remove(self, name: str) -> None:
        """Remove a value."""
        shared = self._shared()
        if shared is not None:
            try:
                await shared.delete(f"{self._namespace}:{name}")
            except StoreError as error:
                log.debug("not removed from Redis: %s", error)

    def takes(self, entry: Entry) -> bool:
        """Whether there is any use in writing an entry: encoding it costs more than a hit."""
        shared = self._shared()
        if shared is None:
            return False
        taken = self._flags.shared and not shared.closed and entry.epoch != 0
        if not taken:
            self._index.missed(max(SHORTEST, entry.remaining(self._now()) + entry.freshness.grace))
        return taken

    async def _put(self, name: str, data: bytes, entry: Entry) -> float:
        """Write a value; for how many seconds, 0 where it was not written."""
        shared = self._shared()
        if shared is None or not self._flags.shared:
            return 0.0
        ttl = max(SHORTEST, entry.remaining(self._now()) + entry.freshness.grace)
        ttl *= between(1 - JITTER, 1 + JITTER)
        try:
            await shared.put(f"{self._namespace}:{name}", data, ttl)
        except StoreError as error:
            log.debug("not stored in Redis: %s", error)
            self._index.missed(ttl)
            return 0.0
        return ttl
