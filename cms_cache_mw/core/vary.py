"""Vary: which request fields tell variants apart, and their values in a form in which equal meanings are equal bytes.

Normalisation goes no further than RFC 9111 §4.1 allows: whitespace, joined lines, letter case and order where neither counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.fields import elements, is_token

if TYPE_CHECKING:
    from cms_cache_mw.core.entry import Variant
    from cms_cache_mw.core.message import Head, Request
    from cms_cache_mw.core.rules import Rules

_WORDED: Final = frozenset({b"cookie", b"user-agent", b"referer", b"authorization"})
"""Fields that are no lists: a comma in them is text."""
_THOUSAND: Final = 1000
MAX_NAMES: Final = 32
"""Request fields that a response may vary by: each is compared for each visitor."""


def names(head: Head, rules: Rules) -> tuple[bytes, ...] | None:
    """The request fields that the response depends on, sorted, in lower case; `None` where they cannot be told.

    That is where it says `*` anywhere, names what can be no field, or names too many. Left out is what is settled before a variant is looked up: the cookie classes, and the coding where the cache encodes.
    """
    found = {member.lower() for line in head.lines(b"vary") for member in elements(line)}
    if b"*" in found or len(found) > MAX_NAMES or not all(map(is_token, found)):
        return None
    if not rules.literal_cookies:
        found.discard(b"cookie")
    if rules.store_identity and not head.lines(b"content-encoding"):
        found.discard(b"accept-encoding")
    return tuple(sorted(found))


def variant(request: Request, names: tuple[bytes, ...], rules: Rules) -> Variant:
    """The request's values of the named fields; absent and empty differ (RFC 9111 §4.1)."""
    return tuple((name, _normal(name, request.value(name), rules)) for name in names)


def _normal(name: bytes, value: bytes | None, rules: Rules) -> bytes | None:
    if value is None or name in _WORDED:
        return value
    if name == b"accept-encoding":
        return _ranked(value, ordered=False)
    if name == b"accept-language":
        return _ranked(value, ordered=rules.language_order)
    return b",".join(elements(value))


def _ranked(value: bytes, *, ordered: bool) -> bytes:
    """Members in lower case by falling weight; of equal weights in the order given, or by name where order means nothing."""
    members = [weight(member) for member in elements(value.lower())]
    if not ordered:
        members = sorted(set(members))
    members.sort(key=lambda member: -member[1])
    return b",".join(name if q == _THOUSAND else b"%b;q=%d" % (name, q) for name, q in members)


def weight(member: bytes) -> tuple[bytes, int]:
    """A member of a field such as Accept-Language, without its weight, and the weight in thousandths (RFC 9110 §12.4.2).

    A weight that cannot be read counts as 1, as if it were not there.
    """
    name, *parameters = (part.strip(b" \t") for part in member.split(b";"))
    q = _THOUSAND
    kept = [name]
    for parameter in parameters:
        if parameter[:2].lower() == b"q=":
            q = _thousandths(parameter[2:])
        elif parameter:
            kept.append(parameter)
    return b";".join(kept), q


def _thousandths(text: bytes) -> int:
    whole, _, fraction = text.partition(b".")
    if whole == b"0" and (not fraction or (fraction.isdigit() and len(fraction) <= 3)):  # noqa: PLR2004
        return int(fraction.ljust(3, b"0"))
    return _THOUSAND
