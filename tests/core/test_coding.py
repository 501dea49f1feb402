"""Codings that the cache makes: who gets which, and under what entity tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.coding import (
    IDENTITY,
    SUFFIXES,
    acceptable,
    chosen,
    encodes,
    finished,
    own_tag,
    represented,
    tag_for,
    tags,
    varied,
)
from cms_cache_mw.core.message import combined
from cms_cache_mw.core.rules import CMS, RFC
from tests.core.messages import fields, head, plain, request


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (b"", ()),
        (b"identity", ()),
        (b"gzip", (b"gzip",)),
        (b"x-gzip", (b"gzip",)),
        (b"GZip ; q=0.5", (b"gzip",)),
        (b"gzip, deflate, br, zstd", (b"br", b"zstd", b"gzip")),
        (b"gzip;q=1, br;q=0.5", (b"gzip", b"br")),
        (b"br;q=0, gzip", (b"gzip",)),
        (b"gzip;q=0", ()),
        (b"*", (b"gzip",)),
        (b"*;q=0", ()),
        (b"*, gzip;q=0", ()),
        (b"br, *;q=0.1", (b"br", b"gzip")),
        (b"gzip;q=0.5, identity", ()),
        (b"gzip;q=0.5, identity;q=0.5", (b"gzip",)),
        (b"identity;q=0, gzip;q=0.1", (b"gzip",)),
        (b"deflate", ()),
        (b"gzip;q=0.001", (b"gzip",)),
    ],
)
def test_acceptable(accept: bytes, wanted: tuple[bytes, ...]) -> None:
    """RFC 9110 §12.5.3: by weight, then the smallest first; `*` means gzip."""
    assert acceptable(accept) == wanted


def test_acceptable_at_length() -> None:
    """A value too long to be remembered is understood all the same."""
    assert acceptable(b"x," * 500 + b"br") == (b"br",)


@given(st.binary())
def test_acceptable_is_total(accept: bytes) -> None:
    """Any bytes accept some codings of ours."""
    assert set(acceptable(accept)) <= set(SUFFIXES)


def test_chosen() -> None:
    """The best coding that the entry has, and identity for whoever takes none of them."""
    entry = plain(encoded={b"gzip": b"g", b"br": b"b"})

    assert chosen(entry, request("Accept-Encoding: gzip, br").value(b"accept-encoding")) == b"br"
    assert chosen(entry, request("Accept-Encoding: gzip", "Accept-Encoding: zstd").value(b"accept-encoding")) == b"gzip"
    assert chosen(entry, request("Accept-Encoding: zstd").value(b"accept-encoding")) == IDENTITY
    assert chosen(entry, request("Accept-Encoding:").value(b"accept-encoding")) == IDENTITY
    assert chosen(entry, request().value(b"accept-encoding")) == IDENTITY
    assert chosen(plain(), request("Accept-Encoding: gzip").value(b"accept-encoding")) == IDENTITY


HTML = "Content-Type: text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("lines", "status", "may"),
    [
        ([HTML], 200, True),
        (["Content-Type: APPLICATION/json"], 200, True),
        (["Content-Type: application/ld+json; x=y"], 200, True),
        (["Content-Type: image/svg+xml"], 200, True),
        (["Content-Type: application/javascript"], 200, True),
        (["Content-Type: application/manifest+json"], 200, True),
        (["Content-Type: image/png"], 200, False),
        (["Content-Type: application/jsonx"], 200, False),
        (["Content-Type: text/event-stream"], 200, False),
        ([], 200, False),
        ([HTML], 404, False),
        ([HTML, "Content-Encoding: gzip"], 200, False),
        ([HTML, "Cache-Control: public, No-Transform"], 200, False),
        ([HTML, "Content-Length: 255"], 200, False),
        ([HTML, "Content-Length: 256"], 200, True),
        ([HTML, "Content-Length: 12345678901234567890"], 200, True),
        ([HTML, "Content-Length: x"], 200, True),
    ],
)
def test_encodes(lines: list[str], status: int, may: bool) -> None:
    """RFC 9110 §7.7, RFC 9111 §5.2.2.6: text that nobody has encoded, unless a directive forbids to transform it."""
    assert encodes(head(*lines, status=status), CMS) is may
    assert not encodes(head(*lines, status=status), RFC)


def test_tags_of_codings() -> None:
    """RFC 9110 §8.8.3.3: a strong entity tag for each coding; a weak one, or a malformed one, stays."""
    assert [tag_for(b'"a"', coding) for coding in (IDENTITY, b"gzip", b"br", b"zstd")] == [
        b'"a"',
        b'"a-gz"',
        b'"a-br"',
        b'"a-zst"',
    ]
    assert tag_for(b'W/"a"', b"gzip") == b'W/"a"'
    assert tag_for(b"a", b"gzip") == b"a"
    assert tags(plain('ETag: "a"', encoded={b"gzip": b""})) == (b'"a"', b'"a-br"', b'"a-zst"', b'"a-gz"')
    assert tags(plain('ETag: "a"')) == (b'"a"',)
    assert tags(plain(encoded={b"gzip": b""})) == ()


def test_finished() -> None:
    """A complete response has a length, an entity tag, and Vary where the cache encodes it."""
    assert finished(fields("X: 1", "Content-Length: 3"), b"12", encodable=False) == (
        *fields("X: 1"),
        (b"etag", own_tag(b"12")),
        (b"content-length", b"2"),
    )
    assert finished(fields('ETag: "a"'), b"", encodable=True) == fields(
        'ETag: "a"', "Vary: Accept-Encoding", "Content-Length: 0"
    )
    done = fields('ETag: "a"', "Vary: Cookie, accept-encoding", "Content-Length: 0")
    assert finished(done, b"", encodable=True) == done
    assert finished(fields("X: 1", "Content-Length: 0"), b"", encodable=True, status=204) == fields("X: 1")


def test_varied() -> None:
    """Accept-Encoding is added to Vary unless it is there, in any letter case and line."""
    assert varied(fields("X: 1")) == fields("X: 1", "Vary: Accept-Encoding")
    assert varied(fields("Vary: Cookie")) == fields("Vary: Cookie", "Vary: Accept-Encoding")
    assert varied(fields("Vary: A", "Vary: b,ACCEPT-encoding")) == fields("Vary: A", "Vary: b,ACCEPT-encoding")


def test_own_tags() -> None:
    """Equal bytes have equal tags, different ones do not."""
    assert own_tag(b"a") == own_tag(b"a") != own_tag(b"b")
    assert own_tag(b"a").startswith(b'"cms-')
    assert len(own_tag(b"a")) == 38


def test_represented() -> None:
    """One coding's fields: its own tag and length, and its name."""
    plain_fields = fields('ETag: "a"', "X: 1", "Content-Length: 10")

    assert represented(plain_fields, IDENTITY, 10) is plain_fields
    assert represented(plain_fields, b"gzip", 7) == fields(
        'ETag: "a-gz"', "X: 1", "Content-Encoding: gzip", "Content-Length: 7"
    )
    assert combined(represented(plain_fields, b"gzip", 0), b"content-length") == b"0"
    assert combined(represented(plain_fields, b"gzip", -1), b"content-length") is None
