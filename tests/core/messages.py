"""Requests, heads and entries written as people write them: `"Cache-Control: max-age=60"`."""

from __future__ import annotations

from dataclasses import replace

from cms_cache_mw.core.coding import finished
from cms_cache_mw.core.dates import format_date
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.core.message import Fields, Head, Request
from cms_cache_mw.core.policy import after
from cms_cache_mw.core.rules import RFC, Rules
from cms_cache_mw.core.storing import Store
from cms_cache_mw.core.vary import variant

WALL = 1_800_000_000.0
"""The present in these tests, in seconds since 1970: Fri, 15 Jan 2027 08:00:00 GMT."""
BORN = 5_000.0
"""The present on the worker's own clock."""
BODY = b"0123456789"


def at(seconds: float) -> str:
    """An HTTP-date so many seconds from the present."""
    return format_date(WALL + seconds).decode()


def fields(*lines: str) -> Fields:
    """Field lines as name and value."""
    pairs = (line.partition(":") for line in lines)
    return tuple((name.strip().lower().encode(), value.strip().encode("latin-1")) for name, _, value in pairs)


def request(*lines: str, method: str = "GET", path: bytes = b"/page", query: bytes = b"") -> Request:
    """A request for a page of `example.org`."""
    return Request(method, "https", path, query, (*fields("Host: example.org"), *fields(*lines)))


def head(*lines: str, status: int = 200) -> Head:
    """The start of a response."""
    return Head(status, fields(*lines))


def stored(
    *lines: str,
    status: int = 200,
    rules: Rules = RFC,
    asked: Request | None = None,
    delay: float = 0.0,
    body: bytes = BODY,
) -> Entry:
    """What the cache keeps of a response that came at the present."""
    asked = asked or request()
    store = after(asked, head(*lines, status=status), rules, BORN, WALL, delay=delay)
    assert isinstance(store, Store), store
    return Entry(
        status=status,
        fields=finished(store.fields, body, encodable=False, status=status),
        body=body,
        freshness=store.freshness,
        born=BORN - store.age,
        epoch=1,
        base=1,
        prints=(),
        variant=variant(asked, store.vary, rules),
    )


def plain(*lines: str, body: bytes = BODY, status: int = 200, encoded: dict[bytes, bytes] | None = None) -> Entry:
    """An entry with exactly these fields."""
    return Entry(status, fields(*lines), body, Freshness(60.0), BORN, 1, 1, (), encoded=encoded or {})


def aged(entry: Entry, seconds: float) -> Entry:
    """The same entry born so many seconds earlier."""
    return replace(entry, born=entry.born - seconds)
