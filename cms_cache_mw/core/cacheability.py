"""What something rendered depends on and how long it may be kept, as a value that adds up: union, union, minimum.

Bubbling from a block to its template to the page is this one operator and nothing else (Drupal's cacheable metadata). Positions
of the purge clock are not part of it: a part is checked when it is used.
"""

from __future__ import annotations

from math import inf
from typing import Final

from cms_cache_mw.core.value import Value


class Cacheability(Value, frozen=True):
    """Tags, lifetime in seconds from now, request fields it varies by, and whether it may be shared or kept at all."""

    tags: frozenset[str] = frozenset()
    lifetime: float = inf
    vary: frozenset[str] = frozenset()
    private: bool = False
    """Made for one visitor: whatever contains it is, too."""
    storable: bool = True
    """False where a part was used stale, or its tags cannot be told."""

    def __or__(self, other: Cacheability) -> Cacheability:
        """Of two parts together: associative, commutative, idempotent, with `NOTHING` as its neutral element."""
        return Cacheability(
            self.tags | other.tags,
            min(self.lifetime, other.lifetime),
            self.vary | other.vary,
            self.private or other.private,
            self.storable and other.storable,
        )


NOTHING: Final = Cacheability()
