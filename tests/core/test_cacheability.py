"""What adds up: the operator of bubbling, and the languages that fragments do not name."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from cms_cache_mw.core.cacheability import NOTHING, Cacheability
from cms_cache_mw.core.language import of_any, purged_with
from cms_cache_mw.core.tags import tag_print

NAMES = st.frozensets(st.sampled_from(["a:1", "b:2", "c:3", "d:4"]))
PARTS = st.builds(Cacheability, NAMES, st.one_of(st.just(inf), st.floats(0, 1e6)), NAMES, st.booleans(), st.booleans())


@given(PARTS, PARTS, PARTS)
def test_order_and_grouping_do_not_matter(a: Cacheability, b: Cacheability, c: Cacheability) -> None:
    """`|` is associative and commutative: parts may come in any order, from any thread."""
    assert a | (b | c) == (a | b) | c
    assert a | b == b | a


@given(PARTS)
def test_twice_is_once(a: Cacheability) -> None:
    """`|` is idempotent, and nothing adds nothing."""
    assert a | a == a
    assert a | NOTHING == a


def test_the_sum_of_two_parts() -> None:
    """Union, minimum, union; private and unstorable win."""
    one = Cacheability(frozenset({"a:1"}), 60, frozenset({"x"}), private=True)
    other = Cacheability(frozenset({"b:2"}), 30, storable=False)
    both = Cacheability(frozenset({"a:1", "b:2"}), 30, frozenset({"x"}), private=True, storable=False)
    assert one | other == both


def test_fragments_without_a_language_have_an_empty_one() -> None:
    """Who purges a translation reaches what names no language, and nothing that names another."""
    assert set(of_any(["block:7"])) == {tag_print("lang:"), tag_print("block:7@")}
    assert of_any(["block:7", "lang:en"]) == ()
    assert purged_with(["block:7@de"]) == {tag_print("block:7@")}
    assert purged_with(["lang:de"]) == {tag_print("lang:")}
    assert purged_with(["block:7", "page:1"]) == frozenset()
