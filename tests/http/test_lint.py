"""What reaches a visitor, under the eyes of httplint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.http.site import answer
from tests.support.asgi import fields

if TYPE_CHECKING:
    from tests.http.site import Site
    from tests.http.wire import Received

pytest.importorskip("httplint")

import httplint
from httplint.note import levels

TEXT = "<!doctype html><title>A page</title>" * 20
PAGE = answer(
    *("Cache-Control: max-age=60, stale-while-revalidate=10", 'ETag: "a"', "Content-Language: en"),
    *("Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT", "Vary: Accept-Encoding", "Cache-Tag: a", "Date: {now}"),
    body=TEXT,
)
CONFIRMED = answer(
    *("Cache-Control: max-age=60", 'ETag: "a"', "Vary: Accept-Encoding", "Date: {now}"), status=304, body="", html=False
)


def complaints(reply: Received, method: str, present: float) -> list[str]:
    """What is bad about an answer, or worth a warning."""
    linter = httplint.HttpResponseLinter(start_time=present)
    linter.is_head_response = method == "HEAD"
    linter.process_response_topline(b"HTTP/1.1", b"%d" % reply.status, b"")
    # It judges Date by Age only where it has read Age before.
    linter.process_headers(sorted(reply.fields, key=lambda field: field[0] != b"age"))
    if reply.body:
        linter.feed_content(reply.body)
    linter.finish_content(complete=True)
    found = [str(note.summary) for note in linter.notes if note.level in {levels.WARN, levels.BAD}]
    if "multipart/byteranges" in (reply.field("content-type") or ""):
        # httplint does not know that Content-Range is in the parts there (RFC 9110 §15.3.7.2).
        found.remove("This response is partial, but doesn't have a Content-Range header.")
    return found


@pytest.mark.parametrize(
    ("asks", "method", "status"),
    [
        pytest.param([], "GET", 200, id="whole"),
        pytest.param(["Accept-Encoding: gzip"], "GET", 200, id="gzip"),
        pytest.param([], "HEAD", 200, id="head"),
        pytest.param(['If-None-Match: "a"'], "GET", 304, id="not modified"),
        pytest.param(["If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT"], "GET", 304, id="not modified by date"),
        pytest.param(["Range: bytes=0-9"], "GET", 206, id="one part"),
        pytest.param(["Range: bytes=0-9,20-29"], "GET", 206, id="several parts"),
        pytest.param(["Range: bytes=99999-"], "GET", 416, id="no such part"),
    ],
)
def test_answers(site: Site, asks: list[str], method: str, status: int) -> None:
    """Nothing in an answer is bad or worth a warning: not in a miss, a hit, a stale or a confirmed one."""
    path = site.script(PAGE, CONFIRMED)

    replies: list[Received] = []

    def ask(*lines: str, method: str = method) -> str:
        replies.append(site.ask(path, *lines, method=method))
        assert complaints(replies[-1], method, site.wall()) == []
        return replies[-1].cache_status

    assert ask(*(line for line in asks if line.startswith("Accept")), method="GET") == "fwd=uri-miss; stored"
    assert "detail=memory" in ask(*asks)
    site.advance(65)
    assert "ttl=-" in ask(*asks)
    site.wait(path, "over", 2)
    site.advance(100)
    assert "detail=revalidated" in ask(*asks)
    assert [reply.status for reply in replies] == [200, status, status, status]


@pytest.mark.parametrize("profile", ["rfc"])
def test_only_if_cached(site: Site) -> None:
    """The one answer that the cache makes up has nothing bad about it."""
    path = site.script(answer())

    reply = site.ask(path, "Cache-Control: only-if-cached")
    assert reply.status == 504
    # Date is the server's here, whose clock is not the cache's.
    reply.fields = [(name, value) for name, value in reply.fields if name != b"date"] + fields(f"Date: {site.now()}")
    assert complaints(reply, "GET", site.wall()) == []
