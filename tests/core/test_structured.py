"""Structured fields are read strictly or not at all."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.structured import Listed, Word, dictionary, strings, written


def test_dictionary() -> None:
    """Members keep their types, and it is told which have parameters; the last of a name counts."""
    assert dictionary(b'a, b=1;x, c="s", a=?0, d=(1 2)') == {
        "a": (False, False),
        "b": (1, True),
        "c": ("s", False),
        "d": ([(1, {}), (2, {})], False),
    }
    assert dictionary(b"") == {}
    assert dictionary(b"A=1") is None
    assert dictionary(b"a=1,") is None


def test_strings() -> None:
    """Only a list that holds nothing but strings has strings."""
    assert strings(b'"a", "b c";d') == ("a", "b c")
    assert strings(b"") == ()
    assert strings(b'"a", b') == ()
    assert strings(b'"a", ("b")') == ()
    assert strings(b'"a') == ()


def test_written() -> None:
    """Words stand bare, texts in quotes with what is not ASCII percent-encoded, and lists keep their members' parameters."""
    assert written({"a": Word("hit"), "b": 1, "c": 1.23456, "d": 'x"ä\n'}) == b'a=hit, b=1, c=1.235, d="x\\"%C3%A4%0A"'
    assert written({"a": " !\x7f"}) == b'a=" !%7F"'
    assert written({"a": "\udce4"}) == b'a="?"'
    assert written({"a": Listed([("x", {"by": Word("y")}), ("z", {})], {"of": 3})}) == b'a=("x";by=y "z");of=3'


def test_lists_to_write_do_not_change() -> None:
    """A list that is on its way into a field is a value."""
    with pytest.raises(FrozenInstanceError):
        Listed([]).members = []  # type: ignore[misc]


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), st.text() | st.integers(-(10**14), 10**14), min_size=1
    )
)
def test_what_was_written_is_read(members: dict[str, str | int]) -> None:
    """Whatever a text holds, a dictionary that is not empty has all its members again, numbers as they were."""
    found = dictionary(written(members))
    assert found is not None
    assert found.keys() == members.keys()
    assert all(found[name] == (value, False) for name, value in members.items() if isinstance(value, int))


@given(st.binary() | st.text('a=?1 ,;"()%:@-.*', max_size=30).map(str.encode))
def test_reading_is_total(text: bytes) -> None:
    """Any bytes are a value or none."""
    assert all(isinstance(name, str) for name in dictionary(text) or {})
    assert all(isinstance(value, str) for value in strings(text))
