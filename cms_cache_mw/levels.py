"""The two levels as one store of entries: the worker's memory, then Redis, each entry checked against the purge clock.

An entry from Redis is checked after the reply arrived, exactly like one in memory, and fills memory with the base it was
checked at, never with a position read later (purge-protocol 2.4).
"""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from cms_cache_mw.core import vary
from cms_cache_mw.core.codec import decode, encode, encode_names
from cms_cache_mw.core.entry import Entry
from cms_cache_mw.core.keys import key_digest
from cms_cache_mw.core.status import Reason
from cms_cache_mw.stores.guard import StoreError
from cms_cache_mw.stores.memory import Variants

if TYPE_CHECKING:
    from collections.abc import Callable

    from cms_cache_mw.core.entry import Key, Variant
    from cms_cache_mw.core.keys import Asked
    from cms_cache_mw.core.rules import Rules
    from cms_cache_mw.purge.worker import Worker
    from cms_cache_mw.stores.memory import Memory
    from cms_cache_mw.stores.shared import Shared

log: Final = logging.getLogger("cms_cache_mw")

JITTER: Final = 0.1
"""Share by which the lifetimes of values in Redis differ, so that they do not end together."""
SHORTEST: Final = 60.0
"""Seconds that a value is kept at least: even stale it can be validated."""


class Found(NamedTuple):
    """An entry that may be used, or why there is none; `SOFT_PURGED` comes with an entry that is stale by a purge."""

    entry: Entry | None
    reason: Reason
    shared: bool = False
    """Whether it came from Redis."""


class Levels:
    """Entries by key and variant in memory and, where there is one, in the shared store."""

    def __init__(
        self,
        memory: Memory,
        worker: Worker,
        rules: Rules,
        *,
        shared: Callable[[], Shared | None],
        namespace: str,
        memory_body_bytes: int,
        secret: bytes | None = None,
        now: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.memory = memory
        self.unreadable = 0
        """Values from Redis that could not be used: foreign, cut or corrupt."""
        self._worker, self._rules, self._shared, self._namespace = worker, rules, shared, namespace
        self._memory_body_bytes, self._secret = memory_body_bytes, secret
        self._now, self._wall = now, wall

    def held(self, asked: Asked, now: float) -> Found:
        """What memory has for a request."""
        slot = self.memory.get(asked.key)
        if slot is None:
            return Found(None, Reason.URI_MISS)
        if isinstance(slot, Variants):
            entry = slot.entries.get(vary.variant(asked.request, slot.names, self._rules))
            if entry is None:
                return Found(None, Reason.VARY_MISS)
        else:
            entry = slot
        why = self._worker.clock.check(entry, now)
        if why is None or why is Reason.SOFT_PURGED:
            self.memory.touch(asked.key, entry)
            return Found(entry, why or Reason.HIT)
        if why is not Reason.UNSURE:
            self.memory.drop(asked.key, entry)
        return Found(None, why)

    def variant(self, asked: Asked) -> Variant:
        """The variant that a request is known to be, as far as memory tells; for flights."""
        slot = self.memory.get(asked.key)
        return vary.variant(asked.request, slot.names, self._rules) if isinstance(slot, Variants) else ()

    async def fetched(self, asked: Asked, missed: Reason) -> Found:
        """What Redis has for a request; `missed` is why memory had nothing, and stays the reason where Redis has nothing either."""
        shared = self._shared()
        if shared is None or not self._worker.clock.holds(self._now()):
            return Found(None, missed)
        try:
            found = await self._read(shared, asked, ())
            if isinstance(found, tuple):
                found = await self._read(shared, asked, vary.variant(asked.request, found, self._rules))
                missed = Reason.VARY_MISS
            if not isinstance(found, Entry):
                return Found(None, missed)
            return await self._checked(shared, asked.key, found)
        except StoreError:
            return Found(None, missed)

    def keep(self, key: Key, entry: Entry, names: tuple[bytes, ...]) -> bool:
        """Hold an entry in memory; false where it is too large or was purged while it was rendered."""
        if self._worker.clock.check(entry, self._now()) not in {None, Reason.SOFT_PURGED, Reason.UNSURE}:
            return False
        if len(entry.body) <= self._memory_body_bytes:
            self.memory.put(key, entry, names)
        return True

    def drop(self, key: Key, entry: Entry) -> None:
        """Let go of an entry in memory, which another answer has superseded."""
        self.memory.drop(key, entry)

    async def share(self, key: Key, entry: Entry, names: tuple[bytes, ...]) -> None:
        """Write an entry to Redis; trouble there is nobody's here."""
        shared = self._shared()
        if shared is None or not entry.epoch:
            return
        freshness = entry.freshness
        ttl = max(SHORTEST, entry.remaining(self._now()) + freshness.grace) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        digest = key_digest(key, entry.variant)
        data = encode(entry, digest, now=self._now(), wall=self._wall(), secret=self._secret)
        try:
            await shared.put(self._name(entry.site, digest), data, ttl)
            if names:
                signpost = key_digest(key)
                await shared.put(self._name(entry.site, signpost), encode_names(names, signpost, self._secret), ttl)
        except StoreError as error:
            log.debug("not stored in Redis: %s", error)

    async def _read(self, shared: Shared, asked: Asked, variant: Variant) -> Entry | tuple[bytes, ...] | None:
        digest = key_digest(asked.key, variant)
        data = await shared.get(self._name(asked.site, digest))
        if data is None:
            return None
        found = decode(data, digest, now=self._now(), wall=self._wall(), secret=self._secret)
        if found is None:
            self.unreadable += 1
            log.debug("unreadable value in Redis for a page of %s", asked.site)
        return found

    async def _checked(self, shared: Shared, key: Key, entry: Entry) -> Found:
        why = self._worker.clock.check(entry, self._now())
        if why is Reason.FLOOR:
            # Older than what this worker remembers: the server's record decides.
            base = await self._worker.validated(shared, entry)
            if base is not None:
                entry.base = base
                why = self._worker.clock.check(entry, self._now())
        if why is None or why is Reason.SOFT_PURGED:
            if len(entry.body) <= self._memory_body_bytes:
                self.memory.put(key, entry, tuple(name for name, _ in entry.variant))
            return Found(entry, why or Reason.HIT, shared=True)
        return Found(None, why)

    def _name(self, site: str, digest: bytes) -> str:
        return f"{self._namespace}:rendered:{site}:{digest.hex()}"
