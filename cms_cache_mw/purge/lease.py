"""How long leases last: a little less for who holds one, a little more for who waits for its end (purge-protocol 2.12).

The clocks of two hosts may show any time, but over one lease their rates differ by less than `EPSILON`.
"""

from __future__ import annotations

from typing import Final

EPSILON: Final = 0.01
MARGIN: Final = 0.05
"""Seconds that are waited beyond that."""


def usable(lease: float) -> float:
    """Seconds for which a lease may be used, from before it was asked for."""
    return lease * (1 - EPSILON)


def longest(lease: float) -> float:
    """Seconds after which a lease of this length has ended on every host."""
    return lease * (1 + EPSILON) + MARGIN


def outlived(seconds: float) -> float:
    """The longest lease that has ended everywhere after so many seconds."""
    return max(0.0, (seconds - MARGIN) / (1 + EPSILON))
