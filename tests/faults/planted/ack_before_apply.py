"""A purge is acknowledged when it has been read, and applied a moment later."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cms_cache_mw.purge.clock import Clock
from tests.faults.app import app

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cms_cache_mw.purge.clock import Logged

__all__ = ["app"]

LATER = 0.05


def _apply(clock: Clock, entries: Iterable[Logged], _: float) -> None:
    state = clock.state
    for entry in entries:
        purged = dict.fromkeys(entry.prints, entry.seq)
        threading.Timer(LATER, state.hard.update, (purged,)).start()
        state.tip, state.pos = entry.nonce, entry.seq


Clock.apply = _apply  # type: ignore[assignment, method-assign]
