"""What a purge would take with it, and how much of that a purge may take which nobody has confirmed."""

from __future__ import annotations

import msgspec

from cms_cache_mw.core.value import Value


class Preview(msgspec.Struct, frozen=True):
    """What depends on a target, as far as it is known where `scope` says. Estimated where `exact` is false."""

    entries: int
    bytes: int
    hits: int
    """How often these entries were served by the worker that was asked."""
    render_ms: float
    """What rendering all of them again would take, one after the other."""
    urls: tuple[str, ...]
    """The most used ones: paths of pages, names of fragments."""
    scope: str
    """What was looked at."""
    traffic: float
    """The part of the worker's hits that these entries had, 0 to 1; of what is in its memory now."""
    exact: bool
    error: int
    """By how many `entries` may be wrong, 95 times in 100; 0 where it is exact, and where there may be more that could not be counted."""


class Guard(Value, frozen=True):
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
