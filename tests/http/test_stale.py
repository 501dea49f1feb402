"""Stale pages: at once while a render replaces them, and in place of an error, within their windows and never after a purge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.http.site import answer

if TYPE_CHECKING:
    from tests.http.site import Site

REFRESHED = "Cache-Control: max-age=60, stale-while-revalidate=60"
TAG = "Cache-Tag: thing:1"


def test_stale_at_once(site: Site) -> None:
    """RFC 5861 §3: the visitor has the stale page before the render that replaces it is done; one render serves all."""
    path = site.script(answer(REFRESHED), answer(REFRESHED, gate="go"))
    site.ask(path)
    site.advance(70)

    for _ in range(5):
        stale = site.ask(path)
        assert stale.body == b"answer 1"
        assert stale.cache_status.startswith("hit; ttl=-")
    site.wait(path, "begun", 2)
    assert site.renders(path) == 2
    site.open(path, "go")
    site.wait(path, "over", 2)
    fresh = site.ask(path)
    assert (fresh.body, fresh.level) == (b"answer 2", "memory")
    assert int(fresh.lines("age")[0]) < 60
    assert site.renders(path) == 2


def test_the_visitor_need_not_wait(site: Site) -> None:
    """RFC 5861 §3: the render goes on when the visitor who caused it has hung up."""
    path = site.script(answer(REFRESHED), answer(REFRESHED, gate="go"))
    site.ask(path)
    site.advance(70)
    with site.visitor() as visitor:
        visitor.send(path).head()
    site.wait(path, "begun", 2)
    site.open(path, "go")
    site.wait(path, "over", 2)

    assert site.ask(path).body == b"answer 2"
    assert site.renders(path) == 2


def test_not_beyond_the_window(site: Site) -> None:
    """RFC 5861 §3: after the window the visitor waits for the render."""
    path = site.script(answer(REFRESHED))
    site.ask(path)
    site.advance(121)

    reply = site.ask(path)
    assert reply.body == b"answer 2"
    assert reply.cache_status.startswith("fwd=stale")


def test_the_refresh_asks_for_the_whole(site: Site) -> None:
    """A refresh caused by a HEAD, a range or a condition renders the page, and asks with the stored validators."""
    for asks, method in ((["Range: bytes=0-1"], "GET"), (['If-None-Match: "x"'], "GET"), ([], "HEAD")):
        path = site.script(answer(REFRESHED, 'ETag: "a"'), answer(REFRESHED, 'ETag: "b"'))
        site.ask(path)
        site.advance(70)
        site.ask(path, *asks, method=method)
        site.wait(path, "over", 2)
        seen = site.seen(path)[1]
        assert seen["method"] == "GET"
        assert dict(seen["fields"])["if-none-match"] == '"a"'
        assert "range" not in dict(seen["fields"])
        assert site.ask(path).body == b"answer 2"


def test_a_refresh_that_fails(site: Site) -> None:
    """RFC 5861 §3: within its window the stale page stays when its replacement fails; the next visitor tries again."""
    path = site.script(answer(REFRESHED), answer(fails="raise"), answer(status=500), answer(REFRESHED))
    site.ask(path)
    site.advance(70)
    for number in (2, 3, 4):
        assert site.ask(path).body == b"answer 1"
        site.wait(path, "over", number)
    assert site.ask(path).body == b"answer 4"


FAILURES = [
    *(
        pytest.param(answer("Cache-Control: no-store", status=status), id=str(status))
        for status in (500, 502, 503, 504)
    ),
    pytest.param(answer(fails="raise"), id="raises"),
    pytest.param(answer(fails="silent"), id="gives no answer"),
]


@pytest.mark.parametrize("failure", FAILURES)
def test_stale_if_error(site: Site, failure: dict[str, object]) -> None:
    """RFC 5861 §4: within the window a stale page stands in for an error, and not after it."""
    path = site.script(answer("Cache-Control: max-age=60, stale-if-error=60"), failure)
    site.ask(path)
    site.advance(70)

    reply = site.ask(path)
    assert (reply.status, reply.body) == (200, b"answer 1")
    assert "detail=stale-" in reply.cache_status
    assert int(reply.lines("age")[0]) >= 70
    site.advance(60)
    assert site.ask(path).status >= 500


@pytest.mark.parametrize("failure", FAILURES)
def test_without_the_directive(site: Site, failure: dict[str, object]) -> None:
    """RFC 9111 §4.2.4: `cms` serves stale for any failure, `rfc` where there was no answer at all; each for an hour."""
    path = site.script(answer("Cache-Control: max-age=60"), failure)
    site.ask(path)
    site.advance(70)

    reply = site.ask(path)
    stands_in = site.profile == "cms" or failure["fails"]
    assert (reply.body == b"answer 1") is bool(stands_in)
    site.advance(3_600)
    assert site.ask(path).status >= 500


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate", "stale-if-error=0"])
def test_a_directive_forbids_it(site: Site, failure: dict[str, object], directive: str) -> None:
    """RFC 9111 §4.2.4: what must not be served stale is not served stale."""
    path = site.script(answer(f"Cache-Control: max-age=60, {directive}"), failure)
    site.ask(path)
    site.advance(70)

    assert site.ask(path).status >= 500


@pytest.mark.parametrize("status", [400, 404, 410, 501, 505])
def test_other_answers_are_passed_on(site: Site, status: int) -> None:
    """RFC 5861 §4: only 500, 502, 503 and 504 are failures."""
    path = site.script(answer("Cache-Control: max-age=60, stale-if-error=600"), answer(status=status))
    site.ask(path)
    site.advance(70)

    assert site.ask(path).status == status


@pytest.mark.parametrize("failure", FAILURES)
def test_never_after_a_purge(site: Site, failure: dict[str, object]) -> None:
    """What was hard-purged is gone: an error is an error."""
    path = site.script(answer("Cache-Control: max-age=60, stale-if-error=600", TAG), failure)
    site.ask(path)
    site.purge(tags=["thing:1"])

    assert site.ask(path).status >= 500


@pytest.mark.parametrize("failure", FAILURES)
def test_never_after_a_purge_during_the_failing_render(site: Site, failure: dict[str, object]) -> None:
    """A purge that ends while the application is about to fail forbids what it purged."""
    path = site.script(answer("Cache-Control: max-age=60, stale-if-error=600", TAG), failure | {"gate": "go"})
    site.ask(path)
    site.advance(70)
    visitor = site.visitor().send(path)
    site.wait(path, "begun", 2)
    site.purge(tags=["thing:1"])
    site.open(path, "go")

    reply = visitor.read()
    assert reply.broken or reply.status >= 500
    assert b"answer 1" not in reply.body


def test_a_purge_during_a_refresh(site: Site) -> None:
    """What was rendered before a purge ended is not served after it, stale or refreshed."""
    path = site.script(answer(REFRESHED, TAG), answer(REFRESHED, TAG, gate="go"))
    site.ask(path)
    site.advance(70)
    assert site.ask(path).body == b"answer 1"
    site.wait(path, "begun", 2)
    site.purge(tags=["thing:1"])
    site.open(path, "go")

    assert site.ask(path).body == b"answer 3"


def test_a_soft_purge(site: Site) -> None:
    """What was purged softly is stale: it is served at once while one render replaces it."""
    path = site.script(answer("Cache-Control: max-age=60", TAG))
    site.ask(path)
    site.purge(tags=["thing:1"], soft=True)

    assert site.ask(path).body == b"answer 1"
    site.wait(path, "over", 2)
    assert site.ask(path).body == b"answer 2"


def test_nothing_to_stand_in(site: Site) -> None:
    """Without a stored page an application that fails is an error of the server, and nothing is stored of it."""
    path = site.script(answer(fails="raise"), answer("Cache-Control: max-age=60"))

    reply = site.ask(path)
    assert reply.broken or reply.status == 500
    assert site.ask(path).body == b"answer 2"
