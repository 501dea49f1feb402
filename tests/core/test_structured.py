"""Structured fields are read strictly or not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.structured import dictionary, strings


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


@given(st.binary() | st.text('a=?1 ,;"()%:@-.*', max_size=30).map(str.encode))
def test_reading_is_total(text: bytes) -> None:
    """Any bytes are a value or none."""
    assert all(isinstance(name, str) for name in dictionary(text) or {})
    assert all(isinstance(value, str) for value in strings(text))
