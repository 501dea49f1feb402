"""Field values are taken apart whatever they hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.fields import (
    MAX_SECONDS,
    connection_named,
    delta,
    directives,
    elements,
    mentions,
    named,
    seconds,
)
from tests.core.messages import fields

TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-!*._~", min_size=1).map(str.encode)
TEXTS = st.binary(max_size=12)
MESSY = st.text('a=",\\ \t*;-0W/', max_size=40).map(str.encode)


def quoted(text: bytes) -> bytes:
    """A quoted-string (RFC 9110 §5.6.4)."""
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


@pytest.mark.parametrize(
    ("value", "members"),
    [
        (b"", []),
        (b" , ,\t,", []),
        (b"a", [b"a"]),
        (b" a ,\tb,,c ", [b"a", b"b", b"c"]),
        (b'a="b, c", d', [b'a="b, c"', b"d"]),
        (b'a="b\\", c", d', [b'a="b\\", c"', b"d"]),
        (b'a="b, no-store', [b'a="b', b"no-store"]),
        (b'a, "b", c="d, e', [b"a", b'"b"', b'c="d', b"e"]),
        (b'"a\\', [b'"a\\']),
    ],
)
def test_elements(value: bytes, members: list[bytes]) -> None:
    """A list is split at its commas, not at those in quotes; a quote that is never closed hides nothing."""
    assert elements(value) == members


@given(st.lists(st.one_of(TOKENS, TEXTS.map(quoted))))
def test_elements_undo_joining(members: list[bytes]) -> None:
    """Members that were joined by commas come back as they were."""
    assert elements(b" , ".join(members)) == members


@pytest.mark.timeout(10)
def test_elements_take_linear_time() -> None:
    """A field made to be slow is not."""
    assert elements(b'"\\' * 200_000) != []
    assert elements(b'a="b",' * 50_000) == [b'a="b"'] * 50_000


@given(st.dictionaries(TOKENS.map(bytes.lower), st.lists(st.none() | TEXTS, min_size=1), max_size=5))
def test_directives_undo_writing(wanted: dict[bytes, list[bytes | None]]) -> None:
    """Directives that were written come back, with each of their arguments in order."""
    line = b", ".join(
        name if argument is None else name + b"=" + quoted(argument)
        for name, arguments in wanted.items()
        for argument in arguments
    )

    assert directives([line]) == {name: tuple(arguments) for name, arguments in wanted.items()}


@given(st.lists(MESSY | TEXTS))
def test_directives_are_total(lines: list[bytes]) -> None:
    """Any bytes are some directives, and each of them can be asked for seconds and names."""
    found = directives(lines)

    for name in found:
        assert 0 <= (seconds(found, name) or 0) <= MAX_SECONDS
        assert b"" not in (named(found, name) or ())


@given(MESSY)
def test_an_unclosed_quote_hides_no_directive(junk: bytes) -> None:
    """What follows a quote that is not closed is still read."""
    assert b"no-store" in directives([b'x="' + junk.replace(b'"', b"").replace(b"\\", b"") + b", no-store"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0),
        (b"007", 7),
        (b"2147483648", 2**31),
        (b"2147483649", 2**31),
        (b"9" * 9, 999_999_999),
        (b"0" * 9999 + b"5", 5),
        (b"9" * 9999, 2**31),
        (b"", None),
        (b"-1", None),
        (b"1.0", None),
        (b" 1", None),
        (b"1_0", None),
        ("²".encode("latin-1"), None),
    ],
)
def test_delta(text: bytes, value: int | None) -> None:
    """A delta-seconds is a row of digits, capped at 2^31."""
    assert delta(text) == value


def test_seconds() -> None:
    """The smallest argument counts, and an unreadable one is 0; a directive that is not there has none."""
    found = directives([b'a=5, b=9, A="3", c, d=x, d=4'])

    assert [seconds(found, name) for name in (b"a", b"b", b"c", b"d", b"e")] == [3, 9, 0, 0, None]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"private; max-age=60", {b"private": (None,)}),
        (b"no-store\\, no-cache;", {b"no-store": (None,), b"no-cache": (None,)}),
        (b"max-age =60", {b"max-age": (None,)}),
        (b'=60, "no-store", ;', {}),
        (b"a=, b==", {b"a": (b"",), b"b": (b"=",)}),
    ],
)
def test_directives_with_something_behind_them(line: bytes, found: dict[bytes, tuple[bytes | None, ...]]) -> None:
    """A name counts whatever follows it; what has no name is nothing."""
    assert directives([line]) == found


def test_named() -> None:
    """Field names come from tokens and quoted lists; a bare or empty argument is about the whole response."""
    found = directives([b'a=X, a="Y, z", b, c="", d=" , ", e, e=x, f="x; y", g="a b, c"'])

    assert named(found, b"a") == frozenset({b"x", b"y", b"z"})
    assert [named(found, name) for name in (b"b", b"c", b"d", b"e", b"f", b"g")] == [None] * 6


def test_connection_named() -> None:
    """Connection's members in lower case, of all its lines."""
    assert connection_named(fields("Connection: Close, X-A", "Connection: ,", "Connection: x-b", "X: x-c")) == {
        b"close",
        b"x-a",
        b"x-b",
    }


def test_mentions() -> None:
    """One of the names is enough; none, or no field, is not."""
    names = frozenset({b"a", b"b"})

    assert mentions(fields("X: a", "B: 1"), names)
    assert not mentions(fields("X: a", "Y: b"), names)
    assert not mentions((), names)


def test_a_quote_alone_is_no_quoted_string() -> None:
    """A mark that begins and ends the same argument quotes nothing; two of them quote nothing at all."""
    assert directives([b'a="', b'b=""']) == {b"a": (b'"',), b"b": (b"",)}
