"""How much the application is asked for in the background: at most so many renders at once, fewer when it slows.

A render is slow that takes `SLOW` times what the page took before, for each render that ran beside it. Slowness on average, or
failures, halve the number and pause it all; each `GOOD` renders at the usual speed allow one more.
"""

from __future__ import annotations

import threading
from typing import Final

SLOW: Final = 2.5
WEIGHT: Final = 0.25
"""Of the latest render in the average."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
GOOD: Final = 10
SHORTEST: Final = 0.005
"""Seconds below which a render is never called slow."""


class Pace:
    """At most `limit` renders at once. Instants and durations are in seconds."""

    def __init__(self, limit: int) -> None:
        self.limit = self.allowed = limit
        self.running = 0
        self.pauses = 0
        self._resumes = 0.0
        self._pause = FIRST_PAUSE
        self._slowness = 1.0
        self._good = 0
        self._lock = threading.Lock()

    def paused(self, now: float) -> bool:
        """Whether the application is left alone at the moment."""
        return now < self._resumes

    def room(self, now: float) -> bool:
        """Whether one more render may begin."""
        return self.running < self.allowed and not self.paused(now)

    def take(self, now: float) -> bool:
        """A place among the renders, if there is one."""
        with self._lock:
            if not self.room(now):
                return False
            self.running += 1
            return True

    def give_back(self) -> None:
        """Leave a place that nothing was rendered in."""
        with self._lock:
            self.running -= 1

    def ended(self, took: float, usual: float, now: float, *, failed: bool = False) -> None:
        """Note how long a render took, where `usual` is what it took before (0 where nobody knows)."""
        with self._lock:
            beside = max(1, self.running)
            self.running -= 1
            ratio = took / (max(usual, SHORTEST) * beside) if usual else 1.0
            self._slowness += WEIGHT * (min(2 * SLOW, 2 * SLOW if failed else ratio) - self._slowness)
            if self._slowness > SLOW and not self.paused(now):
                self._resumes, self._pause = now + self._pause, min(LONGEST_PAUSE, 2 * self._pause)
                self.allowed, self._slowness, self._good = max(1, self.allowed // 2), 1.0, 0
                self.pauses += 1
            elif not failed and ratio < SLOW:
                self._good += 1
                if self._good % GOOD == 0:
                    self.allowed, self._pause = min(self.limit, self.allowed + 1), FIRST_PAUSE
