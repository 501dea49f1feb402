"""No request and no response, however hostile, makes the rules raise: each gets one of the closed outcomes."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.answer import select
from cms_cache_mw.core.entry import Entry, Freshness
from cms_cache_mw.core.invalidation import groups, invalidated, invalidated_groups
from cms_cache_mw.core.message import Fields, Head, Request
from cms_cache_mw.core.policy import After, Before, Fallback, after, before, bypass, failed, to_fetch, to_validate
from cms_cache_mw.core.rules import CMS, RFC, Rules
from cms_cache_mw.core.status import Reason
from tests.core.messages import BODY, BORN, WALL, at

ASKED = [
    *("host", "cache-control", "pragma", "range", "if-range", "if-none-match", "if-modified-since", "accept-encoding"),
    *("accept-language", "authorization", "content-length", "cookie"),
]
SAID = [
    *(
        "cache-control",
        "cdn-cache-control",
        "surrogate-control",
        "expires",
        "date",
        "age",
        "last-modified",
        "etag",
        "vary",
        "pragma",
    ),
    *("connection", "content-type", "content-length", "content-encoding", "set-cookie", "location", "content-location"),
    *("cache-groups", "cache-group-invalidation", "cache-tag"),
]
WORDS = [
    *(
        "max-age=",
        "s-maxage=",
        "no-cache",
        "private",
        "no-store",
        "stale-if-error=9",
        "must-understand",
        "max-stale",
        "only-if-cached",
    ),
    *(
        "60",
        "99999999999999999999",
        "-1",
        '"',
        "\\",
        ",",
        ";",
        "=",
        "*",
        "/",
        "q=0.5",
        "gzip",
        "bytes=0-1",
        "text/html",
        'W/"a"',
        '"a"',
    ),
    *(at(-100), at(100), "https://example.org/b", "http://[", "\xff", "\0", "accept-encoding", " "),
]
VALUES = st.lists(st.sampled_from(WORDS), max_size=5).map("".join).map(lambda text: text.encode("latin-1")) | st.binary(
    max_size=20
)
METHODS = st.sampled_from(["GET", "GET", "HEAD", "POST", "PURGE", ""])
STATUSES = st.sampled_from([200, 200, 304, 206, 404, 500, 503, 301, 204, 599, 103])


def some_fields(names: list[str]) -> st.SearchStrategy[Fields]:
    """Fields of these names with anything in them."""
    return st.lists(st.tuples(st.sampled_from(names).map(str.encode), VALUES), max_size=6).map(tuple)


REQUESTS = st.builds(
    Request,
    METHODS,
    st.sampled_from(["http", "https"]),
    VALUES.map(lambda path: b"/" + path),
    VALUES,
    some_fields(ASKED),
)
HEADS = st.builds(Head, STATUSES, some_fields(SAID))
SECONDS = st.floats(0, 1e4)
LIVES = st.builds(Freshness, SECONDS, SECONDS, SECONDS, SECONDS, st.booleans(), st.booleans())
ENTRIES = st.builds(
    # 206 and 304 are never stored.
    lambda head, life, encoded: Entry(
        head.status, head.fields, BODY, life, BORN, 1, 1, (), encoded={b"gzip": b"g"} if encoded else {}
    ),
    HEADS.filter(lambda head: head.status not in {206, 304}),
    LIVES,
    st.booleans(),
)


@pytest.mark.parametrize("rules", [CMS, RFC], ids=["cms", "rfc"])
@given(request=REQUESTS, entry=st.none() | ENTRIES, elapsed=SECONDS)
def test_before(rules: Rules, request: Request, entry: Entry | None, elapsed: float) -> None:
    """Before the application there is an outcome, and it bypasses exactly where `bypass` says so or nothing whole could come."""
    outcome = before(request, entry, rules, BORN + elapsed)

    assert isinstance(outcome, get_args(Before))
    if reason := bypass(request, rules):
        assert outcome.reason is reason


@pytest.mark.parametrize("rules", [CMS, RFC], ids=["cms", "rfc"])
@given(request=REQUESTS, head=HEADS, entry=st.none() | ENTRIES, elapsed=SECONDS, delay=SECONDS)
def test_after(rules: Rules, request: Request, head: Head, entry: Entry | None, elapsed: float, delay: float) -> None:  # noqa: PLR0917
    """After the response head there is an outcome, and nothing is stored that says no-store by itself."""
    outcome = after(request, head, rules, BORN + elapsed, WALL, delay=delay, entry=entry)

    assert isinstance(outcome, get_args(After))
    if outcome.reason is Reason.STORED:
        assert request.method == "GET"
        assert dict(head.fields).get(b"cache-control") != b"no-store" or b"cdn-cache-control" in dict(head.fields)


@pytest.mark.parametrize("rules", [CMS, RFC], ids=["cms", "rfc"])
@given(request=REQUESTS, entry=ENTRIES, elapsed=SECONDS)
def test_requests_that_are_sent_on(rules: Rules, request: Request, entry: Entry, elapsed: float) -> None:
    """What the application sees has only fields that the visitor sent, or validators of the entry."""
    assert set(to_fetch(request, rules).fields) <= set(request.fields)
    assert {name for name, _ in to_validate(request, entry, rules).fields} <= (
        {name for name, _ in request.fields} | {b"if-none-match", b"if-modified-since"}
    )
    assert isinstance(failed(request, entry, rules, BORN + elapsed), Fallback | None)


@given(request=REQUESTS, entry=ENTRIES, elapsed=SECONDS)
def test_answers(request: Request, entry: Entry, elapsed: float) -> None:
    """An answer has the entry's status, or one that the request's conditions and ranges lead to."""
    answer = select(entry, request, BORN + elapsed, WALL)

    assert answer.status in {entry.status, 304, 206, 416}
    assert not answer.body or (request.method != "HEAD" and answer.status not in {304, 416})


@given(request=REQUESTS, head=HEADS)
def test_invalidation(request: Request, head: Head) -> None:
    """What is outdated are paths and names of groups."""
    assert all(target.startswith(b"/") for target in invalidated(request, head))
    assert all(isinstance(name, str) for name in (*groups(head), *invalidated_groups(request, head)))
