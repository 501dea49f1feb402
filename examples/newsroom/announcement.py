"""Telling the cache what an edit changed, and telling the editor what the cache said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger("newsroom")


class Purged(Protocol):
    """What a purge says of itself."""

    @property
    def done(self) -> bool:
        """Whether no worker serves the old text any more."""

    @property
    def seq(self) -> int:
        """The number of the purge."""

    @property
    def waited_ms(self) -> float:
        """How long the purge took."""


Purge = Callable[[list[str]], Awaitable[Purged | None]]


@dataclass(frozen=True, slots=True)
class Announcement:
    """What became of an edit: a sentence for the editor and a header for scripts."""

    done: bool
    sentence: str
    header: str


async def announce(purge: Purge | None, tags: list[str]) -> Announcement:
    """Purge `tags`. The edit is committed already: whatever happens here, it is saved."""
    if purge is None:
        return Announcement(True, "Saved. There is no cache in front of this site.", "none")
    try:
        purged = await purge(tags)
    except asyncio.CancelledError:
        raise
    except Exception as fault:
        log.exception("the cache was not told about %s", ", ".join(tags))
        sentence = f"Saved, but the cache could not be told ({type(fault).__name__}). Readers may see the old text for a while."
        return Announcement(False, sentence, "failed")
    if purged is None:
        return Announcement(True, "Saved.", "done")
    return _told(purged)


def _told(purged: Purged) -> Announcement:
    header = f"{'done' if purged.done else 'unsure'}; seq={purged.seq}; waited_ms={purged.waited_ms:.1f}"
    if purged.done and getattr(purged, "scope", "everywhere") == "process":
        sentence = (
            f"Saved and live in this process (purge {purged.seq}); without Redis there are no other workers to tell."
        )
    elif purged.done:
        sentence = f"Saved and live on every worker after {purged.waited_ms:.1f} ms (purge {purged.seq})."
    elif not purged.seq:
        sentence = "Saved, but the cache could not record the purge yet. Readers may see the old text until it can."
    else:
        sentence = (
            f"Saved. Not every worker has confirmed purge {purged.seq} after {purged.waited_ms:.0f} ms: "
            "some readers may see the old text for a few seconds more."
        )
    return Announcement(purged.done, sentence, header)
