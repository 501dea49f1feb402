"""What is stored: a complete response with its freshness, its tags and the clock position at which its render began."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from cms_cache_mw.core.value import Value, replace

if TYPE_CHECKING:
    from cms_cache_mw.core.holes import Filled
    from cms_cache_mw.core.message import Fields
    from cms_cache_mw.core.representation import Representation

Key: TypeAlias = tuple[bytes, ...]
"""A primary key: length-safe, because a tuple of its parts is never joined."""

Variant: TypeAlias = tuple[tuple[bytes, bytes | None], ...]
"""The request fields that Vary named, each with its normalised value or `None` where it was absent."""

Holes: TypeAlias = tuple[tuple[int, str], ...]
"""Places in a body, in order, each with the name of the part that belongs there."""


class Freshness(Value, frozen=True):
    """How long an entry may be used, in seconds of age (RFC 9111 §4.2, RFC 5861)."""

    lifetime: float
    """Fresh while its age is below this."""
    while_revalidate: float = 0.0
    """How long past `lifetime` it may be served while one render replaces it."""
    if_error: float = 0.0
    """How long past `lifetime` it may be served in place of an answer of 500, 502, 503 or 504."""
    if_gone: float = 0.0
    """How long past `lifetime` it may be served when the application gives no answer at all."""
    strict: bool = False
    """Never served stale: must-revalidate, proxy-revalidate, s-maxage (RFC 9111 §4.2.4)."""
    validate: bool = False
    """Never served without asking the origin first: no-cache (RFC 9111 §5.2.2.4)."""
    most: float = 0.0
    """The longest lifetime that the response allows, where that is more than it was given."""

    def within(self, limit: float) -> Freshness:
        """The same, but with a lifetime of at most `limit`."""
        return replace(self, lifetime=min(self.lifetime, limit), most=min(self.most, limit))

    @property
    def grace(self) -> float:
        """Seconds past `lifetime` during which the entry can still be of use."""
        return max(self.while_revalidate, self.if_error, self.if_gone)


@dataclass(slots=True)
class Entry:
    """A stored response. Everything but `base` stays as it was made; `base` only grows (purge-protocol 2.4)."""

    status: int
    fields: Fields
    """As they will be sent, less what each answer adds: Age, Cache-Status."""
    body: bytes
    """The whole representation, identity coding unless the application encoded it."""
    freshness: Freshness
    born: float
    """The instant at which its age was 0, on the worker's suspend-counting clock, in seconds."""
    epoch: int
    base: int
    """The purge clock's position that the worker had applied when the render began."""
    prints: tuple[int, ...]
    """Fingerprints of all its tags, the implicit ones included: what purges are checked against."""
    tags: tuple[str, ...] = ()
    """Its explicit tags by name."""
    site: str = ""
    url: str = ""
    """For people: the log, explain, the dashboard."""
    variant: Variant = ()
    render_ms: float = 0.0
    """What its render took, in milliseconds."""
    encoded: dict[bytes, bytes] = field(default_factory=dict)
    """The body in other content codings, by name."""
    representations: dict[bytes | None, Representation] = field(default_factory=dict)
    """What it is sent as, by the Accept-Encoding that it was asked with; to be cleared when it gets another coding."""
    texts: tuple[tuple[str, str], ...] = ()
    """Its fields in the words of WSGI, once they were asked for."""
    holes: Holes = ()
    """Where parts belong that are not in the body."""
    filled: Filled | None = None
    """What it was served as last, if it has holes."""
    size: int = 0
    """Bytes it is charged with in memory."""
    value: object = None
    """A fragment's text, beside its bytes in `body`."""
    hits: int = 0
    """How often it was served by this worker."""
    counted: int = 0
    """How many of its hits the site's popularity knows of."""
    since: int = field(default=-1, compare=False)
    """The position that `base` was raised from: its render's, or that at which it was written to Redis."""

    def __post_init__(self) -> None:
        if self.since < 0:
            self.since = self.base

    def age(self, now: float) -> float:
        """Its current age in seconds (RFC 9111 §4.2.3)."""
        return max(0.0, now - self.born)

    def remaining(self, now: float) -> float:
        """Seconds of freshness left; negative once stale."""
        return self.freshness.lifetime - (now - self.born)
