"""A fragment in memory is used without asking whether it was purged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cms_cache_mw.core.entry import Entry
from cms_cache_mw.fragments.caching import Fragments
from tests.faults.app import app

if TYPE_CHECKING:
    from cms_cache_mw.fragments.order import Order

__all__ = ["app"]


def _held(_: Fragments, order: Order) -> Entry | None:
    entry = order.memory.get(order.key)
    return entry if isinstance(entry, Entry) else None


Fragments.held = _held  # type: ignore[assignment, method-assign]
