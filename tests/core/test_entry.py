"""Freshness as a value."""

from __future__ import annotations

from cms_cache_mw.core.entry import Freshness


def test_grace_is_the_longest_use() -> None:
    """An entry is of use past its lifetime for as long as any reason to serve it stale lasts."""
    assert Freshness(lifetime=10.0).grace == 0.0
    assert Freshness(lifetime=10.0, while_revalidate=1.0, if_error=3.0, if_gone=2.0).grace == 3.0
