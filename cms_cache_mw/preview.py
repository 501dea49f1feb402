"""What a purge would take with it, counted in this worker's memory: nobody else is asked, and nothing is purged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cms_cache_mw.stores.memory import Memory

SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Preview:
    """What depends on a target, as far as this worker's memory knows; Redis and other workers may hold more."""

    entries: int
    bytes: int
    hits: int
    """How often these entries were served by this worker."""
    render_ms: float
    """What rendering all of them again would take, one after the other."""
    urls: tuple[str, ...]
    """The most used ones: paths of pages, names of fragments."""
    scope: str = "memory of this worker"


def preview(memories: Iterable[Memory], prints: frozenset[int]) -> Preview:
    """Count the entries that have one of the fingerprints; takes time in proportion to all that is held."""
    found = [entry for memory in memories for _, entry in memory.entries() if not prints.isdisjoint(entry.prints)]
    found.sort(key=lambda entry: -entry.hits)
    return Preview(
        entries=len(found),
        bytes=sum(entry.size for entry in found),
        hits=sum(entry.hits for entry in found),
        render_ms=round(sum(entry.render_ms for entry in found), 1),
        urls=tuple(entry.site + entry.url for entry in found[:SHOWN]),
    )
