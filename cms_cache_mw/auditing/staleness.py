"""How often what is served differs from what would be rendered: a share measured on a sample, with what it may really be."""

from __future__ import annotations

from math import sqrt
from typing import Final, NamedTuple

CONFIDENT: Final = 1.96
"""Standard deviations to either side that hold the true share in 95 of 100 cases."""


class Interval(NamedTuple):
    """A share, and the bounds between which the true one is with 95 % confidence."""

    share: float
    low: float
    high: float


def measured(samples: int, different: int) -> Interval:
    """The share of different ones (Wilson, 1927: it holds for few samples and for shares near 0). All is possible without any.

    >>> [round(part, 4) for part in measured(1000, 0)]
    [0.0, 0.0, 0.0038]
    """
    if not samples:
        return Interval(0.0, 0.0, 1.0)
    share, spread = different / samples, CONFIDENT**2
    middle = share + spread / (2 * samples)
    half = CONFIDENT * sqrt(share * (1 - share) / samples + spread / (4 * samples**2))
    scale = 1 + spread / samples
    low = (middle - half) / scale if different else 0.0
    return Interval(share, low, (middle + half) / scale if different < samples else 1.0)
