"""Chance, so that workers do not all do the same thing at the same instant.

From the operating system: the generator that everybody shares may have been seeded by the application, alike in all workers.
"""

from __future__ import annotations

from random import SystemRandom
from typing import Final

_CHANCE: Final = SystemRandom()


def between(low: float, high: float) -> float:
    """Any number from `low` to `high`."""
    return _CHANCE.uniform(low, high)


def share() -> float:
    """Any number from 0 to 1."""
    return _CHANCE.random()
