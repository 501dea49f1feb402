"""What a purge would take with it, counted in this worker's memory: nobody else is asked, and nothing is purged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cms_cache_mw.explaining.counting import touched

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
    """What was looked at."""
    traffic: float = 0.0
    """The part of this worker's hits that these entries had, 0 to 1; of what is in memory now."""
    exact: bool = True
    """Whether this is all there is where `scope` says."""
    error: int = 0
    """By how many `entries` may be wrong, 95 times in 100."""


@dataclass(frozen=True, slots=True)
class Guard:
    """How large a purge may be that nobody has confirmed; `None` for what does not count."""

    entries: float | None = None
    seconds: float | None = None
    """Of rendering."""
    share: float | None = None
    """Of the traffic, 0 to 1."""
    soft: bool = False
    """Whether a larger one is made soft, instead of being refused."""

    def exceeded(self, preview: Preview) -> str:
        """By what a purge is too large, in words; empty where it is not."""
        seconds = preview.render_ms / 1000
        found = []
        if self.entries is not None and preview.entries > self.entries:
            found.append(f"{preview.entries} entries, more than {self.entries:g}")
        if self.seconds is not None and seconds > self.seconds:
            found.append(f"{seconds:.1f} s of rendering, more than {self.seconds:g}")
        if self.share is not None and preview.traffic > self.share:
            found.append(f"{preview.traffic:.0%} of the traffic, more than {self.share:.0%}")
        return "; ".join(found)


def preview(memories: Iterable[Memory], prints: frozenset[int]) -> Preview:
    """Count the entries that have one of the fingerprints; takes time in proportion to all that is held."""
    found = [entry for memory in memories for _, entry in memory.entries() if touched(entry.prints, prints)]
    found.sort(key=lambda entry: -entry.hits)
    return Preview(
        entries=len(found),
        bytes=sum(entry.size for entry in found),
        hits=sum(entry.hits for entry in found),
        render_ms=round(sum(entry.render_ms for entry in found), 1),
        urls=tuple(entry.site + entry.url for entry in found[:SHOWN]),
    )
