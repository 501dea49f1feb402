"""What visitors' Cache-Control and Pragma do: everything RFC 9111 §5.2.1 says in `rfc`, and nothing in `cms`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.http.site import answer

if TYPE_CHECKING:
    from tests.http.site import Site

ASKS: list[tuple[str, int]] = [
    ("Cache-Control: no-cache", 2),
    ("Cache-Control: max-age=0", 2),
    ("Cache-Control: max-age=5", 2),
    ("Cache-Control: max-age=100", 1),
    ("Cache-Control: min-fresh=55", 2),
    ("Cache-Control: min-fresh=5", 1),
    ("Cache-Control: no-store", 1),
    ("Cache-Control: only-if-cached", 1),
    ("Cache-Control: something-else", 1),
    ("Pragma: no-cache", 2),
    ("Pragma: foo", 1),
]
"""A request for a page ten seconds old, and how many renders it has cost under `rfc`."""


@pytest.mark.parametrize(("asks", "renders"), ASKS)
def test_fresh(site: Site, asks: str, renders: int) -> None:
    """RFC 9111 §5.2.1, §5.4: the visitor's directives hold in `rfc`; in `cms` even a hard reload is a hit."""
    path = site.script(answer("Cache-Control: max-age=60"))
    site.ask(path)
    site.advance(10)

    site.ask(path, asks)
    assert site.renders(path) == (renders if site.profile == "rfc" else 1)


@pytest.mark.parametrize(
    ("says", "asks", "renders"),
    [
        ("max-age=60", "max-stale", 1),
        ("max-age=60", "max-stale=30", 1),
        ("max-age=60", "max-stale=5", 2),
        ("max-age=60, must-revalidate", "max-stale", 2),
        ("s-maxage=60", "max-stale", 2),
    ],
)
@pytest.mark.parametrize("profile", ["rfc"])
def test_max_stale(site: Site, says: str, asks: str, renders: int) -> None:
    """RFC 9111 §5.2.1.2: a stale page for whoever takes one, unless the response forbids it."""
    path = site.script(answer(f"Cache-Control: {says}"))
    site.ask(path)
    site.advance(70)

    site.ask(path, f"Cache-Control: {asks}")
    assert site.renders(path) == renders


def test_only_if_cached(site: Site) -> None:
    """RFC 9111 §5.2.1.7: 504 where nothing stored will do, and the application is not asked; `cms` asks it."""
    path = site.script(answer("Cache-Control: max-age=60"))

    reply = site.ask(path, "Cache-Control: only-if-cached")
    if site.profile == "cms":
        assert (reply.status, reply.body) == (200, b"answer 1")
        return
    assert (reply.status, reply.lines("content-length"), site.renders(path)) == (504, ["0"], 0)
    assert reply.lines("cache-status") == ["cms-cache; detail=only-if-cached"]
    site.ask(path)
    assert site.ask(path, "Cache-Control: only-if-cached").body == b"answer 1"


@pytest.mark.parametrize("profile", ["rfc"])
def test_no_store(site: Site) -> None:
    """RFC 9111 §5.2.1.5: what was rendered for a request with no-store is not stored."""
    path = site.script(answer("Cache-Control: max-age=60"))

    site.ask(path, "Cache-Control: no-store")
    assert site.ask(path).body == b"answer 2"
    assert site.ask(path).level == "memory"
