"""How long a response may be used and how old it already is (RFC 9111 §4.2, RFC 5861, RFC 9213).

Who decides, in this order: CDN-Cache-Control, Surrogate-Control, Cache-Control, Expires, then what the rules give to a
response that says nothing. The first targeted field that can be read replaces everything after it (RFC 9213 §2.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.dates import parse_date
from cms_cache_mw.core.entry import Freshness
from cms_cache_mw.core.fields import Directives, delta, directives, elements, named, seconds
from cms_cache_mw.core.rules import HEURISTIC_STATUSES
from cms_cache_mw.core.structured import dictionary
from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from cms_cache_mw.core.message import Head
    from cms_cache_mw.core.rules import Rules

HEURISTIC_SHARE: Final = 0.1
"""The part of the time since Last-Modified that a response is taken to stay fresh (RFC 9111 §4.2.2)."""
HEURISTIC_MOST: Final = 86_400.0
"""The longest heuristic lifetime in seconds: past a day RFC 9111 §4.2.2 wanted a warning."""


UNDERSTOOD: Final = frozenset(
    {
        *(200, 203, 204, 300, 301, 302, 303, 307, 308),
        *(400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426, 451),
        *(500, 501, 502, 503, 504, 505),
    }
)
"""Statuses whose caching requirements are met here, for must-understand (RFC 9111 §5.2.2.3)."""


class Control(Value, frozen=True):
    """The directives in force for a response."""

    found: Directives
    targeted: bool
    """Whether they come from a targeted field, so that Cache-Control, Expires and Pragma do not count (RFC 9213 §2.2)."""
    held: frozenset[bytes]
    """Fields that must not be sent from the store: those that no-cache and private name."""

    def says(self, *names: bytes) -> bool:
        """Whether one of the directives is present, with or without an argument."""
        return any(name in self.found for name in names)


def control(head: Head, rules: Rules) -> Control:
    """The directives in force: those of the first targeted field that can be read, else Cache-Control's.

    A directive that another one or its own argument sets aside under these rules is no longer among them.
    """
    found, targeted = _most_specific(head)
    held: set[bytes] = set()
    if rules.named_fields:
        for name in (b"no-cache", b"private"):
            if name in found and (names := named(found, name)):
                held |= names
                del found[name]
    if rules.must_understand and b"must-understand" in found and head.status in UNDERSTOOD:
        found.pop(b"no-store", None)
    return Control(found, targeted, frozenset(held))


def _most_specific(head: Head) -> tuple[Directives, bool]:
    if lines := head.lines(b"cdn-cache-control"):
        found = _dictionary(b",".join(lines), aimed=False)
        if found:
            return found, True
    if lines := head.lines(b"surrogate-control"):
        found = _dictionary(b",".join(lines), aimed=True)
        if b"max-age" in found or b"no-store" in found:
            return found, True
    return directives(head.lines(b"cache-control")), False


def _dictionary(text: bytes, *, aimed: bool) -> Directives:
    """The members of a structured dictionary as directives; none where it cannot be parsed (RFC 9213 §2.1).

    In Surrogate-Control (`aimed`) a parameter names another surrogate that the directive is meant for.
    """
    found: Directives = {}
    for name, (value, parameters) in (dictionary(text) or {}).items():
        if value is False or (aimed and parameters):
            continue
        found[name.encode()] = (None if value is True else _argument(name, value),)
    return found


def _argument(name: str, value: object) -> bytes | None:
    """A value as Cache-Control has it; one of a type that the directive does not take is not converted, and says nothing."""
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, str) and name in {"private", "no-cache"}:
        return value.encode()
    return None


def explicit_lifetime(head: Head, rule: Control, wall: float) -> float | None:
    """The lifetime that the response itself gives a shared cache, in seconds, or `None` (RFC 9111 §4.2.1)."""
    for name in (b"s-maxage", b"max-age"):
        if (lifetime := seconds(rule.found, name)) is not None:
            return lifetime
    if rule.targeted or not (lines := head.lines(b"expires")):
        return None
    expires = [parse_date(line.strip(b" \t"), wall) for line in lines]
    since = date_of(head, wall)
    return max(0.0, min(0.0 if at is None else at - since for at in expires))


def date_of(head: Head, wall: float) -> float:
    """When the response was made: its Date, else now (RFC 9110 §6.6.1)."""
    lines = head.lines(b"date")
    made = parse_date(lines[0].strip(b" \t"), wall) if lines else None
    return float(int(wall)) if made is None else made


def implicit_lifetime(head: Head, rule: Control, rules: Rules, wall: float) -> float | None:
    """The lifetime of a response that gives none itself, or `None` where it gets none."""
    if rules.heuristics:
        return _heuristic(head, rule, wall)
    if head.status != 200:  # noqa: PLR2004
        return min(rules.default_ttl, rules.other_status_ttl)
    media_type = (head.value(b"content-type") or b"").partition(b";")[0].strip(b" \t").lower()
    return rules.default_ttl if media_type in rules.default_types else None


def _heuristic(head: Head, rule: Control, wall: float) -> float | None:
    if head.status not in HEURISTIC_STATUSES and not rule.says(b"public"):
        return None
    lines = head.lines(b"last-modified")
    modified = parse_date(lines[0].strip(b" \t"), wall) if lines else None
    if modified is None:
        return None
    return min(max(0.0, (date_of(head, wall) - modified) * HEURISTIC_SHARE), HEURISTIC_MOST)


def initial_age(head: Head, wall: float, delay: float) -> float:
    """How old the response was when its head arrived at `wall`, `delay` seconds after it was asked for (RFC 9111 §4.2.3)."""
    apparent = max(0.0, int(wall) - date_of(head, wall))
    return max(apparent, age_field(head) + delay)


def age_field(head: Head) -> int:
    """What upstream caches counted: the first member of Age; 0 where it is no number (RFC 9111 §5.1)."""
    members = [member for line in head.lines(b"age") for member in elements(line)]
    return (delta(members[0]) or 0) if members else 0


def freshness(lifetime: float, rule: Control, rules: Rules) -> Freshness:
    """The lifetime with what the directives and the rules say of its end (RFC 9111 §4.2.4, RFC 5861)."""
    validate = rule.says(b"no-cache")
    shared = rule.says(b"s-maxage")
    if validate or rule.says(b"must-revalidate", b"proxy-revalidate") or (shared and rules.strict_s_maxage):
        return Freshness(float(lifetime), strict=True, validate=validate)
    if_error = seconds(rule.found, b"stale-if-error")
    implied = 0.0 if shared else rules.stale_if_error
    return Freshness(
        float(lifetime),
        while_revalidate=seconds(rule.found, b"stale-while-revalidate") or 0.0,
        if_error=if_error if if_error is not None else implied * rules.stale_on_error,
        if_gone=implied if if_error is None else if_error,
        strict=shared,
    )
