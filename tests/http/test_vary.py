"""Variants: languages, codings, cookies, and how many of them one URL may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.http.site import answer

if TYPE_CHECKING:
    from tests.http.site import Site

FRESH = "Cache-Control: max-age=60"


def test_languages(site: Site) -> None:
    """RFC 9111 §4.1: each language has its page; letter case, whitespace and the spelling of weights make no other."""
    path = site.script(answer(FRESH, "Vary: Accept-Language"))

    assert site.ask(path, "Accept-Language: de, en;q=0.5").body == b"answer 1"
    second = site.ask(path, "Accept-Language: en")
    assert (second.body, second.cache_status) == (b"answer 2", "fwd=vary-miss; stored")
    assert site.ask(path).body == b"answer 3"
    assert site.ask(path, "Accept-Language: DE ,EN; q=0.500").body == b"answer 1"
    assert site.ask(path, "Accept-Language: en").body == b"answer 2"
    assert site.ask(path).body == b"answer 3"
    assert site.ask(path, "Accept-Language:").body == b"answer 4"


def test_order_of_languages(site: Site) -> None:
    """RFC 9110 §12.5.4: the order of equal weights says nothing in `rfc`; frameworks break ties by it, so it does in `cms`."""
    path = site.script(answer(FRESH, "Vary: Accept-Language"))
    site.ask(path, "Accept-Language: de, en")

    assert site.ask(path, "Accept-Language: en, de").body == (b"answer 1" if site.profile == "rfc" else b"answer 2")


def test_any_field(site: Site) -> None:
    """RFC 9111 §4.1: all fields that Vary names, on any of its lines, absent equal only to absent."""
    path = site.script(answer(FRESH, "Vary: X-A", "Vary: x-b"))

    asks: list[list[str]] = [["X-A: 1"], ["X-A: 1", "X-B: 2"], ["X-B: 2"], ["X-A: 2", "X-B: 2"], []]
    for number, asked in enumerate(asks, 1):
        assert site.ask(path, *asked, "X-C: any").body == b"answer %d" % number
    for number, asked in enumerate(asks, 1):
        assert site.ask(path, *asked).body == b"answer %d" % number


@pytest.mark.parametrize("profile", ["rfc"])
def test_cookies_literally(site: Site) -> None:
    """RFC 9111 §4.1: `rfc` takes Vary: Cookie at its word."""
    path = site.script(answer(FRESH, "Vary: Cookie"))
    site.ask(path, "Cookie: a=1")

    assert site.ask(path, "Cookie: a=1").body == b"answer 1"
    assert site.ask(path, "Cookie: a=2").body == b"answer 2"
    assert site.ask(path).body == b"answer 3"


def test_variants_are_replaced_one_by_one(site: Site) -> None:
    """RFC 9111 §4.1: a new answer for one variant leaves the others alone."""
    path = site.script(answer(FRESH, "Vary: X-A"), answer("Cache-Control: max-age=600", "Vary: X-A"))
    site.ask(path, "X-A: 1")
    site.ask(path, "X-A: 2")
    site.advance(61)

    assert site.ask(path, "X-A: 1").body == b"answer 3"
    assert site.ask(path, "X-A: 2").body == b"answer 2"


def test_another_vary(site: Site) -> None:
    """RFC 9111 §4.1: when the application changes what it varies by, the newest answer says how to choose."""
    path = site.script(answer(FRESH, "Vary: X-A"), answer(FRESH, "Vary: X-B"))
    site.ask(path, "X-A: 1", "X-B: 1")
    site.ask(path, "X-A: 2", "X-B: 1")

    assert site.ask(path, "X-A: 3", "X-B: 1").body == b"answer 2"
    assert site.ask(path, "X-A: 3", "X-B: 2").body == b"answer 3"


def test_the_newest_counts(site: Site) -> None:
    """RFC 9111 §4: of several that would do, the most recent: one without Vary is for everybody, those before it are gone."""
    path = site.script(answer(FRESH, "Vary: X-A"), answer(FRESH), answer(FRESH, "Vary: X-A"))
    site.ask(path, "X-A: 1")
    site.ask(path, "X-A: 2")

    assert site.ask(path, "X-A: 1").body == b"answer 2"
    site.ask(path, method="POST")
    assert site.ask(path, "X-A: 1").body == b"answer 4"
    assert site.ask(path, "X-A: 2").body == b"answer 5"


def test_at_most_32_variants(site: Site) -> None:
    """A URL keeps 32 variants, those most lately used; more cost renders, not memory."""
    path = site.script(answer(FRESH, "Vary: X-A"))
    for number in range(40):
        site.ask(path, f"X-A: {number}")
        site.ask(path, "X-A: 0")

    assert site.renders(path) == 40
    assert site.ask(path, "X-A: 0").level == "memory"
    stored = sum(
        site.ask(path, f"X-A: {number}", "Cache-Control: only-if-cached").level == "memory"
        for number in range(39, 0, -1)
    )
    assert stored == 31 if site.profile == "rfc" else stored <= 31
