"""Requests and heads as values."""

from __future__ import annotations

from tests.core.messages import fields, request


def test_fields_are_taken_off_and_added() -> None:
    """Each gives another request; the lines of one name keep their order and are combined with commas."""
    asked = request("Accept: a", "Accept: b", "Cookie: c=1")
    assert asked.without({b"cookie", b"host"}).fields == fields("Accept: a", "Accept: b")
    assert asked.adding(fields("Range: bytes=0-1")).fields == (*asked.fields, *fields("Range: bytes=0-1"))
    assert asked.lines(b"accept") == [b"a", b"b"]
    assert asked.value(b"accept") == b"a, b"
    assert asked.value(b"range") is None
