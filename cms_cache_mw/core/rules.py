"""The two rule sets as values: `cms` for a public site with hostile visitors, `rfc` for what RFC 9111 lets a shared cache do."""

from __future__ import annotations

from typing import Final, Literal

from cms_cache_mw.core.tags import HEADERS
from cms_cache_mw.core.value import Value

CREDENTIALS: Final = frozenset({b"authorization", b"proxy-authorization", b"x-api-key"})
"""Request fields that say who is asking."""
IDENTITIES: Final = frozenset(
    name.encode()
    for name in (
        *(
            "api-key",
            "x-auth-token",
            "x-access-token",
            "x-authorization",
            "remote-user",
            "remote-email",
            "remote-groups",
        ),
        *("x-remote-user", "x-authenticated-user", "x-authenticated-userid", "x-webauth-user", "x-vouch-user"),
        *("x-forwarded-user", "x-forwarded-email", "x-forwarded-preferred-username", "x-forwarded-groups"),
        *("x-forwarded-access-token", "x-auth-request-user", "x-auth-request-email", "x-auth-request-access-token"),
        *("x-amzn-oidc-identity", "x-amzn-oidc-data", "x-amzn-oidc-accesstoken", "x-goog-iap-jwt-assertion"),
        *("x-goog-authenticated-user-email", "x-goog-authenticated-user-id", "cf-access-jwt-assertion"),
        *("cf-access-authenticated-user-email", "x-ms-client-principal", "x-ms-client-principal-id"),
        *("x-ms-client-principal-name", "x-ms-token-aad-access-token", "x-ms-token-aad-id-token"),
        *("x-pomerium-jwt-assertion", "x-authentik-username", "x-authentik-jwt", "tailscale-user-login"),
        *(
            "x-ssl-client-cert",
            "x-ssl-client-dn",
            "x-ssl-client-s-dn",
            "ssl-client-cert",
            "x-client-cert",
            "x-client-dn",
        ),
    )
)
"""Request fields by which proxies that sign visitors in tell the application who they are."""
PRECONDITIONS: Final = frozenset({b"if-match", b"if-unmodified-since"})
"""Conditions that only the origin can evaluate (RFC 9111 §4.3.2)."""
OVERRIDES: Final = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
"""Request fields by which frameworks let a GET be something else."""

HEURISTIC_STATUSES: Final = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
"""Cacheable without explicit freshness (RFC 9110 §15.1)."""

PAGES: Final = frozenset(
    {
        b"text/html",
        b"application/xhtml+xml",
        b"text/xml",
        b"application/xml",
        b"application/rss+xml",
        b"application/atom+xml",
        b"application/rdf+xml",
        b"application/feed+json",
    }
)
"""Media types of HTML, XML and feeds: what a CMS renders without saying how long it lasts."""


class Rules(Value, frozen=True):
    """What a profile decides. Policy asks these fields; it never asks which profile it is."""

    name: Literal["cms", "rfc"] = "cms"
    default_ttl: float = 300.0
    """Seconds of freshness for an answer without any, where `heuristics` is off."""
    default_types: frozenset[bytes] = PAGES
    """Media types of the 200 answers that `default_ttl` is for."""
    bypass: frozenset[bytes] = CREDENTIALS | IDENTITIES | PRECONDITIONS | OVERRIDES | {b"upgrade"}
    """Request fields whose presence alone keeps a request away from the cache."""
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
    wary: bool = True
    """Whether no-store, private and no-cache count wherever they stand in Cache-Control, also where it cannot be parsed."""
    set_cookie: bool = False
    """Whether an answer with Set-Cookie and explicit shared freshness is stored."""
    client_directives: bool = False
    """Whether the visitor's Cache-Control and Pragma count (RFC 9111 §5.2.1)."""
    forward_conditions: bool = False
    """Whether the application sees the visitor's If-None-Match and If-Modified-Since on a miss."""
    keep_validated: bool = False
    """Whether answers that must be validated before each use are stored: no-cache, and no lifetime but a validator."""
    named_fields: bool = False
    """Whether no-cache and private with field names hold back those fields alone (RFC 9111 §5.2.2.4, §5.2.2.7)."""
    must_understand: bool = False
    """Whether must-understand overrides no-store (RFC 9111 §5.2.2.3)."""
    literal_cookies: bool = False
    """Whether `Vary: Cookie` is compared byte for byte; otherwise the four cookie classes have settled it."""
    language_order: bool = True
    """Whether the order of equal weights in Accept-Language distinguishes variants."""
    vary_user_agent: bool = False
    """Whether an answer that varies by User-Agent may be stored."""
    stale_if_error: float = 3600.0
    """Seconds past freshness that an entry may stand in for an application that is gone, without a directive."""
    stale_on_error: bool = True
    """Whether an answer of 500, 502, 503 or 504 counts as gone; otherwise only where stale-if-error says so (RFC 5861 §4)."""
    while_revalidate: bool = True
    """Whether a page past its freshness is served while one render replaces it, where its directives allow that."""
    stand_in: bool = True
    """Whether a page past its freshness may stand in for an application that fails."""
    strict_s_maxage: bool = False
    """Whether s-maxage forbids also the stale serving that a stale- directive beside it asks for (RFC 9111 §5.2.2.10)."""
    store_identity: bool = True
    """Whether the application renders without a content coding what may be stored; the cache then encodes by itself."""
    max_body_bytes: int = 2_097_152
    max_variants: int = 32
    purge_interval: float = 0.2
    """Seconds between the purge records of visitors' unsafe requests, at least, per worker."""
    tag_headers: frozenset[bytes] = frozenset(HEADERS)


CMS = Rules()
RFC = Rules(
    name="rfc",
    purge_interval=0.0,
    bypass=PRECONDITIONS | {b"upgrade"},
    forward_conditions=True,
    keep_validated=True,
    named_fields=True,
    must_understand=True,
    stale_on_error=False,
    strict_s_maxage=True,
    any_status=True,
    heuristics=True,
    wary=False,
    set_cookie=True,
    client_directives=True,
    literal_cookies=True,
    language_order=False,
    vary_user_agent=True,
    store_identity=False,
    default_ttl=0.0,
    untagged_ok=frozenset(range(200, 600)),
)
