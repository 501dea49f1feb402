"""Pages with holes: a body less some of its parts, with the places where they belong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from cms_cache_mw.core.coding import own_tag
from cms_cache_mw.core.message import without
from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cms_cache_mw.core.entry import Entry, Holes, Key

MEASURED: Final = frozenset(
    {b"content-length", b"content-md5", b"content-digest", b"repr-digest", b"etag", b"last-modified"}
)
"""Fields about a body whose holes the application has not seen filled."""


class Holder(Protocol):
    """Where parts are held."""

    def get(self, key: Key) -> object:
        """What is held for a key."""
        ...


class Filled(Value, frozen=True):
    """What a page was filled to, and with which parts; good as long as these are still the ones that are held."""

    uses: tuple[tuple[Holder, Key, Entry], ...]
    page: Entry

    def lasts(self, check: Callable[[Entry, float], object], now: float) -> bool:
        """Whether all its parts are still held, fresh, and valid by the purge clock's `check`."""
        for memory, key, part in self.uses:
            if memory.get(key) is not part or check(part, now) is not None or part.remaining(now) <= 0:
                return False
        return True


def page(entry: Entry, body: bytes) -> Entry:
    """The entry with a whole body, under an entity tag of its own."""
    fields = (*without(entry.fields, MEASURED), (b"etag", own_tag(body)), (b"content-length", b"%d" % len(body)))
    return replace(
        entry, body=body, fields=fields, encoded={}, representations={}, texts=(), holes=(), filled=None, hits=0
    )


def joined(text: bytes, holes: Holes, parts: Sequence[bytes]) -> bytes:
    """A text with a part in each of its holes."""
    pieces, at = [], 0
    for (place, _), part in zip(holes, parts, strict=True):
        pieces += [text[at:place], part]
        at = place
    pieces.append(text[at:])
    return b"".join(pieces)


def plausible(holes: Holes, length: int) -> bool:
    """Whether the places are in order and within a body of this length."""
    places = [place for place, _ in holes]
    return places == sorted(places) and all(0 <= place <= length for place in places)
