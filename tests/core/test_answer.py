"""Answers made of an entry: whole, head, 304, parts and codings."""

from __future__ import annotations

import gzip

import pytest

from cms_cache_mw.core.answer import SELECTING, select
from cms_cache_mw.core.message import Fields, combined, lines
from tests.core.messages import BODY, BORN, WALL, at, fields, plain, request

LM = f"Last-Modified: {at(-100)}"
DATE = f"Date: {at(-50)}"
ENTRY = plain(
    'ETag: "a"',
    LM,
    DATE,
    "Content-Type: text/plain",
    "Content-Language: de",
    "Vary: Foo",
    "X-A: 1",
    "Content-Length: 10",
)
SMALLER = gzip.compress(BODY, mtime=0)
ENCODED = plain(
    'ETag: "a"', "Content-Type: text/plain", "Vary: Accept-Encoding", "Content-Length: 10", encoded={b"gzip": SMALLER}
)


def names(found: Fields) -> list[str]:
    """Field names in order."""
    return [name.decode() for name, _ in found]


def test_whole() -> None:
    """A plain GET gets everything, and the Age."""
    answer = select(ENTRY, request(), BORN + 7.9, WALL)

    assert (answer.status, answer.body) == (200, (BODY,))
    assert answer.fields == (*ENTRY.fields, (b"age", b"7"))


def test_head() -> None:
    """RFC 9110 §9.3.2: HEAD gets the same fields and no body, and knows no ranges."""
    answer = select(ENTRY, request("Range: bytes=0-1", method="HEAD"), BORN, WALL)

    assert (answer.status, answer.body) == (200, ())
    assert answer.fields == (*ENTRY.fields, (b"age", b"0"))


def test_not_modified() -> None:
    """RFC 9110 §15.4.5: a 304 has what helps a cache, and nothing about a body."""
    answer = select(ENTRY, request('If-None-Match: "a"'), BORN + 7, WALL)

    assert (answer.status, answer.body) == (304, ())
    assert answer.fields == fields('ETag: "a"', DATE, "Vary: Foo", "X-A: 1", "Age: 7")


@pytest.mark.parametrize(
    "line",
    [
        *("Content-Encoding: a", "Content-Language: de", "Content-Length: 10", "Content-MD5: a", "Content-Digest: a"),
        *("Content-Range: bytes 0-9/10", "Content-Type: text/plain", LM, "Repr-Digest: a"),
    ],
)
def test_not_modified_describes_no_body(line: str) -> None:
    """RFC 9110 §15.4.5: fields about a body are left out of a 304."""
    assert select(plain('ETag: "a"', line), request('If-None-Match: "a"'), BORN, WALL).fields == fields(
        'ETag: "a"', "Age: 0"
    )


@pytest.mark.parametrize(
    "line",
    ["Cache-Control: max-age=60", "Content-Location: /b", DATE, f"Expires: {at(60)}", "Vary: Foo"],
    ids=lambda line: line.partition(":")[0],
)
def test_not_modified_says_what_a_200_would(line: str) -> None:
    """RFC 9110 §15.4.5: a 304 has these fields if the 200 would have them, or the visitor's cache would go by the old ones."""
    assert fields(line)[0] in select(plain('ETag: "a"', line), request('If-None-Match: "a"'), BORN, WALL).fields


def test_not_modified_by_date() -> None:
    """RFC 9110 §15.4.5: Last-Modified is in a 304 where there is no entity tag to go by."""
    entry = plain(LM, "Content-Type: text/plain", "X-A: 1")

    answer = select(entry, request(f"If-Modified-Since: {at(-100)}"), BORN, WALL)

    assert (answer.status, answer.fields) == (304, fields(LM, "X-A: 1", "Age: 0"))


def test_not_modified_by_star() -> None:
    """RFC 9110 §13.1.2: `*` holds for an entry without entity tag too."""
    assert select(plain("X-A: 1"), request("If-None-Match: *"), BORN, WALL).status == 304
    answer = select(ENTRY, request("If-None-Match: *"), BORN, WALL)
    assert combined(answer.fields, b"etag") == b'"a"'
    assert combined(answer.fields, b"last-modified") is None


@pytest.mark.parametrize("status", [300, 301, 404, 410, 503])
def test_conditions_are_for_successes(status: int) -> None:
    """RFC 9110 §13.2.1: an answer that would be no 2xx is given as it is."""
    entry = plain('ETag: "a"', status=status)

    assert select(entry, request('If-None-Match: "a"', "Range: bytes=0-1"), BORN, WALL).status == status


def test_ranges_are_for_200() -> None:
    """RFC 9110 §14.2: ranges are of the answer a 200 would be; a condition counts for any success."""
    entry = plain('ETag: "a"', status=203)

    assert select(entry, request("Range: bytes=0-1"), BORN, WALL).status == 203
    assert select(entry, request('If-None-Match: "a"'), BORN, WALL).status == 304


def test_one_part() -> None:
    """RFC 9110 §15.3.7.1: one part, its place, and the fields of the whole."""
    answer = select(ENTRY, request("Range: bytes=2-4"), BORN, WALL)

    assert (answer.status, answer.body) == (206, (b"234",))
    assert combined(answer.fields, b"content-range") == b"bytes 2-4/10"
    assert lines(answer.fields, b"content-length") == [b"3"]
    assert set(names(ENTRY.fields)) | {"age", "content-range"} == set(names(answer.fields))


def test_several_parts() -> None:
    """RFC 9110 §15.3.7.2: several parts are one multipart body, of the length that Content-Length says."""
    answer = select(ENTRY, request("Range: bytes=-1, 0-1"), BORN, WALL)

    assert answer.status == 206
    assert combined(answer.fields, b"content-range") is None
    assert lines(answer.fields, b"content-length") == [b"%d" % len(b"".join(answer.body))]
    [media_type] = lines(answer.fields, b"content-type")
    assert media_type.startswith(b"multipart/byteranges; boundary=")
    assert [piece for piece in answer.body if b"-" not in piece] == [b"9", b"01"]
    assert b"".join(answer.body).count(b"Content-Type: text/plain\r\n") == 2


def test_no_such_part() -> None:
    """RFC 9110 §15.5.17: 416 tells the length, and describes no body."""
    answer = select(ENTRY, request("Range: bytes=10-"), BORN, WALL)

    assert (answer.status, answer.body) == (416, ())
    assert combined(answer.fields, b"content-range") == b"bytes */10"
    assert combined(answer.fields, b"content-length") == b"0"
    assert not {"etag", "content-type", "last-modified"} & set(names(answer.fields))


@pytest.mark.parametrize("line", ["Range: lines=0-1", "Range: bytes=5-1", "Range: bytes=0-5,3-8"])
def test_unfit_ranges(line: str) -> None:
    """RFC 9110 §14.2: a Range that is ignored leaves the whole."""
    answer = select(ENTRY, request(line), BORN, WALL)

    assert (answer.status, answer.body) == (200, (BODY,))


def test_two_range_lines() -> None:
    """RFC 9110 §5.3: Range is no list; two of them are none."""
    assert select(ENTRY, request("Range: bytes=0-1", "Range: bytes=2-3"), BORN, WALL).status == 200


@pytest.mark.parametrize(
    ("lines", "partial"),
    [
        (['If-Range: "a"'], True),
        (['If-Range: "b"'], False),
        (['If-Range: W/"a"'], False),
        (["If-Range: a"], False),
        (['If-Range: "a"', 'If-Range: "a"'], False),
        ([f"If-Range: {at(-100)}"], True),
        ([f"If-Range: {at(-99)}"], False),
    ],
)
def test_if_range(lines: list[str], partial: bool) -> None:
    """RFC 9110 §13.1.5: a part only of the very representation that the visitor has."""
    assert select(ENTRY, request("Range: bytes=0-1", *lines), BORN, WALL).status == (206 if partial else 200)


@pytest.mark.parametrize(
    ("says", "sent"),
    [
        ([LM], at(-100)),
        ([DATE], at(-50)),
        ([LM, f"Date: {at(-100)}"], at(-100)),
        ([LM, "Date: x"], at(-100)),
        (["Last-Modified: x", DATE], "x"),
    ],
)
def test_if_range_with_weak_dates(says: list[str], sent: str) -> None:
    """RFC 9110 §8.8.2.2: a date is strong only if the response was made a second later."""
    assert select(plain(*says), request("Range: bytes=0-1", f"If-Range: {sent}"), BORN, WALL).status == 200


@pytest.mark.parametrize(
    ("says", "sent"),
    [
        ([f"Last-Modified: {at(-100)}", f"Date: {at(-99)}"], at(-100)),
        (['ETag: "a"'], '"a"'),
    ],
)
def test_if_range_with_strong_validators(says: list[str], sent: str) -> None:
    """RFC 9110 §8.8.2.2: one second between change and answer is enough."""
    assert select(plain(*says), request("Range: bytes=0-1", f"If-Range: {sent}"), BORN, WALL).status == 206


def test_if_range_alone() -> None:
    """RFC 9110 §13.1.5: If-Range without Range says nothing."""
    assert select(ENTRY, request('If-Range: "a"'), BORN, WALL) == select(ENTRY, request(), BORN, WALL)


def test_if_range_with_a_stored_weak_tag() -> None:
    """RFC 9110 §13.1.5: a weak tag never matches, not even itself."""
    assert select(plain('ETag: W/"a"'), request("Range: bytes=0-1", 'If-Range: W/"a"'), BORN, WALL).status == 200


def test_precondition_before_range() -> None:
    """RFC 9110 §13.2.2: If-None-Match is looked at before Range."""
    assert select(ENTRY, request('If-None-Match: "a"', "Range: bytes=0-1"), BORN, WALL).status == 304


def test_coding() -> None:
    """Who reads gzip gets it, with its own tag and length; who does not gets identity, told that it varies."""
    answer = select(ENCODED, request("Accept-Encoding: gzip"), BORN, WALL)

    assert answer.body == (SMALLER,)
    assert combined(answer.fields, b"content-encoding") == b"gzip"
    assert combined(answer.fields, b"etag") == b'"a-gz"'
    assert lines(answer.fields, b"content-length") == [b"%d" % len(SMALLER)]
    assert combined(answer.fields, b"vary") == b"Accept-Encoding"
    assert select(ENCODED, request(), BORN, WALL).fields == (*ENCODED.fields, (b"age", b"0"))


@pytest.mark.parametrize("tag", ['"a"', '"a-gz"', '"a-br"', 'W/"a-zst"'])
@pytest.mark.parametrize("accept", ["gzip", "identity"])
def test_any_coding_is_held(tag: str, accept: str) -> None:
    """If-None-Match matches the tag of any coding, and the 304 repeats that tag."""
    answer = select(ENCODED, request(f"If-None-Match: {tag}", f"Accept-Encoding: {accept}"), BORN, WALL)

    assert answer.status == 304
    assert combined(answer.fields, b"etag") == tag.removeprefix("W/").encode()
    assert combined(answer.fields, b"vary") == b"Accept-Encoding"
    assert combined(answer.fields, b"content-encoding") is None


def test_parts_of_a_coding() -> None:
    """RFC 9110 §14.1.2: positions count in the coded body, and If-Range names that coding."""
    asked = request("Accept-Encoding: gzip", "Range: bytes=0-1", 'If-Range: "a-gz"')

    assert select(ENCODED, asked, BORN, WALL).body == (SMALLER[:2],)
    assert select(ENCODED, request("Range: bytes=0-1", 'If-Range: "a-gz"'), BORN, WALL).status == 200


@pytest.mark.parametrize(
    "asks",
    [
        ['If-None-Match: "a"'],
        [f"If-Modified-Since: {at(0)}"],
        ["Range: bytes=0-1"],
        ["Range: bytes=0-1", 'If-Range: "b"'],
    ],
)
def test_what_selects_is_known(asks: list[str]) -> None:
    """Whoever keeps answers for requests that look alike knows each field that makes an answer another one."""
    assert select(ENTRY, request(*asks), BORN, WALL) != select(ENTRY, request(*asks[:-1]), BORN, WALL)
    assert fields(asks[-1])[0][0] in SELECTING
