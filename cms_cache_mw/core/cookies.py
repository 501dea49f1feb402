"""The four classes of cookies: ignored, keyed, anonymous, and all others, which mean that a visitor is somebody.

An ignored cookie neither distinguishes entries nor reaches the application. A keyed one does both. With an anonymous one
(`csrftoken`) a stored page may be served but what is rendered is not stored. Any other bypasses the cache.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from cms_cache_mw.core.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

IGNORED: Final = (
    *(
        "_ga",
        "_ga_*",
        "_gid",
        "_gat*",
        "_gcl_*",
        "__utm*",
        "_fbp",
        "_fbc",
        "_hj*",
        "_pk_*",
        "_clck",
        "_clsk",
        "_uetsid",
    ),
    *("_uetvid", "__hs*", "hubspotutk", "mp_*", "ajs_*", "amplitude_*", "intercom-*", "OptanonConsent"),
    *("OptanonAlertBoxClosed", "CookieConsent", "cookielawinfo-*", "cookieyes-consent", "euconsent-v2", "didomi_token"),
    "consent",
)
"""Names and patterns of analytics and consent cookies, which no page of a CMS is rendered from."""

ANONYMOUS: Final = ("csrftoken",)

_BLANK: Final = b" \t"


def alternatives(patterns: Iterable[str]) -> bytes:
    """A regular expression for names and `prefix*` patterns; one that never matches where there are none."""
    parts = [re.escape(p[:-1].encode()) + rb"[^=;&]*+" if p.endswith("*") else re.escape(p.encode()) for p in patterns]
    return b"|".join(parts) or rb"(?!)"


class Jar(Value, frozen=True):
    """What a request's cookies come to."""

    sent: bytes | None = None
    """The Cookie field as the application is to see it; `None`: no such field."""
    keyed: tuple[bytes, ...] = ()
    """`name=value` of the keyed cookies by name, those of one name in the order in which the application sees them."""
    anonymous: bool = False
    """Whether a cookie of the third class is among them."""
    other: str | None = None
    """The name of the first cookie that makes the request bypass the cache."""


EMPTY: Final = Jar()


class Cookies:
    """The classification of a site's cookies. Patterns are literal names, or prefixes that end in `*`."""

    def __init__(
        self, ignored: Iterable[str] = IGNORED, keyed: Iterable[str] = (), anonymous: Iterable[str] = ANONYMOUS
    ) -> None:
        names = alternatives(ignored)
        # Finds the first cookie that is not ignored; in one pass, since every hit pays for it, and from semicolon to semicolon,
        # which is several times faster than "the beginning or a semicolon". No quantifier gives anything back: a field made
        # of blanks and semicolons would otherwise take quadratic time.
        self._notable = re.compile(rb";[ \t]*+(?!(?:" + names + rb")[ \t]*+(?:[=;]|\Z))[^ \t;]")
        self._ignored = re.compile(names)
        self._keyed = re.compile(alternatives(keyed))
        self._anonymous = re.compile(alternatives(anonymous))

    def sort(self, value: bytes) -> Jar:
        """The classes of the cookies in a Cookie field."""
        if not self._notable.search(b";" + value):
            return EMPTY
        kept: list[bytes] = []
        keyed: list[tuple[bytes, bytes]] = []
        anonymous = False
        for part in value.split(b";"):
            pair = part.strip(_BLANK)
            name = pair.partition(b"=")[0].rstrip(_BLANK)
            if not pair or self._ignored.fullmatch(name):
                continue
            if self._keyed.fullmatch(name):
                keyed.append((name, pair))
            elif self._anonymous.fullmatch(name):
                anonymous = True
            else:
                return Jar(other=name.decode("latin-1"))
            kept.append(pair)
        # Sorted by name alone: of two with one name the application takes the first or the last.
        keyed.sort(key=itemgetter(0))
        return Jar(sent=b"; ".join(kept), keyed=tuple(pair for _, pair in keyed), anonymous=anonymous)
