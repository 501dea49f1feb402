"""What we send, under the eyes of httplint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cms_cache_mw.core.answer import select
from cms_cache_mw.core.status import HIT_MEMORY, append
from tests.core.messages import BORN, WALL, at, request, stored

if TYPE_CHECKING:
    from cms_cache_mw.core.message import Request

pytest.importorskip("httplint")

import httplint
from httplint.note import levels

BODY = b"<!doctype html><title>A page</title>" * 20
ENTRY = stored(
    *(
        "Content-Type: text/html; charset=utf-8",
        "Cache-Control: max-age=60, stale-while-revalidate=10",
        f"Date: {at(-3)}",
    ),
    *('ETag: "a"', f"Last-Modified: {at(-100)}", "Vary: Accept-Encoding", "Content-Language: en"),
    body=BODY,
)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        pytest.param(request(), 200, id="whole"),
        pytest.param(request(method="HEAD"), 200, id="head"),
        pytest.param(request('If-None-Match: "a"'), 304, id="not modified"),
        pytest.param(request(f"If-Modified-Since: {at(0)}"), 304, id="not modified by date"),
        pytest.param(request("Range: bytes=0-9"), 206, id="one part"),
        pytest.param(request("Range: bytes=0-9,20-29"), 206, id="several parts"),
        pytest.param(request("Range: bytes=9999-"), 416, id="no such part"),
    ],
)
def test_answers(asked: Request, status: int) -> None:
    """Nothing in an answer is bad or worth a warning."""
    answer = select(ENTRY, asked, BORN + 1, WALL + 1)
    linter = httplint.HttpResponseLinter(start_time=WALL + 1)
    linter.is_head_response = asked.method == "HEAD"
    linter.process_response_topline(b"HTTP/1.1", b"%d" % answer.status, b"")
    linter.process_headers(list(append(answer.fields, HIT_MEMORY % 59)))
    for piece in answer.body:
        linter.feed_content(piece)
    linter.finish_content(complete=True)
    bad = [str(note.summary) for note in linter.notes if note.level in {levels.WARN, levels.BAD}]
    if len(answer.body) > 1:
        # httplint does not know multipart/byteranges, where Content-Range is in the parts (RFC 9110 §15.3.7.2).
        bad.remove("This response is partial, but doesn't have a Content-Range header.")

    assert answer.status == status
    assert bad == []
