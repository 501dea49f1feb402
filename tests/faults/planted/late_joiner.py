"""Whoever waits for a render is given its result, whatever was purged before they asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cms_cache_mw.merging import AGAIN
from cms_cache_mw.visitor import Visitor
from tests.faults.app import app

if TYPE_CHECKING:
    from cms_cache_mw.core.answer import Answer
    from cms_cache_mw.flight import Flight
    from cms_cache_mw.merging import Again

__all__ = ["app"]


def _delivered(visitor: Visitor, flight: Flight) -> Answer | Again:
    entry = flight.landing.result().entry
    if entry is None:
        return AGAIN
    return visitor.engine.present(entry, visitor.asked.request, b"cms-cache; fwd=uri-miss; collapsed")


Visitor.delivered = _delivered  # type: ignore[assignment, method-assign]
