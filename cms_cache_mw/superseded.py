"""Whether purges were needed: what was purged is compared with what is rendered in its place, and the purge log is told.

It is told at the first, second, fourth, eighth … page of a purge, so that a purge of everything costs a few lines.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from cms_cache_mw.purge import ledger
from cms_cache_mw.stores.guard import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cms_cache_mw.core.entry import Entry, Key, Variant
    from cms_cache_mw.purge.worker import Worker
    from cms_cache_mw.stores.shared import Shared

log: Final = logging.getLogger("cms_cache_mw")

PAGES: Final = 4_096
"""Purged pages that are remembered until they are rendered."""
PURGES: Final = 1_000


class Superseded:
    """What this worker let go of because it was purged, by digest, and what came of it. `spawn` runs what nobody waits for."""

    def __init__(
        self,
        worker: Worker,
        shared: Callable[[], Shared | None],
        spawn: Callable[[Coroutine[object, object, object]], None],
    ) -> None:
        self._worker, self._shared, self._spawn = worker, shared, spawn
        self._gone: dict[tuple[Key, Variant], tuple[str, bytes]] = {}
        self._counts: dict[str, list[int]] = {}

    def note(self, key: Key, entry: Entry) -> None:
        """Remember an entry, if it was purged, hard or softly."""
        state = self._worker.clock.state
        soft = (record.seq for value in entry.prints if (record := state.soft.get(value)))
        seq = max((0, *(state.hard.get(value, 0) for value in entry.prints), *soft))
        if seq > entry.base and entry.epoch == state.epoch:
            while len(self._gone) >= PAGES:
                self._gone.pop(next(iter(self._gone)), None)
            self._gone[key, entry.variant] = (ledger.named(entry.epoch, seq), _digest(entry))

    def compare(self, key: Key, entry: Entry) -> None:
        """Compare what was rendered with what was there before, if that was purged."""
        before = self._gone.pop((key, entry.variant), None)
        if before is None:
            return
        purge, digest = before
        while len(self._counts) >= PURGES:
            self._counts.pop(next(iter(self._counts)), None)
        counts = self._counts.setdefault(purge, [0, 0])
        counts[0] += 1
        counts[1] += digest == _digest(entry)
        if counts[0].bit_count() == 1:
            self._spawn(self._tell(purge, ledger.seen(self._worker.name, *counts)))

    async def _tell(self, purge: str, line: bytes) -> None:
        try:
            await self._worker.report(self._shared(), purge, line)
        except StoreError as error:
            log.debug("not in the purge log: %s", error)


def _digest(entry: Entry) -> bytes:
    return blake3(entry.body).digest(16)
