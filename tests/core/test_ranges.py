"""Byte ranges are read strictly, and sent as RFC 9110 says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.ranges import Span, multipart, spans


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"bytes=0-0", ((0, 1),)),
        (b"bytes=2-5", ((2, 6),)),
        (b"bytes=2-", ((2, 10),)),
        (b"bytes=-3", ((7, 10),)),
        (b"bytes=-99", ((0, 10),)),
        (b"bytes=5-99", ((5, 10),)),
        (b"bytes=9-9", ((9, 10),)),
        (b"Bytes = 0-1 , 4-5,,", ((0, 2), (4, 6))),
        (b"bytes=4-5,0-1", ((4, 6), (0, 2))),
        (b"bytes=0-1,2-3", ((0, 2), (2, 4))),
        (b"bytes=0-1,20-30", ((0, 2),)),
        (b"bytes=10-", ()),
        (b"bytes=10-20,30-40", ()),
        (b"bytes=-0", ()),
        (b"bytes=" + b"9" * 9999 + b"-", ()),
        (b"bytes=0-" + b"9" * 9999, ((0, 10),)),
        (b"bytes=" + b"0" * 99 + b"1-2", ((1, 3),)),
        (b"bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(8)), tuple((n, n + 1) for n in range(8))),
    ],
)
def test_parts(value: bytes, found: tuple[Span, ...]) -> None:
    """The parts that exist, in the order asked for."""
    assert spans(value, 10) == found


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"bytes",
        b"bytes=",
        b"bytes=,",
        b"bytes=-",
        b"bytes=a-b",
        b"bytes=1",
        b"bytes=5-2",
        b"bytes=0-1;2-3",
        b"bytes=0-1, x",
        b"bytes=+1-2",
        b"items=0-1",
        b"0-1",
        b"bytes=0-5,4-8",
        b"bytes=4-8,0-5",
        b"bytes=0-,-1",
        b"bytes=20-10,0-1",
        b"bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(9)),
    ],
)
def test_ignored(value: bytes) -> None:
    """RFC 9110 §14.2: what is no range, asks for overlapping parts or for more than eight gets the whole."""
    assert spans(value, 10) is None


@pytest.mark.parametrize(
    ("value", "found"), [(b"bytes=-5", None), (b"bytes=-0", ()), (b"bytes=0-", ()), (b"bytes=0-,-1", None)]
)
def test_parts_of_nothing(value: bytes, found: tuple[Span, ...] | None) -> None:
    """RFC 9110 §14.1.2: the last bytes of an empty body are the whole of it; it has no first one."""
    assert spans(value, 0) == found


@given(
    st.binary() | st.text("bytes=0123456789-, ", max_size=30).map(lambda text: b"bytes=" + text.encode()),
    st.integers(0, 50),
)
def test_parts_lie_within_the_body(value: bytes, length: int) -> None:
    """Whatever is asked for, parts are inside the body, not empty, and do not overlap."""
    found = spans(value, length) or ()

    assert all(0 <= start < end <= length for start, end in found)
    assert sum(end - start for start, end in found) <= length


def test_multipart() -> None:
    """Each part has its own type and range; the boundary appears nowhere else."""
    media_type, pieces = multipart(b"0123456789", ((0, 2), (5, 9)), b"text/plain")
    boundary = re.fullmatch(rb"multipart/byteranges; boundary=([0-9a-f]{32})", media_type)

    assert boundary
    assert b"".join(pieces).split(b"--" + boundary[1]) == [
        b"",
        b"\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n",
        b"\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-8/10\r\n\r\n5678\r\n",
        b"--\r\n",
    ]


def test_multipart_without_type() -> None:
    """Parts of a body whose type nobody gave have none."""
    media_type, pieces = multipart(b"0123456789", ((0, 1),), None)
    boundary = media_type.rpartition(b"=")[2]

    assert pieces[0] == b"--" + boundary + b"\r\nContent-Range: bytes 0-0/10\r\n\r\n"
