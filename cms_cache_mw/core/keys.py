"""From a request to what it asks for: a primary key, a site, and the request as the application is to see it.

What the key leaves out the application does not see either (ignored cookies, ignored parameters): that is the whole defence
against poisoning by unkeyed input. Nothing is sorted, folded or normalised in a key; names for purging are (`normal_path`).
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from blake3 import blake3

from cms_cache_mw.core.cookies import EMPTY, Cookies, Jar, alternatives
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.value import Value, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cms_cache_mw.core.entry import Key, Variant
    from cms_cache_mw.core.message import Field, Fields, Request

IGNORED_QUERY: Final = ("utm_*", "fbclid", "gclid", "dclid", "msclkid", "mc_cid", "mc_eid", "_hsenc", "_hsmi")

KEYED_FIELDS: Final = frozenset(
    name.encode()
    for name in (
        *("x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-scheme"),
        *("x-forwarded-server", "x-forwarded-path", "x-forwarded-uri", "x-forwarded-ssl", "x-host", "x-original-host"),
        *(
            "x-http-host-override",
            "x-original-url",
            "x-rewrite-url",
            "front-end-https",
            "x-requested-with",
            "hx-request",
        ),
        *("x-pjax", "x-inertia", "turbo-frame"),
        # What else asks for a part of a page, or for the same page as data.
        *("hx-target", "hx-boosted", "hx-history-restore-request", "x-pjax-container", "x-inertia-partial-data"),
        *("x-inertia-partial-component", "x-up-target", "x-up-mode", "x-fragment", "x-alpine-request", "x-livewire"),
        *("rsc", "next-router-state-tree", "next-router-prefetch", "next-router-segment-prefetch", "next-url"),
        *("next-action", "x-nextjs-data", "x-component", "x-splitter"),
        # What else a proxy or a framework says about the URL.
        *("x-forwarded-protocol", "x-forwarded-base", "x-forwarded-context", "x-forwarded-request-uri"),
        *("x-url-scheme", "x-scheme", "x-script-name", "x-original-uri", "x-original-path", "x-original-proto"),
        *("x-envoy-original-path", "x-replaced-path", "x-proxy-url", "x-request-uri", "x-waws-unencoded-url"),
        *("x-forwarded-url", "x-forwarded-hostname", "x-forwarded-root", "x-http-host", "x-base-url", "x-ingress-path"),
        # gunicorn takes SCRIPT_NAME from whom it trusts, which is any client of a proxy beside it, and cuts the path by it.
        *("script-name", "path-info"),
        # Repeated in Access-Control-Allow-Origin by what forgets to vary by it.
        "origin",
    )
)
"""Fields that frameworks build links from or answer with part of a page for, often without saying so in Vary."""

TELLING: Final = KEYED_FIELDS | {b"forwarded"}
"""Fields that make a key longer; with none of them, and no keyed cookie, it is scheme, Host, path and query."""
_NOTABLE: Final = TELLING | {b"host", b"cookie"}
_FORWARDED: Final = frozenset({b"host", b"proto"})
_HOST = re.compile(rb"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

Network: TypeAlias = IPv4Network | IPv6Network


class Asked(Value, frozen=True):
    """What a request asks for, before anything was looked up."""

    key: Key
    site: str
    request: Request
    """As the application is to see it."""
    anonymous: bool
    """Whether what is rendered for it must not be stored (a cookie of the third class)."""


class Refused(Value, frozen=True):
    """A request that the cache has no key for; it bypasses."""

    reason: Reason
    detail: str = ""
    """The cookie that made somebody of the visitor, for the counters; never sent."""


def hostname(host: str) -> str:
    """A Host field's name in lower case, less its port."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.partition(":")[0].lower()


def normal_path(path: str) -> str:
    """A path as URL tags spell it: unreserved characters decoded, the rest encoded in upper case, dot segments resolved.

    >>> normal_path("/a/../%7euser/%c3%a9/")
    '/~user/%C3%A9/'
    """
    path = quote(path, safe="/%:@!$&'()*+,;=~", encoding="utf-8", errors="surrogateescape")
    path = _ESCAPE.sub(_unescape, path)
    if "/." not in path:
        return path
    done: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            if len(done) > 1:
                done.pop()
        elif part != ".":
            done.append(part)
    if parts[-1] in {".", ".."}:
        done.append("")
    return "/".join(done)


def _unescape(match: re.Match[str]) -> str:
    if match[1] is None:
        return "%25"
    char = chr(int(match[1], 16))
    return char if char in _UNRESERVED else f"%{match[1].upper()}"


def shown_path(request: Request) -> str:
    """The request's path as text, percent-encoding kept, for tags and for people."""
    text = request.path.decode("utf-8", "surrogateescape")
    return normal_path(text if request.raw else quote(text, safe="/:@!$&'()*+,;=~", errors="surrogateescape"))


def shown_query(query: bytes) -> str:
    """A query as URL tags spell it: as it is, but for bytes that no URL has, which are percent-encoded."""
    return quote(query, safe=_PRINTABLE)


def forwarded(value: bytes) -> bytes:
    """What a Forwarded field says of host and proto (RFC 7239 §5): all of it that the key has and that a shared render sees."""
    hops = (
        b";".join(part for part in hop.split(b";") if part.partition(b"=")[0].strip().lower() in _FORWARDED)
        for hop in value.split(b",")
    )
    return b",".join(filter(None, hops))


def seen(fields: Fields) -> Fields:
    """The fields as a render may see them whose result others get: less what the key leaves out and frameworks go by.

    Many take `X_Forwarded_Host` for `X-Forwarded-Host`, which is how it would get past the key.
    """
    shown = ((name, forwarded(value) if name == b"forwarded" else value) for name, value in fields if b"_" not in name)
    return tuple(field for field in shown if field != (b"forwarded", b""))


class Keys:
    """Turns requests into keys, by the sites, cookies and parameters a deployment named."""

    def __init__(
        self,
        *,
        cookies: Cookies | None,
        ignored_query: Iterable[str] = IGNORED_QUERY,
        sites: Mapping[str, str] | None = None,
        trusted: Iterable[Network] = (),
    ) -> None:
        self.cookies = cookies
        names = alternatives(ignored_query)
        self._any_ignored = re.compile(rb"(?:\A|&)(?:" + names + rb")(?:[=&]|\Z)")
        self._ignored = re.compile(names)
        self._sites = {host.lower(): site for host, site in (sites or {}).items()}
        self._trusted = tuple(trusted)

    def ask(self, request: Request) -> Asked | Refused:
        """The key and the site of a request, or why it has none."""
        if request.path[:1] != b"/":
            return Refused(Reason.TARGET)
        notable = [field for field in request.fields if field[0] in _NOTABLE]
        hosts = [value for name, value in notable if name == b"host"]
        host = hosts[0] if len(hosts) == 1 and _HOST.match(hosts[0]) else b""
        site = self._site(request, host) if host else None
        if site is None:
            return Refused(Reason.HOST)
        jar, fields = EMPTY, request.fields
        if self.cookies and (sent := [value for name, value in notable if name == b"cookie"]):
            jar = self.cookies.sort(b"; ".join(sent))
            if jar.other is not None:
                return Refused(Reason.COOKIE, jar.other)
            fields = _with_cookies(fields, jar)
        query = self.query_of(request.query)
        if fields is not request.fields or query != request.query:
            request = request.rephrased(query, fields)
        key: Key = (request.scheme.encode(), host, request.path, query)
        if not request.raw:
            key = (*key, b"decoded")
        if len(notable) > 1 or jar.keyed:
            key += _told_apart(notable, jar)
        return Asked(key, site, request, jar.anonymous)

    def site_of(self, host: str) -> str | None:
        """The site that a host belongs to; where no sites are configured each host name is its own."""
        name = hostname(host)
        if not self._sites:
            return name
        return self._sites.get(host.lower()) or self._sites.get(name)

    def query_of(self, query: bytes) -> bytes:
        """A query less the parameters that are ignored, which is what entries are stored under."""
        if not query or not self._any_ignored.search(query):
            return query
        return b"&".join(p for p in query.split(b"&") if not self._ignored.fullmatch(p.partition(b"=")[0]))

    def for_nobody(self, asked: Asked) -> Asked:
        """The same as asked by a visitor without cookies of the anonymous class, so that what is rendered may be stored."""
        if not asked.anonymous or self.cookies is None:
            return asked
        jar = self.cookies.sort(b"; ".join(asked.request.lines(b"cookie")))
        request = replace(
            asked.request, fields=_with_cookies(asked.request.fields, Jar(sent=b"; ".join(jar.keyed) or None))
        )
        return replace(asked, request=request, anonymous=False)

    @property
    def sites(self) -> frozenset[str]:
        """The configured sites; empty where each host is its own."""
        return frozenset(self._sites.values())

    def _site(self, request: Request, host: bytes) -> str | None:
        if self._trusted and request.client and self._trusts(request.client):
            forwarded = request.lines(b"x-forwarded-host")
            if len(forwarded) == 1 and _HOST.match(forwarded[0]):
                host = forwarded[0]
        return self.site_of(host.decode("latin-1"))

    def _trusts(self, client: str) -> bool:
        try:
            address = ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _told_apart(notable: Iterable[Field], jar: Jar) -> Key:
    """Names and values, in turn, of what else distinguishes requests for one URL."""
    found: list[bytes] = []
    for name, value in notable:
        if name == b"forwarded":
            if told := forwarded(value):
                found += (name, told)
        elif name in KEYED_FIELDS:
            found += (name, value)
    for pair in jar.keyed:
        found += (b"cookie", pair)
    return tuple(found)


def _with_cookies(fields: Fields, jar: Jar) -> Fields:
    kept = [field for field in fields if field[0] != b"cookie"]
    if jar.sent is not None:
        kept.append((b"cookie", jar.sent))
    return tuple(kept)


def family(key: Key) -> Key | None:
    """What keys have in common that differ in keyed cookies or forwarding fields alone; `None` for a plain key."""
    # Scheme, host, path, query, and that the path came decoded where it did; then names and values.
    return key[:4] if len(key) > 5 else None  # noqa: PLR2004


def key_digest(key: Key, variant: Variant = ()) -> bytes:
    """BLAKE3-128 of a key and a variant, each part with its length, so that no two keys have the same text."""
    pieces: list[bytes] = []
    for part in key:
        pieces += (len(part).to_bytes(4, "big"), part)
    for name, value in variant:
        pieces.append(b"\xff" if value is None else b"\xfe")
        for text in (name, value or b""):
            pieces += (len(text).to_bytes(4, "big"), text)
    return blake3(b"".join(pieces)).digest(16)


def decoded(path: str) -> str:
    """A normal path for people: percent-encoding undone where it is readable UTF-8."""
    return unquote_to_bytes(path).decode("utf-8", "replace")
