"""The way in to the application: how many renders it bears at once, and one worker of all for each page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cms_cache_mw.core.entry import Key
    from cms_cache_mw.fill import FillLocks
    from cms_cache_mw.flight import Landing
    from cms_cache_mw.runtime import Runtime
    from cms_cache_mw.slots import Slot, Slots

LONG: Final = 60.0
"""Seconds after which a queue for the application is looked at again."""


class Origin:
    """Admits renders. `now` counts seconds."""

    def __init__(self, slots: Slots, locks: FillLocks, runtime: Runtime, now: Callable[[], float]) -> None:
        self.slots, self._locks, self._runtime, self._now = slots, locks, runtime, now
        self._filling: dict[Key, list[tuple[str, float]]] = {}
        self._ahead: dict[bytes, str] = {}
        """Locks that were claimed before there was room for a render: they are whoever's of this process renders first."""

    async def lock(self, key: Key, digest: bytes, look: Callable[[], Awaitable[bool]], until: float) -> bool:
        """Become the one worker that renders a page; false where another has brought it, which `look` has then found.

        Redis is waited for until the instant `until`, another worker as long as `FillLocks.wait` does.
        """
        name = self._ahead.pop(digest, None) or await self._locks.take(digest, until - self._now())
        if name is None:
            name = await self._locks.wait(look, digest)
        if name:
            self._filling.setdefault(key, []).append((name, self._now()))
        return name is not None

    async def claim(self, key: Key, digest: bytes) -> bool:
        """The same at once: whether no other worker renders the page."""
        name = self._ahead.pop(digest, None) or await self._locks.take(digest)
        if name:
            self._filling.setdefault(key, []).append((name, self._now()))
        return name is not None

    async def claim_ahead(self, digests: Sequence[bytes]) -> list[bool]:
        """The same for several pages that are to be rendered in a moment."""
        names = await self._locks.take_all(digests)
        self._ahead.update((digest, name) for digest, name in zip(digests, names, strict=True) if name)
        return [name is not None for name in names]

    def unclaim(self, digest: bytes) -> None:
        """Give back what was claimed ahead, if nobody here has begun to render the page."""
        if name := self._ahead.pop(digest, None):
            self._locks.release(name)

    async def enter(self, key: Key, land: Callable[[Landing], None] | None) -> Callable[[Landing], None]:
        """Wait until the application bears one more render; gives what is to be told once how it ended."""
        slot = self.slots.take()
        try:
            while not await self._runtime.wait(slot.free, LONG):
                pass
        except BaseException:
            self.slots.give_back(slot)
            self.release(key)
            raise
        return partial(self._left, slot, key, land)

    def enter_now(self, key: Key) -> Callable[[Landing], None] | None:
        """The same for a render that nobody waits for: at once, or not at all."""
        slot = self.slots.take_now()
        return partial(self._left, slot, key, None) if slot else None

    def release(self, key: Key, *, stored: bool = False) -> None:
        """Let other workers render a page; to be called once it is in Redis, or is known not to come."""
        for name, began in self._filling.pop(key, ()):
            self._locks.release(name, self._now() - began if stored else 0.0)

    def _left(self, slot: Slot, key: Key, land: Callable[[Landing], None] | None, landing: Landing) -> None:
        self.slots.give_back(slot)
        if landing.entry is None:
            self.release(key)
        if land:
            land(landing)
