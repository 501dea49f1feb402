"""A page of the site with its explanation: `Cache-Explain: 1` and a token that may read.

The page is the one that a visitor gets. The token is the operator's, not the visitor's, so it is taken off before anything
else is looked at: the application never sees it, and what is rendered may be stored as ever. Whoever has no such token gets
what he would get without `Cache-Explain`. What is told is for its asker: no cache on the way may keep the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from cms_cache_mw.core.message import without
from cms_cache_mw.explaining.line import NAME, line

if TYPE_CHECKING:
    from cms_cache_mw.cache import Cache
    from cms_cache_mw.core.message import Fields, Request

_KEEPING: Final = frozenset({NAME, b"cache-control", b"expires", b"pragma", b"cdn-cache-control", b"surrogate-control"})
"""Fields of an answer that would let a cache on the way keep it, or be taken for ours."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What an answer is told with."""

    told: bytes
    ours: ClassVar = frozenset({NAME, b"authorization"})
    """The request fields that are between the operator and the cache."""

    def fields(self, fields: Fields) -> Fields:
        """An answer's fields with the explanation, for nobody to keep."""
        return (*without(fields, _KEEPING), (b"cache-control", b"no-store"), (NAME, self.told))


def wanted(request: Request) -> bytes | None:
    """The token by which a request wants to be explained; `None` for all others, also those with credentials of another kind."""
    if request.value(NAME) != b"1":
        return None
    lines = request.lines(b"authorization")
    return lines[0] if len(lines) == 1 and lines[0][:7].lower() == b"bearer " else None


async def explained(cache: Cache, request: Request) -> Explained:
    """What would become of a request that a visitor sent."""
    explanation = await cache.parts.explainer.explain(request.without(Explained.ours))
    return Explained(line(explanation, cache.worker.name))
