"""A page's place as a name, and the request of nobody's that leads there."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core import vary
from cms_cache_mw.core.cookies import ANONYMOUS, IGNORED, Cookies
from cms_cache_mw.core.keys import Asked, Keys
from cms_cache_mw.core.message import Request
from cms_cache_mw.core.rules import CMS
from cms_cache_mw.warmth.place import LONGEST, Nobody, named, read

if TYPE_CHECKING:
    from cms_cache_mw.core.message import Field

KEYS = Keys(
    cookies=Cookies(IGNORED, ("currency", "lang"), ANONYMOUS),
    sites={"www.example.org": "main", "shop.example.org": "shop"},
    trusted=[ip_network("10.0.0.0/8")],
)
NOBODY = Nobody(KEYS, CMS, "10.0.0.0")


def ask(*fields: Field, path: bytes = b"/a%20b/", query: bytes = b"", raw: bool = True, client: str = "") -> Asked:
    """What a visitor's request asks for."""
    asked = KEYS.ask(Request("GET", "https", path, query, ((b"host", b"www.example.org"), *fields), raw, client))
    assert isinstance(asked, Asked)
    return asked


@pytest.mark.parametrize(
    "asked",
    [
        ask(),
        ask(query=b"page=2&q=%C3%A9"),
        ask(path=b"/a b/\xc3\xa9", raw=False),
        ask((b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"www.example.org")),
        ask((b"forwarded", b"for=1.2.3.4;host=a.example;proto=https, for=9.9.9.9;proto=http")),
        ask((b"cookie", b"lang=de; currency=EUR"), (b"hx-request", b"true")),
        ask((b"x-requested-with", b"a"), (b"x-requested-with", b"b"), raw=False),
        ask((b"x-forwarded-host", b"shop.example.org"), client="10.1.2.3"),
    ],
    ids=["plain", "query", "decoded", "proxy", "forwarded", "keyed cookies", "repeated", "trusted proxy"],
)
def test_request_of_nobody_leads_to_the_place(asked: Asked) -> None:
    """Whatever a key holds, a request made of it asks for the same page of the same site."""
    nobodys = NOBODY.asks((asked.key, ()), asked.site)
    assert nobodys is not None
    assert (nobodys.key, nobodys.site) == (asked.key, asked.site)
    assert not nobodys.anonymous


def test_request_of_nobody_asks_for_the_variant() -> None:
    """A page that varies by language is rendered in the language of its place."""
    visitor = Request("GET", "https", b"/", b"", ((b"host", b"www.example.org"), (b"accept-language", b"de;q=0.8, EN")))
    asked = KEYS.ask(visitor)
    assert isinstance(asked, Asked)
    variant = vary.variant(visitor, (b"accept-language", b"x-flag"), CMS)
    nobodys = NOBODY.asks((asked.key, variant), "main")
    assert nobodys is not None
    assert vary.variant(nobodys.request, (b"accept-language", b"x-flag"), CMS) == variant


def test_visitors_own_values_are_left_to_visitors() -> None:
    """A variant by somebody's cookies or credentials is neither named nor asked for."""
    for name in (b"cookie", b"authorization", b"x-api-key"):
        place = (ask().key, ((name, b"secret"),))
        assert named(place) is None
        assert NOBODY.asks(place, "main") is None
    assert named((ask().key, ((b"cookie", None),))) is not None


def test_cookies_of_a_visitor_are_not_in_the_request() -> None:
    """Of a visitor's cookies only keyed ones make the place, and nothing else comes back."""
    asked = ask((b"cookie", b"csrftoken=mine; lang=de; _ga=1"))
    nobodys = NOBODY.asks((asked.key, ()), "main")
    assert nobodys is not None
    assert nobodys.request.lines(b"cookie") == [b"lang=de"]


def test_another_site_is_not_asked_for() -> None:
    """A name that lies about its site, as a stranger in Redis might write it, leads nowhere."""
    assert NOBODY.asks((ask().key, ()), "shop") is None
    assert NOBODY.asks(((b"https", b"unknown.example", b"/", b""), ()), "main") is None


@given(
    st.lists(st.binary(max_size=20), min_size=4, max_size=9).map(tuple),
    st.lists(st.tuples(st.sampled_from([b"accept-language", b"x"]), st.none() | st.binary(max_size=9)), max_size=3).map(
        tuple
    ),
)
def test_names_are_read_back(key: tuple[bytes, ...], variant: tuple[tuple[bytes, bytes | None], ...]) -> None:
    """What a place is called leads back to it."""
    name = named((key, variant))
    assert name is not None
    assert read(name) == (key, variant)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_place_or_none(name: bytes) -> None:
    """What somebody else wrote into the list breaks nothing."""
    place = read(name)
    assert place is None or len(place[0]) >= 4


def test_long_addresses_have_no_name() -> None:
    """What is longer than a name may be is not remembered."""
    assert named(((b"https", b"h", b"/" + b"x" * LONGEST, b""), ())) is None
