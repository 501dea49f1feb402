"""A site like a stock Wagtail: `Vary: Cookie, Accept-Encoding`, nothing about caching, own gzip with padding, cookies on forms.

In front of it is nothing but the middleware line.
"""

from __future__ import annotations

import gzip
from itertools import count
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.http.site import Site
    from tests.http.wire import Received

pytestmark = pytest.mark.parametrize("profile", ["cms"])

BROWSER = "Accept-Encoding: gzip, deflate, br, zstd"
_numbers = count(1)


@pytest.fixture
def page() -> str:
    """A page that nobody has asked for yet."""
    return f"/stock/{next(_numbers)}"


def text(reply: Received) -> bytes:
    """The page, decoded where it was gzipped."""
    return gzip.decompress(reply.body) if reply.lines("content-encoding") == ["gzip"] else reply.body


def test_cached_and_encoded(site: Site, page: str) -> None:
    """The page is stored for `default_ttl`; everybody gets it in the coding that he reads, with a tag of its own."""
    miss = site.ask(page, BROWSER)
    assert miss.cache_status == "fwd=uri-miss; stored"
    assert miss.lines("content-encoding") == ["gzip"]

    hit, plain = site.ask(page, "Accept-Encoding: gzip"), site.ask(page)
    assert (hit.level, plain.level) == ("memory", "memory")
    assert text(miss) == text(hit) == plain.body
    assert b"<!--" not in plain.body
    assert hit.body == miss.body
    assert hit.lines("vary") == plain.lines("vary") == ["Cookie, Accept-Encoding"]
    assert hit.lines("etag")[0] == plain.lines("etag")[0][:-1] + '-gz"'
    assert "ttl=29" in hit.cache_status or "ttl=300" in hit.cache_status


def test_revalidated(site: Site, page: str) -> None:
    """A browser's copy is confirmed by the cache, also after the page was rendered again, which gzip with padding would spoil."""
    site.ask(page, BROWSER)
    (tag,) = site.ask(page, "Accept-Encoding: gzip").lines("etag")

    assert site.ask(page, BROWSER, f"If-None-Match: {tag}").status == 304
    site.advance(301)
    site.ask(page, BROWSER)
    again = site.ask(page, BROWSER, f"If-None-Match: {tag}")
    assert (again.status, again.level, again.lines("etag")) == (304, "memory", [tag])


def test_tracking_cookies_change_nothing(site: Site, page: str) -> None:
    """Visitors with cookies that are none of the application's share one page."""
    site.ask(page, "Cookie: _ga=GA1.1; _fbp=fb.1")

    assert site.ask(page, "Cookie: _ga=GA1.2").level == "memory"
    assert site.ask(page).level == "memory"


def test_forms(site: Site, page: str) -> None:
    """A page that sets a csrf cookie is never stored, keeps the application's own gzip, and its visitors still hit other pages."""
    form = f"{page}/form"
    tokens = set()
    for number in range(3):
        reply = site.ask(form, BROWSER)
        assert reply.cache_status.endswith("detail=set-cookie")
        assert len(reply.lines("set-cookie")) == 1
        tokens.add(text(reply))
        if number:
            # By now it is known that the page is not stored.
            assert reply.lines("content-encoding") == ["gzip"]
    assert len(tokens) == 3

    site.ask(page)
    assert site.ask(page, "Cookie: csrftoken=abc").level == "memory"


def test_rendered_for_a_form_user(site: Site, page: str) -> None:
    """What is rendered for somebody with a csrf cookie may have his token in it: it is not stored."""
    first = site.ask(page, BROWSER, "Cookie: csrftoken=abc")

    assert first.cache_status == "fwd=uri-miss; detail=anonymous"
    assert text(first).startswith(b"<!doctype html>")
    assert site.ask(page).cache_status == "fwd=uri-miss; stored"


def test_editors(site: Site, page: str) -> None:
    """An editor's page has the same fields as everybody's: his session cookie alone keeps it from the others, and theirs from him."""
    assert b"toolbar" in site.ask(page, "Cookie: sessionid=1").body
    assert b"toolbar" not in site.ask(page).body
    assert b"toolbar" not in site.ask(page).body

    editor = site.ask(page, BROWSER, "Cookie: csrftoken=abc; sessionid=1")
    assert b"toolbar" in text(editor)
    assert editor.cache_status == "fwd=bypass; detail=cookie"
    assert editor.lines("content-encoding") == ["gzip"]
