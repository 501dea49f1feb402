"""How visitors of a site come, and the keys that follow from it."""

from __future__ import annotations

import pytest

from cms_cache_mw.warmth.front import Front

PLAIN = Front(b"https", b"www.example.org")


def site_of(host: str) -> str | None:
    """Two sites, one of which has two hosts."""
    return {"www.example.org": "main", "example.org": "main", "shop.example.org": "shop"}.get(host.partition(":")[0])


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("/", (b"https", b"www.example.org", b"/", b"")),
        ("/a%20b/?q=1&r=%C3%A9#part", (b"https", b"www.example.org", b"/a%20b/", b"q=1&r=%C3%A9")),
        ("http://www.example.org", (b"https", b"www.example.org", b"/", b"")),
        ("https://www.example.org/a?b", (b"https", b"www.example.org", b"/a", b"b")),
        ("https://example.org/a", (b"https", b"example.org", b"/a", b"")),
    ],
)
def test_key_of_an_address(address: str, key: tuple[bytes, ...]) -> None:
    """Paths and URLs of the site become what visitors' requests ask for; a scheme in a sitemap is not theirs."""
    assert PLAIN.key(address, "main", site_of) == key


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("https://shop.example.org/", "another site"),
        ("//shop.example.org/", "neither a path nor a URL"),
        ("https://user@www.example.org/", "neither a path nor a URL"),
        ("ftp://www.example.org/", "neither a path nor a URL"),
        ("file:///etc/passwd", "neither a path nor a URL"),
        ("http://[", "no URL"),
        ("/a b", "blank"),
        ("/a\nHost: x", "blank"),
        ("a/b", "neither a path nor a URL"),
    ],
)
def test_what_is_no_page_of_the_site(address: str, wrong: str) -> None:
    """What leads elsewhere, or could be read in two ways, has no key but a reason."""
    found = PLAIN.key(address, "main", site_of)
    assert isinstance(found, str)
    assert wrong in found


def test_decoded_paths() -> None:
    """Where the server gives decoded paths, the key has them decoded."""
    front = Front(b"http", b"www.example.org", (b"decoded",))
    assert front.key("/%C3%A9", "main", site_of) == (b"http", b"www.example.org", b"/\xc3\xa9", b"", b"decoded")


def test_usual_front_is_the_one_most_used() -> None:
    """What a proxy adds to nearly all requests is part of the site's keys; special requests say nothing about it."""
    proxied = (b"http", b"www.example.org", b"/", b"", b"x-forwarded-proto", b"https")
    direct = (b"http", b"127.0.0.1:8000", b"/", b"")
    partial = (b"http", b"www.example.org", b"/", b"", b"hx-request", b"true")
    front = Front.usual([(proxied, 50), (direct, 3), (partial, 900)])
    assert front == Front(b"http", b"www.example.org", (b"x-forwarded-proto", b"https"))
    assert Front.usual([(partial, 900)]) is None
