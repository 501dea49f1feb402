"""Conditional requests and ranges, answered by the cache; and the cache's own questions to the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.http.site import answer

if TYPE_CHECKING:
    from tests.http.site import Site

FRESH = "Cache-Control: max-age=60"
DIGITS = "0123456789"
CHANGED = "Thu, 01 Jan 2026 00:00:00 GMT"


def test_not_modified(site: Site) -> None:
    """RFC 9110 §15.4.5: a 304 has the fields a visitor's cache needs, and none about the body that it does not send."""
    path = site.script(
        answer(
            FRESH, 'ETag: "a"', f"Last-Modified: {CHANGED}", "Content-Location: /a", "Content-Language: en", "Vary: X-A"
        )
    )
    site.ask(path)

    for method in ("GET", "HEAD"):
        reply = site.ask(path, 'If-None-Match: "b", W/"a"', method=method)
        assert (reply.status, reply.body, reply.level) == (304, b"", "memory")
        assert reply.lines("etag") == ['"a"']
        assert reply.lines("cache-control") == ["max-age=60"]
        assert reply.lines("content-location") == ["/a"]
        assert "X-A" in reply.lines("vary")[0]
        assert len(reply.lines("age")) == 1
        for name in ("content-type", "content-length", "content-language", "last-modified", "transfer-encoding"):
            assert reply.lines(name) == []
    assert site.renders(path) == 1


@pytest.mark.parametrize(
    ("asks", "status"),
    [
        (['If-None-Match: "a"'], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "b"'], 200),
        (['If-None-Match: "b"', f"If-Modified-Since: {CHANGED}"], 200),
        ([f"If-Modified-Since: {CHANGED}"], 304),
        (["If-Modified-Since: Wed, 31 Dec 2025 23:59:59 GMT"], 200),
        (["If-Modified-Since: Thursday, 01-Jan-26 00:00:00 GMT"], 304),
        (["If-Modified-Since: Thu Jan  1 00:00:00 2026"], 304),
        (["If-Modified-Since: 2026-01-01"], 200),
    ],
    ids=str,
)
def test_conditions(site: Site, asks: list[str], status: int) -> None:
    """RFC 9110 §13.2.2: If-None-Match decides, else If-Modified-Since, in each of the three formats of a date."""
    path = site.script(answer(FRESH, 'ETag: "a"', f"Last-Modified: {CHANGED}"))
    site.ask(path)

    assert site.ask(path, *asks).status == status
    assert site.renders(path) == 1


def test_an_own_entity_tag(site: Site) -> None:
    """An answer without ETag gets a strong one on hits; it outlives a render of the same bytes, and the application never sees it."""
    path = site.script(answer(FRESH, body="the same"))
    site.ask(path)
    (tag,) = site.ask(path).lines("etag")

    assert tag.startswith('"')
    assert site.ask(path, f"If-None-Match: {tag}").status == 304
    site.advance(61)
    assert site.ask(path).lines("etag") in ([], [tag])
    assert site.renders(path) == 2
    assert "if-none-match" not in site.asked(path)
    assert site.ask(path, f"If-None-Match: {tag}").status == 304


def test_conditions_on_a_miss(site: Site) -> None:
    """A visitor's conditions reach the application in `rfc`; in `cms` they are taken off, and answered from the result."""
    path = site.script(answer(FRESH, 'ETag: "a"'))

    reply = site.ask(path, 'If-None-Match: "a"')
    assert ("if-none-match" in site.asked(path)) is (site.profile == "rfc")
    assert reply.status == 304
    assert site.ask(path).body == b"answer 1"
    assert site.renders(path) == 1


@pytest.mark.parametrize(
    ("asked", "status", "body", "described"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-99", 206, b"0123456789", "bytes 0-9/10"),
        ("Bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=3-1", 200, b"0123456789", None),
        ("bytes=x", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=0-3,2-5", 200, b"0123456789", None),
        ("bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8", 200, b"0123456789", None),
    ],
)
def test_range(site: Site, asked: str, status: int, body: bytes, described: str | None) -> None:
    """RFC 9110 §14: parts of a stored page; what is no use as a range gets the whole."""
    path = site.script(answer(FRESH, 'ETag: "a"', body=DIGITS))
    site.ask(path)

    reply = site.ask(path, f"Range: {asked}")
    assert (reply.status, reply.body, reply.field("content-range")) == (status, body, described)
    assert reply.lines("content-length") == [str(len(body))]
    assert reply.level == "memory"
    assert site.ask(path, f"Range: {asked}", method="HEAD").status == 200
    assert site.renders(path) == 1


def test_several_ranges(site: Site) -> None:
    """RFC 9110 §14.6: several parts come as multipart/byteranges, each with its type and place."""
    path = site.script(answer(FRESH, body=DIGITS))
    site.ask(path)

    reply = site.ask(path, "Range: bytes=0-1,-1")
    kind, _, boundary = (reply.field("content-type") or "").partition("; boundary=")
    assert (reply.status, kind) == (206, "multipart/byteranges")
    assert reply.lines("content-range") == []
    assert reply.lines("content-length") == [str(len(reply.body))]
    parts = reply.body.split(b"--" + boundary.encode())
    assert parts[-1].strip() == b"--"
    assert [part.strip().rpartition(b"\r\n\r\n")[2] for part in parts[1:-1]] == [b"01", b"9"]
    assert all(b"Content-Type: text/html" in part and b"Content-Range: bytes " in part for part in parts[1:-1])


@pytest.mark.parametrize(
    ("condition", "status"),
    [('"a"', 206), ('"b"', 200), ('W/"a"', 200), (CHANGED, 206), ("Thu, 01 Jan 2026 00:00:01 GMT", 200)],
)
def test_if_range(site: Site, condition: str, status: int) -> None:
    """RFC 9110 §13.1.5: a part only of the very representation that the visitor has parts of."""
    path = site.script(answer(FRESH, 'ETag: "a"', f"Last-Modified: {CHANGED}", f"Date: {site.now()}", body=DIGITS))
    site.ask(path)

    assert site.ask(path, "Range: bytes=0-1", f"If-Range: {condition}").status == status


def test_range_on_a_miss(site: Site) -> None:
    """A part that is not stored is the application's answer, which is passed on and not stored."""
    part = answer(FRESH, "Content-Range: bytes 0-1/10", status=206, body="01")
    path = site.script(part, part, answer(FRESH, body=DIGITS))

    for _ in range(2):
        reply = site.ask(path, "Range: bytes=0-1")
        assert (reply.status, reply.body) == (206, b"01")
    assert site.asked(path)["range"] == "bytes=0-1"
    assert site.ask(path).body == DIGITS.encode()
    assert site.ask(path, "Range: bytes=2-3").body == b"23"


@pytest.mark.parametrize("condition", ['If-Match: "a"', f"If-Unmodified-Since: {CHANGED}"])
def test_the_origins_conditions(site: Site, condition: str) -> None:
    """RFC 9111 §4.3.2: If-Match and If-Unmodified-Since are for the application alone."""
    path = site.script(answer(FRESH, 'ETag: "a"'))
    site.ask(path)

    reply = site.ask(path, condition)
    assert reply.body == b"answer 2"
    assert reply.cache_status == "fwd=bypass; detail=precondition"


def test_304_freshens(site: Site) -> None:
    """RFC 9111 §4.3.4: a 304 begins a new life and updates the fields, but not those that describe the stored bytes."""
    first = answer(FRESH, 'ETag: "a"', f"Last-Modified: {CHANGED}", "X-A: 1", "X-B: stays", "Content-Language: en")
    second = answer(
        *(
            "Cache-Control: max-age=600",
            'ETag: "a"',
            "X-A: 2",
            "X-A: 3",
            "Content-Language: de",
            "Content-Encoding: foo",
        ),
        *("X-New: 1", "Content-MD5: x"),
        status=304,
        body="",
        html=False,
    )
    path = site.script(first, second)
    site.ask(path)
    site.advance(61)

    reply = site.ask(path)
    assert (reply.status, reply.body) == (200, b"answer 1")
    assert reply.cache_status == "fwd=stale; fwd-status=304; stored; detail=revalidated"
    asked = site.asked(path)
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"a"', CHANGED)
    site.advance(61)
    for fresh in (reply, site.ask(path)):
        assert fresh.lines("x-a") == ["2", "3"]
        assert fresh.lines("x-b") == ["stays"]
        assert fresh.lines("x-new") == ["1"]
        assert fresh.lines("content-language") == ["de"]
        assert fresh.lines("content-length") == ["8"]
        assert fresh.lines("content-encoding") == fresh.lines("content-md5") == []
    assert site.renders(path) == 2


def test_304_answers_the_visitors_condition(site: Site) -> None:
    """RFC 9111 §4.3.3: after a validation the visitor's own condition is answered, and so is a range or a HEAD."""
    path = site.script(
        answer(FRESH, 'ETag: "a"', body=DIGITS), answer(FRESH, 'ETag: "a"', status=304, body="", html=False)
    )
    site.ask(path)
    for asks, method, status, body in (
        (['If-None-Match: "a"'], "GET", 304, b""),
        (['If-None-Match: "x"'], "GET", 200, DIGITS.encode()),
        (["Range: bytes=0-1"], "GET", 206, b"01"),
        ([], "HEAD", 200, b""),
    ):
        site.advance(61)
        reply = site.ask(path, *asks, method=method)
        assert (reply.status, reply.body) == (status, body)
        assert "detail=revalidated" in reply.cache_status
        assert site.asked(path)["if-none-match"] == '"a"'


def test_one_question_for_many(site: Site) -> None:
    """RFC 9111 §4: those who ask while the application is asked about a stale page share its answer."""
    path = site.script(
        answer(FRESH, 'ETag: "a"', body=DIGITS), answer(FRESH, 'ETag: "a"', gate="go", status=304, body="", html=False)
    )
    site.ask(path)
    site.advance(61)
    first = site.visitor().send(path)
    site.wait(path, "begun", 2)
    others = [site.visitor().send(path) for _ in range(4)]
    site.open(path, "go")

    assert {visitor.read().body for visitor in (first, *others)} == {DIGITS.encode()}
    assert site.renders(path) == 2


def test_another_answer_replaces(site: Site) -> None:
    """RFC 9111 §4.3.3: an answer that is no 304 takes the entry's place."""
    path = site.script(answer(FRESH, 'ETag: "a"'), answer(FRESH, 'ETag: "b"'))
    site.ask(path)
    site.advance(61)

    assert site.ask(path).body == b"answer 2"
    hit = site.ask(path)
    assert (hit.level, hit.body, hit.lines("etag")) == ("memory", b"answer 2", ['"b"'])
    assert site.ask(path, 'If-None-Match: "a"').status == 200


def test_an_answer_that_may_not_be_stored_outdates(site: Site) -> None:
    """RFC 9111 §4.3.3: a newer answer that may not be stored is not followed by the older one."""
    path = site.script(
        answer("Cache-Control: max-age=60, stale-while-revalidate=600"), answer("Cache-Control: no-store")
    )
    site.ask(path)
    site.advance(61)

    assert site.ask(path).body == b"answer 1"
    site.wait(path, "ended", 2)
    assert site.ask(path).body == b"answer 3"


def test_a_304_about_another_response(site: Site) -> None:
    """RFC 9111 §4.3.4: a 304 under another strong entity tag updates nothing."""
    path = site.script(
        answer(FRESH, 'ETag: "a"', "X-A: 1"), answer(FRESH, 'ETag: "b"', "X-A: 2", status=304, body="", html=False)
    )
    site.ask(path)
    site.advance(61)

    reply = site.ask(path)
    assert (reply.body, reply.lines("x-a")) == (b"answer 1", ["1"])
    site.ask(path)
    assert site.renders(path) == 3


def test_no_cache_is_validated_each_time(site: Site) -> None:
    """RFC 9111 §5.2.2.4: `rfc` keeps a no-cache response and asks before each use; `cms` does not keep it."""
    path = site.script(
        answer("Cache-Control: no-cache", 'ETag: "a"'), answer('ETag: "a"', status=304, body="", html=False)
    )
    if site.profile == "cms":
        path = site.script(answer("Cache-Control: no-cache", 'ETag: "a"'))

    bodies = [site.ask(path).body for _ in range(3)]
    assert site.renders(path) == 3
    assert bodies == ([b"answer 1"] * 3 if site.profile == "rfc" else [b"answer 1", b"answer 2", b"answer 3"])


def test_head_freshens(site: Site) -> None:
    """RFC 9111 §4.3.5: the answer to a HEAD that describes the stored page begins a new life; one that does not is passed on."""
    path = site.script(
        answer(FRESH, 'ETag: "a"', "X-A: 1"),
        answer("Cache-Control: max-age=600", 'ETag: "a"', "X-A: 2", "Content-Length: 8", body="", html=False),
    )
    site.ask(path)
    site.advance(61)
    head = site.ask(path, method="HEAD")
    assert (head.status, head.body, head.lines("x-a")) == (200, b"", ["2"])
    hit = site.ask(path)
    assert (hit.level, hit.body, hit.lines("x-a")) == ("memory", b"answer 1", ["2"])

    other = site.script(answer(FRESH, 'ETag: "a"'), answer(FRESH, 'ETag: "b"', body=""), answer(FRESH, 'ETag: "b"'))
    site.ask(other)
    site.advance(61)
    assert site.ask(other, method="HEAD").lines("etag") == ['"b"']
    assert site.ask(other).body == b"answer 3"
