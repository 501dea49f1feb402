"""Freshness as a value."""

from __future__ import annotations

from dataclasses import replace

from cms_cache_mw.core.entry import Entry, Freshness
from tests.core.messages import plain


def test_grace_is_the_longest_use() -> None:
    """An entry is of use past its lifetime for as long as any reason to serve it stale lasts."""
    assert Freshness(lifetime=10.0).grace == 0.0
    assert Freshness(lifetime=10.0, while_revalidate=1.0, if_error=3.0, if_gone=2.0).grace == 3.0


def test_nothing_is_known_of_an_entry_but_what_it_was_made_of() -> None:
    """It is of no site, has not been served, and is charged with nothing; its freshness is neither strict nor to be validated."""
    freshness = Freshness(lifetime=10.0)
    assert (freshness.strict, freshness.validate) == (False, False)
    entry = Entry(200, (), b"", freshness, 0.0, 1, 7, ())
    assert (entry.site, entry.url, entry.size, entry.hits, entry.counted, entry.since) == ("", "", 0, 0, 0, 7)


def test_remembers_where_its_render_began() -> None:
    """A base is raised with every check that holds; where the render itself began stays known, at the first position, too."""
    entry = replace(plain(), base=7, since=-1)
    assert entry.since == 7
    entry.base = 9
    assert replace(entry, hits=1).since == 7
    assert replace(entry, since=0).since == 0
