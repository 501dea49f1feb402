"""What may be stored of a response, and what a 304 does to what is stored (RFC 9111 §3, §4.3.4)."""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, Final

from cms_cache_mw.core import vary
from cms_cache_mw.core.conditional import opaque
from cms_cache_mw.core.dates import format_date
from cms_cache_mw.core.entry import Freshness
from cms_cache_mw.core.fields import HOP_BY_HOP, connection_named, delta, directives, elements
from cms_cache_mw.core.freshness import (
    UNDERSTOOD,
    Control,
    control,
    explicit_lifetime,
    freshness,
    implicit_lifetime,
    initial_age,
)
from cms_cache_mw.core.message import Head, lines, without
from cms_cache_mw.core.rules import HEURISTIC_STATUSES
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.value import Value, replace

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Entry
    from cms_cache_mw.core.message import Fields, Request
    from cms_cache_mw.core.rules import Rules

FAILING: Final = frozenset({500, 502, 503, 504})
"""Statuses that stale-if-error is about (RFC 5861 §4)."""
_OF_THE_BODY: Final = frozenset(
    {
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-md5",
        b"content-digest",
        b"repr-digest",
        b"etag",
    }
)
"""Fields that describe the stored bytes: a 304 has none to describe (RFC 9111 §3.2)."""


_OF_THE_VISITOR: Final = frozenset({b"set-cookie", b"set-cookie2", b"clear-site-data"})
"""Fields that change what one visitor's browser keeps."""
_FORBIDDING: Final = re.compile(rb"(?<![\w-])(?:(no-store)|(private)|no-cache)(?![\w-])", re.IGNORECASE)
MAX_HEAD_BYTES: Final = 65_536
"""A larger head is forwarded and not stored: no client takes it, and each hit would send it."""


class Store(Value, frozen=True):
    """Pass the answer on, keep a copy, and store it once it is complete."""

    freshness: Freshness
    age: float
    """Its age in seconds when the head arrived."""
    vary: tuple[bytes, ...]
    """The request fields that make the variant."""
    fields: Fields
    """What is stored of the head."""
    reason: Reason = Reason.STORED


class Freshen(Value, frozen=True):
    """The stored response holds: answer with it, under these fields."""

    freshness: Freshness
    age: float
    vary: tuple[bytes, ...]
    fields: Fields
    refused: Reason | None = None
    """Why the updated entry must not stay stored, and the old one goes too; such an answer is for its asker alone."""
    reason: Reason = Reason.REVALIDATED


def settle(request: Request, head: Head, rules: Rules, wall: float, delay: float, *, tagged: bool) -> Store | Reason:
    """What is stored of an answer, or why nothing is (RFC 9111 §3)."""
    rule = control(head, rules)
    names = vary.names(head, rules)
    lifetime = explicit_lifetime(head, rule, wall)
    if reason := _refusal(request, head, rules, rule, explicit=lifetime is not None):
        return reason
    if names is None:
        return Reason.VARY_STAR
    if b"user-agent" in names and not rules.vary_user_agent:
        return Reason.VARY_USER_AGENT
    if head.status not in rules.untagged_ok and not tagged:
        return Reason.UNTAGGED
    age = initial_age(head, wall, delay)
    fresh = _useful(head, rules, rule, lifetime=lifetime, age=age, wall=wall)
    if isinstance(fresh, Reason):
        return fresh
    return Store(fresh, age, names, kept(head, rules, rule))


def _refusal(request: Request, head: Head, rules: Rules, rule: Control, *, explicit: bool) -> Reason | None:
    """Why a response is not stored whatever its lifetime, or `None`."""
    if request.method != "GET":
        return Reason.HEAD if request.method == "HEAD" else Reason.METHOD
    if reason := _status_refusal(head, rules, rule):
        return reason
    if reason := _directive_refusal(request, head, rules, rule):
        return reason
    names = {name for name, _ in head.fields}
    if names & _OF_THE_VISITOR and not (rules.set_cookie and explicit):
        return Reason.SET_COOKIE
    if rules.store_identity and b"content-encoding" in names and not _varies_by_encoding(head):
        return Reason.ENCODED
    if (head.value(b"content-type") or b"").strip(b" \t").lower().startswith(b"text/event-stream"):
        return Reason.STREAM
    length = delta((head.value(b"content-length") or b"").strip(b" \t"))
    if (length is not None and length > rules.max_body_bytes) or _size(head, rules) > MAX_HEAD_BYTES:
        return Reason.TOO_LARGE
    return None


def _size(head: Head, rules: Rules) -> int:
    """Bytes of the head less its tags, which have limits of their own."""
    return sum(len(name) + len(value) for name, value in head.fields if name not in rules.tag_headers)


def _varies_by_encoding(head: Head) -> bool:
    named = {member.lower() for line in head.lines(b"vary") for member in elements(line)}
    return not named.isdisjoint({b"accept-encoding", b"*"})


def _status_refusal(head: Head, rules: Rules, rule: Control) -> Reason | None:
    match head.status:
        case 206:
            return Reason.PARTIAL
        case 304:
            return Reason.NOT_MODIFIED
        case status if status < 200:  # noqa: PLR2004
            return Reason.STATUS
        case status if rules.any_status:
            # RFC 9111 §5.2.2.3.
            return Reason.STATUS if rule.says(b"must-understand") and status not in UNDERSTOOD else None
        case status:
            return None if status in rules.store_statuses else Reason.STATUS


def _directive_refusal(request: Request, head: Head, rules: Rules, rule: Control) -> Reason | None:
    if rule.says(b"no-store"):
        return Reason.NO_STORE
    if rule.says(b"private"):
        return Reason.PRIVATE
    if rules.wary and not rule.targeted and (said := _FORBIDDING.search(b",".join(head.lines(b"cache-control")))):
        return Reason.NO_STORE if said[1] else Reason.PRIVATE if said[2] else Reason.NO_CACHE
    if rule.says(b"no-cache") and not rules.keep_validated:
        return Reason.NO_CACHE
    if not rule.targeted and not head.lines(b"cache-control") and b"no-cache" in directives(head.lines(b"pragma")):
        return Reason.PRAGMA
    # RFC 9111 §3.5.
    if request.lines(b"authorization") and not rule.says(b"public", b"must-revalidate", b"s-maxage"):
        return Reason.AUTHORIZED
    return None


def _useful(
    head: Head, rules: Rules, rule: Control, *, lifetime: float | None, age: float, wall: float
) -> Freshness | Reason:
    """The response's freshness, or why no later request could use it."""
    without_lifetime = Reason.EXPIRES
    if lifetime is None:
        without_lifetime = Reason.NO_LIFETIME
        lifetime = implicit_lifetime(head, rule, rules, wall)
    if lifetime is None:
        if not (rules.keep_validated and (head.status in HEURISTIC_STATUSES or rule.says(b"public"))):
            return Reason.NO_LIFETIME
        lifetime = 0.0
    fresh = freshness(lifetime, rule, rules)
    if without_lifetime is Reason.NO_LIFETIME and lifetime > 0:
        fresh = replace(fresh, most=inf)
    if age < lifetime and not fresh.validate:
        return fresh
    in_grace = not fresh.validate and age < lifetime + max(fresh.while_revalidate, fresh.if_error)
    if rules.keep_validated and (in_grace or _has_validator(head)):
        return fresh
    return Reason.NO_CACHE if fresh.validate else without_lifetime


def _has_validator(head: Head) -> bool:
    return any(name in {b"etag", b"last-modified"} for name, _ in head.fields)


def kept(head: Head, rules: Rules, rule: Control) -> Fields:
    """The fields that are stored: all end-to-end ones but the tags, and Age, which each answer gets anew (RFC 9111 §3.1)."""
    dropped = HOP_BY_HOP | rules.tag_headers | rule.held | connection_named(head.fields) | {b"age", b"content-length"}
    return without(head.fields, dropped)


def freshen(request: Request, entry: Entry, head: Head, rules: Rules, *, wall: float, delay: float) -> Freshen | Reason:
    """The stored response under the fields of a 304, or the reason why that 304 is about another one (RFC 9111 §4.3.4)."""
    if _contradicts(entry.fields, head.fields):
        return Reason.MISMATCH
    updates = without(head.fields, _OF_THE_BODY)
    if not head.lines(b"date") and lines(entry.fields, b"date"):
        updates = (*updates, (b"date", format_date(wall)))
    merged = Head(entry.status, without(entry.fields, {name for name, _ in updates}) + updates)
    stored = settle(replace(request, method="GET"), merged, rules, wall, delay, tagged=bool(entry.tags))
    if isinstance(stored, Reason):
        rule = control(merged, rules)
        return Freshen(Freshness(0.0), initial_age(merged, wall, delay), (), kept(merged, rules, rule), stored)
    return Freshen(stored.freshness, stored.age, stored.vary, stored.fields)


def _contradicts(stored: Fields, received: Fields) -> bool:
    """Whether both have an entity tag and they differ; a weak one may be that of a strong one (RFC 9110 §8.8.3.2)."""
    ours, theirs = lines(stored, b"etag"), lines(received, b"etag")
    if not ours or not theirs or ours[0] == theirs[0]:
        return False
    return not theirs[0].startswith(b"W/") or opaque(ours[0]) != opaque(theirs[0])


def describes(head: Head, entry: Entry) -> bool:
    """Whether the answer to a HEAD is about the stored response: nothing that both state differs (RFC 9111 §4.3.5)."""
    if head.status != entry.status:
        return False
    length = head.value(b"content-length")
    if length is not None and length.strip(b" \t") != b"%d" % len(entry.body):
        return False
    return all(
        not theirs or not ours or ours == theirs
        for name in (b"etag", b"last-modified")
        for ours, theirs in [(lines(entry.fields, name), head.lines(name))]
    )
