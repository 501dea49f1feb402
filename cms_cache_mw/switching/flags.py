"""A flag for every optional behaviour: all are on unless somebody turned one off, at the start or while running.

None is asked on the way of a hit from memory: each belongs to work that a hit does not do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def _flag(meaning: str) -> Any:  # noqa: ANN401 - a field of any class
    return field(default=True, metadata={"meaning": meaning})


@dataclass(slots=True)
class Flags:
    """What a worker does beyond storing and serving; one object, which all parts of a cache look at."""

    shared: bool = _flag("entries are read from Redis and written to it; without it each worker has its own")
    coalescing: bool = _flag("one render in a worker answers all who ask for the same page meanwhile")
    fill_locks: bool = _flag("one worker of all renders a page, while the others wait for its entry in Redis")
    stale_while_revalidate: bool = _flag("a page past its freshness is served while one render replaces it")
    stale_if_error: bool = _flag("a page past its freshness stands in for an application that fails")
    compression: bool = _flag("the cache makes gzip, brotli and zstd of what the application renders plain")
    fragments: bool = _flag("fragments are kept and used again")
    placeholders: bool = _flag("parts that a page marks are filled in whenever it is served; else when it is rendered")
    warmth: bool = _flag("used pages are loaded and rendered in the background, before visitors ask for them")
    unsafe_purges: bool = _flag("a visitor's POST, PUT or DELETE purges its URL")

    def turn(self, states: Mapping[str, bool]) -> None:
        """Turn flags on and off; those that are not named are on."""
        for name in MEANINGS:
            setattr(self, name, states.get(name, True))


MEANINGS: dict[str, str] = {flag.name: flag.metadata["meaning"] for flag in fields(Flags)}
"""What each flag stands for, by name."""
