"""How long something may be kept that changes by itself, so that few of its answers are out of date.

Where changes come by chance, `c` a second, and uses `u` a second, and each first use past the lifetime T renders anew, the share of
answers that are out of date is at most u c T² / (2 (1 + u T)): u T answers come from the cache for each render, and the one at
age t is out of date with a probability of at most c t. The lifetime at which that share is `p` is

    T = p/c · (1 + √(1 + 2 c / (p u)))

which is 2 p / c for what is used all the time, and more for what is used seldom.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, expm1, inf, sqrt
from typing import Final

DAY: Final = 86_400.0
HOUR: Final = 3_600.0


def lifetime(stale: float, changes: float, uses: float) -> float:
    """Seconds after which to render anew, so that a share `stale` of all answers is out of date; the rates are per second."""
    if changes <= 0 or uses <= 0:
        return inf
    return stale / changes * (1 + sqrt(1 + 2 * changes / (stale * uses)))


def first(changes: float, seconds: float) -> float:
    """When in a span the first change is to be expected, knowing that there was one; in the middle if changes are few."""
    expected = changes * seconds
    if expected < 0.001:  # noqa: PLR2004 - where the formula loses its digits
        return seconds / 2
    return 1 / changes - (seconds / expm1(expected) if expected < 700 else 0.0)  # noqa: PLR2004 - past which exp overflows


@dataclass(slots=True)
class Span:
    """Changes and uses over some time, older ones counting less and less."""

    constant: float
    """Seconds after which they count by 1/e."""
    changes: float = 0.0
    unchanged: float = 0.0
    """Seconds without a change, or up to the first one."""
    uses: float = 0.0
    seconds: float = 0.0

    def add(self, seconds: float, unchanged: float, uses: float, *, changed: bool) -> None:
        """Count one lifetime."""
        fade = exp(-seconds / self.constant)
        self.changes = self.changes * fade + changed
        self.unchanged = self.unchanged * fade + unchanged
        self.uses = self.uses * fade + uses
        self.seconds = self.seconds * fade + seconds

    def rate(self, expected: float, weight: float = 1.0) -> float:
        """Changes a second; what is expected counts like that many changes that were seen."""
        return (self.changes + weight) / (self.unchanged + weight / expected)


@dataclass(slots=True)
class Observed:
    """What was seen of one page or route: a day for the rule, an hour for bursts."""

    long: Span
    short: Span
    rate: float = 0.0
    """Changes a second as they were taken to be last."""

    @classmethod
    def nothing(cls) -> Observed:
        """Nothing yet."""
        return cls(Span(DAY), Span(HOUR))

    def add(self, seconds: float, uses: float, *, changed: bool) -> None:
        """Count one lifetime. Of changes it is known only that there were some, not when or how many."""
        unchanged = first(self.rate, seconds) if changed else seconds
        self.long.add(seconds, unchanged, uses, changed=changed)
        self.short.add(seconds, unchanged, uses, changed=changed)

    def changes(self, expected: float) -> float:
        """Changes a second, at the moment if it is many and else in the long run."""
        # Of an expectation that nothing changes a few hours' worth counts, lest it outweigh all that is seen.
        usual = self.long.rate(expected, min(1.0, expected * DAY / 4))
        self.rate = max(usual, self.short.rate(usual))
        return self.rate

    @property
    def uses(self) -> float:
        """Uses a second; endless before any were seen, which gives the shorter lifetime."""
        return self.long.uses / self.long.seconds if self.long.seconds > 0 else inf
