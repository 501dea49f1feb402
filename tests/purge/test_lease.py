"""How long leases last, for those who hold them and for those who wait."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cms_cache_mw.purge.lease import EPSILON, longest, outlived, usable

LEASES = st.floats(0.2, 90_000)


@settings(deadline=None)
@given(LEASES, st.floats(-EPSILON / 2, EPSILON / 2), st.floats(-EPSILON / 2, EPSILON / 2))
def test_wait_outlasts_use(lease: float, fast: float, slow: float) -> None:
    """Whatever the rates of two clocks within the assumption, the wait ends after the use."""
    assert usable(lease) / (1 + fast) < longest(lease) / (1 + slow)


@settings(deadline=None)
@given(LEASES)
def test_outlived_is_the_inverse(lease: float) -> None:
    """After the wait for a lease that lease counts as outlived, and before it does not."""
    assert outlived(longest(lease) + 1e-6) >= lease
    assert outlived(longest(lease) - 1e-3) < lease
    assert outlived(0) == 0
