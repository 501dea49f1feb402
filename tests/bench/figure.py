"""A measured figure, beside its goal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TOLERATED: Final = 1.15
"""By how much a ratio may be worse than what is recorded."""
TIMES: Final = frozenset({"ns", "us", "µs", "ms", "s"})
"""Units that say more of the machine and its moment than of us."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, in `unit`; `goal` is the most it may be."""

    name: str
    value: float
    unit: str
    goal: float
    checked: bool = True
    """Whether a check can fail by it, if it is no time; not where several processes take part, whose turns are chance."""

    @property
    def holds(self) -> bool:
        """Whether the goal is met."""
        return self.value <= self.goal

    def passes(self, recorded: float | None) -> bool:
        """Whether it is no worse than it has to be: than what is recorded, and 15 %; than its goal where nothing is recorded."""
        if not self.checked or self.unit in TIMES:
            return True
        return self.holds if recorded is None else self.value <= recorded * TOLERATED


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def per_call(work: Callable[[], object], calls: int) -> float:
    """Seconds of one call in a loop of `calls`."""
    began = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - began) / calls


def interleaved(*works: Callable[[], object], calls: int, rounds: int = 9) -> list[float]:
    """Seconds of a call of each, the best of several rounds that take turns, so that a slow moment slows all alike."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for place, work in enumerate(works):
            best[place] = min(best[place], per_call(work, calls))
    return best
