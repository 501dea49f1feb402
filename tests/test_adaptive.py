"""Lifetimes that adapt: within the limits, never beyond what a response allows, and by what is seen of a page and its route."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import pytest

from cms_cache_mw import Config
from cms_cache_mw.adaptive import PAGES, Adaptive
from cms_cache_mw.assembly import Parts
from cms_cache_mw.core.entry import Entry, Freshness
from tests.support.asgi import HTML, Visitor, caching, fields
from tests.support.clock import Clock
from tests.support.pages import stored

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from cms_cache_mw.core.entry import Key

KEY = (b"https", b"example.org", b"/news/1", b"")


def made(
    body: str = "same", *, at: float = 0.0, hits: int = 0, ttl: float = 300.0, most: float = inf, url: str = "/news/1"
) -> Entry:
    """An entry of a page; its hits are those it will have had when it is replaced."""
    return Entry(200, (), body.encode(), Freshness(ttl, most=most), at, 1, 1, (), site="s", url=url, hits=hits)


def lived(adaptive: Adaptive, bodies: list[str], every: float = 100.0, key: Key = KEY, **page: object) -> float:
    """The lifetime after renders with these bodies, so many seconds apart, ten uses each."""
    before: Entry | None = None
    for number, body in enumerate(bodies):
        entry = made(body, at=number * every, hits=10, **page)  # type: ignore[arg-type]
        adaptive.fit(key, entry, before)
        before = entry
    assert before is not None
    return before.freshness.lifetime


def test_new_page_has_the_lifetime_it_was_given() -> None:
    """Before anything was seen the lifetime is the one that the rules give."""
    assert lived(Adaptive(0.05, 1.0, 1e6), ["a"]) == pytest.approx(300.0)


def test_changes_shorten_and_constancy_lengthens() -> None:
    """A page whose bytes differ each time is kept for less, one whose bytes never do for more."""
    changing = lived(Adaptive(0.05, 1.0, 1e6), [str(number) for number in range(30)])
    constant = lived(Adaptive(0.05, 1.0, 1e6), ["same"] * 30)
    assert changing < 60
    assert constant > 300


def test_within_limits() -> None:
    """Neither under `min_ttl` nor over `max_ttl`, whatever was seen."""
    assert lived(Adaptive(0.05, 50.0, 1e6), [str(number) for number in range(30)], every=1.0) == 50.0
    assert lived(Adaptive(0.05, 1.0, 400.0), ["same"] * 200) == 400.0


@pytest.mark.parametrize("most", [0.0, 280.0, 350.0])
def test_never_beyond_what_the_response_allows(most: float) -> None:
    """A lifetime that the response gave is only ever shortened, `min_ttl` or not; what a part of the page allows counts, too."""
    allowed = max(300.0, most)
    assert lived(Adaptive(0.05, 1.0, 1e6), ["same"] * 100, most=most) == allowed
    assert lived(Adaptive(0.05, 1_000.0, 1e6), ["same"] * 100, most=most) == allowed
    assert lived(Adaptive(0.05, 1.0, 1e6), [str(number) for number in range(100)], most=most) < 60


def test_what_is_always_asked_about() -> None:
    """An entry without a lifetime, or one that is validated each time, stays as it is."""
    for fresh in (Freshness(0.0), Freshness(300.0, validate=True)):
        entry = Entry(200, (), b"", fresh, 0.0, 1, 1, ())
        Adaptive(0.05, 10.0, 1e6).fit(KEY, entry, None)
        assert entry.freshness is fresh


def test_new_page_of_a_known_route() -> None:
    """A page that is new takes after the other pages of its section, and not after other sections."""
    adaptive = Adaptive(0.05, 1.0, 1e6)
    lived(adaptive, [str(number) for number in range(30)])
    assert lived(adaptive, ["a"], key=(b"2",), url="/news/2?page=3") < 100
    assert lived(adaptive, ["a"], key=(b"3",), url="/about/us") == pytest.approx(300.0)


def test_use_counts() -> None:
    """What is used seldom may be kept for longer; uses of an entry that was purged meanwhile are not forgotten."""
    seldom, often, purged = (Adaptive(0.05, 1.0, 1e6) for _ in range(3))
    one = two = three = made()
    for number in range(20):
        one, two, three = (made(str(number // 4), at=number * 100.0) for _ in range(3))
        seldom.fit(KEY, one, made())
        often.fit(KEY, two, made(hits=1_000))
        purged.leave(KEY, made(hits=1_000))
        purged.fit(KEY, three, None)
    assert two.freshness.lifetime * 1.5 < one.freshness.lifetime
    assert three.freshness.lifetime == pytest.approx(two.freshness.lifetime, rel=0.01)


def test_what_is_remembered_is_bounded() -> None:
    """Of pages and routes a bounded number is remembered, the latest ones, and charged to the limit."""
    adaptive = Adaptive(0.05, 1.0, 1e6)
    for number in range(PAGES + 500):
        adaptive.fit((b"%d" % number,), made(url=f"/{number}/x"), None)
    assert len(adaptive._pages) == PAGES
    assert len(adaptive._routes) <= 1_000
    assert adaptive.bytes > PAGES * 500
    parts = Parts(Config(adaptive_ttl=0.1), now=lambda: 0.0, wall=lambda: 0.0)
    assert parts.adaptive is not None
    before = parts._reserved()
    parts.adaptive.fit(KEY, made(), None)
    assert parts._reserved() > before


async def test_through_the_middleware() -> None:
    """A page that says nothing of its lifetime gets a longer one when it stays as it is; one that does never gets more."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        told = ["Cache-Control: max-age=300"] if scope["path"] == "/told" else []
        await send({"type": "http.response.start", "status": 200, "headers": fields(HTML, *told)})
        await send({"type": "http.response.body", "body": b"always the same"})

    clock = Clock()
    given: dict[str, list[float]] = {"/quiet": [], "/told": []}
    async with caching(application, clock, adaptive_ttl=True, max_ttl=5_000, refresh_ahead=False) as app:
        for _ in range(6):
            for path, lifetimes in given.items():
                await Visitor(app).get(path)
                entry = stored(app, path)
                assert entry is not None
                lifetimes.append(entry.freshness.lifetime)
            clock.advance(6_000)
    assert given["/quiet"][0] == pytest.approx(300)
    assert given["/quiet"][-1] > 400
    assert max(given["/told"]) <= 300
