"""Why an answer is what it is: one word per branch of the policy, and the Cache-Status item made of it (RFC 9211).

A reason is at once the detail in Cache-Status, the metric label, the word in the debug log and a line of *explain*.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from cms_cache_mw.core.message import Field, Fields

HIT_MEMORY: Final = b"cms-cache; hit; ttl=%d; detail=memory"
"""Template of the item for an answer from the worker's memory; takes the seconds of freshness left, negative once stale."""
HIT_SHARED: Final = b"cms-cache; hit; ttl=%d; detail=shared"
"""The same for an answer from Redis."""


class Reason(StrEnum):
    """A branch of the policy: its word, the RFC 9211 `fwd` token where it sends a request on, and what it means."""

    fwd: str
    """Why the request went to the application (RFC 9211 §2.2); empty where the reason says nothing about that."""
    meaning: str
    """One line for people."""

    def __new__(cls, word: str, fwd: str, meaning: str) -> Self:
        """A member from its row of the table."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.fwd = fwd
        member.meaning = meaning
        return member

    # Answered by the cache.
    HIT = "hit", "", "a fresh stored response was served"
    STALE = (
        "stale",
        "",
        "a stale stored response was served, as its stale-while-revalidate or the request's max-stale allows",
    )

    # Went on to the application, and may have been stored.
    URI_MISS = "uri-miss", "uri-miss", "nothing was stored for this URL"
    VARY_MISS = "vary-miss", "vary-miss", "stored responses differ in a request field that Vary names"
    EXPIRED = "expired", "stale", "the stored response was stale"
    MUST_VALIDATE = "must-validate", "stale", "the stored response may be used only after asking the origin (no-cache)"
    REQUEST = "request", "request", "the request's Cache-Control or Pragma did not accept what was stored"
    PURGED = "purged", "miss", "something the stored response depends on was purged"
    SOFT_PURGED = (
        "soft-purged",
        "stale",
        "something the stored response depends on was purged softly: stale within its grace",
    )
    EPOCH = "epoch", "miss", "the stored response is from an earlier history of the purge clock"
    FLOOR = "floor", "miss", "the stored response is older than the purges that are still remembered"
    UNREADABLE = "unreadable", "miss", "the stored response could not be read"
    KNOWN_UNCACHEABLE = "known-uncacheable", "uri-miss", "the last response for this key was not storable"
    RANGE = "range", "uri-miss", "a part was asked for and the whole is not stored"
    HEAD = "head", "uri-miss", "only the head was asked for and no response is stored"

    WARMED = "warmed", "", "it was rendered in the background, for nobody in particular"

    # Kept away from the cache.
    METHOD = "method", "method", "only GET and HEAD are answered from the cache"
    AUTHORIZATION = "authorization", "bypass", "the request carries credentials"
    API_KEY = "api-key", "bypass", "the request carries an API key"
    COOKIE = "cookie", "bypass", "the request carries a cookie that makes its visitor somebody"
    BODY = "body", "bypass", "the request has a body"
    PRECONDITION = "precondition", "bypass", "the request has a condition that only the application can evaluate"
    UPGRADE = "upgrade", "bypass", "the request asks for another protocol"
    OVERRIDE = "override", "bypass", "the request asks for another method in a field"
    HOST = "host", "bypass", "Host is missing, repeated, malformed or of no known site"
    TARGET = "target", "bypass", "the request target is not a path"
    OFF = "off", "bypass", "the cache is switched off for this request"
    UNSURE = "unsure", "bypass", "this worker cannot prove that it knows of every purge"

    FAULT = "fault", "bypass", "the cache itself failed; the log says how"

    # Made of a stored response and an answer of the application.
    REVALIDATED = "revalidated", "stale", "the application confirmed the stored response"
    MISMATCH = "mismatch", "stale", "the application confirmed another response than the stored one"
    STALE_ERROR = "stale-error", "stale", "a stale stored response was served in place of an error"
    STALE_GONE = "stale-gone", "stale", "a stale stored response was served because the application gave no answer"

    # Stored, or not and why.
    COLLAPSED = "collapsed", "", "the answer to another request for the same was shared"
    STORED = "stored", "", "the response was stored"
    OVERTAKEN = "overtaken", "", "something it depends on was purged while it was rendered, so it was not kept"
    STATUS = "status", "", "responses with this status are not stored"
    PARTIAL = "partial", "", "parts are not stored"
    NOT_MODIFIED = "not-modified", "", "the answer confirms what the visitor has, not what is stored"
    REQUEST_NO_STORE = "request-no-store", "", "the request said no-store"
    NO_STORE = "no-store", "", "the response said no-store"
    PRIVATE = "private", "", "the response said private"
    NO_CACHE = "no-cache", "", "the response said no-cache"
    PRAGMA = "pragma", "", "the response said Pragma: no-cache and had no Cache-Control"
    SET_COOKIE = "set-cookie", "", "the response sets a cookie, or clears what the visitor's browser keeps"
    AUTHORIZED = "authorized", "", "the request carried credentials and the response does not allow sharing"
    ANONYMOUS = "anonymous", "", "it was rendered for a request with an anonymous-class cookie"
    VARY_STAR = (
        "vary-star",
        "",
        "the response varies by more than the request says (Vary: *), or by what cannot be read",
    )
    VARY_USER_AGENT = "vary-user-agent", "", "the response varies by User-Agent"
    ENCODED = "encoded", "", "the response has a Content-Encoding and does not vary by Accept-Encoding"
    STREAM = "stream", "", "event streams are not stored"
    EXPIRES = "expires", "", "the response says that it is stale already"
    NO_LIFETIME = "no-lifetime", "", "nothing says how long the response stays fresh"
    UNTAGGED = "untagged", "", "a response with this status is stored only with tags"
    TAGS = "tags", "", "the tags were too many or unreadable, so no purge could have reached the entry"
    PERSONAL = "personal", "", "something that the page was made of is for one visitor, or for some of them"
    SHORT_PART = (
        "short-part",
        "",
        "a part of the page lasts no longer than the render: its ttl is 0, or was over meanwhile",
    )
    STALE_PART = "stale-part", "", "a part of the page was used stale, so the page is not kept"
    LATE_VARY = "late-vary", "", "a part rendered after the head was sent varies by a field that the head does not name"
    TOO_LARGE = "too-large", "", "the body is larger than max_body_bytes, or the head than 64 KiB"
    INCOMPLETE = "incomplete", "", "the body ended early"
    COLLECTING = "collecting", "", "copies being collected had used up their share of the memory"


OF_THE_REQUEST: Final = frozenset(
    {
        Reason.ANONYMOUS,
        Reason.AUTHORIZED,
        Reason.NOT_MODIFIED,
        Reason.PARTIAL,
        Reason.REQUEST_NO_STORE,
        Reason.COLLECTING,
        Reason.INCOMPLETE,
        Reason.HEAD,
        Reason.RANGE,
        Reason.FAULT,
    }
)
"""Refusals to store that say nothing about the next request for the same key."""


def _parameters(reason: Reason, status: int, detail: Reason | None, *, stored: bool, collapsed: bool) -> list[str]:
    written = [f"fwd={reason.fwd}"] if reason.fwd else []
    if status:
        written.append(f"fwd-status={status}")
    if stored:
        written.append("stored")
    if collapsed:
        written.append("collapsed")
    said = detail or (reason if reason.value != reason.fwd else None)
    if said and said is not Reason.STORED:
        written.append(f"detail={said.value}")
    return written


@lru_cache(maxsize=1024)
def write(
    reason: Reason, status: int = 0, detail: Reason | None = None, *, stored: bool = False, collapsed: bool = False
) -> bytes:
    """The Cache-Status item of a request that went on to the application.

    `status` is what the application answered, where it differs from what is sent (RFC 9211 §2.3); `detail` says more than
    `reason` does, such as why the answer was not stored; `collapsed` means that another request's answer was shared.

    >>> write(Reason.URI_MISS, stored=True)
    b'cms-cache; fwd=uri-miss; stored'
    >>> write(Reason.COOKIE)
    b'cms-cache; fwd=bypass; detail=cookie'
    >>> write(Reason.REVALIDATED, 304)
    b'cms-cache; fwd=stale; fwd-status=304; detail=revalidated'
    """
    return "; ".join(["cms-cache", *_parameters(reason, status, detail, stored=stored, collapsed=collapsed)]).encode()


@lru_cache(maxsize=8192)
def held(age: float, ttl: float) -> tuple[Field, Field]:
    """The fields that a fresh hit from memory adds to its representation: Age, and our Cache-Status as `append` writes it.

    They are made of whole seconds, of which there are few.
    """
    return (b"age", b"%d" % age), (b"cache-status", HIT_MEMORY % ttl)


def refused() -> bytes:
    """The item of an answer that the cache makes up itself, because only a stored one was wanted (RFC 9111 §5.2.1.7)."""
    return b"cms-cache; detail=only-if-cached"


def append(fields: Fields, item: bytes) -> Fields:
    """The fields with our item as the last member of Cache-Status: the caches below come first (RFC 9211 §2)."""
    return (*fields, (b"cache-status", item))
