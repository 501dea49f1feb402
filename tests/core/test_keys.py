"""Keys: what tells requests apart, which site they are for, and that what a key leaves out nobody sees."""

from __future__ import annotations

from ipaddress import ip_network
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.cookies import Cookies
from cms_cache_mw.core.keys import (
    IGNORED_QUERY,
    KEYED_FIELDS,
    Asked,
    Keys,
    Refused,
    decoded,
    family,
    forwarded,
    hostname,
    key_digest,
    normal_path,
    seen,
    shown_path,
    shown_query,
)
from cms_cache_mw.core.message import Request
from cms_cache_mw.core.status import Reason
from cms_cache_mw.core.value import replace
from tests.core.messages import fields

KEYS = Keys(cookies=Cookies(keyed=("django_language",)))
PROXIED = Keys(
    cookies=Cookies(),
    sites={"www.example.org": "main", "Shop.example.org:8443": "shop"},
    trusted=[ip_network("10.0.0.0/8"), ip_network("fd00::/8")],
)


def get(
    *lines: str, path: bytes = b"/a", query: bytes = b"", host: str | None = "example.org", client: str = ""
) -> Request:
    """A GET with these field lines, and one Host unless `host` is `None`."""
    sent = () if host is None else fields(f"Host: {host}")
    return Request("GET", "https", path, query, (*sent, *fields(*lines)), client=client)


def asked(request: Request, keys: Keys = KEYS) -> Asked:
    """What a request asks for; it has a key."""
    found = keys.ask(request)
    assert isinstance(found, Asked), found
    return found


def refused(request: Request, keys: Keys = KEYS) -> Reason:
    """Why a request has no key."""
    found = keys.ask(request)
    assert isinstance(found, Refused), found
    return found.reason


WRITTEN_IN_THE_DOCS = [
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Path",
    "X-Forwarded-Uri",
    "X-Forwarded-Ssl",
    "X-Host",
    "X-Original-Host",
    "X-HTTP-Host-Override",
    "X-Original-URL",
    "X-Rewrite-URL",
    "Front-End-Https",
    "X-Requested-With",
    "HX-Request",
    "X-PJAX",
    "X-Inertia",
    "Turbo-Frame",
    "HX-Target",
    "HX-Boosted",
    "HX-History-Restore-Request",
    "X-PJAX-Container",
    "X-Inertia-Partial-Data",
    "X-Inertia-Partial-Component",
    "X-Up-Target",
    "X-Up-Mode",
    "X-Fragment",
    "X-Alpine-Request",
    "X-Livewire",
    "RSC",
    "Next-Router-State-Tree",
    "Next-Router-Prefetch",
    "Next-Router-Segment-Prefetch",
    "Next-Url",
    "Next-Action",
    "X-Nextjs-Data",
    "X-Component",
    "X-Splitter",
    "X-Forwarded-Protocol",
    "X-Forwarded-Base",
    "X-Forwarded-Context",
    "X-Forwarded-Request-Uri",
    "X-Url-Scheme",
    "X-Scheme",
    "X-Script-Name",
    "X-Original-Uri",
    "X-Original-Path",
    "X-Original-Proto",
    "X-Envoy-Original-Path",
    "X-Replaced-Path",
    "X-Proxy-Url",
    "X-Request-Uri",
    "X-Waws-Unencoded-Url",
    "X-Forwarded-Url",
    "X-Forwarded-Hostname",
    "X-Forwarded-Root",
    "X-HTTP-Host",
    "X-Base-Url",
    "X-Ingress-Path",
    "Script-Name",
    "Path-Info",
    "Origin",
]


def test_keyed_fields() -> None:
    """The fields that are keyed whoever sends them are those of the documentation."""
    assert {name.lower().encode() for name in WRITTEN_IN_THE_DOCS} == KEYED_FIELDS


DIFFERENT = [
    replace(get(), scheme="http"),
    get(host="example.org:8000"),
    get(host="EXAMPLE.org"),
    get(path=b"/A"),
    get(path=b"/%61"),
    get(path=b"/a/"),
    get(path=b"//a"),
    get(path=b"/./a"),
    get(query=b"x=1&y=2"),
    get(query=b"y=2&x=1"),
    get(query=b"x=1&y=2&"),
    get(query=b"X=1&y=2"),
    replace(get(), raw=False),
    get("Cookie: django_language=de"),
    get("Cookie: django_language=fr"),
    get("Cookie: django_language="),
    *[get(f"{name}: 1") for name in WRITTEN_IN_THE_DOCS],
    get("X-Forwarded-Host: 2"),
    get("X-Forwarded-Host:"),
    get("X-Forwarded-Host: 1", "X-Forwarded-Host: 2"),
    get("X-Forwarded-Host: 2", "X-Forwarded-Host: 1"),
    get("X-Forwarded-Host: 1, 2"),
    get("Forwarded: host=x"),
    get("Forwarded: HOST=x"),
    get("Forwarded: host=y"),
    get("Forwarded: for=1;\tproto =x"),
    get("Forwarded: for=1, host=x;proto=y"),
    get('Forwarded: host="x"'),
]


def test_what_differs_has_different_keys() -> None:
    """Nothing is sorted, folded or normalised, and each field that frameworks build links from is in the key."""
    keys = [asked(request).key for request in [get(), *DIFFERENT]]
    assert len(set(keys)) == len(keys)
    assert len({key_digest(key) for key in keys}) == len(keys)


@pytest.mark.parametrize(
    "request_",
    [
        get("User-Agent: x"),
        get("X-Forwarded-For: 1.2.3.4"),
        get("Forwarded: for=1.2.3.4;by=5"),
        get("Forwarded: for=proxyhost=x"),
        get("Cookie: _ga=1"),
        get("Cookie: _ga=1", "Cookie: _gid=2"),
        get("Cookie: csrftoken=1"),
        get(query=b"utm_source=x"),
        get(query=b"fbclid=1&utm_campaign=&gclid"),
    ],
    ids=lambda request: b" ".join(request.fields[-1]).decode() + request.query.decode(),
)
def test_what_makes_no_difference(request_: Request) -> None:
    """What no page is rendered from is not in the key."""
    assert asked(request_).key == asked(get()).key


@pytest.mark.parametrize("name", [*WRITTEN_IN_THE_DOCS, "Forwarded", "Accept"])
def test_keyed_fields_reach_the_application(name: str) -> None:
    """A field that is in the key is not taken from the application."""
    sent = get(f"{name}: host=1")
    assert asked(sent).request == sent


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"", b""),
        (b"a=1", b"a=1"),
        (b"utm_source=x", b""),
        (b"utm_=x&a=1", b"a=1"),
        (b"a=1&utm_source=x&b=2&fbclid", b"a=1&b=2"),
        (b"gclid=1&dclid=1&msclkid=1&mc_cid=1&mc_eid=1&_hsenc=1&_hsmi=1", b""),
        (b"fbclid2=1", b"fbclid2=1"),
        (b"xfbclid=1", b"xfbclid=1"),
        (b"a=fbclid=1", b"a=fbclid=1"),
        (b"UTM_SOURCE=x", b"UTM_SOURCE=x"),
        (b"utm%5Fsource=x", b"utm%5Fsource=x"),
        (b"utm_a;b=1", b"utm_a;b=1"),
        (b"utm_a=1;b=2&c", b"c"),
        (b"&&utm_a=1&&", b"&&&"),
        (b"=1&a", b"=1&a"),
        (b"\xff=1&utm_x=\xff", b"\xff=1"),
    ],
)
def test_ignored_query(sent: bytes, seen: bytes) -> None:
    """Ignored parameters are neither in the key nor seen by the application; the rest stays byte for byte."""
    found = asked(get(query=sent))
    assert found.key == asked(get(query=seen)).key
    assert found.request == get(query=seen)


def test_ignored_query_is_an_option() -> None:
    """A deployment names its own parameters; naming none keeps all."""
    own = Keys(cookies=Cookies(), ignored_query=("ref", "t.*"))
    assert asked(get(query=b"ref=1&t.x=1&tax=1&utm_source=x"), own).request.query == b"tax=1&utm_source=x"
    assert asked(get(query=b"utm_source=x"), Keys(cookies=Cookies(), ignored_query=())).key[3] == b"utm_source=x"


def test_ignored_query_by_default() -> None:
    """The parameters that no page is rendered from are those of the documentation."""
    assert {*IGNORED_QUERY} == {*"utm_* fbclid gclid dclid msclkid mc_cid mc_eid _hsenc _hsmi".split()}  # noqa: SIM905


@given(
    st.lists(
        st.sampled_from([b"utm_a=1", b"utm_", b"a=1", b"a", b"", b"fbclid", b"fbclid=2", b"b;utm_x=1", b"utm_x;b=1"]),
        max_size=6,
    )
)
def test_ignored_query_leaves_nothing_behind(parts: list[bytes]) -> None:
    """Taking the ignored parameters out is taking them out one by one, and once is enough."""
    query = b"&".join(parts)
    left = KEYS.query_of(query)
    ignored = {b"utm_a=1", b"utm_", b"fbclid", b"fbclid=2"}
    assert left == b"&".join(part for part in query.split(b"&") if part not in ignored)
    assert KEYS.query_of(left) == left


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (("Cookie: _ga=1",), ()),
        (("Cookie: _ga=1", "Cookie: _gid=2"), ()),
        (("Cookie: _ga=1; django_language=de",), ("Cookie: django_language=de",)),
        (("Cookie: django_language=de", "Cookie: csrftoken=1"), ("Cookie: django_language=de; csrftoken=1",)),
        (("Accept: x", "Cookie: _ga=1", "X-Host: y"), ("Accept: x", "X-Host: y")),
    ],
)
def test_cookies_seen_by_the_application(sent: tuple[str, ...], seen: tuple[str, ...]) -> None:
    """Ignored cookies do not reach the application, the others do, repeated fields as one."""
    assert asked(get(*sent)).request == get(*seen)


def test_anonymous() -> None:
    """A request with a cookie of the third class shares the key, and says that its render must not be stored."""
    assert asked(get("Cookie: csrftoken=1")).anonymous
    assert not asked(get("Cookie: django_language=de")).anonymous


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("csrftoken=1", None),
        ("csrftoken=1; _ga=2", None),
        ("django_language=de; csrftoken=1", "django_language=de"),
    ],
)
def test_for_nobody(sent: str, seen: str | None) -> None:
    """What is rendered for nobody may be stored: the anonymous cookies are taken off, the key stays."""
    found = asked(get("Accept: x", f"Cookie: {sent}"))
    nobody = KEYS.for_nobody(found)
    assert not nobody.anonymous
    assert (nobody.key, nobody.site) == (found.key, found.site)
    assert nobody.request == get("Accept: x", *([f"Cookie: {seen}"] if seen else []))


def test_nobody_keeps_all_that_is_keyed() -> None:
    """Of several keyed cookies all reach the render for nobody, as the application is used to seeing them."""
    keys = Keys(cookies=Cookies(keyed=("currency", "language")))
    nobody = keys.for_nobody(asked(get("Cookie: language=de; csrftoken=1; currency=eur"), keys))
    assert nobody.request == get("Cookie: currency=eur; language=de")


def test_for_nobody_in_particular() -> None:
    """Who has no such cookie is as good as nobody; without classes there is no such cookie."""
    for keys in (KEYS, Keys(cookies=None)):
        found = asked(get("Cookie: django_language=de"), keys)
        assert keys.for_nobody(found) is found


def test_family() -> None:
    """Keys that differ in cookies or forwarding fields alone are kin; the plain key is nobody's."""
    plain = asked(get(query=b"x=1")).key
    kin = [asked(get(line, query=b"x=1")).key for line in ("Cookie: django_language=de", "X-Forwarded-Host: y")]
    assert {family(key) for key in kin} == {plain}
    assert family(plain) is None
    assert family(asked(replace(get(), raw=False)).key) is None
    assert family(asked(get("X-Host: y", query=b"x=2")).key) != plain


def test_cookie_of_somebody() -> None:
    """A cookie of the last class gives no key, and its name for the counters."""
    assert KEYS.ask(get("Cookie: _ga=1; sid=2")) == Refused(Reason.COOKIE, "sid")
    assert KEYS.ask(get("Cookie: _ga=1", "Cookie: sid=2")) == Refused(Reason.COOKIE, "sid")


def test_literal_cookies() -> None:
    """Without classes cookies are neither looked at nor taken out: Vary decides."""
    literal = Keys(cookies=None)
    sent = get("Cookie: sid=2; _ga=1")
    assert asked(sent, literal) == replace(asked(get()), request=sent)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "a b",
        "a/b",
        "user@example.org",
        "example.org:port",
        "example.org:123456",
        "example.org:",
        "[::1",
        "::1",
        "exämple.org",
        "a,b",
        "example.org\n",
    ],
)
def test_bad_host(host: str | None) -> None:
    """A Host that is missing or malformed gives no key."""
    request = get(host=None) if host is None else replace(get(), fields=((b"host", host.encode()),))
    assert refused(request) is Reason.HOST


@pytest.mark.parametrize(
    "host", ["example.org", "EXAMPLE.ORG:8000", "127.0.0.1:1", "[::1]", "[2001:DB8::1]:443", "a_b", "localhost."]
)
def test_good_host(host: str) -> None:
    """Names, addresses and ports are hosts; each name is a site of its own."""
    assert asked(get(host=host)).site == hostname(host)


def test_repeated_host() -> None:
    """Two Hosts give no key, even if they agree."""
    assert refused(get("Host: example.org")) is Reason.HOST


@pytest.mark.parametrize("path", [b"", b"*", b"http://example.org/a", b"a", b"?"])
def test_target_that_is_no_path(path: bytes) -> None:
    """An absolute, asterisk or empty request target gives no key."""
    assert refused(get(path=path)) is Reason.TARGET


def test_target_before_host() -> None:
    """The more telling reason is given where both are wrong."""
    assert refused(get(path=b"*", host=None)) is Reason.TARGET


def test_only_a_cookie_is_named() -> None:
    """What else keeps a request away has no name that could be counted."""
    for request in (get(host=None), get(path=b"*")):
        found = KEYS.ask(request)
        assert isinstance(found, Refused)
        assert found.detail == ""


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("www.example.org", "main"),
        ("WWW.Example.ORG", "main"),
        ("www.example.org:8000", "main"),
        ("shop.example.org:8443", "shop"),
        ("SHOP.example.org:8443", "shop"),
        ("shop.example.org", None),
        ("shop.example.org:443", None),
        ("example.org", None),
        ("www.example.org.", None),
    ],
)
def test_sites(host: str, site: str | None) -> None:
    """Where sites are named, a host is of its site in any letter case, with its port where that was named; others have none."""
    assert PROXIED.site_of(host) == site
    found = PROXIED.ask(get(host=host))
    assert (found.site if isinstance(found, Asked) else found.reason) == (site or Reason.HOST)


def test_names_of_sites() -> None:
    """The sites there are: those named, none where each host is its own."""
    assert PROXIED.sites == {"main", "shop"}
    assert KEYS.sites == frozenset()
    assert KEYS.site_of("WWW.Example.org:80") == "www.example.org"


FORWARDED = "X-Forwarded-Host: www.example.org"


@pytest.mark.parametrize(
    ("lines", "client", "site"),
    [
        ((FORWARDED,), "10.1.2.3", "main"),
        ((FORWARDED,), "fd00::1", "main"),
        ((FORWARDED,), "192.168.1.1", None),
        ((FORWARDED,), "2001:db8::1", None),
        ((FORWARDED,), "", None),
        ((FORWARDED,), "unix:", None),
        ((FORWARDED, FORWARDED), "10.1.2.3", None),
        (("X-Forwarded-Host: www.example.org, x",), "10.1.2.3", None),
        (("X-Forwarded-Host: other.org",), "10.1.2.3", None),
        ((), "10.1.2.3", None),
    ],
)
def test_trusted_proxy_decides_the_site(lines: tuple[str, ...], client: str, site: str | None) -> None:
    """Exactly one X-Forwarded-Host of a trusted network names the site; anybody else's only tells keys apart."""
    found = PROXIED.ask(get(*lines, host="internal:8000", client=client))
    assert (found.site if isinstance(found, Asked) else None) == site


def test_forwarded_host_stays_in_the_key() -> None:
    """Trust decides the site, never whether a visitor's field distinguishes entries."""
    trusted = asked(get(FORWARDED, host="internal", client="10.0.0.1"), PROXIED)
    assert b"internal" in trusted.key
    assert b"www.example.org" in trusted.key


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/%7Euser/%c3%a9/", "/~user/%C3%A9/"),
        ("/é", "/%C3%A9"),
        ("/a b", "/a%20b"),
        ('/"<>[]|^`{}\\?#', "/%22%3C%3E%5B%5D%7C%5E%60%7B%7D%5C%3F%23"),
        ("/a:@!$&'()*+,;=~-._b", "/a:@!$&'()*+,;=~-._b"),
        ("/a%2Fb%2f", "/a%2Fb%2F"),
        ("/%zz%4%", "/%25zz%254%25"),
        ("/%%34%31", "/%2541"),
        ("/a/../b", "/b"),
        ("/a/%2e%2E/b", "/b"),
        ("/..", "/"),
        ("/../../a", "/a"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("/./a", "/a"),
        ("/.a/..b/c.", "/.a/..b/c."),
        ("//a//", "//a//"),
        ("/a/\udcff", "/a/%FF"),
    ],
)
def test_normal_path(path: str, normal: str) -> None:
    """Unreserved characters are decoded, others encoded in upper case, dot segments resolved, slashes kept."""
    assert normal_path(path) == normal


SPELLINGS = st.text(st.sampled_from(list("ab/.%2eE35é \udcff~?#")), max_size=20).map(lambda text: "/" + text)


@given(SPELLINGS)
def test_normal_path_is_normal(path: str) -> None:
    """Once is enough, the result is printable ASCII and begins with a slash."""
    normal = normal_path(path)
    assert normal_path(normal) == normal
    assert normal[0] == "/"
    assert all("!" <= char <= "~" for char in normal)


@given(st.binary(max_size=20).map(lambda path: b"/" + path))
def test_path_as_received_and_as_decoded(path: bytes) -> None:
    """A server that decodes the path and one that does not give the same URL to purge, encoded as URLs are."""
    received = Request("GET", "https", quote(path, safe="/:@!$&'()*+,;=").encode(), b"", (), raw=True)
    given_decoded = Request("GET", "https", path, b"", (), raw=False)
    assert shown_path(received) == shown_path(given_decoded)


def test_decoded_path_with_a_percent_sign() -> None:
    """What a server has decoded is not decoded again."""
    assert shown_path(Request("GET", "https", b"/100%25", b"", (), raw=False)) == "/100%2525"
    assert shown_path(Request("GET", "https", b"/a?b", b"", (), raw=False)) == "/a%3Fb"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (b"", ""),
        (b"a=1&b=%c3%a9+x", "a=1&b=%c3%a9+x"),
        ("a=é".encode(), "a=%C3%A9"),
        (b"a b\x00\xff", "a%20b%00%FF"),
        (bytes(range(0x21, 0x7F)), bytes(range(0x21, 0x7F)).decode()),
        (b"a \x7f", "a%20%7F"),
    ],
)
def test_shown_query(query: bytes, shown: str) -> None:
    """A query is shown as it is; only what no URL has is percent-encoded."""
    assert shown_query(query) == shown


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Example.org:80", "example.org"),
        ("[::1]:80", "[::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("a", "a"),
        ("", ""),
    ],
)
def test_hostname(host: str, name: str) -> None:
    """A host's name is lower case and has no port; an address keeps its brackets."""
    assert hostname(host) == name


@pytest.mark.parametrize(("path", "text"), [("/%C3%A9", "/é"), ("/%FF", "/\ufffd"), ("/a%2Fb", "/a/b")])
def test_decoded(path: str, text: str) -> None:
    """For people a path is readable, whatever it holds."""
    assert decoded(path) == text


PARTS = st.lists(st.binary(max_size=3), max_size=4).map(tuple)
VARIANTS = st.lists(st.tuples(st.binary(max_size=2), st.none() | st.binary(max_size=2)), max_size=3).map(tuple)


@given(PARTS, VARIANTS, PARTS, VARIANTS)
def test_digest_tells_apart(
    key: tuple[bytes, ...],
    variant: tuple[tuple[bytes, bytes | None], ...],
    other_key: tuple[bytes, ...],
    other_variant: tuple[tuple[bytes, bytes | None], ...],
) -> None:
    """Two digests are equal only if key and variant are: no joining of parts gives the same text."""
    same = key_digest(key, variant) == key_digest(other_key, other_variant)
    assert same == ((key, variant) == (other_key, other_variant))


def test_digest_of_near_misses() -> None:
    """Where a part ends, whether a value is absent or empty, and what is key and what variant, all count."""
    digests = [
        key_digest((b"ab", b"c")),
        key_digest((b"a", b"bc")),
        key_digest((b"abc",)),
        key_digest((b"abc", b"")),
        key_digest((b"abc",), ((b"a", None),)),
        key_digest((b"abc",), ((b"a", b""),)),
        key_digest((b"abc", b"a", b"")),
        key_digest((b"abc",), ((b"a", b""), (b"b", None))),
        key_digest((b"abc",), ((b"b", None), (b"a", b""))),
    ]
    assert len(set(digests)) == len(digests)
    assert {len(digest) for digest in digests} == {16}


def test_what_is_stored_is_found_by_the_next_release() -> None:
    """Keys are names in Redis that releases share: whoever changes how they are made empties everybody's cache, and this test."""
    lines = "Cookie: django_language=de", "X-PJAX: 1", "Forwarded: for=1;host=example.org"
    key = asked(get(*lines, query=b"a=1")).key
    assert key == (
        *(b"https", b"example.org", b"/a", b"a=1"),
        *(b"x-pjax", b"1", b"forwarded", b"host=example.org", b"cookie", b"django_language=de"),
    )
    assert key_digest(key).hex() == "300384cfe55c0df44c4291ff28e7595f"
    assert key_digest(key, ((b"accept-language", b"de"), (b"x", None))).hex() == "364b735ec2f255db9b7d0d39f1dfd68f"
    assert asked(replace(get(), raw=False)).key == (b"https", b"example.org", b"/a", b"", b"decoded")


FIELDS = st.lists(
    st.sampled_from(
        [
            (b"cookie", b"_ga=1"),
            (b"cookie", b"django_language=de; _gid=1"),
            (b"cookie", b"csrftoken=1"),
            (b"x-forwarded-host", b"evil.example"),
            (b"forwarded", b"for=1;host=evil;proto=x"),
            (b"accept-language", b"de"),
            (b"x-pjax", b"1"),
        ]
    ),
    max_size=4,
)
QUERIES = st.sampled_from([b"", b"utm_x=1", b"a=1&utm_x=2", b"a=1"])
UNKEYED_BUT_SEEN = {b"accept-language"}
"""Fields that the key leaves to Vary."""


@given(FIELDS, QUERIES, FIELDS, QUERIES)
def test_equal_keys_see_equal_requests(
    fields_: list[tuple[bytes, bytes]], query: bytes, others: list[tuple[bytes, bytes]], other_query: bytes
) -> None:
    """Two requests with one key look the same to the application, but for what Vary is for and the anonymous cookie."""
    one = asked(replace(get(query=query), fields=((b"host", b"h"), *fields_)))
    other = asked(replace(get(query=other_query), fields=((b"host", b"h"), *others)))
    if one.key != other.key:
        return

    def seen(found: Asked) -> tuple[object, ...]:
        kept = [field for field in found.request.fields if field[0] not in UNKEYED_BUT_SEEN]
        cookies = b"; ".join(value for name, value in kept if name == b"cookie").split(b"; ")
        return (
            found.request.query,
            sorted(field for field in kept if field[0] not in {b"cookie", b"forwarded"}),
            sorted(cookie for cookie in cookies if cookie not in {b"", b"csrftoken=1"}),
        )

    assert seen(one) == seen(other)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"for=192.0.2.1", b""),
        (b"for=1;host=a;proto=https", b"host=a;proto=https"),
        (b"for=1, for=2;HOST = a", b"HOST = a"),
        (b"host=a, host=b", b"host=a, host=b"),
        (b"for=1;\x0bhost=a", b"\x0bhost=a"),
        (b'host="a,b";by=c', b'host="a'),
    ],
)
def test_forwarded(value: bytes, told: bytes) -> None:
    """Of Forwarded the key has host and proto, and that is what a render that is shared sees of it."""
    assert forwarded(value) == told
    assert seen(((b"forwarded", value),)) == (((b"forwarded", told),) if told else ())


def test_fields_that_resemble_others() -> None:
    """A name with an underscore, which frameworks take for one with a hyphen, is not seen by what is shared."""
    given_ = fields("X_Forwarded_Host: a", "X-Own: 1", "x-forwarded_host: b")
    assert seen(given_) == fields("X-Own: 1")
