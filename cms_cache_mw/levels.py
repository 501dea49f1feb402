"""Pages at both levels as one store: the worker's memory, then Redis, each entry checked against the purge clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cms_cache_mw.core import vary
from cms_cache_mw.core.entry import Entry
from cms_cache_mw.core.keys import key_digest
from cms_cache_mw.core.status import Reason
from cms_cache_mw.depot import USABLE
from cms_cache_mw.stores.memory import Variants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cms_cache_mw.adaptive import Adaptive
    from cms_cache_mw.allowance import Allowance
    from cms_cache_mw.core.entry import Key, Variant
    from cms_cache_mw.core.keys import Asked
    from cms_cache_mw.core.rules import Rules
    from cms_cache_mw.depot import Depot
    from cms_cache_mw.purge.clock import Clock
    from cms_cache_mw.stores.memory import Memory
    from cms_cache_mw.superseded import Superseded


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
        depot: Depot,
        clock: Clock,
        rules: Rules,
        *,
        memory_body_bytes: int,
        allowance: Allowance,
        now: Callable[[], float],
    ) -> None:
        self.memory, self.depot, self.allowance = memory, depot, allowance
        self.renewed: Callable[[Key, Entry], None] = _unheard
        """Told of each entry that was rendered, before it is held: it may be given the validators of the one it replaces."""
        self.adaptive: Adaptive | None = None
        """What chooses lifetimes, if the operator wants them to follow what is seen to change."""
        self.superseded: Superseded | None = None
        """What compares purged entries with those that are rendered in their place."""
        self._clock, self._rules, self._memory_body_bytes, self._now = clock, rules, memory_body_bytes, now

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
        why = self._clock.check(entry, now)
        if why is None or why is Reason.SOFT_PURGED:
            self.memory.touch(asked.key, entry)
            return Found(entry, why or Reason.HIT)
        if why is not Reason.UNSURE:
            if self.superseded and why is Reason.PURGED:
                self.superseded.note(asked.key, entry)
            if self.adaptive:
                self.adaptive.leave(asked.key, entry)
            self.memory.drop(asked.key, entry)
        return Found(None, why)

    def variant(self, asked: Asked) -> Variant:
        """The variant that a request is known to be, as far as memory tells; for flights."""
        slot = self.memory.get(asked.key)
        return vary.variant(asked.request, slot.names, self._rules) if isinstance(slot, Variants) else ()

    async def fetched(self, asked: Asked, missed: Reason, until: float) -> Found:
        """What Redis has for a request, which waits for it until the instant `until`.

        `missed` is why memory had nothing, and stays the reason where Redis has nothing either.
        """
        found = await self._read(asked, (), until)
        if isinstance(found, tuple):
            found = await self._read(asked, vary.variant(asked.request, found, self._rules), until)
            missed = Reason.VARY_MISS
        if not isinstance(found, Entry):
            return Found(None, found if isinstance(found, Reason) else missed)
        why = await self.depot.checked(found, until)
        if why not in USABLE:
            if self.superseded and why is Reason.PURGED:
                self.superseded.note(asked.key, found)
            return Found(None, why or missed)
        self._hold(asked.key, found, tuple(name for name, _ in found.variant))
        return Found(found, why or Reason.HIT, shared=True)

    def keep(self, key: Key, entry: Entry, names: tuple[bytes, ...]) -> bool:
        """Hold an entry in memory; false where it was purged while it was rendered."""
        if self._clock.check(entry, self._now()) not in {*USABLE, Reason.UNSURE}:
            return False
        former = self.memory.at((key, entry.variant))
        if self.adaptive:
            self.adaptive.fit(key, entry, former)
        self.renewed(key, entry)
        self._hold(key, entry, names)
        if self.superseded:
            if former:
                # Nobody has asked for it since it was purged, or it was purged softly.
                self.superseded.note(key, former)
            self.superseded.compare(key, entry)
        return True

    async def shared(self, digests: Sequence[tuple[str, bytes]], until: float) -> list[Entry | None]:
        """The valid entries in Redis, by the site and the digest of each, which memory does not get to know of."""
        found = await self.depot.read_all([(_name(site, digest), digest) for site, digest in digests])
        return [
            entry if isinstance(entry, Entry) and await self.depot.checked(entry, until) is None else None
            for entry in found
        ]

    def adopt(self, key: Key, entry: Entry) -> None:
        """Hold in memory what Redis had."""
        self._hold(key, entry, tuple(name for name, _ in entry.variant))

    def drop(self, key: Key, entry: Entry) -> None:
        """Let go of an entry in memory, which another answer has superseded."""
        self.memory.drop(key, entry)

    async def share(self, key: Key, entry: Entry, names: tuple[bytes, ...]) -> None:
        """Write an entry to Redis; trouble there is nobody's here."""
        if not self.depot.takes(entry) or not self.allowance.admits(key, entry.variant, self._now()):
            return
        digest = key_digest(key, entry.variant)
        await self.depot.write(_name(entry.site, digest), digest, entry)
        if names:
            signpost = key_digest(key)
            await self.depot.write_names(_name(entry.site, signpost), signpost, names, entry)

    def _hold(self, key: Key, entry: Entry, names: tuple[bytes, ...]) -> None:
        if len(entry.body) <= self._memory_body_bytes:
            self.memory.put(key, entry, names)
        else:
            # What is held is older.
            self.memory.forget(key)

    async def _read(self, asked: Asked, variant: Variant, until: float) -> Entry | tuple[bytes, ...] | Reason | None:
        digest = key_digest(asked.key, variant)
        return await self.depot.read(_name(asked.site, digest), digest, until)


def _name(site: str, digest: bytes) -> str:
    return f"rendered:{site}:{digest.hex()}"


def _unheard(key: Key, entry: Entry) -> None:
    """For caches in which nobody renews anything in the background."""
