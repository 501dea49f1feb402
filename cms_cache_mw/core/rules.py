"""The two rule sets as values: `cms` for a public site with hostile visitors, `rfc` for what RFC 9111 lets a shared cache do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HEURISTIC_STATUSES = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
"""Cacheable without explicit freshness (RFC 9110 §15.1)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a profile decides. Policy asks these fields; it never asks which profile it is."""

    name: Literal["cms", "rfc"] = "cms"
    default_ttl: float = 300.0
    """Seconds of freshness for an answer without any, where `heuristics` is off."""
    store_statuses: frozenset[int] = frozenset({200})
    """Statuses that may be stored; where `any_status` is set, this is not asked."""
    any_status: bool = False
    """Any final status with explicit freshness, the heuristic list without."""
    untagged_ok: frozenset[int] = frozenset({200})
    """Statuses that may be stored without tags."""
    other_status_ttl: float = 60.0
    """The longest implicit lifetime of a status other than 200, in seconds."""
    heuristics: bool = False
    """A tenth of the time since Last-Modified (RFC 9111 §4.2.2) instead of `default_ttl`."""
    set_cookie: bool = False
    """Whether an answer with Set-Cookie and explicit shared freshness is stored."""
    client_directives: bool = False
    """Whether the visitor's Cache-Control and Pragma count (RFC 9111 §5.2.1)."""
    literal_cookies: bool = False
    """Whether `Vary: Cookie` is compared byte for byte; otherwise the four cookie classes have settled it."""
    language_order: bool = True
    """Whether the order of equal weights in Accept-Language distinguishes variants."""
    vary_user_agent: bool = False
    """Whether an answer that varies by User-Agent may be stored."""
    stale_if_error: float = 3600.0
    """Seconds past freshness that an entry may stand in for a failing application, without a directive."""
    store_identity: bool = True
    """Whether the application renders without a content coding what may be stored; the cache then encodes by itself."""
    max_body_bytes: int = 2_097_152
    max_variants: int = 32
    tag_headers: frozenset[bytes] = frozenset({b"cache-tag", b"surrogate-key", b"xkey"})


CMS = Rules()
RFC = Rules(
    name="rfc",
    any_status=True,
    heuristics=True,
    set_cookie=True,
    client_directives=True,
    literal_cookies=True,
    language_order=False,
    vary_user_agent=True,
    store_identity=False,
    default_ttl=0.0,
    untagged_ok=frozenset(range(100, 600)),
)
