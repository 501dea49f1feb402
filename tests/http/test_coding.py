"""Content codings: made by the cache while a page is forwarded and when it is read again, or left to the application."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.http.site import answer
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.http.site import Site
    from tests.http.wire import Received

brotli = pytest.importorskip("brotli")
zstandard = pytest.importorskip("zstandard")

FRESH = "Cache-Control: max-age=60"
TEXT = "the words of a page " * 100
BROWSER = "Accept-Encoding: gzip, deflate, br, zstd"


def decoded(reply: Received) -> bytes:
    """The body without its coding."""
    match reply.field("content-encoding"):
        case "gzip":
            return gzip.decompress(reply.body)
        case "br":
            return bytes(brotli.decompress(reply.body))
        case "zstd":
            return bytes(zstandard.ZstdDecompressor().decompress(reply.body))
    return reply.body


@pytest.mark.parametrize("profile", ["cms"])
def test_gzip_while_it_is_forwarded(site: Site) -> None:
    """The first chunk can be read before the second is made; the hit is the same bytes under the same tag."""
    path = site.script(answer(FRESH, 'ETag: "a"', chunks=[TEXT, "the end"], chunk_gate="go"))
    visitor = site.visitor().send(path, "Accept-Encoding: gzip")
    inflate = zlib.decompressobj(31)
    begun = b""
    while len(begun) < len(TEXT):
        size = len(visitor.reply.body)
        begun += inflate.decompress(visitor.until(size + 1).body[size:])
    assert begun.decode() == TEXT
    site.open(path, "go")

    miss = visitor.read()
    assert gzip.decompress(miss.body).decode() == TEXT + "the end"
    assert miss.lines("content-encoding") == ["gzip"]
    assert miss.lines("etag") == ['"a-gz"']
    assert miss.lines("vary") == ["Accept-Encoding"]
    hit = site.ask(path, "Accept-Encoding: gzip")
    assert (hit.level, hit.body, hit.lines("etag")) == ("memory", miss.body, ['"a-gz"'])
    assert hit.lines("content-length") == [str(len(hit.body))]
    assert "accept-encoding" not in site.asked(path)


@pytest.mark.parametrize("profile", ["cms"])
def test_each_coding(site: Site) -> None:
    """There is gzip at once, brotli and zstandard after a second read; each has a tag of its own and all have the same page in them."""
    path = site.script(answer(FRESH, 'ETag: "a"', body=TEXT))
    site.ask(path)
    assert site.ask(path, "Accept-Encoding: gzip").lines("content-encoding") in (["gzip"], [])
    for name in ("br", "zstd", "gzip"):

        def made(name: str = name) -> bool:
            return site.ask(path, f"Accept-Encoding: {name}").lines("content-encoding") == [name]

        until(made, f"a page in {name}")

    tags = {}
    for asked in ("gzip", "br", "zstd", "identity", "gzip;q=0", "x-gzip", "*", "br;q=0.5, gzip"):
        reply = site.ask(path, f"Accept-Encoding: {asked}")
        assert decoded(reply).decode() == TEXT
        assert reply.lines("content-length") == [str(len(reply.body))]
        assert reply.lines("vary") == ["Accept-Encoding"]
        tags[asked] = (*reply.lines("content-encoding"), *reply.lines("etag"))
    assert tags == {
        "gzip": ("gzip", '"a-gz"'),
        "br": ("br", '"a-br"'),
        "zstd": ("zstd", '"a-zst"'),
        "identity": ('"a"',),
        "gzip;q=0": ('"a"',),
        "x-gzip": ("gzip", '"a-gz"'),
        "*": ("gzip", '"a-gz"'),
        "br;q=0.5, gzip": ("gzip", '"a-gz"'),
    }
    assert site.renders(path) == 1
    for tag in ('"a"', '"a-gz"', '"a-br"', '"a-zst"', 'W/"a-br"'):
        reply = site.ask(path, BROWSER, f"If-None-Match: {tag}")
        assert (reply.status, reply.lines("etag")) == (304, [tag.removeprefix("W/")])
    assert site.ask(path, BROWSER, 'If-None-Match: "a-xx"').status == 200


@pytest.mark.parametrize("profile", ["cms"])
def test_ranges_of_a_coding(site: Site) -> None:
    """RFC 9110 §14.2: a part is a part of the coding that the tag names."""
    path = site.script(answer(FRESH, 'ETag: "a"', body=TEXT))
    whole = site.ask(path, "Accept-Encoding: gzip").body

    reply = site.ask(path, "Accept-Encoding: gzip", "Range: bytes=0-9", 'If-Range: "a-gz"')
    assert (reply.status, reply.body, reply.lines("content-encoding")) == (206, whole[:10], ["gzip"])
    assert site.ask(path, "Accept-Encoding: gzip", "Range: bytes=0-9", 'If-Range: "a"').status == 200
    assert site.ask(path, "Range: bytes=0-9", 'If-Range: "a"').body == TEXT[:10].encode()


@pytest.mark.parametrize("profile", ["cms"])
def test_codings_outlive_a_304(site: Site) -> None:
    """RFC 9111 §4.3.4: a confirmed page keeps its codings and their tags."""
    path = site.script(
        answer(FRESH, 'ETag: "a"', body=TEXT), answer(FRESH, 'ETag: "a"', status=304, body="", html=False)
    )
    site.ask(path, "Accept-Encoding: gzip")
    site.advance(61)

    assert site.ask(path, "Accept-Encoding: gzip", 'If-None-Match: "a-gz"').status == 304
    assert site.asked(path)["if-none-match"] == '"a"'
    reply = site.ask(path, "Accept-Encoding: gzip")
    assert (decoded(reply).decode(), reply.lines("etag")) == (TEXT, ['"a-gz"'])


@pytest.mark.parametrize("profile", ["cms"])
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(answer(FRESH, "Content-Type: image/png", body=TEXT), id="a type that does not compress"),
        pytest.param(answer("Cache-Control: max-age=60, no-transform", body=TEXT), id="no-transform"),
        pytest.param(answer(FRESH, "Content-Length: 5", body="short"), id="too short"),
    ],
)
def test_left_as_it_is(site: Site, page: dict[str, object]) -> None:
    """What a coding would not help, or what forbids it, is sent as it is."""
    path = site.script(page)

    replies = [site.ask(path, BROWSER) for _ in range(3)]
    for reply in replies:
        assert reply.lines("content-encoding") == reply.lines("vary") == []
    assert replies[-1].level == "memory"


@pytest.mark.parametrize("profile", ["cms"])
def test_an_application_that_encodes_regardless(site: Site) -> None:
    """A coding that the application made all the same is kept, and only for those who can read it."""
    coded = gzip.compress(TEXT.encode(), mtime=0).decode("latin-1")
    path = site.script(
        answer(FRESH, "Content-Encoding: gzip", "Vary: Accept-Encoding", body=coded),
        answer(FRESH, "Vary: Accept-Encoding", body=TEXT),
    )
    assert decoded(site.ask(path, "Accept-Encoding: gzip")).decode() == TEXT

    hit = site.ask(path, "Accept-Encoding: gzip")
    assert (hit.level, hit.lines("content-encoding"), decoded(hit).decode()) == ("memory", ["gzip"], TEXT)
    plain = site.ask(path, "Accept-Encoding: identity")
    assert plain.body.decode() == TEXT


def test_a_coding_that_nothing_tells_apart(site: Site) -> None:
    """`cms` does not keep a coding that Vary does not name: the next visitor might not read it."""
    coded = gzip.compress(TEXT.encode(), mtime=0).decode("latin-1")
    path = site.script(answer(FRESH, "Content-Encoding: gzip", body=coded))

    replies = [site.ask(path, "Accept-Encoding: gzip") for _ in range(2)]
    assert [decoded(reply).decode() for reply in replies] == [TEXT, TEXT]
    assert site.renders(path) == (2 if site.profile == "cms" else 1)


@pytest.mark.parametrize("profile", ["rfc"])
def test_the_applications_business(site: Site) -> None:
    """In `rfc` the application sees what the visitor accepts, and each coding is a variant of its own."""
    coded = gzip.compress(TEXT.encode(), mtime=0).decode("latin-1")
    path = site.script(
        answer(FRESH, "Content-Encoding: gzip", "Vary: Accept-Encoding", body=coded),
        answer(FRESH, "Vary: Accept-Encoding", body=TEXT),
    )
    site.ask(path, BROWSER)
    assert site.asked(path)["accept-encoding"] == "gzip, deflate, br, zstd"

    assert site.ask(path).lines("content-encoding") == []
    assert decoded(site.ask(path, "Accept-Encoding: zstd,br,  deflate,GZIP")).decode() == TEXT
    assert site.renders(path) == 2


@pytest.mark.parametrize("profile", ["cms"])
def test_never_stored_keeps_its_own(site: Site) -> None:
    """What is not stored is encoded as the application wishes: it sees the visitor's Accept-Encoding."""
    private = site.script(answer("Cache-Control: private", body=TEXT))
    site.ask(private, BROWSER)

    site.ask(private, BROWSER)
    assert site.asked(private)["accept-encoding"] == "gzip, deflate, br, zstd"
    session = site.script(answer(FRESH, body=TEXT))
    assert site.ask(session, BROWSER, "Cookie: sessionid=1").lines("content-encoding") == []
    assert site.asked(session)["accept-encoding"] == "gzip, deflate, br, zstd"
