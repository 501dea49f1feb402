"""An entry from Redis is taken to be as new as what this worker knows when the reply arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cms_cache_mw.depot import Depot
from tests.faults.app import app

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.core.status import Reason

__all__ = ["app"]

_sound = Depot.checked


async def _checked(depot: Depot, entry: Entry, until: float) -> Reason | None:
    entry.base = depot._worker.clock.token.pos
    return await _sound(depot, entry, until)


Depot.checked = _checked  # type: ignore[assignment, method-assign]
