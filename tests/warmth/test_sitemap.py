"""Sitemaps, from friends and from strangers."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.warmth import sitemap

XMLNS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def urls(*addresses: str) -> bytes:
    """A sitemap of pages."""
    body = "".join(f"<url><loc>{address}</loc><lastmod>2026-01-01</lastmod></url>" for address in addresses)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {XMLNS}>{body}</urlset>'.encode()


def index(*addresses: str) -> bytes:
    """A sitemap of sitemaps."""
    body = "".join(f"<sitemap><loc>{address}</loc></sitemap>" for address in addresses)
    return f"<sitemapindex {XMLNS}>{body}</sitemapindex>".encode()


def test_pages_in_order() -> None:
    """The pages come in the order of the file, with entities of XML undone and blanks around them taken off."""
    found = sitemap.read(urls("https://a.example/", "\n https://a.example/?a=1&amp;b=2 \n"))
    assert found.pages == ["https://a.example/", "https://a.example/?a=1&b=2"]
    assert not found.trouble


def test_index_names_sitemaps() -> None:
    """A sitemap index names further files, which are no pages."""
    found = sitemap.read(index("https://a.example/1.xml", "https://a.example/2.xml.gz"))
    assert (found.pages, found.maps) == ([], ["https://a.example/1.xml", "https://a.example/2.xml.gz"])


def test_images_are_no_pages() -> None:
    """Only the address of the page itself counts, not those of its images."""
    image = '<image:image xmlns:image="urn:i"><image:loc>https://a.example/i.png</image:loc></image:image>'
    body = f"<urlset {XMLNS}><url><loc>https://a.example/</loc>{image}</url></urlset>"
    assert sitemap.read(body.encode()).pages == ["https://a.example/"]


def test_packed() -> None:
    """Gzip is undone, whatever the file is called."""
    assert sitemap.read(gzip.compress(urls("https://a.example/"))).pages == ["https://a.example/"]


def test_plain_list() -> None:
    """Text with an address on each line is a sitemap, too."""
    assert sitemap.read(b"\xef\xbb\xbfhttps://a.example/\r\nhttps://a.example/b\n# no\n").pages == [
        "https://a.example/b"
    ]
    assert sitemap.read(b"https://a.example/\n/b\n").pages == ["https://a.example/", "/b"]


@pytest.mark.parametrize(
    ("body", "pages", "trouble"),
    [
        (urls("/a", "/b")[:-60], ["/a"], "not well-formed"),
        (b"<html><body>not found</body></html>", [], "names nothing"),
        (b"hello", [], "neither XML nor"),
        (gzip.compress(urls("/a"))[:-12], [], "end early"),
        (b"\x1f\x8bnonsense", [], "not gzip"),
        (
            b'<!DOCTYPE u [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>',
            [],
            "entities",
        ),
        (
            b'<!DOCTYPE u [<!ENTITY a SYSTEM "file:///etc/passwd">]><urlset><url><loc>&a;</loc></url></urlset>',
            [],
            "entities",
        ),
        (b"", [], "neither XML nor"),
        (urls("https://a.example/" + "x" * sitemap.MAX_URL, "/b"), ["/b"], ""),
    ],
    ids=["cut", "html", "text", "cut gzip", "no gzip", "bomb of entities", "external entity", "empty", "long address"],
)
def test_malformed(body: bytes, pages: list[str], trouble: str) -> None:
    """What is wrong is said, and what came before the fault is used."""
    found = sitemap.read(body)
    assert found.pages == pages
    assert trouble in found.trouble
    assert bool(trouble) == bool(found.trouble)


def test_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that unpacks to more than a sitemap may have is refused."""
    monkeypatch.setattr(sitemap, "MAX_BYTES", 100_000)
    assert "larger than" in sitemap.read(gzip.compress(b"\0" * 1_000_000)).trouble


def test_pages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more pages than a sitemap may name are taken, and that is said."""
    monkeypatch.setattr(sitemap, "MAX_PAGES", 3)
    found = sitemap.read(urls("/1", "/2", "/3", "/4"))
    assert (found.pages, found.trouble) == (["/1", "/2", "/3"], "more than 3 pages")


@given(st.binary(max_size=300) | st.text(alphabet='<>/urlsetocimap"&;! \n', max_size=200).map(str.encode))
def test_any_bytes_are_read(body: bytes) -> None:
    """Whatever a stranger sends, reading it ends and raises nothing."""
    found = sitemap.read(body)
    assert len(found.pages) <= sitemap.MAX_PAGES
