"""An entry as it is sent: in one coding of its body, with the fields that say so (RFC 9110 §3.2).

Every hit needs it, so it is made once and stays with the entry. What differs from hit to hit, Age and Cache-Status, follows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from cms_cache_mw.core import coding

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.core.message import Fields

MOST: Final = 4
"""Spellings of Accept-Encoding for which an entry remembers what it is sent as."""
LONGEST: Final = 128
"""Bytes of the longest of them."""

Texts: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Representation:
    """A body in one coding."""

    fields: Fields
    body: bytes
    texts: Texts = ()
    """The fields in the words of WSGI, once they were asked for."""


def represent(entry: Entry, accept: bytes | None) -> Representation | Entry:
    """What the entry is sent as to whoever accepts these codings: itself, where it has none."""
    if not entry.encoded:
        return entry
    known = entry.representations
    found = known.get(accept)
    if found is None:
        name = coding.chosen(entry, accept)
        body = entry.encoded.get(name, entry.body)
        found = Representation(coding.represented(entry.fields, name, len(body)), body)
        if accept is None or len(accept) <= LONGEST:
            if len(known) >= MOST:
                known.clear()
            known[accept] = found
    return found
