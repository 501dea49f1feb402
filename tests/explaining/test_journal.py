"""The journal: the last decisions, searchable, and nothing of a visitor in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cms_cache_mw.core.status import Reason
from cms_cache_mw.explaining.journal import LONGEST_URL, Journal
from tests.support.asgi import HTML, Page, Pages, Visitor, caching

if TYPE_CHECKING:
    from tests.support.clock import Clock


def noted(journal: Journal, count: int) -> None:
    """Hits on `/0`, `/1`, …, one a second from 1 on."""
    for number in range(count):
        journal.note((number + 1.0, Reason.HIT, Reason.HIT, False, "site", f"/{number}", 200, 0.0))


def test_remembers_the_last() -> None:
    """The oldest decisions go, the newest come first."""
    journal = Journal(last=3)
    noted(journal, 5)
    assert [decision.url for decision in journal.search()] == ["/4", "/3", "/2"]


def test_search() -> None:
    """Decisions are found by a part of the URL, the site, a reason, the time and a number."""
    journal = Journal()
    noted(journal, 20)
    journal.note((30.0, Reason.URI_MISS, Reason.PRIVATE, False, "blog", "/account", 200, 29.0))
    assert [decision.url for decision in journal.search(text="/1", most=3)] == ["/19", "/18", "/17"]
    assert [decision.url for decision in journal.search(after=18.0)] == ["/account", "/19", "/18"]
    assert [decision.url for decision in journal.search(site="blog")] == ["/account"]
    for reason in ("private", "uri-miss"):
        assert [decision.url for decision in journal.search(reason=reason)] == ["/account"]
    assert journal.search(reason="purged") == []


async def test_what_is_noted(clock: Clock) -> None:
    """Each request makes one decision, with why it went on, and what became of the answer."""
    pages = Pages({"/private": Page(lines=(HTML, "Cache-Control: private")), "/gone": Page(status=404)})
    async with caching(pages, clock) as site:
        visitor = Visitor(site)
        for target in ("/a", "/a", "/private", "/private", "/gone"):
            clock.advance(1)
            await visitor.get(target)
        await visitor.get("/a", "Cookie: sessionid=secret")
        await visitor.get("/" + "x" * 2_000)
        found = site.cache.parts.tally.journal.search()
        assert [(decision.said, decision.status) for decision in reversed(found)] == [
            ((Reason.URI_MISS, Reason.STORED), 200),
            ((Reason.HIT,), 200),
            ((Reason.URI_MISS, Reason.PRIVATE), 200),
            ((Reason.KNOWN_UNCACHEABLE, Reason.PRIVATE), 200),
            ((Reason.URI_MISS, Reason.STATUS), 404),
            ((Reason.COOKIE,), 200),
            ((Reason.URI_MISS, Reason.STORED), 200),
        ]
        assert "secret" not in str(found)
        assert len(found[0].url) == LONGEST_URL
        hit = found[-2]
        assert (hit.hit, hit.at - hit.since, hit.site, hit.url) == (True, 1.0, "example.org", "/a")
