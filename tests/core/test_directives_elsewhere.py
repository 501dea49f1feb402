"""Our reading of Cache-Control beside that of `ccdirectives` and hishel, and each difference by name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.fields import Directives, directives, named, seconds

pytest.importorskip("ccdirectives")
pytest.importorskip("hishel")

import ccdirectives
from hishel._core import _headers as hishel  # its only parser is private

SECONDS = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"]
FLAGS = ["no-store", "public", "must-revalidate", "proxy-revalidate", "no-transform", "must-understand"]
LISTS = ["no-cache", "private"]

NUMBERS = st.one_of(st.integers(0, 2**31), st.integers(2**31, 10**12)).map(str)
NAMES = st.lists(st.sampled_from(["Set-Cookie", "X-A", "x-b"]), min_size=1, max_size=3).map(
    lambda names: f'"{", ".join(names)}"'
)
MEMBERS = st.one_of(
    st.tuples(st.sampled_from(SECONDS), NUMBERS),
    st.tuples(st.sampled_from(FLAGS), st.none()),
    st.tuples(st.sampled_from(LISTS), st.none() | NAMES),
    st.tuples(st.sampled_from(["foo", "x-ext"]), st.none() | st.just('"a, no-store"') | st.just("1")),
)
LINES = st.lists(MEMBERS, unique_by=lambda member: member[0], max_size=6).map(
    lambda members: ", ".join(name if argument is None else f"{name}={argument}" for name, argument in members)
)
MESSY = st.lists(
    st.sampled_from(["max-age", "no-store", "private", "=", '"', ",", " ", "60", "5", "x", "\\", "="]), max_size=12
).map("".join)


def ours(line: str) -> Directives:
    """The directives of one line, as we read them."""
    return directives([line.encode("latin-1")])


def both(line: str) -> tuple[Directives, ccdirectives.CacheControl]:
    """One line as we and as `ccdirectives` read it."""
    return ours(line), ccdirectives.parse(line, context="response")


@given(LINES)
def test_what_is_written_well_means_the_same_to_ccdirectives(line: str) -> None:
    """Where the grammar is kept and no directive repeated there is no difference."""
    found, theirs = both(line)

    assert {name.decode() for name in found} == set(theirs.keys())
    assert {name: seconds(found, name.encode()) for name in SECONDS} == {name: theirs.seconds(name) for name in SECONDS}
    for name, fields in (("no-cache", theirs.no_cache_fields), ("private", theirs.private_fields)):
        if name.encode() in found:
            assert (named(found, name.encode()) or frozenset()) == {field.encode() for field in fields or ()}


@given(LINES)
def test_what_is_written_well_means_the_same_to_hishel(line: str) -> None:
    """The same against hishel, whose largest number is one less (RFC 9111 §1.2.2)."""
    found, theirs = ours(line), hishel.parse_cache_control(line)

    for name in SECONDS:
        read = seconds(found, name.encode())
        assert getattr(theirs, name.replace("-", "_")) == (None if read is None else min(read, 2**31 - 1))
    for name in FLAGS:
        assert (name.encode() in found) is bool(getattr(theirs, name.replace("-", "_")))


@given(MESSY)
def test_what_is_written_badly_means_no_more_to_us(line: str) -> None:
    """Whatever a line looks like, we see every refusal that `ccdirectives` sees and never a longer lifetime.

    But for text in quotes where no argument is, such as `",no-store"`: `cms` heeds its words by another rule.
    """
    found, theirs = both(line)

    misquoted = re.search(r'(^|[^=])"', line)
    for name in ("no-store", "private"):
        assert name.encode() in found or not theirs.has(name) or misquoted
    lifetime = seconds(found, b"max-age")
    if theirs.max_age is not None:
        assert lifetime is not None
        assert lifetime <= theirs.max_age


@pytest.mark.parametrize(
    ("line", "us", "them", "why"),
    [
        ("max-age=60, max-age=5", 5, 60, "RFC 9111 §4.2.1 allows the first; the smallest is never staler than meant"),
        ("max-age=5, max-age=60", 5, 5, "the same the other way round"),
        ("max-age=x", 0, None, "RFC 9111 §4.2.1: what cannot be read is stale, and not as if it were absent"),
        ("max-age =60", 0, 60, "not the grammar, hence unreadable"),
        ("max-age= 60", 0, 60, "not the grammar, hence unreadable"),
        ("max-age", 0, None, "an argument is missing, hence unreadable"),
    ],
)
def test_differences_from_ccdirectives(line: str, us: int, them: int | None, why: str) -> None:
    """Where we read something else it is the more careful reading."""
    found, theirs = both(line)

    assert (seconds(found, b"max-age"), theirs.max_age) == (us, them), why


@pytest.mark.parametrize(
    ("line", "us", "them", "why"),
    [
        ("max-age=60, max-age=5", 5, 5, "hishel takes the last"),
        ("max-age=5, max-age=60", 5, 60, "hishel takes the last, which may be longer than meant"),
        ("max-age=x", 0, None, "as if it were absent"),
    ],
)
def test_differences_from_hishel(line: str, us: int, them: int | None, why: str) -> None:
    """Where hishel reads something else, ours is the more careful reading or the one that loses nothing."""
    assert (seconds(ours(line), b"max-age"), hishel.parse_cache_control(line).max_age) == (us, them), why
