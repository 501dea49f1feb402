"""Field values taken apart: lists, Cache-Control directives, seconds, and which fields concern one connection only.

Every function here is total: any bytes give an answer. What cannot be read gets the careful meaning, never an exception.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cms_cache_mw.core.message import Fields

Directives: TypeAlias = dict[bytes, tuple[bytes | None, ...]]
"""Directives by lower-case name, each with the arguments of its occurrences; `None` where it came without one."""

MAX_SECONDS: Final = 2**31
"""What a larger number of seconds counts as (RFC 9111 §1.2.2)."""

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields that end at the next hop and are never stored (RFC 9110 §7.6.1, RFC 9111 §3.1)."""

_QUOTED_OR_COMMA = re.compile(rb'"(?:[^"\\]|\\.)*+(?P<closed>"?)|,', re.DOTALL)
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_MAX_DIGITS: Final = 10
_NAME: Final = itemgetter(0)


def mentions(fields: Fields, names: frozenset[bytes]) -> bool:
    """Whether a field of one of these names is there; what every request is asked, so at the speed of C."""
    return not names.isdisjoint(map(_NAME, fields))


def is_token(text: bytes) -> bool:
    """Whether it could be a field's name (RFC 9110 §5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def elements(value: bytes) -> list[bytes]:
    """The members of a list field without surrounding whitespace; empty ones are dropped (RFC 9110 §5.6.1.2).

    A comma inside a quoted string does not separate; a quote that is never closed is an ordinary character.
    """
    parts = _split(value) if b'"' in value else value.split(b",")
    return [member for part in parts if (member := part.strip(b" \t"))]


def _split(value: bytes) -> list[bytes]:
    parts: list[bytes] = []
    start = 0
    for match in _QUOTED_OR_COMMA.finditer(value):
        if match[0] == b",":
            parts.append(value[start : match.start()])
            start = match.end()
        elif not match["closed"]:
            # What an unclosed quote swallows may be a no-store.
            return parts + value[start:].split(b",")
    parts.append(value[start:])
    return parts


def directives(lines: Iterable[bytes]) -> Directives:
    """The directives of all Cache-Control lines together (RFC 9111 §5.2).

    A name with something after it that is no argument is that directive all the same: `private; max-age=60` is private.
    """
    found: Directives = {}
    for line in lines:
        for member in elements(line):
            if match := _TOKEN.match(member):
                rest = member[match.end() :]
                argument = _unquoted(rest[1:]) if rest[:1] == b"=" else None
                key = match[0].lower()
                found[key] = (*found.get(key, ()), argument)
    return found


def _unquoted(argument: bytes) -> bytes:
    if len(argument) > 1 and argument[:1] == b'"' == argument[-1:]:
        return _ESCAPED.sub(rb"\1", argument[1:-1])
    return argument


def seconds(found: Directives, name: bytes) -> int | None:
    """The directive's seconds, or `None` where it is absent.

    Of several the smallest; one that cannot be read counts as 0, so that what it governs is stale (RFC 9111 §4.2.1).
    """
    arguments = found.get(name)
    return None if arguments is None else min(delta(argument or b"") or 0 for argument in arguments)


def delta(text: bytes) -> int | None:
    """A delta-seconds, at most `MAX_SECONDS`, or `None` where `text` is none (RFC 9111 §1.2.2)."""
    if not text.isdigit():
        return None
    digits = text.lstrip(b"0")
    return MAX_SECONDS if len(digits) > _MAX_DIGITS else min(int(digits or b"0"), MAX_SECONDS)


def named(found: Directives, name: bytes) -> frozenset[bytes] | None:
    """The field names that a directive is limited to, or `None` where it is about the whole response.

    An argument that is no list of names limits nothing (RFC 9111 §5.2.2.4, §5.2.2.7).
    """
    names: set[bytes] = set()
    for argument in found.get(name, ()):
        listed = elements((argument or b"").lower())
        if not listed or not all(map(_TOKEN.fullmatch, listed)):
            return None
        names.update(listed)
    return frozenset(names)


def connection_named(fields: Fields) -> frozenset[bytes]:
    """The lower-case names that Connection lists: they end with it (RFC 9110 §7.6.1)."""
    return frozenset(member.lower() for name, value in fields if name == b"connection" for member in elements(value))
